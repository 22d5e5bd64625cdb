"""Names that become file names: which ones are safe on every system."""

import unicodedata
from typing import Any

from musejax import errors

# A file name may have 255 bytes; the name of a run gets a seed, a number and a suffix behind it.
LONGEST = 200
_SEPARATORS = '/\\:*?"<>|'
# Windows opens a device where a file has one of these names, whatever its suffix.
_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | _PORTS
# Control characters, lone surrogates, line and paragraph separators.
_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
# Characters that reverse the order in which a name is shown.
_REORDERING = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ALLOWED = (
    f"a name is a plain file name: at most {LONGEST} bytes, none of {_SEPARATORS} and no control characters, "
    "no dot or space at either end"
)


def fault(name: Any) -> str | None:
    """Returns what keeps a name from being a plain file name on every system, or None for a good one."""
    if not isinstance(name, str):
        return "is not a text"
    if not name.strip():
        return "is empty"
    for character in name:
        if character in _SEPARATORS:
            return f"holds {character!r}"
        if character in _REORDERING or unicodedata.category(character) in _CATEGORIES:
            return f"holds the character {character.encode('unicode_escape').decode()}"
    if name[0] in ". " or name[-1] in ". ":
        return "begins or ends with a dot or a space"
    if len(name.encode()) > LONGEST:
        return f"has {len(name.encode())} bytes"
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        return "is the name of a device on Windows"
    return None


def shown(path: object) -> str:
    """Returns a path as printable text: bytes that are not UTF-8, and what cannot be printed, are escaped."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(path))


def _escaped(character: str) -> str:
    # Python reads a byte of a file name that is not UTF-8 as a lone surrogate.
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def check(name: Any, where: str) -> str:
    """Returns a name that is a plain file name.

    Args:
        name: The name, as a file has it.
        where: The file and field, or the option, that holds it.

    Raises:
        errors.UserError: It would lead to another folder, or some system has no such file name.
    """
    reason = fault(name)
    if reason is not None:
        shown = ascii(name) if isinstance(name, str) and not name.isprintable() else repr(name)
        if len(shown) > 60:
            shown = f"{shown[:56]}...{shown[0]}"
        raise errors.UserError(f"{where} is {shown}, which {reason}; {ALLOWED}")
    return name
