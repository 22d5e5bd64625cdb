"""Constraints: functions that return the allowed tokens at a position, for use in compiled sampling loops."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int, Num
from musejax.base import Constraint
from musejax.theory import keys


def _table(
    table: Bool[Array, "S V"], frame: Int[Array, ""], stream: Int[Array, ""], values: Num[Array, "N L ..."]
) -> Bool[Array, " V"]:
    return table[stream % table.shape[0]]


def by_stream(allowed: Bool[np.ndarray, "S V"]) -> Constraint:
    """Returns a constraint that allows each stream a fixed set of tokens.

    Args:
        allowed: Allowed tokens of each stream, bool[S, V], or of all streams, bool[1, V].
    """
    return jax.tree_util.Partial(_table, jnp.asarray(allowed))


_PITCHED = ("pitch", "note_on", "key", "melody", "bass")


def pitched(vocabulary: vocabularies.Vocabulary) -> bool:
    """Returns whether the vocabulary has pitches; vocabularies of drums have none."""
    return any(vocabulary.has(type) for type in _PITCHED)


def pitches(vocabulary: vocabularies.Vocabulary) -> Int[np.ndarray, " V"]:
    """Returns the MIDI pitch of each token, -1 for tokens without a pitch: int32[V].

    Raises:
        KeyError: The vocabulary has no pitches.
    """
    if not pitched(vocabulary):
        raise KeyError(f"{vocabulary.name} has no pitches")
    return np.max([vocabulary.values(type) for type in _PITCHED if vocabulary.has(type)], axis=0)


def pitch_range(vocabulary: vocabularies.Vocabulary, ranges: Sequence[tuple[int, int]]) -> Constraint:
    """Returns a constraint that keeps pitches within ranges.

    Args:
        vocabulary: Vocabulary of the model.
        ranges: Lowest and highest MIDI pitch of each stream, or a single pair for all streams.
    """
    pitch = pitches(vocabulary)
    return by_stream(np.stack([(pitch < 0) | ((pitch >= low) & (pitch <= high)) for low, high in ranges]))


def scale(vocabulary: vocabularies.Vocabulary, tonic: int, name: str = "major") -> Constraint:
    """Returns a constraint that keeps pitches within a scale.

    Args:
        vocabulary: Vocabulary of the model.
        tonic: Pitch class of the tonic, 0 for C.
        name: Name of the scale in `theory.keys.SCALES`; `minor` has both sevenths.
    """
    pitch = pitches(vocabulary)
    inside = keys.in_scale(tonic, keys.SCALES[name])[pitch % 12]
    return by_stream(((pitch < 0) | inside)[None])


def _all_of(
    parts: tuple[Constraint, ...], frame: Int[Array, ""], stream: Int[Array, ""], values: Num[Array, "N L ..."]
) -> Bool[Array, "_ V"]:
    # A constraint returns one row for all pieces, [V], or one for each piece, [N, V].
    rows = [jnp.atleast_2d(part(frame, stream, values)) for part in parts]
    return functools.reduce(jnp.logical_and, rows)


def all_of(*parts: Constraint) -> Constraint:
    """Returns a constraint that allows the tokens that all given constraints, or plain functions, allow."""
    return jax.tree_util.Partial(_all_of, tuple(partial(part) for part in parts))


class _ByIdentity:
    """A wrapper that makes an unhashable callable hashable by identity."""

    def __init__(self, function: Constraint) -> None:
        self.function = function

    def __call__(
        self, frame: Int[Array, ""], stream: Int[Array, ""], values: Num[Array, "N L ..."]
    ) -> Bool[Array, "..."]:
        return self.function(frame, stream, values)

    def __hash__(self) -> int:
        return id(self.function)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.function is self.function


def partial(constraint: Any) -> Constraint:
    """Wraps a function as a `jax.tree_util.Partial`, which compiled loops accept as an argument.

    The loop is compiled once for each function, which captures the outer variables of the function at that time.

    Raises:
        TypeError: The constraint is not callable.
    """
    if isinstance(constraint, jax.tree_util.Partial):
        return constraint
    if not callable(constraint):
        raise TypeError(f"it must be a function (frame, stream, values) -> bool array; it is {constraint!r}")
    function: Any = constraint
    try:
        hash(function)
    except TypeError:
        function = _ByIdentity(function)
    return jax.tree_util.Partial(function)


def table(
    constraint: Constraint, vocabulary: vocabularies.Vocabulary, num: int, frames: int
) -> Bool[Array, "_ {frames} S V"]:
    """Returns the tokens that a constraint allows in each cell if all values are 0: bool[N or 1, T, S, V]."""
    values = jnp.zeros((num, frames * vocabulary.streams), jnp.int32)

    def evaluate(frame: Int[Array, ""], stream: Int[Array, ""]) -> Bool[Array, "_ V"]:
        rows = jnp.atleast_2d(constraint(frame, stream, values))
        return jnp.broadcast_to(rows, (len(rows), vocabulary.size))

    over_streams = jax.vmap(evaluate, in_axes=(None, 0), out_axes=1)
    return jax.vmap(over_streams, in_axes=(0, None), out_axes=1)(jnp.arange(frames), jnp.arange(vocabulary.streams))


def _no_end_before(
    end: Bool[Array, " V"],
    frames: Int[Array, ""],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Num[Array, "N L ..."],
) -> Bool[Array, " V"]:
    return ~end | (frame >= frames)


def no_end_before(vocabulary: vocabularies.Vocabulary, frames: int) -> Constraint:
    """Returns a constraint that forbids END in the first `frames` frames."""
    end = np.arange(vocabulary.size) == vocabulary.id("end")
    return jax.tree_util.Partial(_no_end_before, jnp.asarray(end), jnp.asarray(frames))


def narrowed(vocabulary: vocabularies.Vocabulary, allowed: Bool[Array, "*B T S V"]) -> Bool[Array, "*B T S V"]:
    """Returns allowed tokens without the holds that could prolong a pitch that is no longer allowed.

    A hold is forbidden if a pitch that is allowed in the previous frame is not allowed in this one. Sounding pitches
    are then allowed in every frame, wherever the holds are. A hold stays allowed if no other token is.

    Args:
        vocabulary: Vocabulary of the model.
        allowed: Allowed tokens of each cell, bool[..., T, S, V].
    """
    if not vocabulary.has("hold"):
        return allowed
    first = vocabulary.start("pitch")
    pitches = allowed[..., first : first + vocabulary.range("pitch").size]
    narrower = (pitches[..., :-1, :, :] & ~pitches[..., 1:, :, :]).any(-1)
    narrower = jnp.pad(narrower, [(0, 0)] * (narrower.ndim - 2) + [(1, 0), (0, 0)])
    hold = vocabulary.id("hold")
    narrower &= allowed.at[..., hold].set(False).any(-1)
    return allowed.at[..., hold].set(allowed[..., hold] & ~narrower)


def _by_cell(
    table: Bool[Array, "T S V"], frame: Int[Array, ""], stream: Int[Array, ""], values: Num[Array, "N L ..."]
) -> Bool[Array, " V"]:
    return table[jnp.minimum(frame, table.shape[0] - 1), stream]


def by_cell(vocabulary: vocabularies.Vocabulary, allowed: Bool[np.ndarray, "T S V"]) -> Constraint:
    """Returns a constraint that allows each cell a set of tokens of its own.

    Args:
        vocabulary: Vocabulary of a model with several streams.
        allowed: Allowed tokens of each cell, bool[T, S, V]; the last frame also applies to later frames.
    """
    return jax.tree_util.Partial(_by_cell, narrowed(vocabulary, jnp.asarray(allowed)))
