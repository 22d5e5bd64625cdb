"""Marks of a MusicXML measure that change the order of playing: repeats, endings, D.C., D.S., segno, coda and Fine."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import NamedTuple

from musejax.music import musicxml_numbers

_DA_CAPO = re.compile(r"\W*(d\.?\s*c|da\s+capo)\b", re.IGNORECASE)
_DAL_SEGNO = re.compile(r"\W*(d\.?\s*s|dal\s+segno)\b", re.IGNORECASE)
_TO_CODA = re.compile(r"\W*to\s+(the\s+)?coda\b", re.IGNORECASE)
_CODA = re.compile(r"\W*coda\W*", re.IGNORECASE)
_FINE = re.compile(r"\W*fine\W*", re.IGNORECASE)
_UNTIL = re.compile(r"\bal\s+(fine|coda)\b|\be\s+poi\s+la\s+(coda)\b", re.IGNORECASE)
_SOUND_MARKS = ("dacapo", "dalsegno", "segno", "coda", "tocoda", "fine", "forward-repeat")
# Largest plausible number of an ending or of the times of a repeat.
_MOST_TIMES = 100


class Jump(NamedTuple):
    """A jump back.

    Attributes:
        segno: Label of the segno to which the music jumps; None for the beginning.
        until: `fine` or `coda` if the score specifies how the music continues, else None.
    """

    segno: str | None
    until: str | None


@dataclasses.dataclass(slots=True)
class Marks:
    """The marks of one measure.

    Attributes:
        forward: Whether a repeated section begins with this measure.
        forward_next: Whether a repeated section begins with the next measure.
        backward: How often the section that ends with this measure is played; 0 if none ends.
        backward_before: How often the section that ends with the previous measure is played; 0 if none ends.
        after_jump: Whether the section is also repeated after a jump.
        ending: Numbers of the ending that begins with this measure, possibly empty; None if none begins.
        ending_next: Numbers of the ending that begins with the next measure, possibly empty; None if none begins.
        ending_stops: Whether an ending stops with this measure.
        ending_stopped: Whether an ending stops with the previous measure.
        places: Position in quarters, kind (`segno`, `coda`, `coda sign`) and label of the targets of jumps. A `coda
            sign` is a symbol without a sound, either where the music jumps to the coda or where the coda begins.
        to_coda: Label of the coda to which the music jumps at the end of this measure; None if it does not.
        fine: Whether the music ends with this measure after a jump.
        jump: The jump at the end of this measure.
    """

    forward: bool = False
    forward_next: bool = False
    backward: int = 0
    backward_before: int = 0
    after_jump: bool = False
    ending: tuple[int, ...] | None = None
    ending_next: tuple[int, ...] | None = None
    ending_stops: bool = False
    ending_stopped: bool = False
    places: list[tuple[Fraction, str, str]] = dataclasses.field(default_factory=list)
    to_coda: str | None = None
    fine: bool = False
    jump: Jump | None = None


def read_barline(barline: ET.Element, position: Fraction, marks: Marks) -> None:
    """Adds the marks of a bar line."""
    location = barline.get("location")
    is_left = location == "left" or (location is None and not position)
    for child in barline:
        if child.tag == "repeat":
            _read_repeat(child, is_left, marks)
        elif child.tag == "ending":
            _read_ending(child, is_left, marks)
        elif child.tag in ("segno", "coda"):
            sign = child.tag if child.tag == "segno" else "coda sign"
            marks.places.append((Fraction(0) if is_left else position, sign, barline.get(child.tag, "")))


def read_sound(sound: ET.Element, position: Fraction, marks: Marks, words: str = "") -> bool:
    """Adds the marks of a `<sound>`, and returns whether it has any.

    Args:
        sound: The element.
        position: Position in quarters from the beginning of the measure.
        marks: Marks of the measure.
        words: The words of the direction.
    """
    values = {name: value for name, value in sound.attrib.items() if name in _SOUND_MARKS}
    if not values:
        return False
    for name in ("segno", "coda"):
        if name in values:
            marks.places.append((position, name, values[name]))
    if values.get("forward-repeat") == "yes":
        marks.forward = True
    if values.get("dacapo") == "yes":
        marks.jump = Jump(None, _until(words))
    if "dalsegno" in values:
        marks.jump = Jump(values["dalsegno"], _until(words))
    if "tocoda" in values:
        marks.to_coda = values["tocoda"]
    if values.get("fine", "no") != "no":
        marks.fine = True
    return True


def read_words(words: str, signs: list[str], position: Fraction, marks: Marks) -> None:
    """Adds the marks of a direction without a sound, interpreting its words and signs.

    Args:
        words: All words of the direction.
        signs: The signs of the direction, `segno` or `coda`.
        position: Position in quarters from the beginning of the measure.
        marks: Marks of the measure.
    """
    uses_signs = False
    if words:
        if _DA_CAPO.match(words):
            marks.jump, uses_signs = Jump(None, _until(words)), True
        elif _DAL_SEGNO.match(words):
            marks.jump, uses_signs = Jump("", _until(words)), True
        elif _TO_CODA.match(words):
            marks.to_coda, uses_signs = "", True
        elif _FINE.fullmatch(words):
            marks.fine = True
        elif _CODA.fullmatch(words):
            marks.places.append((position, "coda", ""))
            uses_signs = True
    if not uses_signs:
        marks.places += [(position, "coda sign" if sign == "coda" else sign, "") for sign in signs]


def combine(parts: list[Marks]) -> Marks:
    """Combines the marks of one measure in all parts; if they differ, the first part that has a mark decides."""
    out = Marks(places=[place for marks in parts for place in marks.places])
    for marks in parts:
        for name in ("forward", "forward_next", "backward", "backward_before", "after_jump", "ending_stops"):
            setattr(out, name, getattr(out, name) or getattr(marks, name))
        out.ending_stopped |= marks.ending_stopped
        out.fine |= marks.fine
        for name in ("ending", "ending_next", "to_coda", "jump"):
            if getattr(out, name) is None:
                setattr(out, name, getattr(marks, name))
    return out


def _read_repeat(repeat: ET.Element, is_left: bool, marks: Marks) -> None:
    if repeat.get("direction") == "forward":
        if is_left:
            marks.forward = True
        else:
            marks.forward_next = True
        return
    times = max(1, min(musicxml_numbers.whole(repeat.get("times")) or 2, _MOST_TIMES))
    if is_left:
        marks.backward_before = times
    else:
        marks.backward = times
    marks.after_jump = repeat.get("after-jump") == "yes"


def _read_ending(ending: ET.Element, is_left: bool, marks: Marks) -> None:
    if ending.get("type") != "start":
        if is_left:
            marks.ending_stopped = True
        else:
            marks.ending_stops = True
        return
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?", ending.get("number") or ending.text or ""):
        numbers.update(range(int(first), min(int(last or first), _MOST_TIMES) + 1))
    if is_left:
        marks.ending = tuple(sorted(numbers))
    else:
        marks.ending_next = tuple(sorted(numbers))


def _until(words: str) -> str | None:
    match = _UNTIL.search(words)
    return None if match is None else (match.group(1) or match.group(2)).lower()
