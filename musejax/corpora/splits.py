"""Assignment of melody groups to splits, for corpora that do not fix their splits."""

import hashlib


def split_of(group: str, valid: float = 0.05, test: float = 0.05) -> str:
    """Returns `train`, `valid` or `test`, depending only on the SHA-256 of the name of the group.

    The split does not depend on other pieces, so a piece keeps its split when a folder grows.

    Args:
        group: Name of the group.
        valid: Fraction of groups that go to `valid`.
        test: Fraction of groups that go to `test`.
    """
    point = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    if point < test:
        return "test"
    return "valid" if point < test + valid else "train"
