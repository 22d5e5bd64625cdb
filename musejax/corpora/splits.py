"""Which split a melody group belongs to, where a corpus does not fix it."""

import hashlib


def split_of(group: str, valid: float = 0.05, test: float = 0.05) -> str:
    """`train`, `valid` or `test`, by the SHA-256 of the group's text alone.

    The answer does not depend on what else the corpus holds, so a folder that grows moves no piece.

    Args:
        group: The group's text.
        valid: Fraction of groups that go to `valid`.
        test: Fraction of groups that go to `test`.
    """
    point = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    if point < test:
        return "test"
    return "valid" if point < test + valid else "train"
