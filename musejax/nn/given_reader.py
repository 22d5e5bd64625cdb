"""Reading given cells ahead of their turn: what lets a net that draws from left to right fill a gap or harmonise.

The given cells are read first, by a stack that looks both ways over them, and the free cells are drawn after that in
their usual order, each given all given cells and the free ones before it: fill-in-the-middle order (Bavarian et al.,
2022) on a grid, where every frame has its place and no cells need to be moved. So the chain rule over the free cells
is exact. Frames without a given cell are not seen by others: a net that is given nothing learns nothing of how long
the piece will be.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key
from musejax.nn import dropout as dropouts
from musejax.nn import transformer_stack
from musejax.nn.features import inputs, voice_history


class Reader(nn.Module):
    """A stack over frames that sees those with given cells.

    Attributes:
        vocabulary: Of tokens.
        shape: The stack's; its positions are rotary.
        feature_dropout: Share of input features dropped.
        lookahead: Whether the heads of the net that hears it see the features of nn/features/lookahead.py as well.
    """

    vocabulary: vocabularies.Vocabulary
    shape: transformer_stack.Shape
    feature_dropout: float
    lookahead: bool = False

    @nn.compact
    def __call__(
        self, batch: Mapping[str, AnyArray], features: Sequence[inputs.Feature], dtype: Any, key: Key[Array, ""] | None
    ) -> Float[Array, "B T D"]:
        """Runs over whole pieces or windows.

        Args:
            batch: `given` int32[B, T, S], V where a cell is free, and what the features read.
            features: Of each frame.
            dtype: Type of the computation.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, D]; at frames where nothing is given and nothing is seen, what that means.
        """
        given = jnp.asarray(batch["given"])
        keys = (None,) * 3 if key is None else tuple(jax.random.split(key, 3))
        x = inputs.one_hots(features, batch, self.feature_dropout, keys[0], dtype)
        x = nn.Dense(self.shape.width, kernel_init=nn.initializers.normal(0.2), name="embedding")(x)
        x = dropouts.drop(x, self.feature_dropout, keys[1], (x.shape[0], 1, x.shape[2]))
        seen = (given < self.vocabulary.size).any(-1)
        attn_mask = seen[:, None, :] | jnp.eye(given.shape[1], dtype=bool)[None]
        shape = dataclasses.replace(self.shape, positions="rotary")
        start = transformer_stack.initial(shape, given.shape[0])
        return transformer_stack.Stack(shape, name="stack")(x, start, keys[2], attn_mask=attn_mask)[0]


def sounding(t: voice_history.Tables, given: Int[AnyArray, "B T S"]) -> Int[Array, "B T S"]:
    """The token of the note that sounds in each given cell: V where that is not known.

    Args:
        t: The vocabulary's tables.
        given: int32[B, T, S], V where a cell is free.
    """
    if t.hold < 0:
        return jnp.asarray(given)
    place = jnp.arange(given.shape[1])[None, :, None]
    begun = jax.lax.cummax(jnp.where(given != t.hold, place, -1), axis=1)
    found = jnp.take_along_axis(given, jnp.maximum(begun, 0), axis=1)
    return jnp.where(begun >= 0, found, t.size)


def masks(key: Key[Array, ""], num: int, frames: int, streams: int) -> Int[Array, "{num} {frames} {streams}"]:
    """Random sets of free cells for training: what people ask to be filled.

    A quarter of the rows are free in all cells; a quarter are all voices but one (harmonising); a quarter are gaps in
    all voices; a quarter are some voices, in gaps or in all frames. Of one stream: all cells, or gaps.

    Args:
        key: A random key.
        num: Rows, B.
        frames: T.
        streams: S.

    Returns:
        int32[B, T, S], 1 where a cell is free.
    """
    kinds, ends, voices, one, whole = (jax.random.fold_in(key, i) for i in range(5))
    kind = jax.random.randint(kinds, (num,), 0, 4)
    some = jax.random.bernoulli(voices, 0.5, (num, streams))
    kept = jax.nn.one_hot(jax.random.randint(one, (num,), 0, streams), streams, dtype=bool)
    some = jnp.where(some.any(1, keepdims=True), some, kept)
    all_frames = jax.random.bernoulli(whole, 0.5, (num,)) & (streams > 1)
    in_frames = gaps(ends, num, frames) | (kind < 2)[:, None] | ((kind == 3) & all_frames)[:, None]
    in_voices = jnp.where((kind == 1)[:, None] & (streams > 1), ~kept, (kind != 3)[:, None] | some)
    return (in_frames[:, :, None] & in_voices[:, None, :]).astype(jnp.int32)


def gaps(key: Key[Array, ""], num: int, frames: int) -> Bool[Array, "{num} {frames}"]:
    """Stretches of free frames that come and go along each row: bool[B, T].

    Free and given stretches follow each other with lengths from exponential distributions, whose means, 8 to 64 and
    16 to 128 frames, are each row's own. So most gaps are short, with something to read on both sides, and a row has
    several of them.
    """
    means, first, lengths = (jax.random.fold_in(key, i) for i in range(3))
    mean = jnp.asarray([[8.0, 16.0]]) * 2.0 ** jax.random.uniform(means, (num, 2), maxval=3.0)
    is_free = (jnp.arange(frames) % 2 == 0)[None] == jax.random.bernoulli(first, 0.5, (num, 1))
    runs = jax.random.exponential(lengths, (num, frames)) * jnp.where(is_free, mean[:, :1], mean[:, 1:])
    begun = (jnp.cumsum(runs, axis=1)[:, None] <= jnp.arange(frames)[None, :, None]).sum(-1)
    return jnp.take_along_axis(is_free, jnp.minimum(begun, frames - 1), axis=1)
