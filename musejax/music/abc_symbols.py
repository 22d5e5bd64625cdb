"""ABC text for the notes and rests of a bar: spelled pitches, lengths, ties and tuplets."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from musejax.theory import pitch_names

# The unit note length of written tunes, in quarters.
UNIT = Fraction(1, 2)
_SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
# Numerators, without powers of two, of the lengths that one note with up to two dots can have.
_DOTTED = (1, 3, 7)
_MOST_IN_TUPLET = 99
_SHORTEST = 2**12


class Segment(NamedTuple):
    """A note, chord or rest, or a piece of one that was cut where something else is written.

    Attributes:
        start: Where the segment begins, in quarters from the bar line.
        length: Length in quarters.
        pitches: MIDI pitches; empty for a rest.
        holds: Whether the next segment continues the notes.
        prefix: Text to write before the segment.
        syllable: The syllable; `_` if the previous syllable continues, empty if nothing is sung.
    """

    start: Fraction
    length: Fraction
    pitches: tuple[int, ...]
    holds: bool
    prefix: str
    syllable: str


class Accidentals:
    """The accidentals in effect, as readers of ABC keep them up to the bar line."""

    def __init__(self) -> None:
        """Begins without a key."""
        self._sharps = 0
        self._by_step: dict[str, int] = {}
        self._by_octave: dict[tuple[str, int], int] = {}

    def set_key(self, sharps: int) -> None:
        """Changes the key signature."""
        self._sharps = sharps
        self.end_bar()

    def end_bar(self) -> None:
        """Ends all accidentals."""
        self._by_step.clear()
        self._by_octave.clear()

    def write(self, spelling: pitch_names.Spelling) -> str:
        """Returns a note without its length.

        The note has an accidental if it needs one for readers that apply accidentals to all octaves (the standard) or
        for readers that apply them only to their own octave.
        """
        step, alter, octave = spelling
        key = pitch_names.alteration(step, self._sharps)
        before = self._by_step.get(step, key), self._by_octave.get((step, octave), key)
        sign = ""
        if before != (alter, alter):
            sign = _SIGNS[alter]
            self._by_step[step] = self._by_octave[step, octave] = alter
        letter = step.lower() + "'" * (octave - 5) if octave > 4 else step + "," * (4 - octave)
        return sign + letter


def write_segments(
    segments: Sequence[Segment], accidentals: Accidentals, key: tuple[int, bool], *, is_hidden: bool, beat: Fraction
) -> tuple[str, list[str]]:
    """Writes the segments of one layer of a bar.

    Args:
        segments: Segments that fill the bar without gaps.
        accidentals: The accidentals in effect; they are updated.
        key: Sharps of the key by which notes are spelled, and whether it is minor.
        is_hidden: Whether rests are invisible.
        beat: Length of a beat in quarters; notes within a beat are written without a space.

    Returns:
        The text, and the syllable of each written note.
    """
    out: list[str] = []
    syllables: list[str] = []
    for group, count in _groups(segments):
        times = _power_below(count)
        factor = Fraction(count, times)
        pieces = [(segment, _pieces(segment.length * factor)) for segment in group]
        number = sum(len(lengths) for _, lengths in pieces)
        if count > 1:
            out.append(f"({count}" if (count, times, number) == (3, 2, 3) else f"({count}:{times}:{number}")
        for segment, lengths in pieces:
            for i, length in enumerate(lengths):
                is_last = i + 1 == len(lengths)
                out.append((segment.prefix if not i else "") + _note(segment, accidentals, key, is_hidden))
                out.append(_length(length))
                if segment.pitches:
                    out.append("-" if segment.holds or not is_last else "")
                    syllables.append(segment.syllable if not i else "_" if segment.syllable else "")
            end = segment.start + segment.length
            if count == 1 and (end % beat == 0 or segment.length >= beat):
                out.append(" ")
        if count > 1:
            out.append(" ")
    return "".join(out).strip(), syllables


def _note(segment: Segment, accidentals: Accidentals, key: tuple[int, bool], is_hidden: bool) -> str:
    """Returns the notes of a segment, without a length."""
    if not segment.pitches:
        return "x" if is_hidden else "z"
    notes = [accidentals.write(pitch_names.spell(pitch, *key)) for pitch in segment.pitches]
    return notes[0] if len(notes) == 1 else f"[{''.join(notes)}]"


def _groups(segments: Sequence[Segment]) -> Iterator[tuple[list[Segment], int]]:
    """Yields the segments of each tuplet with the number of its notes, and every other segment with 1."""
    group: list[Segment] = []
    count = 1
    for segment in segments:
        group.append(segment)
        begin = group[0].start
        end = segment.start + segment.length
        odd = _odd_part(end - begin)
        if odd > 1:
            count = math.lcm(count, odd)
            continue
        yield from _tuplets(group, count)
        group, count = [], 1
    yield from (([segment], 1) for segment in group)


def _tuplets(group: list[Segment], count: int) -> Iterator[tuple[list[Segment], int]]:
    """Yields a group as one tuplet, or its segments separately if there are too many notes for a tuplet."""
    if len(group) == 1 or count <= _MOST_IN_TUPLET:
        yield group, count
    else:
        yield from (([segment], 1) for segment in group)


def _odd_part(length: Fraction) -> int:
    """Returns the odd part of a denominator."""
    return length.denominator // (length.denominator & -length.denominator)


def _power_below(count: int) -> int:
    """Returns the largest power of two that does not exceed a number."""
    return 1 << (count.bit_length() - 1)


def _pieces(length: Fraction) -> list[Fraction]:
    """Splits a length into lengths of single notes; a length that notes cannot express stays whole."""
    if length.denominator & (length.denominator - 1) or length.denominator > _SHORTEST:
        return [length]
    out = []
    numerator = length.numerator
    while numerator:
        low = numerator & -numerator
        if numerator // low in _DOTTED:
            out.append(Fraction(numerator, length.denominator))
            break
        chunk = _power_below(numerator)
        out.append(Fraction(chunk, length.denominator))
        numerator -= chunk
    return out


def _length(length: Fraction) -> str:
    """Returns a length in units, as it is written after a note."""
    units = length / UNIT
    first = "" if units.numerator == 1 else str(units.numerator)
    last = "" if units.denominator == 1 else "/" if units.denominator == 2 else f"/{units.denominator}"
    return first + last
