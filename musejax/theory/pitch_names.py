"""Names of pitches: steps, pitch classes, and how a pitch is spelled in a key."""

import re
from typing import NamedTuple

# Semitones of each step above C.
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# The name of each pitch class where no key says how to spell it.
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_ALTERATIONS = {"": 0, "#": 1, "b": -1}
# Steps in the order of the line of fifths, F to B; one lap further on each is a sharp higher.
_LINE = "FCGDAEB"


class Spelling(NamedTuple):
    """A written pitch: its step C..B, its alteration in semitones and its octave (middle C is C4)."""

    step: str
    alter: int
    octave: int


def pitch_class(name: str) -> int | None:
    """Returns the pitch class of a name such as `G`, `f#` or `Bb`, 0 for C; None for any other text."""
    match = re.fullmatch(r"([A-Ga-g])([#b]?)", name)
    return (STEPS[match[1].upper()] + _ALTERATIONS[match[2]]) % 12 if match else None


def spell(pitch: int, sharps: int, minor: bool = False) -> Spelling:
    """Spells a MIDI pitch within a key.

    Twelve neighbours on the line of fifths are used, so that the key's own notes, the chromatic notes usual in it and
    the leading tone of its minor come out as they are written: in C major E flat, B flat, F, C and G sharp.

    Args:
        pitch: The MIDI pitch.
        sharps: Sharps of the key signature; negative for flats.
        minor: Whether the key is minor; D sharp then takes the place of E flat (both for no sharps or flats).
    """
    # On the line F is -1 and C is 0; the window begins three fifths below the major tonic.
    first = sharps - (2 if minor else 3)
    fifths = first + (7 * (pitch % 12) - first) % 12
    step, alter = _LINE[(fifths + 1) % 7], (fifths + 1) // 7
    return Spelling(step, alter, (pitch - alter - STEPS[step]) // 12 - 1)


def alteration(step: str, sharps: int) -> int:
    """Returns the semitones by which a key signature alters a step."""
    return (sharps - _LINE.index(step) + 6) // 7
