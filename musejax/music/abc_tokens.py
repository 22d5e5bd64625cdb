"""Tokens of a line of ABC music."""

import functools
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from musejax import errors

_LENGTH = r"(?:\d*/*\d*)"
_NOTE = r"(?:(?:\^{1,2}|_{1,2}|=)(?:\d+/\d+|/+\d*|\d+)?)?[A-Ga-g][,']*"
_TOKEN = re.compile(
    r"(?P<field>\[[A-Za-z]:[^\]]*\])"
    r"|(?P<bar>\.?(?::|\[(?=\|)|\||(?<=\|)\])*(?:::|\||(?<=\|)\])(?::|\[(?=\|)|\||(?<=\|)\])*(?:\d+(?:[,\-.]\d+)*)?)"
    r"|\[[ \t]*(?P<ending>\d+(?:[,\-.]\d+)*)"
    rf"|\[(?P<chord>(?:\"[^\"]*\"|![^!\]|]*!|[^\]\[|\"!])*)\](?P<chord_length>{_LENGTH})"
    r"|\"(?P<text>[^\"]*)\""
    r"|!(?P<decoration>[^!|\[\]\"]{1,30})!"
    r"|\+(?P<old>[^+|\[\]\"]{1,60})\+"
    r"|\{(?P<grace>[^}]*)\}"
    r"|\((?P<tuplet>\d+(?::\d*){0,2})"
    rf"|(?P<note>{_NOTE})(?P<note_length>{_LENGTH})"
    rf"|[zx](?P<rest>{_LENGTH})"
    r"|[ZX](?P<bars>\d*)"
    rf"|y{_LENGTH}"
    r"|(?P<broken>>+|<+)"
    r"|\.?(?P<tie>-)"
    r"|\.?[()](?!\d)|\)"
    r"|(?P<overlay>&)"
    r"|(?P<sign>[.~H-WYh-w])"
    r"|[\s`$!\\;*]"
    r"|(?P<unknown>.)"
)
_PITCH = re.compile(r"(?P<sign>[\^_]{1,2}|=)?(?P<share>[\d/]*)(?P<letter>[A-Ga-g])(?P<marks>[,']*)")
# Largest number of digits, and largest denominator, of a plausible length.
_MOST_DIGITS = 9
_LARGEST_DENOMINATOR = 2**16


class Token(NamedTuple):
    """A token of a line of music.

    Attributes:
        kind: `field`, `bar`, `ending`, `chord`, `text`, `decoration`, `old`, `grace`, `tuplet`, `note`, `rest`, `bars`,
            `broken`, `tie`, `overlay`, `sign` or `unknown`.
        text: The text without the signs that mark the kind.
        length: The written length of a note or chord.
    """

    kind: str
    text: str
    length: str = ""


class Pitch(NamedTuple):
    """A written pitch.

    Attributes:
        step: The letter, C..B.
        octave: The octave; 4 is that of middle C.
        alter: The accidental in semitones, possibly fractional; None if there is no accidental.
    """

    step: str
    octave: int
    alter: int | Fraction | None


def tokens(line: str) -> Iterator[Token]:
    """Yields the tokens of a line of music; skips white space, slurs and spacers."""
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup
        if kind is None:
            continue
        if kind == "note_length":
            yield Token("note", match["note"], match["note_length"])
        elif kind == "chord_length":
            yield Token("chord", match["chord"], match["chord_length"])
        else:
            yield Token(kind, match[kind])


@functools.lru_cache(4096)
def read_length(text: str) -> Fraction:
    """Reads a length in units, such as `3/2`, `/` or nothing.

    Raises:
        errors.UserError: The length is implausibly long or short.
    """
    if not text:
        return Fraction(1)
    first, slashes, last = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    if len(first) > _MOST_DIGITS or len(last) > _MOST_DIGITS or len(slashes) > _MOST_DIGITS:
        raise errors.UserError(f"it has a note of the length {text[:20]}")
    denominator = 2 ** len(slashes) if not last else int(last) * 2 ** max(len(slashes) - 1, 0)
    if not 0 < denominator <= _LARGEST_DENOMINATOR:
        raise errors.UserError(f"it has a note of the length {text[:20]}")
    return Fraction(int(first or 1), denominator)


@functools.lru_cache(4096)
def read_pitch(text: str) -> Pitch:
    """Reads a note without its length, such as `^c'`."""
    match = _PITCH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a note")
    letter, marks = match["letter"], match["marks"]
    octave = 4 + letter.islower() + marks.count("'") - marks.count(",")
    sign = match["sign"]
    if sign is None:
        return Pitch(letter.upper(), octave, None)
    alter = {"^": 1, "_": -1, "=": 0}[sign[0]] * len(sign)
    share = match["share"]
    return Pitch(letter.upper(), octave, alter * read_length(share) if share else alter)


def is_music(text: str) -> bool:
    """Returns whether a text consists of notes, like a chord between plus signs in old tunes."""
    return re.fullmatch(rf"(?:{_NOTE}{_LENGTH}[ \t]*)+", text) is not None
