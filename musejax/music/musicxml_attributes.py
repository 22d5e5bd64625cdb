"""`<attributes>` of a MusicXML measure: divisions, key, time signature and transposition."""

import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import NamedTuple

from musejax import errors
from musejax.music import limits, loss_counts, musicxml_numbers


class Metre(NamedTuple):
    """A time signature.

    Attributes:
        numerator: Beats per bar, summed for an additive signature; 0 for senza misura.
        denominator: The beat unit.
    """

    numerator: int
    denominator: int

    @property
    def quarters(self) -> Fraction | None:
        """The length of a bar in quarters; None for senza misura."""
        return Fraction(4 * self.numerator, self.denominator) if self.numerator else None


class Key(NamedTuple):
    """A key signature at concert pitch.

    Attributes:
        tonic: Pitch class of the tonic; in modes other than minor, the tonic of the major key with the same signature.
        is_minor: Whether the mode is minor.
    """

    tonic: int
    is_minor: bool


class Transposition(NamedTuple):
    """Semitones from written to sounding pitch.

    Attributes:
        semitones: Number of semitones, including octaves.
        doubling: Semitones from a note to its doubling an octave away; 0 if it is not doubled.
    """

    semitones: int = 0
    doubling: int = 0


def read_divisions(element: ET.Element) -> Fraction:
    """Reads the number of divisions per quarter.

    Raises:
        errors.UserError: The number is not positive.
    """
    divisions = musicxml_numbers.fraction(element.text, "the number of divisions")
    if divisions <= 0:
        raise errors.UserError(f"it cannot be read as MusicXML ({divisions} divisions of a quarter note)")
    return divisions


def read_metre(time: ET.Element) -> Metre | None:
    """Reads a time signature of one or more fractions; returns None if its numbers cannot be read."""
    if time.find("senza-misura") is not None:
        return Metre(0, 4)
    units = [musicxml_numbers.whole(unit.text) for unit in time.iterfind("beat-type")]
    beats = [_beats(beat.text) for beat in time.iterfind("beats")]
    pairs = [(beat, unit) for beat, unit in zip(beats, units) if beat and unit and 0 < unit <= 1024]
    if not pairs or len(pairs) < len(beats):
        return None
    denominator = max(unit for _, unit in pairs)
    numerator = sum(Fraction(beat * denominator, unit) for beat, unit in pairs)
    if numerator.denominator > 1 or 4 * numerator > limits.MAX_BAR * denominator:
        return None
    return Metre(int(numerator), denominator)


def read_key(key: ET.Element, transposition: int) -> Key | None:
    """Reads a key signature; returns None if it is not a traditional one.

    Args:
        key: The element.
        transposition: Semitones from written to sounding pitch.
    """
    fifths = musicxml_numbers.whole(key.findtext("fifths"))
    if fifths is None or abs(fifths) > 11:
        return None
    major = (7 * fifths + transposition) % 12
    is_minor = (key.findtext("mode") or "").strip().lower() in ("minor", "aeolian")
    return Key((major + 9) % 12 if is_minor else major, is_minor)


def read_transposition(transpose: ET.Element) -> Transposition:
    """Reads a transposition; numbers that cannot be read count as 0."""
    chromatic, octaves = (
        musicxml_numbers.whole(transpose.findtext(tag)) or 0 for tag in ("chromatic", "octave-change")
    )
    double = transpose.find("double")
    doubling = 0 if double is None else 12 if double.get("above") == "yes" else -12
    return Transposition(max(-127, min(chromatic + 12 * max(-10, min(octaves, 10)), 127)), doubling)


def count_loss(losses: loss_counts.Losses, loss: loss_counts.Loss, value: object) -> None:
    """Counts a loss if a value is None because it could not be read."""
    if value is None:
        losses[loss] += 1


def _beats(text: str | None) -> int | None:
    """Returns the beats of one fraction, such as `3` or `3+2`."""
    terms = [musicxml_numbers.whole(term) for term in (text or "").split("+")]
    total = sum(term for term in terms if term is not None and term > 0)
    return None if None in terms or not total else total
