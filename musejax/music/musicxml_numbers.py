"""Numbers in MusicXML text, with a bounded number of digits."""

import functools
import math
import re
from fractions import Fraction

from musejax import errors

_DECIMAL = re.compile(r"\s*[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})\s*\Z")


def fraction(text: str | None, name: str) -> Fraction:
    """Reads a decimal number exactly.

    Args:
        text: Text of an element.
        name: Name of the number, for the message.

    Raises:
        errors.UserError: The text is not a decimal number of at most twelve digits.
    """
    if text is None or not _DECIMAL.match(text):
        raise errors.UserError(f"it cannot be read as MusicXML ({name} {(text or '').strip()[:20]!r} is not a number)")
    return Fraction(text)


@functools.lru_cache(4096)
def decimal(text: str | None) -> float | None:
    """Returns a decimal number, or None if the text is not one."""
    return float(text) if text is not None and _DECIMAL.match(text) else None


def whole(text: str | None) -> int | None:
    """Returns the nearest whole number, halves upwards, or None if the text is not a number."""
    value = decimal(text)
    return None if value is None else math.floor(value + 0.5)
