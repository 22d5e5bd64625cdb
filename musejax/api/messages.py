"""Where the public functions report what they assume, leave out or are doing."""

import sys
from collections.abc import Callable

Say = Callable[[str], None]


def to_stderr(text: str) -> None:
    """Prints one line to standard error."""
    print(text, file=sys.stderr, flush=True)


def to_nobody(text: str) -> None:
    """Drops a line."""
