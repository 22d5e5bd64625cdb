"""A net over frames of one or more streams: one step of a stack a frame, then the streams one after the other.

The stack is any module that reads whole sequences and single steps by the same call (`nn/recurrent.py`,
`nn/transformer.py`).

Logits of a stream are the sum of a head over the vocabulary and of heads over intervals, placed relative to the
stream's sounding note and to the notes already drawn in the frame, so that a step or a chord learnt at one pitch
serves at all; and of a weight for the token that the match (musejax/nn/history.py) proposes. A net that reads the key
also has a head over the twelve degrees above the key's tonic, and sees the notes as such degrees.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.base import Array
from musejax.nn import ahead, features, given, history
from musejax.nn import dropout as dropouts


@jax.custom_vjp
def place_intervals(scores: Array, pitch: Array) -> Array:
    """Scores of intervals as scores of pitches: out[q] = scores[q - pitch + P - 1].

    The gradient is the same gather in the other direction; autodiff's scatter is slow on a CPU.

    Args:
        scores: float[..., 2P - 1], one for each interval from -(P - 1) to P - 1.
        pitch: int32[...], 0..P - 1, or -1 where there is none: all scores are 0 then.

    Returns:
        float[..., P].
    """
    size = (scores.shape[-1] + 1) // 2
    index = _count(pitch, size) - jnp.maximum(pitch, 0)[..., None] + size - 1
    return jnp.where((pitch >= 0)[..., None], jnp.take_along_axis(scores, index, axis=-1), 0.0)


def _count(pitch: Array, size: int) -> Array:
    """0..size - 1 along a new last axis."""
    return jax.lax.broadcasted_iota(jnp.int32, (*pitch.shape, size), pitch.ndim)


def _place_forward(scores: Array, pitch: Array) -> tuple[Array, Array]:
    return place_intervals(scores, pitch), pitch


def _place_backward(pitch: Array, cotangent: Array) -> tuple[Array, None]:
    size = cotangent.shape[-1]
    index = _count(pitch, 2 * size - 1) + jnp.maximum(pitch, 0)[..., None] - (size - 1)
    inside = (pitch >= 0)[..., None] & (index >= 0) & (index < size)
    taken = jnp.take_along_axis(cotangent, jnp.clip(index, 0, size - 1), axis=-1)
    return jnp.where(inside, taken, 0.0), None


place_intervals.defvjp(_place_forward, _place_backward)


class VoiceNet(nn.Module):
    """The net; `frame` and `stream` are its two halves.

    Attributes:
        vocabulary: Of tokens, with several streams.
        stack: The layers over frames: (float[B, T, E], carry, key) -> float[B, T, H], carry.
        reader: Reads the cells that are given ahead of their turn; None for a net that knows the past alone.
        conditions: Names of the conditions that are read.
        place: Whether it reads how many bars the piece has lasted, which a piece that ends wants to know.
        bars_left: Whether it may be told how many bars are left.
        phase: Whether it reads the frames since the piece began modulo 48, where no condition tells the beat.
        order: The streams in the order in which they are drawn.
        embed: Width E of a frame's embedding.
        head: Width D of a stream's head.
        feature_dropout: Share of input features dropped.
        dropout: Inside the heads.
    """

    vocabulary: vocabularies.Vocabulary
    stack: nn.Module
    reader: given.Reader | None
    conditions: tuple[str, ...]
    place: bool
    bars_left: bool
    phase: bool
    order: tuple[int, ...]
    embed: int
    head: int
    feature_dropout: float
    dropout: float

    def setup(self) -> None:
        """Makes the layers."""
        streams, size = self.vocabulary.streams, self.vocabulary.size
        pitches = self.vocabulary.range("pitch").size
        wide = nn.initializers.normal(0.2)
        self.embedding = nn.Dense(self.embed, kernel_init=wide)
        self.context = nn.Dense(streams * self.head)
        self.skip = nn.Dense(streams * self.head, use_bias=False)
        if self.reader is not None:
            self.heard = nn.Dense(self.embed, use_bias=False)
            self.heard_by_stream = nn.Dense(streams * self.head, use_bias=False)
        self.present = [nn.Dense(self.head, use_bias=False, kernel_init=wide) for _ in range(streams)]
        self.norms = [nn.LayerNorm() for _ in range(streams)]
        small = nn.initializers.variance_scaling(0.01, "fan_in", "normal")
        more = 1 + (12 if self.by_degree else 0)
        # With lookahead there are interval heads for what comes next and for every voice, and a second match.
        anchors = [streams + 1 if self.lookahead else 1 + j for j in range(streams)]
        more += 1 if self.lookahead else 0
        self.outputs = [nn.Dense(size + (2 * pitches - 1) * n + more, kernel_init=small) for n in anchors]

    @property
    def lookahead(self) -> bool:
        """Whether the heads see features of the given cells (nn/ahead.py)."""
        return self.reader is not None and self.reader.lookahead

    @property
    def by_degree(self) -> bool:
        """Whether notes are also seen and scored as degrees of the key."""
        return "key" in self.conditions

    def _degree(self, batch: Mapping[str, Array], ids: Array) -> list[tuple[Array, int]]:
        """The degree of ids [B, T] in the key of their frame, as a feature; none for a net that does not read it."""
        return [(jnp.asarray(features.degrees(self.vocabulary))[batch["key"], ids], 13)] if self.by_degree else []

    def _told(self, batch: Mapping[str, Array]) -> list[tuple[Array, int]]:
        sizes = dict(self.vocabulary.conditions)
        return [(batch[name], sizes[name]) for name in self.conditions]

    def _conditions(self, batch: Mapping[str, Array]) -> list[tuple[Array, int]]:
        parts = self._told(batch)
        parts += [(batch["place"], history.PLACES)] if self.place else []
        parts += [(batch["bars_left"], history.LEFT)] if self.bars_left else []
        return [*parts, (batch["phase"], history.PHASES)] if self.phase else parts

    def _voice(self, batch: Mapping[str, Array], s: int) -> list[tuple[Array, int]]:
        """Features of one stream's past."""
        t = history.tables(self.vocabulary)
        now, match = batch["sounding"][..., s], batch["match"][..., s]
        return [
            (batch["previous"][..., s], t.size + 1),
            (now, t.size + 1),
            (batch["hold"][..., s], len(history.HOLDS) + 1),
            (batch["interval"][..., s], history.relations(history.NARROW)),
            (history.relation(t, match, now, history.NARROW), history.relations(history.NARROW)),
            *self._degree(batch, now),
        ]

    def read(self, batch: Mapping[str, Array], dtype: Any, key: Array | None) -> dict[str, Array]:
        """What the given cells say to each frame.

        Args:
            batch: `given` int32[B, T, S], V where a cell is free, and the conditions.
            dtype: Type of the computation.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            `heard` float[B, T, E], what the reader found, and with lookahead the features of nn/ahead.py.
        """
        assert self.reader is not None
        signature = batch["key"] if self.by_degree else None
        heard = self.reader(batch["given"], self._told(batch), signature, dtype, key)
        more = ahead.over(history.tables(self.vocabulary), batch["given"]) if self.lookahead else {}
        return {"heard": heard, **more}

    def _ahead(self, batch: Mapping[str, Array], j: int) -> list[tuple[Array, int]]:
        """Features of the given cells for the stream that is drawn j-th."""
        t, s = history.tables(self.vocabulary), self.order[j]
        mine, comes, like = (batch[name][..., s] for name in ("sounding", "next", "like"))
        wide = history.relations(history.WIDE)
        parts = [
            (comes, t.size + 1),
            (batch["away"][..., s], len(ahead.AWAY) + 1),
            (history.relation(t, comes, mine, history.WIDE), wide),
            (like, t.size + 1),
            (history.relation(t, like, mine, history.WIDE), wide),
            (batch["agree_before"], len(ahead.AGREE) + 1),
            (batch["agree_after"], len(ahead.AGREE) + 1),
        ]
        for u in self.order[j + 1 :]:
            there = batch["given"][..., u]
            parts += [(there, t.size + 1), (history.relation(t, there, mine, history.WIDE), wide)]
        return parts

    def frame(self, batch: Mapping[str, Array], carry: Any, key: Array | None) -> tuple[Array, Any]:
        """What the past says to each stream of each frame.

        Args:
            batch: History features and conditions, int32[B, T, ...]; for a net that has a reader also what `read`
                gives.
            carry: The stack's state; its type is that of the computation.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, S, D], streams in the order in which they are drawn; the state after.
        """
        t = history.tables(self.vocabulary)
        streams = self.vocabulary.streams
        keys = (None,) * 3 if key is None else tuple(jax.random.split(key, 3))
        parts = [p for s in range(streams) for p in self._voice(batch, s)] + self._conditions(batch)
        parts.append((batch["match_length"], len(history.MATCHES) + 1))
        for low in range(streams):
            for high in range(low):
                chord = history.relation(t, batch["sounding"][..., high], batch["sounding"][..., low], history.WIDE)
                parts.append((chord, history.relations(history.WIDE)))
        x = self.embedding(features.one_hots(parts, self.feature_dropout, keys[0], jax.tree.leaves(carry)[0].dtype))
        if self.reader is not None:
            x = x + self.heard(batch["heard"])
        y = dropouts.drop(x, self.feature_dropout, keys[1], (x.shape[0], 1, x.shape[2]))
        h, carry = self.stack(y, carry, keys[2])
        z = self.context(h) + self.skip(x)
        if self.reader is not None:
            z = z + self.heard_by_stream(batch["heard"])
        return z.reshape(*z.shape[:-1], streams, self.head), carry

    def stream(self, z: Array, batch: Mapping[str, Array], tokens: Array, j: int, key: Array | None) -> Array:
        """Logits of the stream that is drawn j-th.

        Args:
            z: float[B, T, D], its part of `frame`.
            batch: As in `frame`.
            tokens: int32[B, T, S]; only the streams drawn before are read.
            j: Place in the order.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, V].
        """
        t = history.tables(self.vocabulary)
        s, size, pitches = self.order[j], t.size, self.vocabulary.range("pitch").size
        keys = (None,) * 2 if key is None else tuple(jax.random.split(key))
        parts = self._voice(batch, s) + self._conditions(batch)
        parts.append((batch["match_length"], len(history.MATCHES) + 1))
        mine = batch["sounding"][..., s]
        anchors = [mine]
        for u in self.order[:j]:
            token, before = tokens[..., u], batch["sounding"][..., u]
            now = history.sounding(t, token, before)
            anchors.append(now)
            parts += [
                (token, size + 1),
                (history.relation(t, now, before, history.NARROW), history.relations(history.NARROW)),
                (history.relation(t, now, mine, history.WIDE), history.relations(history.WIDE)),
                ((token == batch["match"][..., u]).astype(jnp.int32), 2),
                *self._degree(batch, now),
            ]
            if self.lookahead:
                parts.append(((token == batch["like"][..., u]).astype(jnp.int32), 2))
        if self.lookahead:
            parts += self._ahead(batch, j)
            anchors += [batch["next"][..., s], *(batch["given"][..., u] for u in self.order[j + 1 :])]
        y = z + self.present[j](features.one_hots(parts, self.feature_dropout, keys[0], z.dtype))
        y = dropouts.drop(nn.silu(self.norms[j](y)), self.dropout, keys[1])
        scores = self.outputs[j](y).astype(jnp.float32)
        logits, at = scores[..., :size], size
        first = self.vocabulary.start("pitch")
        low = self.vocabulary.range("pitch").min
        for anchor in anchors:
            pitch = jnp.asarray(t.pitch)[anchor]
            index = jnp.where(pitch >= 0, pitch - low, -1)
            placed = place_intervals(scores[..., at : at + 2 * pitches - 1], index)
            pad = [(0, 0)] * (logits.ndim - 1) + [(first, size - first - pitches)]
            logits = logits + jnp.pad(placed, pad)
            at += 2 * pitches - 1
        for name in ("match", "like") if self.lookahead else ("match",):
            logits = logits + scores[..., at : at + 1] * jax.nn.one_hot(batch[name][..., s], size)
            at += 1
        if self.by_degree:
            # One-hot rows: a product, where a gather's gradient would be a scatter.
            rows = np.swapaxes(np.eye(13, 12, dtype=np.float32)[features.degrees(self.vocabulary)[:, :size]], 1, 2)
            logits = logits + jnp.einsum("...d,...dv->...v", scores[..., at:], jnp.asarray(rows)[batch["key"]])
        return logits

    def __call__(self, batch: Mapping[str, Array], carry: Any, key: Array | None) -> Array:
        """Logits of every stream of every frame given the ones before: float[B, T, S, V], streams as in the batch."""
        streams = self.vocabulary.streams
        keys = (None,) * (2 + streams) if key is None else tuple(jax.random.split(key, 2 + streams))
        if self.reader is not None:
            batch = {**batch, **self.read(batch, jax.tree.leaves(carry)[0].dtype, keys[-1])}
        z, _ = self.frame(batch, carry, keys[0])
        logits: list[Any] = [None] * streams
        for j, s in enumerate(self.order):
            logits[s] = self.stream(z[..., j, :], batch, batch["tokens"], j, keys[1 + j])
        return jnp.stack(logits, axis=-2)
