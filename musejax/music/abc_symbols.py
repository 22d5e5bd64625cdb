"""Notes and rests of a bar as ABC writes them: spelled pitches, lengths, ties and tuplets."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from musejax.theory import pitch_names

# The unit note length of everything that is written, in quarters.
UNIT = Fraction(1, 2)
_SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
# Numerators of lengths that one note with up to two dots has, but for powers of two.
_DOTTED = (1, 3, 7)
_MOST_IN_TUPLET = 99
_SHORTEST = 2**12


class Segment(NamedTuple):
    """A note, a chord or a rest, or the piece of one between two places at which something else stands.

    Attributes:
        start: Where it begins, in quarters from the bar line.
        length: Its length in quarters.
        pitches: Its MIDI pitches; none for a rest.
        holds: Whether the next segment continues its notes.
        prefix: What is written before it.
        syllable: What is sung on it; `_` where the syllable before it goes on, empty where nothing is sung.
    """

    start: Fraction
    length: Fraction
    pitches: tuple[int, ...]
    holds: bool
    prefix: str
    syllable: str


class Accidentals:
    """The accidentals that hold where a note is written, as readers of ABC keep them up to the bar line."""

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

        It has an accidental wherever one is needed, whether accidentals before it hold for all octaves, as the standard
        has it, or for their own.
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
        segments: What fills the bar, without gaps.
        accidentals: What holds where they begin; it is brought up to date.
        key: Sharps of the key by which notes are spelled, and whether it is minor.
        is_hidden: Whether rests are not shown.
        beat: The length of a beat in quarters; what lies within one is written without a space.

    Returns:
        The text, and the syllable of each note that is written.
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
    """Yields the segments of each tuplet with the number of its notes, and others by themselves with 1."""
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
    """Yields a group that ends on a plain fraction; by its segments where its notes are too many for a tuplet."""
    if len(group) == 1 or count <= _MOST_IN_TUPLET:
        yield group, count
    else:
        yield from (([segment], 1) for segment in group)


def _odd_part(length: Fraction) -> int:
    """Returns the odd part of a denominator."""
    return length.denominator // (length.denominator & -length.denominator)


def _power_below(count: int) -> int:
    """Returns the largest power of two that is no larger than a number, but for 1 and 3 smaller."""
    return 1 << (count.bit_length() - 1)


def _pieces(length: Fraction) -> list[Fraction]:
    """Cuts a length into those that one note can have; one that no notes have stays whole."""
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
    """Returns a length in units, as it stands behind a note."""
    units = length / UNIT
    first = "" if units.numerator == 1 else str(units.numerator)
    last = "" if units.denominator == 1 else "/" if units.denominator == 2 else f"/{units.denominator}"
    return first + last
