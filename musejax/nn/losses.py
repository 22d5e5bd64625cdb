"""Losses as functions of arrays: negative log-likelihoods by cell and their masked means; those of two players."""

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Float, Integer, Shaped
from musejax.base import Metrics, State


def categorical_nll(logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """-log softmax(logits)[token] in nats.

    Args:
        logits: [..., V]; computed in float32 whatever comes.
        tokens: int[...].

    Returns:
        float32[...].
    """
    logits = logits.astype(jnp.float32)
    return jax.nn.logsumexp(logits, axis=-1) - chosen(logits, tokens)


def chosen(logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """logits[token]: [..., V] and int[...] -> [...]. A masked sum: the gradient of a gather is a slow scatter."""
    is_chosen = jax.nn.one_hot(tokens, logits.shape[-1], dtype=bool)
    return jnp.where(is_chosen, logits, 0.0).sum(-1)


def hits(logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """1 where no token is likelier than the given one, float32[...]."""
    return (chosen(logits, tokens) >= logits.max(-1)).astype(jnp.float32)


def bernoulli_nll(logits: Float[Array, " *N"], bits: Shaped[AnyArray, " *N"]) -> Float[Array, " *N"]:
    """-log of the probability of each bit in nats: float32 of the common shape."""
    logits = logits.astype(jnp.float32)
    return jax.nn.softplus(logits) - logits * bits.astype(jnp.float32)


def masked_mean(
    values: Float[Array, " *N"], mask: Shaped[AnyArray, " *N"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mean of values where mask is 1, and how many there are (at least 1 divides).

    Args:
        values: float[...].
        mask: Of the same shape, 1 where a value counts.
    """
    mask = jnp.asarray(mask, jnp.float32)
    weight = mask.sum()
    return (values * mask).sum() / jnp.maximum(weight, 1.0), weight


def cross_entropy(
    logits: Float[Array, "*N V"], tokens: Integer[AnyArray, " *N"], mask: Shaped[AnyArray, " *N"], state: State
) -> tuple[Float[Array, ""], tuple[State, Metrics]]:
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


def kl_to_standard(mean: Float[Array, " *N"], scale: Float[Array, " *N"]) -> Float[Array, " *N"]:
    """The KL divergence of independent normals from the standard normal, in nats: float[...] of float[...] each."""
    return 0.5 * (jnp.square(mean) + jnp.square(scale) - 1.0) - jnp.log(scale)


def critic_loss(kind: str, real: Float[Array, "B S"], fake: Float[Array, "B S"]) -> Float[Array, ""]:
    """What a critic lessens: the mean over pieces and scores.

    Args:
        kind: `wasserstein` (Arjovsky et al., 2017), `hinge` (Lim and Ye, 2017), or `logistic` (Goodfellow et al.,
            2014).
        real: float[B, S], scores of real pieces.
        fake: float[B, S], of generated ones.
    """
    real, fake = real.astype(jnp.float32), fake.astype(jnp.float32)
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    if kind == "hinge":
        return jax.nn.relu(1.0 - real).mean() + jax.nn.relu(1.0 + fake).mean()
    return jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean()


def generator_loss(kind: str, fake: Float[Array, "B S"]) -> Float[Array, ""]:
    """What a generator lessens, by the scores of its pieces float[B, S]; the logistic one does not saturate."""
    fake = fake.astype(jnp.float32)
    return jax.nn.softplus(-fake).mean() if kind == "logistic" else -fake.mean()


def energy_distance(x: Float[Array, "N D"], y: Float[Array, "M D"], real: Float[Array, " M"]) -> Float[Array, ""]:
    """How far apart two sets of vectors are: 0 on average for two sets of one distribution, and only then.

    2 E|x - y| - E|x - x'| - E|y - y'| (Szekely and Rizzo, 2013), each without bias; of a few vectors it may come out
    below 0.

    Args:
        x: float[N, D].
        y: float[M, D].
        real: float[M], 1 where a vector of y counts; at least two should.
    """

    def apart(a: Float[Array, "P D"], b: Float[Array, "Q D"]) -> Float[Array, "P Q"]:
        return jnp.sqrt(jnp.square(a[:, None] - b[None]).sum(-1) + 1e-12)

    def among(a: Float[Array, "P D"], weights: Float[Array, " P"]) -> Float[Array, ""]:
        pairs = weights[:, None] * weights[None] * (1.0 - jnp.eye(len(a)))
        return (apart(a, a) * pairs).sum() / jnp.maximum(pairs.sum(), 1.0)

    across = (apart(x, y) * real[None]).sum() / jnp.maximum(len(x) * real.sum(), 1.0)
    return 2.0 * across - among(x, jnp.ones(len(x))) - among(y, real)
