"""Losses as functions of arrays: negative log-likelihoods by cell and their masked means."""

import jax
import jax.numpy as jnp

from musejax.base import Array


def categorical_nll(logits: Array, tokens: Array) -> Array:
    """-log softmax(logits)[token] in nats.

    Args:
        logits: [..., V]; computed in float32 whatever comes.
        tokens: int[...].

    Returns:
        float32[...].
    """
    logits = logits.astype(jnp.float32)
    chosen = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits, axis=-1) - chosen


def bernoulli_nll(logits: Array, bits: Array) -> Array:
    """-log of the probability of each bit in nats: float32 of the common shape."""
    logits = logits.astype(jnp.float32)
    return jax.nn.softplus(logits) - logits * bits.astype(jnp.float32)


def masked_mean(values: Array, mask: Array) -> tuple[Array, Array]:
    """The mean of values where mask is 1, and how many there are (at least 1 divides).

    Args:
        values: float[...].
        mask: Of the same shape, 1 where a value counts.
    """
    mask = mask.astype(jnp.float32)
    weight = mask.sum()
    return (values * mask).sum() / jnp.maximum(weight, 1.0), weight
