"""Networks that return the logits of all hidden cells of four voices, given the visible cells, in one pass.

`Grid` is that of Coconet (Huang et al., 2017): 3 x 3 convolutions over frames x pitches with batch normalisation, a
residual connection every two layers, and the voices and their masks as channels. `Frames` is a smaller network for
small data sets and CPUs: dilated convolutions over frames, and pitches in the heads, which score intervals to the
nearest visible cells, so that what it learns at one pitch generalises to all. It normalises each frame separately: it
has no state, and a piece does not depend on the other pieces of its batch.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key
from musejax.base import Axes
from musejax.models.coconet import nearby_cells
from musejax.nn import attention, interval_head
from musejax.nn import dropout as dropouts
from musejax.nn.fast import grid_convolutions
from musejax.nn.features import axis_labels, inputs, voice_history
from musejax.nn.features.inputs import Feature, field

# Dilations of the layers over frames, repeated cyclically.
DILATIONS = (1, 2, 4, 8, 16, 32)
# Heads of a layer of attention over frames.
HEADS = 4


def _repeat_for_voices(read: inputs.Read) -> inputs.Read:
    """Returns a function that repeats a feature of a frame for each of its voices, int32[B, T, S]."""
    return lambda batch: jnp.broadcast_to(read(batch)[..., None], batch["given"].shape)


class Grid(nn.Module):
    """The network of Coconet.

    Attributes:
        vocabulary: A vocabulary of tokens, with rests and pitches.
        layers: Number of convolutions, including the first and the last.
        width: Number of filters of each convolution.
        train: Whether to normalise by the statistics of the batch and update the running statistics.
    """

    vocabulary: vocabularies.Vocabulary
    layers: int
    width: int
    train: bool

    @nn.compact
    def __call__(
        self,
        tokens: Int[AnyArray, "B T S"],
        hidden: Bool[Array, "B T S"],
        real: Bool[Array, "B T"],
        conditions: Mapping[str, AnyArray],
        dtype: Any,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T S V"]:
        """Returns the logits of all cells.

        Args:
            tokens: int32[B, T, S]; the tokens of hidden cells are ignored.
            hidden: bool[B, T, S].
            real: bool[B, T], True in the frames of the piece.
            conditions: Ignored.
            dtype: Type of the computation.
            key: Ignored, as there is no dropout.

        Returns:
            float[B, T, S, V].
        """
        streams, pitches = self.vocabulary.streams, self.vocabulary.range("pitch").size
        first = self.vocabulary.start("pitch")
        visible = (~hidden & real[..., None])[..., None]
        roll = jax.nn.one_hot(tokens - first, pitches, dtype=dtype) * visible
        x = jnp.concatenate([roll, jnp.broadcast_to(visible, roll.shape).astype(roll.dtype)], 2)
        x = jnp.moveaxis(x, 2, -1)  # [B, T, P, 2 S]
        inside = real[..., None, None]

        def layer(x: Array, name: str) -> Array:
            y = grid_convolutions.Convolution(self.width, name=name)(x)
            norm = nn.BatchNorm(not self.train, momentum=0.99, dtype=dtype, name=f"{name}_norm")
            return norm(y, mask=jnp.broadcast_to(inside, (*y.shape[:-1], 1)))

        def rectify(x: Array) -> Array:
            # Frames outside the piece stay at 0, like the padding of the convolutions.
            return jnp.where(inside, nn.relu(x), 0.0)

        x = rectify(layer(x, "first"))
        for i in range(self.layers // 2 - 1):
            y = layer(rectify(layer(x, f"layer_{2 * i}")), f"layer_{2 * i + 1}")
            x = rectify(x + y)
        pitched = jnp.moveaxis(grid_convolutions.Convolution(streams, bias=True, name="last")(x), -1, 2)
        # Rests have no position among the pitches; their logits are computed from the whole frame.
        others = nn.Dense(streams * first, dtype=dtype, name="rest")(x.mean(2))
        return jnp.concatenate([others.reshape(*others.shape[:2], streams, first), pitched], -1)

    def axes(self) -> Axes:
        """Returns the labels of the parameters' axes; only the layer of the rests has axes of events."""
        streams, first = range(self.vocabulary.streams), self.vocabulary.start("pitch")
        others = tuple(label for s in streams for label in axis_labels.events(self.vocabulary, s)[:first])
        return {"rest/kernel": {1: others}, "rest/bias": {0: others}}


def concatenate_neighbours(
    x: Float[Array, "B T C"], width: int, dilation: int
) -> Float[Array, "B T {width*x.shape[2]}"]:
    """Concatenates neighbouring frames: [B, T, C] -> [B, T, width C], with 0 beyond either end; width is odd."""
    reach = width // 2 * dilation
    padded = jnp.pad(x, ((0, 0), (reach, reach), (0, 0)))
    return jnp.concatenate([padded[:, i * dilation : i * dilation + x.shape[1]] for i in range(width)], -1)


class Head(nn.Module):
    """A layer that returns the logits of one voice.

    Attributes:
        scores: The layout of its output.
        width: Width of the hidden layer.
        dropout: Dropout rate of the hidden layer.
    """

    scores: interval_head.Scores
    width: int
    dropout: float

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        ones: Float[Array, "B T F"],
        anchors: Int[Array, "B T A"],
        like: Int[Array, "B T"],
        shares: Float[Array, "B T K 12"],
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T V"]:
        """Returns the logits of all frames.

        Args:
            x: float[B, T, D], the output of the layers.
            ones: float[B, T, F], features of the voice as one-hots.
            anchors: int32[B, T, A], the tokens from which intervals are scored.
            like: int32[B, T], the token of the similar passage.
            shares: float[B, T, K, 12], `shares` of `nearby_cells.read_all`.
            key: Key for dropout, or None to drop nothing.

        Returns:
            float32[B, T, V].
        """
        y = nn.Dense(self.width, name="context")(x)
        wide = nn.initializers.normal(0.2)
        y = y + nn.Dense(self.width, use_bias=False, kernel_init=wide, name="present")(ones)
        y = dropouts.drop(nn.silu(nn.LayerNorm(name="norm")(y)), self.dropout, key)
        small = nn.initializers.variance_scaling(0.01, "fan_in", "normal")
        scores = nn.Dense(self.scores.size, kernel_init=small, name="output")(y).astype(jnp.float32)
        each = [anchors[..., a] for a in range(anchors.shape[-1])]
        return self.scores.logits(scores, each, [like], shares=shares)


class Frames(nn.Module):
    """A network of convolutions over frames, with heads over pitches.

    Attributes:
        vocabulary: A vocabulary of tokens.
        layers: Number of convolutions, two in each residual unit.
        width: Number of channels.
        attention: Number of residual units between layers of attention; 0 for no attention.
        head: Width of the head of a voice.
        conditions: Names of the conditions that the network reads.
        feature_dropout: Dropout rate of the input features.
        dropout: Dropout rate in the residual units.
        head_dropout: Dropout rate in the heads.
    """

    vocabulary: vocabularies.Vocabulary
    layers: int
    width: int
    attention: int
    head: int
    conditions: tuple[str, ...]
    feature_dropout: float
    dropout: float
    head_dropout: float

    @property
    def scores(self) -> interval_head.Scores:
        """The layout of a head's output."""
        others = range(self.vocabulary.streams - 1)
        anchors = ("last", "next", *(("heard", u) for u in others), *(("coming", u) for u in others))
        return interval_head.Scores(self.vocabulary, anchors, ("like",), shares=len(nearby_cells.SPANS) + 1)

    def cell_features(self, *s: int) -> list[Feature]:
        """Declares the features of the neighbourhood of a cell, for one voice `s` or for any voice."""
        table, wide = self.vocabulary, voice_history.WIDE
        return [
            inputs.ids(table, "given", *s, read=field("given")),
            inputs.ids(table, "last", *s, read=field("last")),
            inputs.distance("since", *s, read=field("since")),
            inputs.ids(table, "next", *s, read=field("next")),
            inputs.distance("away", *s, read=field("away")),
            inputs.step(table, wide, "next", *s, of=field("next"), above=field("last")),
            inputs.ids(table, "like", *s, read=field("like")),
            inputs.step(table, wide, "like", *s, of=field("like"), above=field("last")),
        ]

    def shared_features(self) -> list[Feature]:
        """Declares the features that all voices of a frame share."""
        return [*(inputs.condition(self.vocabulary, name) for name in self.conditions), *inputs.agreement()]

    def chord_features(self) -> list[Feature]:
        """Declares the intervals between the voices of a frame."""
        pairs = [(u, s) for s in range(self.vocabulary.streams) for u in range(s)]
        table, wide = self.vocabulary, voice_history.WIDE
        return [
            inputs.step(table, wide, "chord", *p, of=field("given", p[0]), above=field("given", p[1])) for p in pairs
        ]

    def head_features(self) -> list[Feature]:
        """Declares the features that a head reads: those of its cell, of the frame, and of each other voice."""
        table, narrow, wide = self.vocabulary, voice_history.NARROW, voice_history.WIDE
        mine = field("last")
        features = self.cell_features()
        features += [Feature(f.labels, _repeat_for_voices(f.read)) for f in self.shared_features()]
        for u in range(table.streams - 1):
            there, heard = field("beside", u), field("heard", u)
            features += [
                inputs.step(table, wide, "beside", u, of=there, above=mine),
                inputs.step(table, narrow, "heard", u, of=heard, above=field("before", u)),
                inputs.step(table, wide, "coming", u, of=field("coming", u), above=mine),
                inputs.equal("as like", u, one=field("like_beside", u), other=there),
            ]
        return features

    def axes(self) -> Axes:
        """Returns the labels of the parameters' axes: path -> axis -> labels."""
        cells = [f for s in range(self.vocabulary.streams) for f in self.cell_features(s)]
        out = self.scores.labels()
        return {
            "embedding/kernel": {0: inputs.labels([*cells, *self.shared_features(), *self.chord_features()])},
            "heads/present/kernel": {1: inputs.labels(self.head_features())},
            "heads/output/kernel": {2: out},
            "heads/output/bias": {1: out},
        }

    def _attend(
        self, x: Float[Array, "B T D"], real: Bool[Array, "B T"], key: Key[Array, ""] | None, at: int
    ) -> Float[Array, "B T D"]:
        """Computes attention between all frames of the piece, float[B, T, D]; it is 0 before training."""
        turns = attention.compute_rotations(jnp.arange(x.shape[1]), self.width // HEADS, x.dtype)
        y = nn.LayerNorm(name=f"attention_norm_{at}")(x)
        split = nn.DenseGeneral((3, HEADS, self.width // HEADS), use_bias=False, name=f"attention_{at}")(y)
        q, k, v = (split[:, :, i] for i in range(3))
        mask = jnp.broadcast_to(real[:, None], (*real.shape, real.shape[1]))
        y = attention.attend_masked(attention.rotate(q, turns), attention.rotate(k, turns), v, mask).reshape(x.shape)
        y = dropouts.drop(y, self.dropout, key, (x.shape[0], 1, x.shape[2]))
        return nn.Dense(self.width, kernel_init=nn.initializers.zeros, name=f"attention_out_{at}")(y)

    @nn.compact
    def __call__(
        self,
        tokens: Int[AnyArray, "B T S"],
        hidden: Bool[Array, "B T S"],
        real: Bool[Array, "B T"],
        conditions: Mapping[str, AnyArray],
        dtype: Any,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T S V"]:
        """Returns the logits of all cells, as `Grid` does, with conditions int32[B, T] and a key for dropout."""
        t, streams = voice_history.tables(self.vocabulary), self.vocabulary.streams
        keys = (None,) * 4 if key is None else tuple(jax.random.split(key, 4))
        inside = real[..., None]
        nearby = nearby_cells.read_all(t, jnp.where(hidden | ~inside, t.size, tokens))
        given, last = nearby["given"], nearby["last"]
        shares, batch = nearby["shares"].astype(dtype), {**nearby, **conditions}
        cells = inputs.one_hots(self.cell_features(), batch, self.feature_dropout, keys[0], dtype)
        frame = [*self.shared_features(), *self.chord_features()]
        both = inputs.one_hots(frame, batch, self.feature_dropout, keys[1], dtype)
        ones = jnp.concatenate([cells.reshape(*cells.shape[:2], -1), both], -1)
        x = nn.Dense(self.width, kernel_init=nn.initializers.normal(0.2), name="embedding")(ones)
        x = x + nn.Dense(self.width, use_bias=False, name="shares")(shares.reshape(*shares.shape[:2], -1))
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        for i in range(self.layers // 2):
            y = jnp.where(inside, nn.silu(nn.LayerNorm(name=f"norm_{2 * i}")(x)), 0.0)
            y = nn.Dense(self.width, name=f"layer_{2 * i}")(concatenate_neighbours(y, 3, DILATIONS[i % len(DILATIONS)]))
            y = nn.silu(nn.LayerNorm(name=f"norm_{2 * i + 1}")(y))
            drop = None if keys[2] is None else jax.random.fold_in(keys[2], i)
            y = dropouts.drop(y, self.dropout, drop, (y.shape[0], 1, y.shape[2]))
            x = x + nn.Dense(self.width, kernel_init=small, name=f"layer_{2 * i + 1}")(y)
            if self.attention and (i + 1) % self.attention == 0:
                x = x + self._attend(x, real, None if drop is None else jax.random.fold_in(drop, 0), i)
        x = nn.LayerNorm(name="norm")(x)
        # A head reads the other voices of the frame; the nearest visible cells on either side replace hidden ones.
        others = np.array([[u for u in range(streams) if u != s] for s in range(streams)])
        there, before = given[..., others], last[..., others]
        past, coming = (jnp.where(there < t.size, there, x) for x in (before, nearby["next"][..., others]))
        around = {"beside": there, "before": before, "heard": past, "coming": coming}
        batch |= {**around, "like_beside": nearby["like"][..., others]}
        present = inputs.one_hots(self.head_features(), batch, self.feature_dropout, keys[3], dtype)
        anchors = jnp.concatenate([last[..., None], nearby["next"][..., None], past, coming], -1)
        axes: Any = (None, 2, 2, 2, None, 0)
        heads = nn.vmap(Head, variable_axes={"params": 0}, split_rngs={"params": True}, in_axes=axes, out_axes=2)
        drops = None if key is None else jax.random.split(jax.random.fold_in(key, 1), streams)
        return heads(self.scores, self.head, self.head_dropout, name="heads")(
            x, present, anchors, nearby["like"], shares, drops
        )
