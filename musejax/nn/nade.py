"""A joint distribution over the keys of a frame: each key is conditioned on the past and on the keys below it.

This is the NADE of Larochelle and Murray (2011), conditioned as in RNN-NADE (Boulanger-Lewandowski et al., 2012): the
biases of the keys and of the hidden layer come from the recurrent state. If the network has a head that all keys share,
the head also reads the keys below by their distance, so that an interval learned in one register generalises to others.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from musejax.array_types import AnyArray, Array, Float, Int, Integer, Key
from musejax.nn import dropout as dropouts


class Context(NamedTuple):
    """The context of a frame whose keys are sampled one after the other: what the network computes from the past.

    Attributes:
        logits: float[..., V], the part of each key's logit that depends on the past alone.
        hidden: float[..., H], the pre-activations of the hidden layer before any key is read.
        heads: float[..., V, W], the shared head's pre-activations for each key; None for a network without this head.
    """

    logits: Float[Array, "*N V"]
    hidden: Float[Array, "*N H"]
    heads: Float[Array, "*N V W"] | None


class Nade(nn.Module):
    """A NADE over keys from the lowest to the highest.

    Attributes:
        size: Number of keys, V.
        hidden: Width of the hidden layer, H.
        head: Width of the shared head, W; 0 for a network without this head.
        dropout: Dropout rate of the hidden layer and of the head.
    """

    size: int
    hidden: int
    head: int
    dropout: float = 0.0

    def setup(self) -> None:
        """Creates the weights."""
        small = nn.initializers.normal(0.05)
        self.reads = self.param("reads", small, (self.size, self.hidden))
        self.writes = self.param("writes", small, (self.size, self.hidden))
        if self.head:
            # A sounding key adds row d to the head of the key d semitones above it.
            self.below = self.param("below", small, (self.size, self.head))
            self.read = self.param("read", nn.initializers.lecun_normal(), (self.head, 1))

    def __call__(
        self, context: Context, frames: Integer[AnyArray, "B T V"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "B T V"]:
        """Returns the logit of each key given the keys below it, for given frames, in one pass.

        Args:
            context: The contexts, [B, T, ...].
            frames: int[B, T, V].
            key: Key for dropout, or None to drop nothing.

        Returns:
            float[B, T, V].
        """
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        dtype = context.logits.dtype
        bits = frames.astype(dtype)
        rows, size = bits.shape[:2], self.size
        lower = jnp.asarray(np.tril(np.ones((size, size), np.float32), -1), dtype)
        # A cumulative sum over the keys as one product, [V, V] x [V, B T H].
        added = jnp.einsum("jh,btj->jbth", self.reads.astype(dtype), bits).reshape(size, -1)
        a = nn.relu((lower @ added).reshape(size, *rows, self.hidden) + context.hidden[None])
        a = dropouts.drop(a, self.dropout, keys[0], (size, rows[0], 1, self.hidden))
        logits = context.logits + jnp.einsum("kbth,kh->btk", a, self.writes.astype(dtype))
        if context.heads is None:
            return logits
        distance = np.arange(size)[None] - np.arange(size)[:, None]  # from the sounding key (row) up to the reading key
        table = self.below.astype(dtype)[np.maximum(distance, 0)]
        band = jnp.where(jnp.asarray(distance > 0)[..., None], table, 0.0).reshape(size, size * self.head)
        u = nn.relu(context.heads + (bits @ band).reshape(*rows, size, self.head))
        u = dropouts.drop(u, self.dropout, keys[1], (rows[0], 1, size, self.head))
        return logits + (u @ self.read.astype(dtype))[..., 0]

    def one(self, context: Context, bits: Int[Array, "N V"], at: Int[Array, ""]) -> Float[Array, " N"]:
        """Returns the logit of one key of a frame that is being sampled.

        Args:
            context: The context, [N, ...].
            bits: int[N, V], the keys below; 0 from key `at` on.
            at: Index of the key, int[].

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
