"""The evidence lower bound of a latent variable model, as a training loss and as an estimate of the likelihood."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Float, Int, Key
from musejax.base import Batch, Metrics, Params, State
from musejax.models.music_vae import latent_net, scheduled_sampling
from musejax.nn import conditioning, losses


def loss(
    latent: latent_net.LatentNet,
    params: Params,
    state: State,
    key: Key[Array, ""],
    batch: Batch,
    *,
    step: Int[AnyArray, ""] | int,
    train: bool,
) -> tuple[Float[Array, ""], tuple[State, Metrics]]:
    """Computes reconstruction plus weighted KL divergence, in nats per frame.

    Args:
        latent: The network.
        params: Its parameters.
        state: Returned unchanged.
        key: Key for noise, dropout and scheduled sampling.
        batch: Pieces of [B, T] frames.
        step: Training step, on which the KL weight β and the share of sampled inputs depend.
        train: Whether to drop conditions and inputs, and to use the KL weight β(step) rather than its maximum.
    """
    config, frame = latent.config, latent.frame
    noise, dropout, sampling, unknown = (jax.random.fold_in(key, i) for i in range(4))
    if train:
        batch = conditioning.drop_conditions(
            batch, frame.conditions, frame.vocabulary, config.condition_dropout, unknown
        )
    mean, scale = latent.posterior(params, state, batch)
    z = mean + scale * jax.random.normal(noise, mean.shape)
    inputs = batch
    if train and config.sampling != "none":
        fixed, z_fixed = jax.lax.stop_gradient((params, z))
        share = scheduled_sampling.sampled_share(config, step)
        inputs = scheduled_sampling.mix(latent, fixed, batch, z_fixed, share, sampling)
    nats, right = latent.teacher_forced(params, batch, inputs, z, dropout if train else None)
    mask = jnp.asarray(batch["loss_mask"], jnp.float32)
    weight = mask.sum()
    frames = jnp.maximum(weight, 1.0)
    is_piece = (mask.sum(1) > 0).astype(jnp.float32)
    pieces = jnp.maximum(is_piece.sum(), 1.0)
    by_dimension = losses.kl_to_standard(mean, scale)
    reconstruction = (nats.sum(-1) * mask).sum()
    total = (reconstruction + beta(config, step, train) * _kl_penalty(config, by_dimension, is_piece)) / frames
    info = {
        "loss": total,
        "weight": weight,
        "reconstruction": reconstruction / frames,
        "kl": (by_dimension.sum(-1) * is_piece).sum() / pieces,
        "accuracy": (right.mean(-1) * mask).sum() / frames,
    }
    return total, (state, info)


def beta(config: Any, step: Int[AnyArray, ""] | int, train: bool) -> Float[Array, ""] | float:
    """Returns the KL weight, which rises to config.max_beta in training."""
    share = 1.0 - config.beta_rate ** jnp.asarray(step, jnp.float32) if train else 1.0
    return config.max_beta * share


def _kl_penalty(config: Any, by_dimension: Float[Array, "B Z"], is_piece: Float[Array, " B"]) -> Float[Array, ""]:
    """Sums the KL divergence above the free bits, over pieces or over dimensions.

    Args:
        config: The family's config, with the fields free_bits (per piece) and free_bits_per_dimension.
        by_dimension: float[B, Z], in nats.
        is_piece: float[B], 0 for rows of padding.
    """
    if config.free_bits_per_dimension:
        pieces = jnp.maximum(is_piece.sum(), 1.0)
        each = (by_dimension * is_piece[:, None]).sum(0) / pieces
        return pieces * jnp.maximum(each - config.free_bits_per_dimension * math.log(2), 0.0).sum()
    return (jnp.maximum(by_dimension.sum(-1) - config.free_bits * math.log(2), 0.0) * is_piece).sum()


def estimate(
    latent: latent_net.LatentNet, params: Params, state: State, key: Key[Array, ""], batch: Batch
) -> Float[Array, " B"]:
    """Samples the negative log of an importance weight for each piece, float[B] (`base.Likelihood.estimate`)."""
    mean, scale = latent.posterior(params, state, batch)
    noise = jax.random.normal(key, mean.shape)
    z = mean + scale * noise
    nats, _ = latent.given_z(params, state, batch, z)
    # log q(z|x) - log p(z); the constants of the two normals cancel.
    log_ratio = 0.5 * (jnp.square(z) - jnp.square(noise)).sum(-1) - jnp.log(scale).sum(-1)
    return (nats.sum(-1) * batch["pad_mask"]).sum(1) + log_ratio
