"""Constraints of harmony and rhythm: chords that pitches must belong to, and how often a stream strikes a note."""

import re
from collections.abc import Sequence, Set

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.base import Array, Constraint
from musejax.decoding import constraints

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
# The kinds of chord that a model can be told, by the third and fifth above the root; what is none of these is the last.
TRIADS = (("", 4, 7), ("m", 3, 7), ("aug", 4, 8), ("dim", 3, 6), ("sus4", 5, 7))
_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_ROOTS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SYMBOL = re.compile(r"([A-G])([#b]?)([^/]*)(?:/[A-G][#b]?)?")


def triad(root: int, pitch_classes: Sequence[int]) -> int:
    """The class of a chord as a model is told it (`vocabulary.CHORDS`): 1 + 12 * the place in TRIADS + root.

    Args:
        root: Its pitch class.
        pitch_classes: Of what sounds.
    """
    above = {(p - root) % 12 for p in pitch_classes}
    kinds = [i for i, (_, third, fifth) in enumerate(TRIADS[:-1]) if {third, fifth} <= above]
    return 1 + 12 * (kinds[0] if kinds else len(TRIADS) - 1) + root % 12


def symbol(chord: int) -> str:
    """The symbol of a class of `triad`; `N.C.` for 0."""
    return _NAMES[(chord - 1) % 12] + TRIADS[(chord - 1) // 12][0] if chord else "N.C."


def _chord(symbol: str) -> tuple[int | None, np.ndarray]:
    """The root of a chord symbol and its pitch classes, bool[12]; raises ValueError if it is not one."""
    if symbol in ("N", "-"):
        return None, np.ones(12, bool)
    found = _SYMBOL.fullmatch(symbol)
    if found is None or found[3] not in QUALITIES:
        qualities = ", ".join(q for q in QUALITIES if q)
        raise ValueError(
            f"chord {symbol!r} is unknown; a chord is a root (C, F#, Bb) alone or with one of {qualities}, then a bass "
            "(/E) if there is one; N or - is any pitch"
        )
    root = _ROOTS[found[1]] + {"#": 1, "b": -1, "": 0}[found[2]]
    allowed = np.zeros(12, bool)
    allowed[[(root + step) % 12 for step in QUALITIES[found[3]]]] = True
    return root % 12, allowed


def progression(text: str, frames_per_chord: int, length: int) -> np.ndarray:
    """The pitch classes of each frame of a chord progression, such as `C Am F7 Dm7b5 G/B N`.

    Args:
        text: Chord symbols with blanks between them; the bass behind a slash is ignored, `N` or `-` allows all.
        frames_per_chord: Frames that each chord lasts.
        length: Frames in all, T; the progression begins anew until they are full.

    Returns:
        bool[T, 12], C first.

    Raises:
        ValueError: A symbol is not a chord (the message names it), or there is nothing to play.
    """
    table = np.stack([allowed for _, allowed in _symbols(text, frames_per_chord)])
    return table[np.arange(length) // frames_per_chord % len(table)]


def classes(text: str, frames_per_chord: int, length: int) -> np.ndarray:
    """A chord progression as a model is told it: int32[T], the class of `triad` of each frame.

    Arguments and errors are those of `progression`.
    """
    found = _symbols(text, frames_per_chord)
    table = np.array([0 if root is None else triad(root, np.flatnonzero(on).tolist()) for root, on in found], np.int32)
    return table[np.arange(length) // frames_per_chord % len(table)]


def _symbols(text: str, frames_per_chord: int) -> list[tuple[int | None, np.ndarray]]:
    symbols = text.split()
    if not symbols:
        raise ValueError("the progression has no chords")
    if frames_per_chord < 1:
        raise ValueError(f"frames_per_chord is {frames_per_chord}; it must be 1 or more")
    return [_chord(symbol) for symbol in symbols]


def _places(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...]) -> np.ndarray:
    """The place of each stream within a frame, int32[S]; raises ValueError where tokens are not frames of pitches."""
    if vocabulary.kind == "bits" or vocabulary.frames_per_quarter == 0 or not vocabulary.has("pitch"):
        raise ValueError(f"{vocabulary.name} has no frames of one pitch a stream")
    order = tuple(order) or tuple(range(vocabulary.streams))
    if sorted(order) != list(range(vocabulary.streams)):
        raise ValueError(f"order {order} is not an order of {vocabulary.streams} streams")
    return np.argsort(order).astype(np.int32)


def _of_stream(places: Array, stream: Array, values: Array) -> Array:
    """Values [N, L] in drawing order -> those of one stream, [N, T]."""
    frames = values.reshape(len(values), -1, len(places))
    return jax.lax.dynamic_index_in_dim(frames, places[stream], 2, False)


def _in_chord(fits: Array, frame: Array, stream: Array, values: Array) -> Array:
    return fits[jnp.minimum(frame, len(fits) - 1)]


def _held_in_chord(fits: Array, places: Array, hold: Array, frame: Array, stream: Array, values: Array) -> Array:
    past = _of_stream(places, stream, values)
    index = jnp.arange(past.shape[1])[None]
    struck = jnp.where(~hold[past] & (index < frame), index, -1).max(axis=1, keepdims=True)
    token = jnp.take_along_axis(past, jnp.maximum(struck, 0), axis=1)
    may_hold = (struck < 0) | fits[jnp.minimum(frame, len(fits) - 1)][token]
    return ~hold[None] | may_hold


def _classes(frames: Sequence[Set[int]]) -> np.ndarray:
    """Sets of pitch classes as rows, bool[T, 12]; raises ValueError for a class outside 0..11."""
    wrong = sorted({c for classes in frames for c in classes if not 0 <= c < 12})
    if wrong:
        raise ValueError(f"pitch class {wrong[0]} lies outside 0..11")
    return np.array([[c in classes for c in range(12)] for classes in frames], bool)


def chords(
    vocabulary: vocabularies.Vocabulary, allowed: np.ndarray | Sequence[Set[int]], order: tuple[int, ...] = ()
) -> Constraint:
    """Keeps what sounds in a frame within the frame's chord; rests, note-offs and END are always allowed.

    A pitch outside the chord is forbidden, and so is a hold of one from an earlier frame.

    Args:
        vocabulary: The model's.
        allowed: Pitch classes of each frame: bool[T, 12], as `progression` returns them, or a set for each frame, of
            numbers from 0 for C to 11. Later frames are free.
        order: The streams in the order in which they are drawn, `Decoder.order`; empty for the vocabulary's.

    Raises:
        ValueError: Tokens are not frames of pitches, or an array or the order does not fit.
    """
    places = _places(vocabulary, order)
    if not isinstance(allowed, np.ndarray) and all(isinstance(classes, Set) for classes in allowed):
        allowed = _classes(allowed)
    allowed = np.asarray(allowed, bool)
    if allowed.ndim != 2 or allowed.shape[1] != 12:
        raise ValueError(f"allowed has shape {allowed.shape}; it must be [T, 12]")
    pitch = vocabulary.values("pitch")
    fits = jnp.asarray(np.append(allowed, np.ones((1, 12), bool), axis=0)[:, pitch % 12] | (pitch < 0))
    struck = jax.tree_util.Partial(_in_chord, fits)
    if not vocabulary.has("hold"):
        return struck
    hold = jnp.asarray(np.arange(vocabulary.size) == vocabulary.id("hold"))
    return constraints.all_of(struck, jax.tree_util.Partial(_held_in_chord, fits, jnp.asarray(places), hold))


def _density(
    places: Array, pitched: Array, end: Array, told: Array, asked: Array, frame: Array, stream: Array, values: Array
) -> Array:
    low, high, frames = asked
    past = _of_stream(places, stream, values)
    index = jnp.arange(past.shape[1])[None]
    before = jnp.pad(past, ((0, 0), (1, 0)))[:, :-1]
    # Where onsets have no token of their own, an onset is a pitch that did not sound in the frame before.
    struck = pitched[past] & (told | (index == 0) | (past != before))
    within = (index >= frame - frame % frames) & (index < frame)
    count = (struck & within).sum(axis=1, keepdims=True)
    last = jax.lax.dynamic_index_in_dim(past, jnp.maximum(frame - 1, 0), 1)
    strikes = pitched[None] & (told | (frame == 0) | (jnp.arange(len(pitched))[None] != last))
    must = low - count >= frames - frame % frames
    return end[None] | jnp.where(strikes, count < high, ~must)


def density(
    vocabulary: vocabularies.Vocabulary, low: int, high: int, frames: int, order: tuple[int, ...] = ()
) -> Constraint:
    """Each stream strikes low to high notes in every group of `frames` frames, counted from the first of the piece.

    An onset is a pitch token; without `hold`, a pitch other than that of the stream's frame before. It is forbidden
    when the group has its `high`, and forced when as many frames remain as onsets are missing. END is always allowed,
    and an incomplete last group may have fewer. Given cells count once they are past.

    Args:
        vocabulary: The model's.
        low: Onsets at least.
        high: Onsets at most.
        frames: Frames in a group.
        order: The streams in the order in which they are drawn, `Decoder.order`; empty for the vocabulary's.

    Raises:
        ValueError: Tokens are not frames of pitches, the order does not fit, or no group could have so many onsets.
    """
    places = _places(vocabulary, order)
    if not 0 <= low <= min(high, frames) or frames < 1:
        raise ValueError(f"{low}..{high} onsets in {frames} frames; low must be 0 or more, and at most high and frames")
    end = np.arange(vocabulary.size) == (vocabulary.id("end") if vocabulary.has("end") else -1)
    arrays = (places, vocabulary.values("pitch") >= 0, end, np.asarray(vocabulary.has("hold")))
    asked = jnp.asarray((low, high, frames), jnp.int32)
    return jax.tree_util.Partial(_density, *map(jnp.asarray, arrays), asked)
