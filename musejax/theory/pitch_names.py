"""Names of pitches: steps, pitch classes, and the spelling of a pitch in a key."""

import re
from typing import NamedTuple

# Semitones of each step above C.
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# The name of each pitch class if the key is unknown.
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_ALTERATIONS = {"": 0, "#": 1, "b": -1}
# Steps in the order of the line of fifths, F to B; each further round adds one sharp to all steps.
_LINE = "FCGDAEB"


class Spelling(NamedTuple):
    """A written pitch: its step C..B, its alteration in semitones and its octave (middle C is C4)."""

    step: str
    alter: int
    octave: int


def pitch_class(name: str) -> int | None:
    """Returns the pitch class of a name such as `G`, `f#` or `Bb`, with 0 for C, or None for any other text."""
    match = re.fullmatch(r"([A-Ga-g])([#b]?)", name)
    return (STEPS[match[1].upper()] + _ALTERATIONS[match[2]]) % 12 if match else None


def spell(pitch: int, sharps: int, minor: bool = False) -> Spelling:
    """Returns the spelling of a MIDI pitch in a key.

    Spellings are twelve neighbours on the line of fifths, so that the notes of the key, its usual chromatic notes and
    the leading tone of the relative minor have their usual spelling: E flat, B flat, F sharp, C sharp and G sharp in C
    major.

    Args:
        pitch: The MIDI pitch.
        sharps: Number of sharps in the key signature; negative for flats.
        minor: Whether the key is minor; without sharps or flats, D sharp then replaces E flat.
    """
    # On the line of fifths F is -1 and C is 0; the window begins three fifths below the major tonic.
    first = sharps - (2 if minor else 3)
    fifths = first + (7 * (pitch % 12) - first) % 12
    step, alter = _LINE[(fifths + 1) % 7], (fifths + 1) // 7
    return Spelling(step, alter, (pitch - alter - STEPS[step]) // 12 - 1)


def alteration(step: str, sharps: int) -> int:
    """Returns the semitones by which a key signature alters a step."""
    return (sharps - _LINE.index(step) + 6) // 7
