"""Nets that say of every hidden cell of four voices what it may be, given those that are not hidden, in one pass.

`Grid` is Coconet's (Huang et al., 2017): 3 x 3 convolutions over frames x pitches with batch normalisation, a residual
every second layer, the voices and their masks as channels. `Frames` is a smaller one for few pieces and CPUs: dilated
convolutions over frames alone, and pitches in the heads, which score intervals to the nearest known cells, so that what
is learnt at one pitch serves at all. It normalises each frame by itself: no state, and a piece does not depend on the
others of its batch.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.base import Array
from musejax.nn import ahead, attention, convolutions, features, history, nearby, voices
from musejax.nn import dropout as dropouts

# Dilations of the layers over frames, over and over.
DILATIONS = (1, 2, 4, 8, 16, 32)
# Heads of a layer of attention over frames.
HEADS = 4


class Grid(nn.Module):
    """Coconet's net.

    Attributes:
        vocabulary: Of tokens, with rests and pitches.
        layers: Convolutions, the first and the last among them.
        width: Filters of each.
        train: Whether statistics are those of the batch, and are kept for later.
    """

    vocabulary: vocabularies.Vocabulary
    layers: int
    width: int
    train: bool

    @nn.compact
    def __call__(
        self, tokens: Array, hidden: Array, real: Array, conditions: Mapping[str, Array], dtype: Any, key: Array | None
    ) -> Array:
        """Logits of every cell.

        Args:
            tokens: int32[B, T, S]; those of hidden cells do not matter.
            hidden: bool[B, T, S].
            real: bool[B, T], the frames of the piece.
            conditions: Not read.
            dtype: Type of the computation.
            key: Not read: nothing is dropped.

        Returns:
            float[B, T, S, V].
        """
        streams, pitches = self.vocabulary.streams, self.vocabulary.range("pitch").size
        first = self.vocabulary.start("pitch")
        known = (~hidden & real[..., None])[..., None]
        roll = jax.nn.one_hot(tokens - first, pitches, dtype=dtype) * known
        x = jnp.concatenate([roll, jnp.broadcast_to(known, roll.shape).astype(roll.dtype)], 2)
        x = jnp.moveaxis(x, 2, -1)  # [B, T, P, 2 S]
        inside = real[..., None, None]

        def layer(x: Array, name: str) -> Array:
            y = convolutions.Convolution(self.width, name=name)(x)
            norm = nn.BatchNorm(not self.train, momentum=0.99, dtype=dtype, name=f"{name}_norm")
            return norm(y, mask=jnp.broadcast_to(inside, (*y.shape[:-1], 1)))

        def rectified(x: Array) -> Array:
            # Frames outside stay at 0, as the padding beyond them is.
            return jnp.where(inside, nn.relu(x), 0.0)

        x = rectified(layer(x, "first"))
        for i in range(self.layers // 2 - 1):
            y = layer(rectified(layer(x, f"layer_{2 * i}")), f"layer_{2 * i + 1}")
            x = rectified(x + y)
        pitched = jnp.moveaxis(convolutions.Convolution(streams, bias=True, name="last")(x), -1, 2)
        # A rest has no place among the pitches; it is told by the frame as a whole.
        others = nn.Dense(streams * first, dtype=dtype, name="rest")(x.mean(2))
        return jnp.concatenate([others.reshape(*others.shape[:2], streams, first), pitched], -1)


def beside(x: Array, width: int, dilation: int) -> Array:
    """Neighbours laid side by side: [B, T, C] -> [B, T, width C], 0 beyond either end; width is odd."""
    reach = width // 2 * dilation
    padded = jnp.pad(x, ((0, 0), (reach, reach), (0, 0)))
    return jnp.concatenate([padded[:, i * dilation : i * dilation + x.shape[1]] for i in range(width)], -1)


class Head(nn.Module):
    """Logits of one voice.

    Attributes:
        vocabulary: Of tokens.
        width: Of the hidden layer.
        anchors: How many pitches intervals are scored from.
        dropout: On the hidden layer.
    """

    vocabulary: vocabularies.Vocabulary
    width: int
    anchors: int
    dropout: float

    @nn.compact
    def __call__(self, x: Array, ones: Array, pitch: Array, like: Array, shares: Array, key: Array | None) -> Array:
        """Of every frame.

        Args:
            x: float[B, T, D], what the layers found.
            ones: float[B, T, F], features of the voice as one-hots.
            pitch: int32[B, T, A], the anchors as places among the pitches, -1 where there is none.
            like: int32[B, T], the token of the like passage.
            shares: float[B, T, K, 12], as `nearby.over` gives them.
            key: For dropout.

        Returns:
            float32[B, T, V].
        """
        size, pitches = self.vocabulary.size, self.vocabulary.range("pitch").size
        first, low = self.vocabulary.start("pitch"), self.vocabulary.range("pitch").min
        y = nn.Dense(self.width, name="context")(x)
        wide = nn.initializers.normal(0.2)
        y = y + nn.Dense(self.width, use_bias=False, kernel_init=wide, name="present")(ones)
        y = dropouts.drop(nn.silu(nn.LayerNorm(name="norm")(y)), self.dropout, key)
        small = nn.initializers.variance_scaling(0.01, "fan_in", "normal")
        steps = (2 * pitches - 1) * self.anchors
        spans = shares.shape[2]
        scores = nn.Dense(size + steps + spans + 1, kernel_init=small, name="output")(y).astype(jnp.float32)
        placed = voices.place_intervals(scores[..., size : size + steps].reshape(*pitch.shape, -1), pitch).sum(-2)
        of_class = (np.arange(pitches)[None] + low) % nearby.CLASSES == np.arange(nearby.CLASSES)[:, None]
        by_pitch = shares.astype(jnp.float32) @ jnp.asarray(of_class, jnp.float32)
        placed = placed + (scores[..., -spans:, None] * by_pitch).sum(-2)
        logits = scores[..., :size] + jnp.pad(placed, [(0, 0), (0, 0), (first, size - first - pitches)])
        return logits + scores[..., size + steps : size + steps + 1] * jax.nn.one_hot(like, size)


class Frames(nn.Module):
    """A net of convolutions over frames, and heads over pitches.

    Attributes:
        vocabulary: Of tokens.
        layers: Convolutions in the residual units, two in each.
        width: Channels.
        attention: After how many residual units frames attend to each other, over and over; 0 for never.
        head: Width of a voice's head.
        conditions: Names of the conditions that are read.
        feature_dropout: Share of input features dropped.
        dropout: In the residual units.
        head_dropout: In the heads.
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

    def _cells(self, found: Mapping[str, Array]) -> list[tuple[Array, int]]:
        """Features of each voice around a frame: int32[B, T, S] and their sizes."""
        t = history.tables(self.vocabulary)
        wide = history.relations(history.WIDE)
        last, after, like = (found[name] for name in ("last", "next", "like"))
        return [
            (found["given"], t.size + 1),
            (last, t.size + 1),
            (found["since"], len(ahead.AWAY) + 1),
            (after, t.size + 1),
            (found["away"], len(ahead.AWAY) + 1),
            (history.relation(t, after, last, history.WIDE), wide),
            (like, t.size + 1),
            (history.relation(t, like, last, history.WIDE), wide),
        ]

    def _frames(self, found: Mapping[str, Array], conditions: Mapping[str, Array]) -> list[tuple[Array, int]]:
        """Features of a frame that all its voices share: int32[B, T] and their sizes."""
        sizes = dict(self.vocabulary.conditions)
        agree = len(ahead.AGREE) + 1
        told = [(conditions[name], sizes[name]) for name in self.conditions]
        return [*told, (found["agree_before"], agree), (found["agree_after"], agree)]

    def _attended(self, x: Array, real: Array, key: Array | None, at: int) -> Array:
        """What frames of the piece hear of all others, nothing before training: float[B, T, D]."""
        turns = attention.turns(jnp.arange(x.shape[1]), self.width // HEADS, x.dtype)
        y = nn.LayerNorm(name=f"attention_norm_{at}")(x)
        split = nn.DenseGeneral((3, HEADS, self.width // HEADS), use_bias=False, name=f"attention_{at}")(y)
        q, k, v = (split[:, :, i] for i in range(3))
        mask = jnp.broadcast_to(real[:, None], (*real.shape, real.shape[1]))
        heard = attention.known(attention.turn(q, turns), attention.turn(k, turns), v, mask).reshape(x.shape)
        heard = dropouts.drop(heard, self.dropout, key, (x.shape[0], 1, x.shape[2]))
        return nn.Dense(self.width, kernel_init=nn.initializers.zeros, name=f"attention_out_{at}")(heard)

    @nn.compact
    def __call__(
        self, tokens: Array, hidden: Array, real: Array, conditions: Mapping[str, Array], dtype: Any, key: Array | None
    ) -> Array:
        """As `Grid`, with conditions int32[B, T] and a key for dropout."""
        t, streams = history.tables(self.vocabulary), self.vocabulary.streams
        keys = (None,) * 4 if key is None else tuple(jax.random.split(key, 4))
        inside = real[..., None]
        found = nearby.over(t, jnp.where(hidden | ~inside, t.size, tokens))
        given, last, wide = found["given"], found["last"], history.relations(history.WIDE)
        shares = found["shares"].astype(dtype)
        pairs = [
            history.relation(t, given[..., u], given[..., s], history.WIDE) for s in range(streams) for u in range(s)
        ]
        frames = self._frames(found, conditions)
        cells = features.one_hots(self._cells(found), self.feature_dropout, keys[0], dtype)
        both = features.one_hots([*frames, *((p, wide) for p in pairs)], self.feature_dropout, keys[1], dtype)
        ones = jnp.concatenate([cells.reshape(*cells.shape[:2], -1), both], -1)
        x = nn.Dense(self.width, kernel_init=nn.initializers.normal(0.2), name="embedding")(ones)
        x = x + nn.Dense(self.width, use_bias=False, name="shares")(shares.reshape(*shares.shape[:2], -1))
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        for i in range(self.layers // 2):
            y = jnp.where(inside, nn.silu(nn.LayerNorm(name=f"norm_{2 * i}")(x)), 0.0)
            y = nn.Dense(self.width, name=f"layer_{2 * i}")(beside(y, 3, DILATIONS[i % len(DILATIONS)]))
            y = nn.silu(nn.LayerNorm(name=f"norm_{2 * i + 1}")(y))
            drop = None if keys[2] is None else jax.random.fold_in(keys[2], i)
            y = dropouts.drop(y, self.dropout, drop, (y.shape[0], 1, y.shape[2]))
            x = x + nn.Dense(self.width, kernel_init=small, name=f"layer_{2 * i + 1}")(y)
            if self.attention and (i + 1) % self.attention == 0:
                x = x + self._attended(x, real, None if drop is None else jax.random.fold_in(drop, 0), i)
        x = nn.LayerNorm(name="norm")(x)
        # A head sees the other voices of the frame; where one is hidden, the nearest known on either side stand for it.
        others = np.array([[u for u in range(streams) if u != s] for s in range(streams)])
        there, before = given[..., others], last[..., others]
        heard, coming = (jnp.where(there < t.size, there, x) for x in (before, found["next"][..., others]))
        mine = jnp.broadcast_to(last[..., None], there.shape)
        narrow, same = history.relations(history.NARROW), (found["like"][..., others] == there).astype(jnp.int32)
        parts = self._cells(found) + [(jnp.broadcast_to(f[..., None], given.shape), n) for f, n in frames]
        for u in range(streams - 1):
            parts.append((history.relation(t, there[..., u], mine[..., u], history.WIDE), wide))
            parts.append((history.relation(t, heard[..., u], before[..., u], history.NARROW), narrow))
            parts.append((history.relation(t, coming[..., u], mine[..., u], history.WIDE), wide))
            parts.append((same[..., u], 2))
        present = features.one_hots(parts, self.feature_dropout, keys[3], dtype)
        anchors = jnp.concatenate([last[..., None], found["next"][..., None], heard, coming], -1)
        pitch = jnp.asarray(t.pitch)[anchors]
        places = jnp.where(pitch >= 0, pitch - self.vocabulary.range("pitch").min, -1)
        axes: Any = (None, 2, 2, 2, None, 0)
        heads = nn.vmap(Head, variable_axes={"params": 0}, split_rngs={"params": True}, in_axes=axes, out_axes=2)
        drops = None if key is None else jax.random.split(jax.random.fold_in(key, 1), streams)
        return heads(self.vocabulary, self.head, anchors.shape[-1], self.head_dropout, name="heads")(
            x, present, places, found["like"], shares, drops
        )
