"""Inverted dropout with an explicit key."""

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Float, Key


def drop(
    x: Float[Array, " *S"], rate: float, key: Key[Array, ""] | None, shape: tuple[int, ...] | None = None
) -> Float[Array, " *S"]:
    """Sets a random share of the entries of x to 0 and scales the others up; returns x if key is None or rate is 0.

    Args:
        x: float[...].
        rate: Probability that an entry is dropped, in [0, 1).
        key: A random key, or None to drop nothing.
        shape: Shape of the mask, which is broadcast to that of x; None for the shape of x.
    """
    if key is None or rate == 0.0:
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape if shape is None else shape)
    return jnp.where(jnp.broadcast_to(keep, x.shape), x / (1.0 - rate), 0.0).astype(x.dtype)
