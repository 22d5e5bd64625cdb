"""Inverted dropout with an explicit key."""

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Float, Key


def drop(
    x: Float[Array, " *S"], rate: float, key: Key[Array, ""] | None, shape: tuple[int, ...] | None = None
) -> Float[Array, " *S"]:
    """Sets a share of the entries of x to 0 and scales the rest up; without a key, or at rate 0, x itself.

    Args:
        x: float[...].
        rate: Share that is dropped, in [0, 1).
        key: None when nothing is to be dropped.
        shape: That of the mask, broadcast to x's; None for x's own.
    """
    if key is None or rate == 0.0:
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape if shape is None else shape)
    return jnp.where(jnp.broadcast_to(keep, x.shape), x / (1.0 - rate), 0.0).astype(x.dtype)
