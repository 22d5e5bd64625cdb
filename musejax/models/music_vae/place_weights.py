"""Encoder and decoder layers with weights for each place (frame) of a piece of fixed length.

An LSTM that starts from a latent vector must carry all of it to the frame where it matters. Here each place has its own
weights, as a low-rank tensor: z is mapped to factors, which are multiplied by the weights of the place and mapped to
the context of that frame. The encoder does the reverse: each frame is mapped to factors, which are multiplied by the
weights of the place and summed over places. This needs only a few matrix products, and learns within a few hundred
steps what recurrence alone is far from learning.

In a long piece, each segment has a share of z, which it writes and reads with the same weights. Encoder and decoder
also add the influence of the other segments, in the same way, with weights for the place of the segment in the piece.
It is 0 at initialisation, so that a long piece is learned as fast as a short one; weights between all frames and all of
z had learned nothing within 150 steps.
"""

import math
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Bool, Float, Int
from musejax.nn import latent_layers


def _weights(module: nn.Module, places: int, factors: int, frames: int) -> Float[Array, "1 {frames} {factors}"]:
    """Returns the weights of the first T places, float[1, T, F]."""
    if frames > places:
        raise ValueError(f"the piece has {frames} frames; this network reads at most {places} (places)")
    return module.param("places", nn.initializers.normal(1.0), (places, factors))[None, :frames]


def _summary(module: Any, x: Float[Array, "B T D"], within: Bool[Array, "B T"], places: int) -> Float[Array, "B H"]:
    """Summarises frames float[B, T, D] where `within` is True by the layers of `module`, float[B, H]."""
    weights = _weights(module, places, module.factors, x.shape[1]).astype(x.dtype)
    weighted = nn.Dense(module.factors, use_bias=False, name="factors")(x) * weights
    h = jnp.where(within[..., None], weighted, 0.0).sum(1) / math.sqrt(places)
    h = nn.Dense(module.hidden, name="layer_0")(nn.gelu(nn.LayerNorm(name="norm_0")(h)))
    for i in range(1, module.num_layers):
        inner = nn.gelu(nn.Dense(module.hidden, name=f"inner_{i}")(nn.LayerNorm(name=f"norm_{i}")(h)))
        h = h + nn.Dense(module.hidden, name=f"layer_{i}")(inner)
    return h


class Summary(nn.Module):
    """The layers that map the frames of a segment to a vector.

    Attributes:
        places: Largest number of frames in a segment.
        factors: Rank F of the weights.
        hidden: Units of the layers.
        num_layers: Number of layers; those from the second on are residual.
    """

    places: int
    factors: int
    hidden: int
    num_layers: int

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], within: Bool[Array, "B T"]) -> Float[Array, "B {self.hidden}"]:
        """Maps float[B, T, D] and bool[B, T], True where there is a frame, to float[B, H]."""
        return _summary(self, x, within, self.places)


class Encoder(nn.Module):
    """An encoder with weights for each place and a diagonal normal posterior.

    Attributes:
        places: Largest number of frames in a piece.
        factors: Rank F of the weights.
        hidden: Units of the layers.
        num_layers: Number of layers; those from the second on are residual.
        latent: Size Z of the latent vector.
        segment: Number of frames in a segment, each of which has a share of the vector; 0 for no segments.
    """

    places: int
    factors: int
    hidden: int
    num_layers: int
    latent: int
    segment: int = 0

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], lengths: Int[Array, " B"]
    ) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Encodes pieces; arguments and result are those of `latent_layers.Encoder`."""
        within = jnp.arange(x.shape[1])[None] < lengths[:, None]
        if not self.segment:
            return latent_layers.posterior_layers(_summary(self, x, within, self.places), self.latent)
        # The segments of all pieces become rows; the last segment of a piece may be shorter.
        size, all_segments = min(self.segment, x.shape[1]), self.places // self.segment
        more = -x.shape[1] % size
        x, within = jnp.pad(x, ((0, 0), (0, more), (0, 0))), jnp.pad(within, ((0, 0), (0, more)))
        num, segments = len(x), x.shape[1] // size
        summary = Summary(self.segment, self.factors, self.hidden, self.num_layers, name="segments")
        h = summary(x.reshape(-1, size, x.shape[-1]), within.reshape(-1, size)).reshape(num, segments, -1)
        begun = within.reshape(num, segments, size).any(-1)
        whole = _summary(self, h, begun, all_segments)
        h = h + Contexts(all_segments, self.factors, self.hidden, added=True, name="others")(whole, segments)
        mean, scale = latent_layers.posterior_layers(h, self.latent // all_segments, sure=True)
        # Missing segments have the prior as their posterior.
        missing = ((0, 0), (0, all_segments - segments), (0, 0))
        mean = jnp.pad(jnp.where(begun[..., None], mean, 0.0), missing)
        scale = jnp.pad(jnp.where(begun[..., None], scale, 1.0), missing, constant_values=1.0)
        return mean.reshape(num, -1), scale.reshape(num, -1)


class Contexts(nn.Module):
    """The layers that map a vector to a context for each place.

    Attributes:
        places: Largest number of frames, or of segments.
        factors: Rank F of the weights.
        size: Size C of a context.
        added: Whether the contexts are added to something; they are then 0 at initialisation.
    """

    places: int
    factors: int
    size: int
    added: bool = False

    @nn.compact
    def __call__(self, z: Float[Array, "B Z"], num: int) -> Float[Array, "B {num} {self.size}"]:
        """Maps float[B, Z] to the contexts of the first T = num places, float[B, T, C]."""
        factors = nn.Dense(self.factors, name="factors")(z)[:, None]
        weights = _weights(self, self.places, self.factors, num).astype(z.dtype)
        start = nn.initializers.zeros if self.added else nn.initializers.lecun_normal()
        return nn.Dense(self.size, kernel_init=start, name="context")(factors * weights)


class Conductor(nn.Module):
    """The layers that map a latent vector to a vector for each segment, and this to a context for each of its frames.

    Attributes:
        places: Largest number of frames in a piece.
        segment: Number of frames in a segment.
        factors: Rank F of the weights.
        hidden: Size of the vector of a segment.
        size: Size C of a context.
    """

    places: int
    segment: int
    factors: int
    hidden: int
    size: int

    @nn.compact
    def __call__(self, z: Float[Array, "B Z"], frames: int) -> Float[Array, "B {frames} {self.size}"]:
        """Maps float[B, Z] to float[B, T, C], where T is at most one segment, or a multiple of the segment."""
        size, all_segments = min(self.segment, frames), self.places // self.segment
        segments = frames // size
        own = nn.Dense(self.hidden, name="own")(z.reshape(len(z), all_segments, -1)[:, :segments])
        others = Contexts(all_segments, self.factors, self.hidden, added=True, name="others")
        each = own + others(z, segments)
        contexts = Contexts(self.segment, self.factors, self.size, name="frames")
        return contexts(each.reshape(-1, self.hidden), size).reshape(len(z), frames, self.size)
