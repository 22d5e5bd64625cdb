"""Chords: their symbols, and the classes in which models read them.

A class is 0 for no chord, else 1 + 12 * the index in `TRIADS` + the root's pitch class (`vocabulary.CHORDS` in all).
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
# Quality, third and fifth above the root of each kind of class; a chord that is none of the first four is of the last.
TRIADS = (("", 4, 7), ("m", 3, 7), ("aug", 4, 8), ("dim", 3, 6), ("sus4", 5, 7))
NO_CHORD = "N.C."
_SYMBOL = re.compile(r"([A-G][#b]?)([^/]*)(?:/[A-G][#b]?)?")


def triad(root: int, pitch_classes: Sequence[int]) -> int:
    """Returns the class of a chord.

    Args:
        root: Its pitch class.
        pitch_classes: Pitch classes of all that sounds.
    """
    above = {(p - root) % 12 for p in pitch_classes}
    kinds = [i for i, (_, third, fifth) in enumerate(TRIADS[:-1]) if {third, fifth} <= above]
    return 1 + 12 * (kinds[0] if kinds else len(TRIADS) - 1) + root % 12


def symbol(chord: int) -> str:
    """Returns the symbol of a class; `N.C.` for 0."""
    return pitch_names.NAMES[(chord - 1) % 12] + TRIADS[(chord - 1) // 12][0] if chord else NO_CHORD


def transposed(chord: np.ndarray, semitones: int) -> np.ndarray:
    """Moves the roots of classes, int32 of any shape; what is no chord stays as it is."""
    above = chord - 1
    return np.where(chord > 0, 1 + above // 12 * 12 + (above + semitones) % 12, 0).astype(np.int32)


def parse(symbol: str) -> tuple[int | None, np.ndarray]:
    """Reads a chord symbol such as `C`, `F#m7` or `G/B`; the bass is ignored, and `N` or `-` stands for no chord.

    Returns:
        The root, None for no chord; and the pitch classes that fit, bool[12].

    Raises:
        ValueError: It is not a chord symbol.
    """
    if symbol in ("N", "-"):
        return None, np.ones(12, bool)
    match = _SYMBOL.fullmatch(symbol)
    root = pitch_names.pitch_class(match[1]) if match else None
    if match is None or root is None or match[2] not in QUALITIES:
        qualities = ", ".join(q for q in QUALITIES if q)
        raise ValueError(
            f"chord {symbol!r} is unknown; a chord is a root (C, F#, Bb) alone or with one of {qualities}, then a bass "
            "(/E) if there is one; N or - is any pitch"
        )
    allowed = np.zeros(12, bool)
    allowed[[(root + step) % 12 for step in QUALITIES[match[2]]]] = True
    return root, allowed


def progression(text: str, frames_per_chord: int, length: int) -> np.ndarray:
    """Returns the pitch classes of each frame of a chord progression such as `C Am F7 Dm7b5 G/B N`.

    Args:
        text: Chord symbols with blanks between them, as `parse` reads them.
        frames_per_chord: Frames that each chord lasts.
        length: Frames in all, T; the progression begins anew until they are full.

    Returns:
        bool[T, 12], C first.

    Raises:
        ValueError: A symbol is not a chord (the message names it), or there is nothing to play.
    """
    return _repeated([allowed for _, allowed in _parsed(text, frames_per_chord)], frames_per_chord, length)


def classes(text: str, frames_per_chord: int, length: int) -> np.ndarray:
    """Returns a chord progression as models read it: int32[T], the class of each frame.

    Arguments and errors are those of `progression`.
    """
    chords = _parsed(text, frames_per_chord)
    numbers = [0 if root is None else triad(root, np.flatnonzero(allowed).tolist()) for root, allowed in chords]
    return _repeated(numbers, frames_per_chord, length).astype(np.int32)


def _parsed(text: str, frames_per_chord: int) -> list[tuple[int | None, np.ndarray]]:
    symbols = text.split()
    if not symbols:
        raise ValueError("the progression has no chords")
    if frames_per_chord < 1:
        raise ValueError(f"frames_per_chord is {frames_per_chord}; it must be 1 or more")
    return [parse(symbol) for symbol in symbols]


def _repeated(rows: Sequence, frames_per_chord: int, length: int) -> np.ndarray:
    """Rows, one a chord, over and over: [T, ...]."""
    return np.array(rows)[np.arange(length) // frames_per_chord % len(rows)]
