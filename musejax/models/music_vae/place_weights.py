"""What a latent vector says of each place in a piece of fixed length, and what each place says of the vector.

An LSTM that begins from a vector has to carry all of it to the frame where it matters. Here a place has weights of its
own, as a rank-limited tensor: z becomes factors, those are weighed by the place's, and become the context of that
frame. The encoder is the same the other way round: what stands at a place becomes factors, weighed by the place's, and
their sum over the places is what layers read. All of it is a few products of matrices, and learns within a few hundred
steps what is far from learnt by recurrence alone.

Of a long piece each segment has a share of z that is written and read so, by the same weights in each. What the other
segments say of it is added on both sides, in the same way once more: weights by the segment's place in the piece. At
first that is nothing, so that a long piece is learnt as fast as a short one; weights between all frames and all of z
had learnt nothing within 150 steps.
"""

import math
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Bool, Float, Int
from musejax.nn import latent_layers


def _weights(module: nn.Module, places: int, factors: int, frames: int) -> Float[Array, "1 {frames} {factors}"]:
    """float[1, T, F], of the first T places."""
    if frames > places:
        raise ValueError(f"{frames} frames are more than the {places} places that this net tells apart")
    return module.param("places", nn.initializers.normal(1.0), (places, factors))[None, :frames]


def _summary(module: Any, x: Float[Array, "B T D"], within: Bool[Array, "B T"], places: int) -> Float[Array, "B H"]:
    """float[B, T, D], bool[B, T] -> float[B, H]: what stands where, through the layers of `module`."""
    weights = _weights(module, places, module.factors, x.shape[1]).astype(x.dtype)
    weighed = nn.Dense(module.factors, use_bias=False, name="factors")(x) * weights
    h = jnp.where(within[..., None], weighed, 0.0).sum(1) / math.sqrt(places)
    h = nn.Dense(module.hidden, name="layer_0")(nn.gelu(nn.LayerNorm(name="norm_0")(h)))
    for i in range(1, module.num_layers):
        inner = nn.gelu(nn.Dense(module.hidden, name=f"inner_{i}")(nn.LayerNorm(name=f"norm_{i}")(h)))
        h = h + nn.Dense(module.hidden, name=f"layer_{i}")(inner)
    return h


class Summary(nn.Module):
    """From the frames of a segment at their places to a vector.

    Attributes:
        places: Frames of a segment, at most.
        factors: F, the rank of what places say.
        hidden: Units of the layers.
        num_layers: Layers; from the second on each adds to what is there.
    """

    places: int
    factors: int
    hidden: int
    num_layers: int

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], within: Bool[Array, "B T"]) -> Float[Array, "B {self.hidden}"]:
        """float[B, T, D], bool[B, T] (which frames there are) -> float[B, H]."""
        return _summary(self, x, within, self.places)


class Encoder(nn.Module):
    """From frames at their places to a diagonal normal.

    Attributes:
        places: Frames of a piece, at most.
        factors: F, the rank of what places say.
        hidden: Units of the layers.
        num_layers: Layers; from the second on each adds to what is there.
        latent: Size Z of the latent vector.
        segment: Frames of a segment, each of which has a share of the vector; 0 for a piece in one.
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
        """Reads pieces; arguments and result are those of `latent_layers.Encoder`."""
        within = jnp.arange(x.shape[1])[None] < lengths[:, None]
        if not self.segment:
            return latent_layers.posterior_layers(_summary(self, x, within, self.places), self.latent)
        # Segments of all pieces side by side; the last may be cut short.
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
        # Of segments that are not there nothing is known.
        missing = ((0, 0), (0, all_segments - segments), (0, 0))
        mean = jnp.pad(jnp.where(begun[..., None], mean, 0.0), missing)
        scale = jnp.pad(jnp.where(begun[..., None], scale, 1.0), missing, constant_values=1.0)
        return mean.reshape(num, -1), scale.reshape(num, -1)


class Contexts(nn.Module):
    """From a vector to a context for each place.

    Attributes:
        places: Frames of a piece, or segments, at most.
        factors: F, the rank of what places say.
        size: C.
        added: Whether the result adds to something; it is 0 before training then.
    """

    places: int
    factors: int
    size: int
    added: bool = False

    @nn.compact
    def __call__(self, z: Float[Array, "B Z"], num: int) -> Float[Array, "B {num} {self.size}"]:
        """float[B, Z] -> float[B, T, C], of the first T = num places."""
        factors = nn.Dense(self.factors, name="factors")(z)[:, None]
        weights = _weights(self, self.places, self.factors, num).astype(z.dtype)
        start = nn.initializers.zeros if self.added else nn.initializers.lecun_normal()
        return nn.Dense(self.size, kernel_init=start, name="context")(factors * weights)


class Conductor(nn.Module):
    """From a latent vector to one for each segment, and from that to a context for each of the segment's frames.

    Attributes:
        places: Frames of a piece, at most.
        segment: Frames of a segment.
        factors: F, the rank of what places say.
        hidden: Size of a segment's vector.
        size: C.
    """

    places: int
    segment: int
    factors: int
    hidden: int
    size: int

    @nn.compact
    def __call__(self, z: Float[Array, "B Z"], frames: int) -> Float[Array, "B {frames} {self.size}"]:
        """float[B, Z] -> float[B, T, C]; T is at most a segment or a whole number of them."""
        size, all_segments = min(self.segment, frames), self.places // self.segment
        segments = frames // size
        own = nn.Dense(self.hidden, name="own")(z.reshape(len(z), all_segments, -1)[:, :segments])
        others = Contexts(all_segments, self.factors, self.hidden, added=True, name="others")
        each = own + others(z, segments)
        inner = Contexts(self.segment, self.factors, self.size, name="frames")
        return inner(each.reshape(-1, self.hidden), size).reshape(len(z), frames, self.size)
