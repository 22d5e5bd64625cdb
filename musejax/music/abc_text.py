"""Lines of an ABC tune (fields, directives and music, without comments), and the escapes of its texts."""

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_FIELD = re.compile(r"([A-Za-z+]):[ \t]*(.*)", re.DOTALL)
# In the body, a letter that begins a line may also be a note or a rest before a bar line.
_NOTE_AND_BAR = re.compile(r"[A-Ga-gxzXZ]:[|:]")
_COMMENT = re.compile(r"(?<!\\)%.*", re.DOTALL)
# Blocks of text for printing.
_BLOCK = re.compile(r"%%begin(text|ps|svg|ml|js)\b")
_COMBINING = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", ",": "\u0327", "c": "\u0327",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "=": "\u0304", ";": "\u0328",
}  # fmt: skip
_LIGATURES = {
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å", "/o": "ø", "/O": "Ø", "/d": "đ",
    "/D": "Đ", "DH": "Ð", "dh": "ð", "TH": "Þ", "th": "þ",
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(ss|ae|AE|oe|OE|aa|AA|/[oOdD]|DH|dh|TH|th)"
    r"|([`'^~\",cuvH=;])([A-Za-z])|([\\%&\"]))"
)


class Line(NamedTuple):
    """A line of a tune.

    Attributes:
        field: The letter of an information field, `%` for a directive, or empty for music.
        text: Content without the letter and without a comment.
        continues: Whether the next line of music continues this one.
    """

    field: str
    text: str
    continues: bool = False


def lines(tune: str) -> Iterator[Line]:
    """Yields the lines of a tune up to the blank line that ends it.

    Blank lines before the field `K:` are ignored. Continued fields (`+:`) are joined.
    """
    pending: Line | None = None
    block = ""
    in_body = False
    for raw in re.split(r"\r\n|\r|\n", tune):
        if block:
            block = "" if raw.startswith(f"%%end{block}") else block
            continue
        if not raw.strip():
            if in_body:
                break
            continue
        start = _BLOCK.match(raw)
        if start is not None:
            block = start[1]
            continue
        line = _line(raw, in_body)
        if line is None:
            continue
        if line.field == "+" and pending is not None:
            pending = pending._replace(text=f"{pending.text} {line.text}")
            continue
        if pending is not None:
            yield pending
        pending = line
        in_body = in_body or line.field == "K"
    if pending is not None:
        yield pending


def resolve_escapes(text: str) -> str:
    """Returns text with accents, entities and character codes resolved, and its white space normalised."""
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _ESCAPE.sub(_character, text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def escape(text: str) -> str:
    """Returns text with escapes for a field; `resolve_escapes` restores it with normalised white space."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("&", "\\u0026")


def _line(raw: str, in_body: bool) -> Line | None:
    """Reads one line of the file; returns None for a comment."""
    if raw.startswith("%%"):
        return Line("%", raw[2:].strip())
    if raw.startswith("%"):
        return None
    text = _COMMENT.sub("", raw).rstrip() if "%" in raw else raw.rstrip()
    match = _FIELD.match(text)
    if match is not None and not (in_body and _NOTE_AND_BAR.match(text)):
        return Line(match[1], match[2])
    if text.endswith("\\"):
        return Line("", text[:-1], True)
    return Line("", text)


def _character(match: re.Match[str]) -> str:
    """Returns the character that an escape represents."""
    short, long, ligature, accent, letter, literal = match.groups()
    if short or long:
        number = int(short or long, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
    if ligature:
        return _LIGATURES[ligature]
    if literal:
        return literal
    composed = unicodedata.normalize("NFC", letter + _COMBINING[accent])
    return composed if len(composed) == 1 else match[0]
