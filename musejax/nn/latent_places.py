"""What a latent vector says of each place in a piece of fixed length, and what each place says of the vector.

An LSTM that begins from a vector has to carry all of it to the frame where it matters. Here a place has weights of its
own, as a rank-limited tensor: z becomes factors, those are weighed by the place's, and become the context of that
frame. The encoder is the same the other way round: what stands at a place becomes factors, weighed by the place's, and
their sum over the places is what layers read. All of it is a few products of matrices, and learns within a few hundred
steps what is far from learnt by recurrence alone.
"""

import math

import jax.numpy as jnp
from flax import linen as nn

from musejax.base import Array
from musejax.nn import latent


def _weights(module: nn.Module, places: int, factors: int, frames: int) -> Array:
    """float[1, T, F], of the first T places."""
    if frames > places:
        raise ValueError(f"{frames} frames are more than the {places} places that this net tells apart")
    return module.param("places", nn.initializers.normal(1.0), (places, factors))[None, :frames]


class Encoder(nn.Module):
    """From frames at their places to a diagonal normal.

    Attributes:
        places: Frames of a piece, at most.
        factors: F, the rank of what places say.
        hidden: Units of the layers.
        num_layers: Layers; from the second on each adds to what is there.
        latent: Size Z of the latent vector.
    """

    places: int
    factors: int
    hidden: int
    num_layers: int
    latent: int

    @nn.compact
    def __call__(self, x: Array, lengths: Array) -> tuple[Array, Array]:
        """Reads pieces; arguments and result are those of `latent.Encoder`."""
        within = jnp.arange(x.shape[1])[None] < lengths[:, None]
        weights = _weights(self, self.places, self.factors, x.shape[1]).astype(x.dtype)
        weighed = nn.Dense(self.factors, use_bias=False, name="factors")(x) * weights
        h = jnp.where(within[..., None], weighed, 0.0).sum(1) / math.sqrt(self.places)
        h = nn.Dense(self.hidden, name="layer_0")(nn.gelu(nn.LayerNorm(name="norm_0")(h)))
        for i in range(1, self.num_layers):
            inner = nn.gelu(nn.Dense(self.hidden, name=f"inner_{i}")(nn.LayerNorm(name=f"norm_{i}")(h)))
            h = h + nn.Dense(self.hidden, name=f"layer_{i}")(inner)
        return latent.normal(h, self.latent)


class Contexts(nn.Module):
    """From a latent vector to a context for each frame.

    Attributes:
        places: Frames of a piece, at most.
        factors: F, the rank of what places say.
        size: C.
    """

    places: int
    factors: int
    size: int

    @nn.compact
    def __call__(self, z: Array, frames: int) -> Array:
        """float[B, Z] -> float[B, T, C]."""
        factors = nn.Dense(self.factors, name="factors")(z)[:, None]
        weights = _weights(self, self.places, self.factors, frames).astype(z.dtype)
        return nn.Dense(self.size, name="context")(factors * weights)
