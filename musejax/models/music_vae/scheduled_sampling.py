"""Scheduled sampling (Bengio et al., 2015): in training, decoders read some frames that the model sampled."""

from typing import Any

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Float, Int, Key
from musejax.base import Batch, Choice, Params
from musejax.models.music_vae import latent_net


def sampled_share(config: Any, step: Int[AnyArray, ""] | int) -> Float[Array, ""]:
    """Returns the share of input frames that are sampled from the model at a training step."""
    rate, at = config.sampling_rate, jnp.asarray(step, jnp.float32)
    if config.sampling == "constant":
        return jnp.asarray(rate, jnp.float32)
    if config.sampling == "exponential":
        return 1.0 - rate**at
    return 1.0 - rate / (rate + jnp.exp(jnp.minimum(at / rate, 60.0)))


def check(config: Any) -> None:
    """Raises ValueError if the rate is outside the range of its schedule."""
    rate, kind = config.sampling_rate, config.sampling
    if kind in ("constant", "exponential") and not 0.0 <= rate <= 1.0:
        raise ValueError(f"sampling_rate is {rate}; for sampling = {kind} it must lie in [0, 1]")
    if kind == "inverse_sigmoid" and rate <= 0:
        raise ValueError(f"sampling_rate is {rate}; for sampling = inverse_sigmoid it must be above 0")


def mix(
    latent: latent_net.LatentNet,
    params: Params,
    batch: Batch,
    z: Float[Array, "B Z"],
    share: Float[Array, ""],
    key: Key[Array, ""],
) -> dict[str, Array]:
    """Replaces a share of a batch's frames by frames sampled from the model, each given the mixed frames before it.

    Args:
        latent: The network.
        params: Its parameters.
        batch: Pieces of [B, T] frames.
        z: float[B, Z].
        share: Probability that a frame is replaced.
        key: Key for the choice of frames and their values.
    """
    frame, name = latent.frame, latent.frame.field
    truth = jnp.asarray(batch[name]) if frame.rows else frame.add_streams(jnp.asarray(batch[name]))
    num, frames = truth.shape[:2]
    decoders = latent.loop.lay_out(params, latent.contexts(params, z, frames))
    draw = latent.value_draw(params, Choice())
    keys = jax.random.split(key, 2)
    uniform = jax.random.uniform(keys[0], (frames, frame.vocabulary.streams, num, *draw.noise_shape))
    is_replaced = jax.random.bernoulli(keys[1], share, (frames, num))

    def advance(carry: Any, at: Any) -> tuple[Any, Array]:
        cache, previous = carry
        t, true, noise, replace, conditions = at
        outs, cache = latent.loop.advance(decoders, cache, previous, conditions, t)
        if frame.rows:
            value = draw.draw(latent.nade_context(outs[0]) if latent.config.nade else outs[0], None, noise[0])
        else:
            streams = [draw.draw(frame.logits(outs, s), None, noise[s]) + span[0] for s, span in enumerate(frame.spans)]
            value = jnp.stack(streams, 1)
        value = jnp.where(replace[:, None], value, true)
        return (cache, value), value

    first = jnp.full_like(truth[:, 0], 0 if frame.rows else frame.vocabulary.size)
    conditions = {n: jnp.swapaxes(jnp.asarray(batch[n]), 0, 1) for n in frame.conditions}
    each = (jnp.arange(frames), jnp.swapaxes(truth, 0, 1), uniform, is_replaced, conditions)
    _, mixed = jax.lax.scan(advance, (latent.loop.init_cache(decoders, num, frames), first), each)
    mixed = jnp.swapaxes(mixed, 0, 1)
    return {**batch, name: mixed if frame.rows or frame.vocabulary.streams > 1 else mixed[..., 0]}
