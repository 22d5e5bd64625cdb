"""Chord symbols, and the chord classes that models read.

A class is 0 for no chord, else 1 + 12 * the index in `TRIADS` + the pitch class of the root. There are
`vocabulary.CHORDS` classes.
"""

import re
from collections.abc import Sequence

import numpy as np

from musejax.theory import pitch_names

# Semitones above the root.
QUALITIES = {
    "": (0, 4, 7),
    "maj": (0, 4, 7),
    "m": (0, 3, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "+": (0, 4, 8),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "min7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "add9": (0, 2, 4, 7),
    "9": (0, 2, 4, 7, 10),
}
# Quality, third and fifth above the root for each kind of chord class; the last is for all other chords.
TRIADS = (("", 4, 7), ("m", 3, 7), ("aug", 4, 8), ("dim", 3, 6), ("sus4", 5, 7))
NO_CHORD = "N.C."
_SYMBOL = re.compile(r"([A-G][#b]?)([^/]*)(?:/[A-G][#b]?)?")


def triad(root: int, pitch_classes: Sequence[int]) -> int:
    """Returns the class of a chord.

    Args:
        root: Pitch class of the root.
        pitch_classes: Pitch classes of all notes.
    """
    above = {(p - root) % 12 for p in pitch_classes}
    kinds = [i for i, (_, third, fifth) in enumerate(TRIADS[:-1]) if {third, fifth} <= above]
    return 1 + 12 * (kinds[0] if kinds else len(TRIADS) - 1) + root % 12


def symbol(chord: int) -> str:
    """Returns the chord symbol of a class, `N.C.` for 0."""
    return pitch_names.NAMES[(chord - 1) % 12] + TRIADS[(chord - 1) // 12][0] if chord else NO_CHORD


def transpose(chord: np.ndarray, semitones: int) -> np.ndarray:
    """Transposes chord classes, int32 of any shape; 0 (no chord) stays 0."""
    above = chord - 1
    return np.where(chord > 0, 1 + above // 12 * 12 + (above + semitones) % 12, 0).astype(np.int32)


def parse(symbol: str) -> tuple[int | None, np.ndarray]:
    """Parses a chord symbol such as `C`, `F#m7` or `G/B`; the bass is ignored, and `N` or `-` stands for no chord.

    Returns:
        The root, or None for no chord; and the pitch classes of the chord, bool[12], all True for no chord.

    Raises:
        ValueError: If it is not a chord symbol.
    """
    if symbol in ("N", "-"):
        return None, np.ones(12, bool)
    match = _SYMBOL.fullmatch(symbol)
    root = pitch_names.pitch_class(match[1]) if match else None
    if match is None or root is None or match[2] not in QUALITIES:
        qualities = ", ".join(q for q in QUALITIES if q)
        raise ValueError(
            f"chord {symbol!r} is unknown; a chord is a root (C, F#, Bb), optionally followed by one of {qualities}, "
            "and by a bass note (/E); N or - allows any pitch"
        )
    allowed = np.zeros(12, bool)
    allowed[[(root + step) % 12 for step in QUALITIES[match[2]]]] = True
    return root, allowed


def progression(text: str, frames_per_chord: int, length: int) -> np.ndarray:
    """Returns the pitch classes of each frame of a chord progression such as `C Am F7 Dm7b5 G/B N`.

    Args:
        text: Chord symbols separated by spaces, in the syntax of `parse`.
        frames_per_chord: Number of frames that each chord lasts.
        length: Total number of frames, T; the progression is repeated to fill them.

    Returns:
        bool[T, 12], starting at C.

    Raises:
        ValueError: If a symbol is not a chord (the message names it), or there are no chords.
    """
    return _repeat([allowed for _, allowed in _parse_all(text, frames_per_chord)], frames_per_chord, length)


def classes(text: str, frames_per_chord: int, length: int) -> np.ndarray:
    """Returns the chord class of each frame of a progression, int32[T].

    Arguments and errors are those of `progression`.
    """
    chords = _parse_all(text, frames_per_chord)
    numbers = [0 if root is None else triad(root, np.flatnonzero(allowed).tolist()) for root, allowed in chords]
    return _repeat(numbers, frames_per_chord, length).astype(np.int32)


def _parse_all(text: str, frames_per_chord: int) -> list[tuple[int | None, np.ndarray]]:
    symbols = text.split()
    if not symbols:
        raise ValueError("the progression has no chords")
    if frames_per_chord < 1:
        raise ValueError(f"frames_per_chord is {frames_per_chord}; it must be at least 1")
    return [parse(symbol) for symbol in symbols]


def _repeat(rows: Sequence, frames_per_chord: int, length: int) -> np.ndarray:
    """Repeats rows, one per chord, to fill all frames: [T, ...]."""
    return np.array(rows)[np.arange(length) // frames_per_chord % len(rows)]
