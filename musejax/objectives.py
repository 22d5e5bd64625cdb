"""Losses as functions of arrays: negative log-likelihoods by cell and their masked means."""

import jax
import jax.numpy as jnp

from musejax.base import Array, Info, State


def categorical_nll(logits: Array, tokens: Array) -> Array:
    """-log softmax(logits)[token] in nats.

    Args:
        logits: [..., V]; computed in float32 whatever comes.
        tokens: int[...].

    Returns:
        float32[...].
    """
    logits = logits.astype(jnp.float32)
    return jax.nn.logsumexp(logits, axis=-1) - chosen(logits, tokens)


def chosen(logits: Array, tokens: Array) -> Array:
    """logits[token]: [..., V] and int[...] -> [...]. A masked sum: the gradient of a gather is a slow scatter."""
    is_chosen = jax.nn.one_hot(tokens, logits.shape[-1], dtype=bool)
    return jnp.where(is_chosen, logits, 0.0).sum(-1)


def hits(logits: Array, tokens: Array) -> Array:
    """1 where no token is likelier than the given one, float32[...]."""
    return (chosen(logits, tokens) >= logits.max(-1)).astype(jnp.float32)


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


def cross_entropy(logits: Array, tokens: Array, mask: Array, state: State) -> tuple[Array, tuple[State, Info]]:
    """The loss of a net over tokens: the mean nats a cell where mask is 1, and how often the likeliest is right.

    Args:
        logits: float[..., V].
        tokens: int[...].
        mask: Of the tokens' shape.
        state: What the gradient does not train, passed through.

    Returns:
        loss, (state, info), as `Model.loss` does.
    """
    mean, weight = masked_mean(categorical_nll(logits, tokens), mask)
    accuracy, _ = masked_mean(hits(logits, tokens), mask)
    return mean, (state, {"loss": mean, "accuracy": accuracy, "weight": weight})


def kl_to_standard(mean: Array, scale: Array) -> Array:
    """The KL divergence of independent normals from the standard normal, in nats: float[...] of float[...] each."""
    return 0.5 * (jnp.square(mean) + jnp.square(scale) - 1.0) - jnp.log(scale)
