"""Constraints of harmony and rhythm: chords that pitches must belong to, and how often a stream strikes a note."""

from collections.abc import Sequence, Set

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int
from musejax.base import Constraint
from musejax.decoding import constraints


def _places(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...]) -> Int[np.ndarray, " S"]:
    """The place of each stream within a frame, int32[S]; raises ValueError where tokens are not frames of pitches."""
    if vocabulary.kind == "bits" or vocabulary.frames_per_quarter == 0 or not vocabulary.has("pitch"):
        raise ValueError(f"{vocabulary.name} has no frames of one pitch a stream")
    order = tuple(order) or tuple(range(vocabulary.streams))
    if sorted(order) != list(range(vocabulary.streams)):
        raise ValueError(f"order {order} is not an order of {vocabulary.streams} streams")
    return np.argsort(order).astype(np.int32)


def _of_stream(places: Int[Array, " S"], stream: Int[Array, ""], values: Int[Array, "N L"]) -> Int[Array, "N T"]:
    """Values [N, L] in drawing order -> those of one stream, [N, T]."""
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
    struck = jnp.where(~hold[past] & (index < frame), index, -1).max(axis=1, keepdims=True)
    token = jnp.take_along_axis(past, jnp.maximum(struck, 0), axis=1)
    may_hold = (struck < 0) | fits[jnp.minimum(frame, len(fits) - 1)][token]
    return ~hold[None] | may_hold


def _classes(frames: Sequence[Set[int]]) -> Bool[np.ndarray, "T 12"]:
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
        allowed: Pitch classes of each frame: bool[T, 12], as `theory.chords.progression` returns them, or a set for
            each frame, of numbers from 0 for C to 11. Later frames are free.
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
    places: Int[Array, " S"],
    pitched: Bool[Array, " V"],
    end: Bool[Array, " V"],
    told: Bool[Array, ""],
    asked: Int[Array, " 3"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
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
