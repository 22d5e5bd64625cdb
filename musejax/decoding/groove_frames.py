"""The distribution of rows of the codec `groove`: their likelihood, and sampling.

A network outputs 27 numbers per row: for each of nine drums the logit of a hit and the modes of the velocity (after a
sigmoid) and of the offset (after half a tanh). Given z and the previous rows, the hits are independent Bernoulli
variables. The velocity and the offset of a drum that is hit are normal variables with a fixed standard deviation,
truncated to their ranges; those of other drums are 0. The likelihood of a row is thus the probability of its hits times
a density, and its negative logarithm in nats may be negative. Magenta's GrooVAE (Gillick et al., 2019) instead uses the
squared error after the sigmoid and tanh in all cells. In the cells that are hit, this differs only by a factor, a
constant and the truncation.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary
from musejax.array_types import AnyArray, Array, Bool, Float, Shaped
from musejax.base import Choice
from musejax.decoding import draws
from musejax.nn import losses

HITS = vocabulary.DRUMS
# The ranges of velocity and offset, for each of their columns.
LOW = np.repeat(np.array([0.0, -0.5], np.float32), HITS)
HIGH = LOW + 1.0
# A logit at which the outcome is certain.
_SURE = 1e9
_SMALL = 1e-6


def parts(out: Float[Array, "*N 27"]) -> tuple[Float[Array, "*N 9"], Float[Array, "*N 18"]]:
    """Splits the output of a network into the logits of hits and the modes of velocities and offsets, in float32."""
    out = out.astype(jnp.float32)
    hit, velocity, offset = jnp.split(out, 3, axis=-1)
    return hit, jnp.concatenate([jax.nn.sigmoid(velocity), 0.5 * jnp.tanh(offset)], axis=-1)


def nll(out: Float[Array, "*N 27"], rows: Float[AnyArray, "*N 27"], spread: float) -> Float[Array, " *N"]:
    """Returns the negative log-likelihood of rows in nats; `spread` is the standard deviation of the normals."""
    logits, mean = parts(out)
    rows = rows.astype(jnp.float32)
    hit = (rows[..., :HITS] > 0).astype(jnp.float32)
    low, high = (jnp.broadcast_to(jnp.asarray(end), mean.shape) for end in (LOW, HIGH))
    within = jax.scipy.special.ndtr((high - mean) / spread) - jax.scipy.special.ndtr((low - mean) / spread)
    cost = 0.5 * jnp.square((rows[..., HITS:] - mean) / spread) + jnp.log(within)
    cost = cost + math.log(spread) + 0.5 * math.log(2 * math.pi)
    return losses.bernoulli_nll(logits, hit).sum(-1) + (cost * jnp.concatenate([hit, hit], axis=-1)).sum(-1)


def sure(
    out: Float[Array, "N 27"], rows: Float[AnyArray, "N 27"], infill_mask: Shaped[AnyArray, "N 27"]
) -> Float[Array, "N 27"]:
    """Returns the output of a network with the hits of `rows` made certain where infill_mask is 0.

    Velocities and offsets are not changed, so they are sampled as for any hit.
    """
    certain = jnp.where(rows > 0, _SURE, -_SURE).astype(out.dtype)
    is_hit = jnp.broadcast_to(jnp.arange(out.shape[-1]) < HITS, out.shape)
    return jnp.where(is_hit & (infill_mask == 0), certain, out)


def row_draw(choice: Choice, spread: float) -> draws.Draw:
    """Returns a `Draw` of rows; the temperature also scales the standard deviations, and other filters are ignored."""
    size = 3 * HITS

    def draw(
        out: Float[Array, "N 27"], allowed: Bool[Array, "..."] | None, uniform: Float[Array, "..."]
    ) -> Float[Array, "N 27"]:
        logits, mean = parts(out)
        temperature = jnp.maximum(choice.temperature, 1e-4)
        hit = uniform[:, :HITS] < jax.nn.sigmoid(logits / temperature)
        if allowed is not None:
            hit = hit & jnp.broadcast_to(allowed, uniform.shape)[:, :HITS]
        low, high = (jnp.broadcast_to(jnp.asarray(end), mean.shape) for end in (LOW, HIGH))
        first, last = (jax.scipy.special.ndtr((end - mean) / (spread * temperature)) for end in (low, high))
        share = first + uniform[:, HITS:] * (last - first)
        value = mean + spread * temperature * jax.scipy.special.ndtri(jnp.clip(share, _SMALL, 1 - _SMALL))
        value = jnp.where(jnp.concatenate([hit, hit], axis=-1), jnp.clip(value, low, high), 0.0)
        return jnp.concatenate([hit.astype(jnp.float32), value], axis=-1)

    return draws.Draw((size,), draw, lambda out, rows: nll(out, rows, spread), (size,), jnp.float32)
