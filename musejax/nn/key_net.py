"""Networks over binary frames: one step of a stack per frame, then the keys of the frame.

A network returns the logit of each key independently given the past (class A1 of protocol `bl`), or a context for a
frame whose keys are sampled one after the other (nn/nade.py, class A2). In `KeyNet` the logit of a key is the sum of a
linear read-out of the recurrent state, a linear map of the last frame, and a small head that all keys share. The head
reads the past of the key and of its neighbours, so that what it learns in one register generalises to others.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from musejax.array_types import AnyArray, Array, Float, Key
from musejax.nn import dropout as dropouts
from musejax.nn import nade
from musejax.nn.features import key_history

# Decay times, in frames, of the features of how long ago a key sounded.
DECAYS = (2.0, 6.0, 20.0, 60.0)
# Semitones below and above a key that its head reads.
REACH = 12


def _past_features(
    batch: Mapping[str, AnyArray], dtype: Any
) -> tuple[Float[Array, "B T V 24"], Float[Array, "B T V 2"], Float[Array, "B T 8"]]:
    """Returns the features of a key's past, of its neighbours' past, and those common to all keys.

    Returns:
        own float[B, T, V, 24], near float[B, T, V, 2], common float[B, T, 8].
    """
    lags = jnp.moveaxis(batch["lags"], -2, -1).astype(dtype)
    hold = jnp.minimum(batch["hold"].astype(jnp.float32), 64.0)
    silence = batch["silence"].astype(jnp.float32)
    age = jnp.log2(1.0 + hold) / 4.0
    faded = [jnp.where(silence < key_history.MOST, jnp.exp(-silence / decay), 0.0) for decay in DECAYS]
    match = jnp.moveaxis(batch["match"], -2, -1).astype(dtype)
    marks = jnp.stack([hold == 1.0, hold >= 4.0, *faded], axis=-1).astype(dtype)
    own = jnp.concatenate([lags[..., 1:], marks, match], axis=-1)
    near = jnp.stack([lags[..., 0], age.astype(dtype)], axis=-1)
    place = batch["place"].astype(jnp.float32)
    numbers = jnp.stack([place == 0.0, jnp.log2(1.0 + place) / 8.0], axis=-1)
    return own, near, jnp.concatenate([numbers.astype(dtype), batch["match_weight"].astype(dtype)], axis=-1)


class KeyNet(nn.Module):
    """A network over binary frames with a head that all keys share.

    Attributes:
        size: Number of keys, V.
        stack: The layers over frames.
        conditions: (name, size) of each condition that the network reads.
        head: Width of the shared head.
        input_dropout: Dropout rate of the bits that enter the recurrent layers.
        head_dropout: Dropout rate in the heads.
        hidden: Width of the hidden layer of a NADE, or 0 if keys are independent given the past.
    """

    size: int
    stack: nn.Module
    conditions: tuple[tuple[str, int], ...]
    head: int
    input_dropout: float
    head_dropout: float
    hidden: int = 0

    @nn.compact
    def __call__(
        self, batch: Mapping[str, AnyArray], carry: Any, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B T V"] | nade.Context, Any]:
        """Returns the logits of all keys of all frames, or the contexts of the frames.

        Args:
            batch: `key_history` features and conditions, [B, T, ...].
            carry: The recurrent state, whose type is that of the computation.
            key: Key for dropout, or None to drop nothing.

        Returns:
            float[B, T, V] or a `nade.Context` of shape [B, T, ...], and the new state.
        """
        dtype = jax.tree.leaves(carry)[0].dtype
        keys = (None,) * 3 if key is None else tuple(jax.random.split(key, 3))
        own, near, common = _past_features(batch, dtype)
        beats = [jax.nn.one_hot(batch[name], size, dtype=dtype) for name, size in self.conditions]
        common = jnp.concatenate([common, *beats], axis=-1)
        # The last frame, its ages, a fading memory of each key, the longest match and the match of order 4.
        bits = jnp.concatenate([near[..., 0], near[..., 1], own[..., 15], own[..., 23], own[..., 20]], axis=-1)
        bits = dropouts.drop(bits, self.input_dropout, keys[0])
        h, carry = self.stack(jnp.concatenate([bits, common], axis=-1), carry, keys[1])
        logits = nn.Dense(self.size, name="output")(h)
        small = nn.initializers.normal(0.01)
        logits = logits + nn.Dense(self.size, False, kernel_init=small, name="skip")(bits[..., : self.size])
        heads = self._heads(h, own, near, common)
        if self.hidden:
            return nade.Context(logits, nn.Dense(self.hidden, name="hidden")(h), heads), carry
        u = dropouts.drop(nn.relu(heads), self.head_dropout, keys[2], (h.shape[0], 1, self.size, self.head))
        return logits + nn.Dense(1, False, name="read")(u)[..., 0], carry

    def _heads(
        self,
        h: Float[Array, "B T H"],
        own: Float[Array, "B T V O"],
        near: Float[Array, "B T V 2"],
        common: Float[Array, "B T C"],
    ) -> Float[Array, "B T V W"]:
        """Returns the shared head's pre-activations of all keys, [B, T, V, W]."""
        width, rows = self.head, near.shape[:2]
        kernel = self.param("near", nn.initializers.lecun_normal(), (2 * REACH + 1, 2, width)).astype(h.dtype)
        register = self.param("register", nn.initializers.normal(0.1), (self.size, width)).astype(h.dtype)
        # The convolution over keys as one product with a banded matrix, which is faster on a CPU.
        offset = np.arange(self.size)[:, None] - np.arange(self.size)[None] + REACH
        inside = (offset >= 0) & (offset <= 2 * REACH)
        band = jnp.where(jnp.asarray(inside)[..., None, None], kernel[np.clip(offset, 0, 2 * REACH)], 0.0)
        band = jnp.swapaxes(band, 1, 2).reshape(2 * self.size, self.size * width)
        u = (near.reshape(*rows, 2 * self.size) @ band).reshape(*rows, self.size, width)
        u = u + nn.Dense(width, name="own")(own) + jnp.broadcast_to(register, u.shape)
        shared = nn.Dense(width, False, name="state")(h) + nn.Dense(width, False, name="common")(common)
        return u + shared[:, :, None]


class PlainKeyNet(nn.Module):
    """The network of the classic systems: it maps the last frame (`last`) and conditions to logits of the next frame.

    Attributes:
        size: Number of keys, V.
        stack: The layers over frames.
        conditions: (name, size) of each condition that the network reads.
        input_dropout: Dropout rate of the last frame.
        hidden: As in `KeyNet`.
    """

    size: int
    stack: nn.Module
    conditions: tuple[tuple[str, int], ...]
    input_dropout: float
    hidden: int = 0

    @nn.compact
    def __call__(
        self, batch: Mapping[str, AnyArray], carry: Any, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B T V"] | nade.Context, Any]:
        """Returns what `KeyNet` returns, from `last` int[B, T, V] and conditions."""
        dtype = jax.tree.leaves(carry)[0].dtype
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        last = dropouts.drop(jnp.asarray(batch["last"], dtype), self.input_dropout, keys[0])
        beats = [jax.nn.one_hot(batch[name], size, dtype=dtype) for name, size in self.conditions]
        h, carry = self.stack(jnp.concatenate([last, *beats], axis=-1), carry, keys[1])
        logits = nn.Dense(self.size, name="output")(h)
        if self.hidden:
            return nade.Context(logits, nn.Dense(self.hidden, name="hidden")(h), None), carry
        return logits, carry
