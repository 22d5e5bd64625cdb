"""How a pitch is written: step, alteration and octave, by the key."""

from collections.abc import Iterable
from typing import NamedTuple

# Steps in the order of the line of fifths, F to B; one lap further on each is a sharp higher.
_LINE = "FCGDAEB"
_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# Pitch classes of the major scale without sharps or flats.
_SCALE = (0, 2, 4, 5, 7, 9, 11)


class Spelling(NamedTuple):
    """A written pitch: its step C..B, its alteration in semitones and its octave (middle C is C4)."""

    step: str
    alter: int
    octave: int


def spell(pitch: int, fifths: int, minor: bool = False) -> Spelling:
    """Spells a MIDI pitch within a key.

    Twelve neighbours on the line of fifths are used, so that the key's own notes, the chromatic notes usual in it and
    the leading tone of its minor come out as they are written: in C major E flat, B flat, F, C and G sharp.

    Args:
        pitch: The MIDI pitch.
        fifths: Sharps (positive) or flats of the key signature.
        minor: Whether the key is minor; D sharp then takes the place of E flat (both for no sharps or flats).
    """
    # On the line F is -1 and C is 0; the window begins three fifths below the major tonic.
    first = fifths - (2 if minor else 3)
    at = first + (7 * (pitch % 12) - first) % 12
    step = _LINE[(at + 1) % 7]
    alter = (at + 1) // 7
    return Spelling(step, alter, (pitch - alter - _CLASSES[step]) // 12 - 1)


def signature(step: str, fifths: int) -> int:
    """What a key signature does to a step: its alteration in semitones."""
    return (fifths - _LINE.index(step) + 6) // 7


def guess(weights: Iterable[tuple[int, float]]) -> int:
    """The key signature, -5..6, with the least outside its scale; the one with fewer accidentals where two are equal.

    Args:
        weights: (MIDI pitch, duration) of all notes.
    """
    classes = [0.0] * 12
    for pitch, weight in weights:
        classes[pitch % 12] += weight
    inside = {f: sum(classes[(step + 7 * f) % 12] for step in _SCALE) for f in range(-5, 7)}
    return max(inside, key=lambda f: (round(inside[f], 6), -abs(f), f))
