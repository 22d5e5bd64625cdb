"""Constraints on harmony and rhythm: the chords that pitches must belong to, and the number of onsets per stream."""

from collections.abc import Sequence, Set

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int
from musejax.base import Constraint
from musejax.decoding import constraints


def _places(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...]) -> Int[np.ndarray, " S"]:
    """Returns the place of each stream within a frame, int32[S].

    Raises:
        ValueError: The vocabulary has no frames of pitch tokens, or the order is not a permutation of the streams.
    """
    if vocabulary.kind == "bits" or vocabulary.frames_per_quarter == 0 or not vocabulary.has("pitch"):
        raise ValueError(f"the vocabulary is {vocabulary.name}; it must have frames with one pitch per stream")
    order = tuple(order) or tuple(range(vocabulary.streams))
    if sorted(order) != list(range(vocabulary.streams)):
        raise ValueError(f"order is {order}; it must be a permutation of 0..{vocabulary.streams - 1}")
    return np.argsort(order).astype(np.int32)


def _of_stream(places: Int[Array, " S"], stream: Int[Array, ""], values: Int[Array, "N L"]) -> Int[Array, "N T"]:
    """Selects the values of one stream, [N, T], from values in sampling order, [N, L]."""
    frames = values.reshape(len(values), -1, len(places))
    return jax.lax.dynamic_index_in_dim(frames, places[stream], 2, False)


def _in_chord(
    fits: Bool[Array, "T V"], frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, " V"]:
    return fits[jnp.minimum(frame, len(fits) - 1)]


def _held_in_chord(
    fits: Bool[Array, "T V"],
    places: Int[Array, " S"],
    hold: Bool[Array, " V"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    past = _of_stream(places, stream, values)
    index = jnp.arange(past.shape[1])[None]
    begin = jnp.where(~hold[past] & (index < frame), index, -1).max(axis=1, keepdims=True)
    token = jnp.take_along_axis(past, jnp.maximum(begin, 0), axis=1)
    may_hold = (begin < 0) | fits[jnp.minimum(frame, len(fits) - 1)][token]
    return ~hold[None] | may_hold


def _classes(frames: Sequence[Set[int]]) -> Bool[np.ndarray, "T 12"]:
    """Returns sets of pitch classes as rows, bool[T, 12]; raises ValueError if a class is outside 0..11."""
    invalid = sorted({c for classes in frames for c in classes if not 0 <= c < 12})
    if invalid:
        raise ValueError(f"pitch class {invalid[0]} is invalid; it must be in 0..11")
    return np.array([[c in classes for c in range(12)] for classes in frames], bool)


def chords(
    vocabulary: vocabularies.Vocabulary, allowed: np.ndarray | Sequence[Set[int]], order: tuple[int, ...] = ()
) -> Constraint:
    """Returns a constraint that keeps the sounding pitches of each frame within a chord.

    It forbids pitches outside the chord of a frame, and holds of such pitches from earlier frames. Rests, note-offs and
    END are always allowed.

    Args:
        vocabulary: Vocabulary of the model.
        allowed: Pitch classes of the chord in each frame: bool[T, 12], as returned by `theory.chords.progression`, or
            for each frame a set of numbers from 0 (C) to 11. Later frames are not restricted.
        order: Sampling order of the streams (`Decoder.order`); empty for the order of the vocabulary.

    Raises:
        ValueError: The vocabulary has no frames of pitch tokens, or an array or the order is invalid.
    """
    places = _places(vocabulary, order)
    if not isinstance(allowed, np.ndarray) and all(isinstance(classes, Set) for classes in allowed):
        allowed = _classes(allowed)
    allowed = np.asarray(allowed, bool)
    if allowed.ndim != 2 or allowed.shape[1] != 12:
        raise ValueError(f"allowed has shape {allowed.shape}; it must be [T, 12]")
    pitch = vocabulary.values("pitch")
    fits = jnp.asarray(np.append(allowed, np.ones((1, 12), bool), axis=0)[:, pitch % 12] | (pitch < 0))
    in_chord = jax.tree_util.Partial(_in_chord, fits)
    if not vocabulary.has("hold"):
        return in_chord
    hold = jnp.asarray(np.arange(vocabulary.size) == vocabulary.id("hold"))
    return constraints.all_of(in_chord, jax.tree_util.Partial(_held_in_chord, fits, jnp.asarray(places), hold))


def _density(
    places: Int[Array, " S"],
    pitched: Bool[Array, " V"],
    end: Bool[Array, " V"],
    has_hold: Bool[Array, ""],
    limits: Int[Array, " 3"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    low, high, frames = limits
    past = _of_stream(places, stream, values)
    index = jnp.arange(past.shape[1])[None]
    before = jnp.pad(past, ((0, 0), (1, 0)))[:, :-1]
    # In a vocabulary without holds, an onset is a pitch that did not sound in the previous frame.
    onsets = pitched[past] & (has_hold | (index == 0) | (past != before))
    within = (index >= frame - frame % frames) & (index < frame)
    count = (onsets & within).sum(axis=1, keepdims=True)
    last = jax.lax.dynamic_index_in_dim(past, jnp.maximum(frame - 1, 0), 1)
    is_onset = pitched[None] & (has_hold | (frame == 0) | (jnp.arange(len(pitched))[None] != last))
    must = low - count >= frames - frame % frames
    return end[None] | jnp.where(is_onset, count < high, ~must)


def density(
    vocabulary: vocabularies.Vocabulary, low: int, high: int, frames: int, order: tuple[int, ...] = ()
) -> Constraint:
    """Returns a constraint on the number of onsets of each stream in successive groups of frames.

    An onset is a pitch token or, in a vocabulary without `hold`, a pitch that differs from that of the previous frame
    of the stream. Onsets are forbidden when a group has `high` of them, and enforced when the remaining frames are just
    enough to reach `low`. END is always allowed, and an incomplete last group may have fewer onsets. Given cells are
    counted once the loop has passed them.

    Args:
        vocabulary: Vocabulary of the model.
        low: Smallest number of onsets in a group.
        high: Largest number of onsets in a group.
        frames: Number of frames in a group; the first group begins with the piece.
        order: Sampling order of the streams (`Decoder.order`); empty for the order of the vocabulary.

    Raises:
        ValueError: The vocabulary has no frames of pitch tokens, the order is invalid, or the limits are contradictory.
    """
    places = _places(vocabulary, order)
    if not 0 <= low <= min(high, frames) or frames < 1:
        raise ValueError(
            f"{low}..{high} onsets in {frames} frames are impossible; the smallest number must be at least 0, and at "
            "most the largest number and the number of frames"
        )
    end = np.arange(vocabulary.size) == (vocabulary.id("end") if vocabulary.has("end") else -1)
    arrays = (places, vocabulary.values("pitch") >= 0, end, np.asarray(vocabulary.has("hold")))
    limits = jnp.asarray((low, high, frames), jnp.int32)
    return jax.tree_util.Partial(_density, *map(jnp.asarray, arrays), limits)
