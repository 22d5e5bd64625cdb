"""A joint distribution over the keys of a frame: each key given the past and the keys below it.

The NADE of Larochelle and Murray (2011) as RNN-NADE conditions it (Boulanger-Lewandowski et al., 2012): biases of keys
and of the hidden layer come from the recurrent state. Where the net has a head that all keys share, the head also sees
the keys below by their distance, so that an interval learnt in one register serves in another.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from musejax.array_types import AnyArray, Array, Float, Int, Integer, Key
from musejax.nn import dropout as dropouts


class Context(NamedTuple):
    """What the past says of a frame: the output of a net over frames whose keys are drawn one after the other.

    Attributes:
        logits: float[..., V], the logit of each key as far as the past alone decides it.
        hidden: float[..., H], the hidden layer before any key.
        heads: float[..., V, W], the shared head of each key before its non-linearity; None for a net without.
    """

    logits: Float[Array, "*N V"]
    hidden: Float[Array, "*N H"]
    heads: Float[Array, "*N V W"] | None


class Nade(nn.Module):
    """Keys from the lowest to the highest.

    Attributes:
        size: Keys, V.
        hidden: Width of the hidden layer, H.
        head: Width of the shared head, W; 0 for a net without.
        dropout: On both.
    """

    size: int
    hidden: int
    head: int
    dropout: float = 0.0

    def setup(self) -> None:
        """The weights."""
        small = nn.initializers.normal(0.05)
        self.reads = self.param("reads", small, (self.size, self.hidden))
        self.writes = self.param("writes", small, (self.size, self.hidden))
        if self.head:
            # Row d is what a sounding key adds to the head of the key d semitones above it.
            self.below = self.param("below", small, (self.size, self.head))
            self.read = self.param("read", nn.initializers.lecun_normal(), (self.head, 1))

    def __call__(
        self, context: Context, frames: Integer[AnyArray, "B T V"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "B T V"]:
        """The logit of each key given the keys below it, of frames that are known: one pass for all keys.

        Args:
            context: Of shape [B, T, ...].
            frames: int[B, T, V].
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, V].
        """
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        dtype = context.logits.dtype
        bits = frames.astype(dtype)
        rows, size = bits.shape[:2], self.size
        lower = jnp.asarray(np.tril(np.ones((size, size), np.float32), -1), dtype)
        # [V, V] x [V, B T H]: a running sum over the keys, as a product.
        added = jnp.einsum("jh,btj->jbth", self.reads.astype(dtype), bits).reshape(size, -1)
        a = nn.relu((lower @ added).reshape(size, *rows, self.hidden) + context.hidden[None])
        a = dropouts.drop(a, self.dropout, keys[0], (size, rows[0], 1, self.hidden))
        logits = context.logits + jnp.einsum("kbth,kh->btk", a, self.writes.astype(dtype))
        if context.heads is None:
            return logits
        distance = np.arange(size)[None] - np.arange(size)[:, None]  # from the sounding key up to the one that listens
        table = self.below.astype(dtype)[np.maximum(distance, 0)]
        band = jnp.where(jnp.asarray(distance > 0)[..., None], table, 0.0).reshape(size, size * self.head)
        u = nn.relu(context.heads + (bits @ band).reshape(*rows, size, self.head))
        u = dropouts.drop(u, self.dropout, keys[1], (rows[0], 1, size, self.head))
        return logits + (u @ self.read.astype(dtype))[..., 0]

    def one(self, context: Context, bits: Int[Array, "N V"], at: Int[Array, ""]) -> Float[Array, " N"]:
        """The logit of one key of a frame that is being drawn.

        Args:
            context: Of shape [N, ...].
            bits: int[N, V], 0 from the key on.
            at: Its index, int[].

        Returns:
            float[N].
        """
        dtype = context.logits.dtype
        sounding = bits.astype(dtype)
        a = nn.relu(context.hidden + sounding @ self.reads.astype(dtype))
        logit = context.logits[:, at] + a @ self.writes.astype(dtype)[at]
        if context.heads is None:
            return logit
        table = self.below.astype(dtype)[jnp.maximum(at - jnp.arange(self.size), 0)]
        u = nn.relu(context.heads[:, at] + sounding @ table)
        return logit + (u @ self.read.astype(dtype))[:, 0]
