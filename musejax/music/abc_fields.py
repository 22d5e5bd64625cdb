"""Information fields of ABC, except keys: metre, unit length, tempo, properties of a voice and order of parts."""

import re
from fractions import Fraction
from typing import Any, NamedTuple

from musejax.music import limits
from musejax.music.musicxml_attributes import Metre

FREE = Metre(0, 4)
_METRES = {"C": Metre(4, 4), "C|": Metre(2, 2), "none": FREE, "": FREE}
_FRACTION = re.compile(r"\(?\s*(\d{1,4}(?:\s*\+\s*\d{1,4})*)\s*\)?\s*/\s*(\d{1,4})")
_TEMPO = re.compile(r"((?:\d{1,4}\s*/\s*\d{1,4}\s*)+)=\s*(\d{1,6}(?:\.\d{1,12})?)")
_PROPERTY = re.compile(r'([A-Za-z][\w-]*)\s*=\s*("[^"]*"|\S+)|(\S+)')
_CLEF = re.compile(
    r"(?:treble|alto|tenor|bass|soprano|mezzosoprano|baritone|perc|none|auto|[GCF](?=\d))\d?([+\-^_](?:8|15))?"
)
_PARTS = re.compile(r"([A-Za-z(])|(\))(\d{0,4})|(\d{1,4})|[\s.]+")


class Properties(NamedTuple):
    """Properties of a voice in a voice or key field. None stands for a property that the field does not have.

    Attributes:
        name: Name of the voice.
        octave: Octaves by which the notes are shifted.
        clef_octave: Octaves by which the clef shifts the notes.
        transposition: Semitones from written to sounding pitch.
    """

    name: str | None = None
    octave: int | None = None
    clef_octave: int | None = None
    transposition: int | None = None

    def changes(self) -> dict[str, Any]:
        """Returns the changed settings of a voice, by name."""
        values = {"octave": self.octave, "clef_octave": self.clef_octave, "transposition": self.transposition}
        return {name: value for name, value in values.items() if value is not None}


def read_metre(text: str) -> Metre | None:
    """Reads a time signature and adds up the terms of an additive one; returns None if it is invalid."""
    text = text.strip()
    if text in _METRES:
        return _METRES[text]
    terms = [(sum(map(int, beats.split("+"))), int(unit)) for beats, unit in _FRACTION.findall(text)]
    if not terms or not re.fullmatch(r"[\s+]*", _FRACTION.sub("", text)):
        return None
    if any(not beats or not 0 < unit <= 1024 or unit & (unit - 1) for beats, unit in terms):
        return None
    denominator = max(unit for _, unit in terms)
    numerator = sum(beats * denominator // unit for beats, unit in terms)
    return Metre(numerator, denominator) if 4 * numerator <= limits.MAX_BAR * denominator else None


def read_unit(text: str) -> Fraction | None:
    """Reads a unit note length, in quarters; returns None if it is invalid."""
    match = re.fullmatch(r"\s*(\d{1,4})\s*(?:/\s*(\d{1,4}))?\s*", text)
    if match is None or not int(match[1]) or not int(match[2] or 1):
        return None
    return Fraction(4 * int(match[1]), int(match[2] or 1))


def default_unit(metre: Metre | None) -> Fraction:
    """Returns the default unit note length in quarters: a 16th if the bar is shorter than 3/4, else an eighth."""
    quarters = None if metre is None else metre.quarters
    return Fraction(1, 4) if quarters is not None and quarters < 3 else Fraction(1, 2)


def read_tempo(text: str) -> float | None:
    """Reads a tempo in quarter notes per minute; returns None if it has no number.

    Several beats are added up. A bare number counts quarters, as current programs do; counting units is a deprecated
    rule of the standard.
    """
    text = re.sub(r'"[^"]*"', " ", text)
    match = _TEMPO.search(text)
    if match is not None:
        terms = [tuple(map(int, term.split("/"))) for term in re.findall(r"\d+\s*/\s*\d+", match[1])]
        beats = sum((Fraction(4 * a, b) for a, b in terms if b), Fraction(0))
        return float(beats * Fraction(match[2])) or None
    bare = re.fullmatch(r"\s*(?:[Cc]\s*=\s*)?(\d{1,6}(?:\.\d{1,6})?)\s*", text)
    return (float(bare[1]) or None) if bare is not None else None


def read_properties(text: str) -> Properties:
    """Reads the properties of a voice or a key; ignores those that do not change the sound."""
    out = Properties()
    for name, value, word in _PROPERTY.findall(text):
        value = value.strip('"')
        if name in ("name", "nm"):
            out = out._replace(name=value)
        elif name == "octave" and re.fullmatch(r"[+-]?\d", value):
            out = out._replace(octave=int(value))
        elif name == "transpose" and re.fullmatch(r"[+-]?\d{1,2}", value):
            out = out._replace(transposition=int(value))
        elif name == "clef" or word:
            clef = _CLEF.fullmatch(value or word)
            if clef is not None:
                shift = clef[1] or ""
                octaves = 2 if shift.endswith("15") else 1 if shift else 0
                out = out._replace(clef_octave=-octaves if shift[:1] in ("-", "_") else octaves)
    return out


def read_part_order(text: str) -> list[str] | None:
    """Reads the order of parts, such as `A(BC)2` for A B C B C; returns None if it is invalid."""
    stack: list[list[str]] = [[]]
    latest: list[str] = []
    at = 0
    while at < len(text):
        match = _PARTS.match(text, at)
        if match is None:
            return None
        at = match.end()
        opening, closing, count, times = match.groups()
        if opening == "(":
            stack.append([])
        elif opening:
            latest = [opening]
            stack[-1] += latest
        elif closing:
            if len(stack) == 1:
                return None
            inner = stack.pop()
            times = int(count or 1)
            if len(inner) * times > limits.MAX_BARS:
                return None
            stack[-1] += inner * times
            latest = [] if count else inner
        elif times:
            if not latest or len(latest) * int(times) > limits.MAX_BARS:
                return None
            stack[-1] += latest * (int(times) - 1)
            latest = []
    return stack[0] if len(stack) == 1 and stack[0] else None
