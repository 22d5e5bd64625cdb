"""Losses as functions of arrays: negative log-likelihoods per cell, masked means, and adversarial losses."""

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Float, Integer, Shaped
from musejax.base import Metrics, State


def categorical_nll(logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """Returns -log softmax(logits)[token] in nats.

    Args:
        logits: float[..., V]; converted to float32.
        tokens: int[...].

    Returns:
        float32[...].
    """
    logits = logits.astype(jnp.float32)
    return jax.nn.logsumexp(logits, axis=-1) - select_logits(logits, tokens)


def select_logits(logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """Returns logits[token], [...] from [..., V] and int[...], as a masked sum: a gather has a slow gradient."""
    is_token = jax.nn.one_hot(tokens, logits.shape[-1], dtype=bool)
    return jnp.where(is_token, logits, 0.0).sum(-1)


def hits(logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """Returns float32[...], 1 where no token is likelier than the given one."""
    return (select_logits(logits, tokens) >= logits.max(-1)).astype(jnp.float32)


def bernoulli_nll(logits: Float[Array, " *N"], bits: Shaped[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """Returns the negative log-likelihood of each bit in nats, float32[...]."""
    logits = logits.astype(jnp.float32)
    return jax.nn.softplus(logits) - logits * bits.astype(jnp.float32)


def masked_mean(
    values: Float[Array, " *N"], mask: Shaped[AnyArray, " *N"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the mean of the values where the mask is 1 (0 if there are none), and the number of these values.

    Args:
        values: float[...].
        mask: Array of the same shape, 1 where a value counts.
    """
    mask = jnp.asarray(mask, jnp.float32)
    weight = mask.sum()
    return (values * mask).sum() / jnp.maximum(weight, 1.0), weight


def cross_entropy(
    logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"], mask: Shaped[AnyArray, " *N"], state: State
) -> tuple[Float[Array, ""], tuple[State, Metrics]]:
    """Returns the loss of a network over tokens: the mean nats per cell where the mask is 1, with the accuracy.

    Args:
        logits: float[..., V].
        tokens: int[...].
        mask: Array of the shape of `tokens`.
        state: State that is not trained by gradient, which is returned unchanged.

    Returns:
        loss, (state, info), as `Model.loss` returns them.
    """
    mean, weight = masked_mean(categorical_nll(logits, tokens), mask)
    accuracy, _ = masked_mean(hits(logits, tokens), mask)
    return mean, (state, {"loss": mean, "accuracy": accuracy, "weight": weight})


def kl_to_standard(mean: Float[Array, " *N"], scale: Float[Array, " *N"]) -> Float[Array, " *N"]:
    """Returns the KL divergence of each normal distribution from the standard normal in nats, float[...]."""
    return 0.5 * (jnp.square(mean) + jnp.square(scale) - 1.0) - jnp.log(scale)


def critic_loss(kind: str, real: Float[Array, "B S"], fake: Float[Array, "B S"]) -> Float[Array, ""]:
    """Returns the loss of a critic, averaged over pieces and scores.

    Args:
        kind: `wasserstein` (Arjovsky et al., 2017), `hinge` (Lim and Ye, 2017), or `logistic` (Goodfellow et al.,
            2014).
        real: float[B, S], scores of real pieces.
        fake: float[B, S], scores of generated pieces.
    """
    real, fake = real.astype(jnp.float32), fake.astype(jnp.float32)
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    if kind == "hinge":
        return jax.nn.relu(1.0 - real).mean() + jax.nn.relu(1.0 + fake).mean()
    return jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean()


def generator_loss(kind: str, fake: Float[Array, "B S"]) -> Float[Array, ""]:
    """Returns the loss of a generator from the scores of its pieces, float[B, S]; `logistic` is non-saturating."""
    fake = fake.astype(jnp.float32)
    return jax.nn.softplus(-fake).mean() if kind == "logistic" else -fake.mean()


def energy_distance(x: Float[Array, "N D"], y: Float[Array, "M D"], real: Float[Array, " M"]) -> Float[Array, ""]:
    """Returns the energy distance of two samples; its expectation is 0 only if they share one distribution.

    The distance is 2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo, 2013). Each term is an unbiased estimate, so
    the result can be negative for small samples.

    Args:
        x: float[N, D].
        y: float[M, D].
        real: float[M], 1 where a vector of y counts; at least two should.
    """

    def distances(a: Float[Array, "P D"], b: Float[Array, "Q D"]) -> Float[Array, "P Q"]:
        return jnp.sqrt(jnp.square(a[:, None] - b[None]).sum(-1) + 1e-12)

    def mean_within(a: Float[Array, "P D"], weights: Float[Array, " P"]) -> Float[Array, ""]:
        pairs = weights[:, None] * weights[None] * (1.0 - jnp.eye(len(a)))
        return (distances(a, a) * pairs).sum() / jnp.maximum(pairs.sum(), 1.0)

    across = (distances(x, y) * real[None]).sum() / jnp.maximum(len(x) * real.sum(), 1.0)
    return 2.0 * across - mean_within(x, jnp.ones(len(x))) - mean_within(y, real)
