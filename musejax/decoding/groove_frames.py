"""Rows of the codec `groove` as a net gives them: their likelihood, and how one is drawn.

Of each row a net gives 27 numbers: for each of nine drums the logit that it is hit, and what becomes the likeliest
velocity (through a sigmoid) and offset (half a tanh). Given z and the rows before, the hits are independent switches;
the velocity and the offset of a drum that is hit are normals of one fixed standard deviation, cut off at the ends of
their ranges, and those of a drum that is not hit are 0. So a row has a probability of its hits times a density of its
other numbers, and a bound of the two is a bound, in nats that may be negative. Magenta's GrooVAE takes the squared
error of sigmoid and tanh in all cells instead (Gillick et al., 2019), which is this cost on the cells that are hit but
for what is cut off, a factor, and what does not depend on the net.
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
# The ranges of velocity and offset, a column each.
LOW = np.repeat(np.array([0.0, -0.5], np.float32), HITS)
HIGH = LOW + 1.0
# A logit of which nothing is left to chance.
_SURE = 1e9
_SMALL = 1e-6


def parts(out: Float[Array, "*N 27"]) -> tuple[Float[Array, "*N 9"], Float[Array, "*N 18"]]:
    """What a net gave, float[..., 27], as logits of hits float32[..., 9] and means of the rest float32[..., 18]."""
    out = out.astype(jnp.float32)
    hit, velocity, offset = jnp.split(out, 3, axis=-1)
    return hit, jnp.concatenate([jax.nn.sigmoid(velocity), 0.5 * jnp.tanh(offset)], axis=-1)


def nll(out: Float[Array, "*N 27"], rows: Float[AnyArray, "*N 27"], spread: float) -> Float[Array, " *N"]:
    """Nats of rows: float32[...] of float[..., 27] each, for normals of the standard deviation `spread`."""
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
    """What a net gave, with the hits of rows for certain where their infill_mask is 0: float[N, 27] of the same each.

    Velocities and offsets are then drawn as for any hit.
    """
    known = jnp.where(rows > 0, _SURE, -_SURE).astype(out.dtype)
    is_hit = jnp.broadcast_to(jnp.arange(out.shape[-1]) < HITS, out.shape)
    return jnp.where(is_hit & (infill_mask == 0), known, out)


def row_draw(choice: Choice, spread: float) -> draws.Draw:
    """Draws rows; of the filters only temperature has a meaning here, and narrows the normals too."""
    size = 3 * HITS

    def one(
        out: Float[Array, "N 27"], allowed: Bool[Array, "..."] | None, uniform: Float[Array, "..."]
    ) -> Float[Array, "N 27"]:
        logits, mean = parts(out)
        heat = jnp.maximum(choice.temperature, 1e-4)
        hit = uniform[:, :HITS] < jax.nn.sigmoid(logits / heat)
        if allowed is not None:
            hit = hit & jnp.broadcast_to(allowed, uniform.shape)[:, :HITS]
        low, high = (jnp.broadcast_to(jnp.asarray(end), mean.shape) for end in (LOW, HIGH))
        first, last = (jax.scipy.special.ndtr((end - mean) / (spread * heat)) for end in (low, high))
        share = first + uniform[:, HITS:] * (last - first)
        value = mean + spread * heat * jax.scipy.special.ndtri(jnp.clip(share, _SMALL, 1 - _SMALL))
        value = jnp.where(jnp.concatenate([hit, hit], axis=-1), jnp.clip(value, low, high), 0.0)
        return jnp.concatenate([hit.astype(jnp.float32), value], axis=-1)

    return draws.Draw((size,), one, lambda out, rows: nll(out, rows, spread), (size,), jnp.float32)
