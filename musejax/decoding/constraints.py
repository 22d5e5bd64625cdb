"""Constraints: functions that say which tokens may stand at a position, for use inside the compiled loop."""

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
    """Allows the tokens of a stream's row.

    Args:
        allowed: bool[S, V], a row for each stream, or bool[1, V] for all.
    """
    return jax.tree_util.Partial(_table, jnp.asarray(allowed))


_PITCHED = ("pitch", "note_on", "key", "melody", "bass")


def pitched(vocabulary: vocabularies.Vocabulary) -> bool:
    """Whether the vocabulary has pitches, which drums alone have not."""
    return any(vocabulary.has(type) for type in _PITCHED)


def pitches(vocabulary: vocabularies.Vocabulary) -> Int[np.ndarray, " V"]:
    """The MIDI pitch of each token, -1 where it has none: int32[V]; raises KeyError where drums alone are."""
    if not pitched(vocabulary):
        raise KeyError(f"{vocabulary.name} has no pitches")
    return np.max([vocabulary.values(type) for type in _PITCHED if vocabulary.has(type)], axis=0)


def pitch_range(vocabulary: vocabularies.Vocabulary, ranges: Sequence[tuple[int, int]]) -> Constraint:
    """Keeps sounding pitches within MIDI (low, high), both included: one pair for all streams, or one for each."""
    pitch = pitches(vocabulary)
    return by_stream(np.stack([(pitch < 0) | ((pitch >= low) & (pitch <= high)) for low, high in ranges]))


def scale(vocabulary: vocabularies.Vocabulary, tonic: int, name: str = "major") -> Constraint:
    """Keeps sounding pitches within a scale.

    Args:
        vocabulary: The model's.
        tonic: Pitch class of the tonic, 0 = C.
        name: A key of `theory.keys.SCALES`; `minor` has both sevenths.
    """
    pitch = pitches(vocabulary)
    inside = keys.in_scale(tonic, keys.SCALES[name])[pitch % 12]
    return by_stream(((pitch < 0) | inside)[None])


def _all_of(
    parts: tuple[Constraint, ...], frame: Int[Array, ""], stream: Int[Array, ""], values: Num[Array, "N L ..."]
) -> Bool[Array, "_ V"]:
    # A part may have one row for all pieces, [V], or one for each, [N, V].
    rows = [jnp.atleast_2d(part(frame, stream, values)) for part in parts]
    return functools.reduce(jnp.logical_and, rows)


def all_of(*parts: Constraint) -> Constraint:
    """Allows what every part allows; plain functions may be among them."""
    return jax.tree_util.Partial(_all_of, tuple(partial(part) for part in parts))


class _ByIdentity:
    """A callable without a hash, which is told apart by identity."""

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
    """Wraps a function as a `jax.tree_util.Partial`, in which form the compiled loop takes it.

    The loop is compiled once for a function; what the function reads from outside is read then.

    Raises:
        TypeError: The constraint is not callable.
    """
    if isinstance(constraint, jax.tree_util.Partial):
        return constraint
    if not callable(constraint):
        raise TypeError(f"a constraint is a function (frame, stream, values) -> bool; found {constraint!r}")
    function: Any = constraint
    try:
        hash(function)
    except TypeError:
        function = _ByIdentity(function)
    return jax.tree_util.Partial(function)


def table(
    constraint: Constraint, vocabulary: vocabularies.Vocabulary, num: int, frames: int
) -> Bool[Array, "_ {frames} S V"]:
    """What a constraint allows in each cell if all values are 0: bool[N or 1, T, S, V]."""
    values = jnp.zeros((num, frames * vocabulary.streams), jnp.int32)

    def cell(frame: Int[Array, ""], stream: Int[Array, ""]) -> Bool[Array, "_ V"]:
        answer = jnp.atleast_2d(constraint(frame, stream, values))
        return jnp.broadcast_to(answer, (len(answer), vocabulary.size))

    over_streams = jax.vmap(cell, in_axes=(None, 0), out_axes=1)
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
    """Forbids END in the first `frames` frames."""
    end = np.arange(vocabulary.size) == vocabulary.id("end")
    return jax.tree_util.Partial(_no_end_before, jnp.asarray(end), jnp.asarray(frames))


def narrowed(vocabulary: vocabularies.Vocabulary, allowed: Bool[Array, "*B T S V"]) -> Bool[Array, "*B T S V"]:
    """What is allowed by cell, without holds of what may no longer sound.

    A hold is forbidden where some pitch that is allowed in the frame before is not allowed: then what sounds is allowed
    everywhere, however holds and notes come to lie. Where nothing but a hold is allowed it stays.

    Args:
        vocabulary: The model's.
        allowed: bool[..., T, S, V].
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
    """Allows in every cell the tokens of its own row.

    Args:
        vocabulary: The model's, of several streams.
        allowed: bool[T, S, V]; frames beyond the last are as it is.
    """
    return jax.tree_util.Partial(_by_cell, narrowed(vocabulary, jnp.asarray(allowed)))
