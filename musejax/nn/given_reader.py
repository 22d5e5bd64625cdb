"""A bidirectional reader of given cells, with which a left-to-right network can infill or harmonise.

A bidirectional stack first reads all given cells. The free cells are then sampled in their usual order, each
conditioned on all given cells and on the free cells before it. This is fill-in-the-middle order (Bavarian et al., 2022)
on a grid, where no cell needs to be moved, and the chain rule over the free cells is exact. Other frames do not attend
to frames without a given cell, so that without given cells the network learns nothing about the length of the piece.
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
    """A bidirectional Transformer stack that attends to the frames with given cells.

    Attributes:
        vocabulary: A vocabulary of tokens.
        shape: Shape of the stack; positions are always rotary.
        feature_dropout: Dropout rate of the input features.
        lookahead: Whether the heads of the network also read the features of nn/features/lookahead.py.
    """

    vocabulary: vocabularies.Vocabulary
    shape: transformer_stack.Shape
    feature_dropout: float
    lookahead: bool = False

    @nn.compact
    def __call__(
        self, batch: Mapping[str, AnyArray], features: Sequence[inputs.Feature], dtype: Any, key: Key[Array, ""] | None
    ) -> Float[Array, "B T D"]:
        """Reads whole pieces or windows.

        Args:
            batch: `given` int32[B, T, S], V where a cell is free, and the fields that the features read.
            features: Features of each frame.
            dtype: Type of the computation.
            key: Key for dropout, or None to drop nothing.

        Returns:
            float[B, T, D], a summary of the given cells for each frame.
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


def sounding_tokens(t: voice_history.Tables, given: Int[AnyArray, "B T S"]) -> Int[Array, "B T S"]:
    """Returns the token of the note that sounds in each given cell, or V where that is unknown.

    Args:
        t: The vocabulary's tables.
        given: int32[B, T, S], V where a cell is free.
    """
    if t.hold < 0:
        return jnp.asarray(given)
    place = jnp.arange(given.shape[1])[None, :, None]
    onset = jax.lax.cummax(jnp.where(given != t.hold, place, -1), axis=1)
    token = jnp.take_along_axis(given, jnp.maximum(onset, 0), axis=1)
    return jnp.where(onset >= 0, token, t.size)


def sample_masks(key: Key[Array, ""], num: int, frames: int, streams: int) -> Int[Array, "{num} {frames} {streams}"]:
    """Samples sets of free cells for training, like those in users' requests.

    In a quarter of the rows all cells are free; in a quarter all voices but one (harmonising); in a quarter gaps in all
    voices; in a quarter some voices, in gaps or in all frames. With one stream, all cells or gaps are free.

    Args:
        key: A random key.
        num: Number of rows, B.
        frames: Number of frames, T.
        streams: Number of streams, S.

    Returns:
        int32[B, T, S], 1 where a cell is free.
    """
    kinds, ends, voices, one, whole = (jax.random.fold_in(key, i) for i in range(5))
    kind = jax.random.randint(kinds, (num,), 0, 4)
    some = jax.random.bernoulli(voices, 0.5, (num, streams))
    kept = jax.nn.one_hot(jax.random.randint(one, (num,), 0, streams), streams, dtype=bool)
    some = jnp.where(some.any(1, keepdims=True), some, kept)
    all_frames = jax.random.bernoulli(whole, 0.5, (num,)) & (streams > 1)
    in_frames = sample_gaps(ends, num, frames) | (kind < 2)[:, None] | ((kind == 3) & all_frames)[:, None]
    in_voices = jnp.where((kind == 1)[:, None] & (streams > 1), ~kept, (kind != 3)[:, None] | some)
    return (in_frames[:, :, None] & in_voices[:, None, :]).astype(jnp.int32)


def sample_gaps(key: Key[Array, ""], num: int, frames: int) -> Bool[Array, "{num} {frames}"]:
    """Samples gaps along each row: bool[B, T], True where a frame is free.

    Free and given stretches alternate. Their lengths are exponentially distributed, with means that are sampled for
    each row: 8 to 64 frames for free and 16 to 128 frames for given stretches. So most gaps are short, with context on
    both sides, and a row has several of them.
    """
    means, first, lengths = (jax.random.fold_in(key, i) for i in range(3))
    mean = jnp.asarray([[8.0, 16.0]]) * 2.0 ** jax.random.uniform(means, (num, 2), maxval=3.0)
    is_free = (jnp.arange(frames) % 2 == 0)[None] == jax.random.bernoulli(first, 0.5, (num, 1))
    runs = jax.random.exponential(lengths, (num, frames)) * jnp.where(is_free, mean[:, :1], mean[:, 1:])
    begun = (jnp.cumsum(runs, axis=1)[:, None] <= jnp.arange(frames)[None, :, None]).sum(-1)
    return jnp.take_along_axis(is_free, jnp.minimum(begun, frames - 1), axis=1)
