"""Checks that names are safe as file names on all operating systems."""

import unicodedata
from typing import Any

from musejax import errors

# A file name may have 255 bytes; a seed, a number and a suffix are appended to the name of a run.
LONGEST = 200
_SEPARATORS = '/\\:*?"<>|'
# On Windows these names, with any suffix, refer to devices.
_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | _PORTS
# Control characters, lone surrogates, line and paragraph separators.
_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
# Characters that reverse the order in which a name is shown.
_REORDERING = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ALLOWED = (
    f"a name must be a plain file name: at most {LONGEST} bytes, none of {_SEPARATORS}, no control characters, and "
    "no dot or space at either end"
)


def fault(name: Any) -> str | None:
    """Returns why a name is not a plain file name on every system, or None for a valid name."""
    if not isinstance(name, str):
        return "is not a string"
    if not name.strip():
        return "is empty"
    for character in name:
        if character in _SEPARATORS:
            return f"contains {character!r}"
        if character in _REORDERING or unicodedata.category(character) in _CATEGORIES:
            return f"contains the character {character.encode('unicode_escape').decode()}"
    if name[0] in ". " or name[-1] in ". ":
        return "begins or ends with a dot or a space"
    if len(name.encode()) > LONGEST:
        return f"has {len(name.encode())} bytes"
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        return "is the name of a device on Windows"
    return None


def shown(path: object) -> str:
    """Returns a path as printable text, with unprintable characters and bytes that are not UTF-8 escaped."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(path))


def _escaped(character: str) -> str:
    # Python represents a byte of a file name that is not UTF-8 by a lone surrogate.
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def check(name: Any, where: str) -> str:
    """Checks that a name is a plain file name, and returns it.

    Args:
        name: The name, as read from a file.
        where: The file and field, or the option, that contains it.

    Raises:
        errors.UserError: The name would lead to another folder, or is invalid on some system.
    """
    reason = fault(name)
    if reason is not None:
        shown = ascii(name) if isinstance(name, str) and not name.isprintable() else repr(name)
        if len(shown) > 60:
            shown = f"{shown[:56]}...{shown[0]}"
        raise errors.UserError(f"{where} is {shown}, which {reason}; {ALLOWED}")
    return name
