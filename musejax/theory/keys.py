"""Scales, keys and key signatures.

A key is given by its tonic, a pitch class with 0 for C, and whether it is minor. A key signature is a number of sharps,
negative for flats. Enharmonically equivalent keys have one signature: 6 sharps stands for 6 flats, too.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from musejax.theory import pitch_names

# Semitones above the tonic.
MAJOR = (0, 2, 4, 5, 7, 9, 11)
NATURAL_MINOR = (0, 2, 3, 5, 7, 8, 10)
# The scales of `--scale`; `minor` has both sevenths.
SCALES = {"major": MAJOR, "minor": (*NATURAL_MINOR, 11), "pentatonic": (0, 2, 4, 7, 9)}
MODES = ("major", "minor")
_FEWEST = -5

Sharps = TypeVar("Sharps", int, np.ndarray)


def wrap_sharps(sharps: Sharps, fewest: int = _FEWEST) -> Sharps:
    """Returns the enharmonically equivalent number of sharps from `fewest` to `fewest` + 11."""
    return (sharps - fewest) % 12 + fewest


def sharps(tonic: int, minor: bool = False) -> int:
    """Returns the number of sharps in the signature of a key, -5..6."""
    # The relative major of a minor key is a minor third above it.
    return wrap_sharps(7 * (tonic + 3 * minor))


def tonic(sharps: int, minor: bool = False) -> int:
    """Returns the tonic of the major or minor key with a signature."""
    return (7 * sharps + 9 * minor) % 12


def name(tonic: int, minor: bool = False) -> str:
    """Returns the name of a key, such as `C# minor`."""
    unusual = {8: "G#"} if minor else {1: "Db"}
    return f"{unusual.get(tonic, pitch_names.NAMES[tonic])} {MODES[minor]}"


def signature_name(sharps: int) -> str:
    """Returns a key signature in words, such as `1 sharp`, `3 flats` or `no sharps or flats`."""
    if not sharps:
        return "no sharps or flats"
    return f"{abs(sharps)} {'sharp' if sharps > 0 else 'flat'}{'s' * (abs(sharps) != 1)}"


def parse(text: str) -> tuple[int | None, str]:
    """Splits a key or scale such as `G`, `Bb:minor` or `F# minor`.

    Returns:
        The tonic, or None if the text does not begin with one; and the name of the scale, or an empty string.
    """
    first, scale = [*re.split(r"\s*[:\s]\s*", text.strip(), maxsplit=1), ""][:2]
    return pitch_names.pitch_class(first), scale


def in_scale(tonic: int, scale: Sequence[int]) -> np.ndarray:
    """Returns whether each pitch class belongs to a scale, bool[12]."""
    return np.isin((np.arange(12) - tonic) % 12, scale)


def guess(weights: Iterable[tuple[int, float]]) -> int:
    """Returns the key signature, -5..6, whose scale covers the largest total duration; ties go to fewer accidentals.

    Args:
        weights: (MIDI pitch, duration) of all notes.
    """
    classes = [0.0] * 12
    for pitch, weight in weights:
        classes[pitch % 12] += weight
    inside = {s: sum(classes[(step + tonic(s)) % 12] for step in MAJOR) for s in range(_FEWEST, _FEWEST + 12)}
    return max(inside, key=lambda s: (round(inside[s], 6), -abs(s), s))
