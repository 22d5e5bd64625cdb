"""Encoder and decoder of MusicVAE (Roberts et al., 2018), over frames as one-hot vectors or switches.

The encoder reads a piece both ways and gives the mean and scale of a diagonal normal. The decoder begins each segment
from a context: of a flat decoder the one segment is the whole piece and its context is z; a hierarchical decoder has a
conductor, a recurrent net that turns z into a context for each segment. A context sets the first state through a tanh
layer and joins every input.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float, Int, Key
from musejax.nn import recurrent_stack

# Keeps the scale of a posterior away from 0.
MIN_SCALE = 1e-4


class Encoder(nn.Module):
    """Bidirectional LSTM layers and a diagonal normal.

    Attributes:
        hidden: Units of each direction.
        num_layers: Layers; from the second on a layer reads both directions of the one below.
        latent: Size Z of the latent vector.
    """

    hidden: int
    num_layers: int
    latent: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], lengths: Int[Array, " B"]
    ) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Reads pieces.

        Args:
            x: float[B, T, D].
            lengths: int32[B], frames of each; what comes after is not read.

        Returns:
            mean, scale: float32[B, Z] each.
        """
        num, frames = x.shape[:2]
        place = jnp.arange(frames)[None]
        within = place < lengths[:, None]
        flipped = jnp.where(within, lengths[:, None] - 1 - place, place)

        def turn(y: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
            return jnp.take_along_axis(y, flipped[..., None], axis=1)

        is_last = (place == lengths[:, None] - 1).astype(x.dtype)
        ends = []
        for i in range(self.num_layers):
            start = recurrent_stack.initial("lstm", 1, self.hidden, num, x)[0]
            options: dict[str, Any] = {"recurrent_dropout": 0.0, "key": None, "input_grad": i > 0}
            ahead, _ = recurrent_stack.Layer("lstm", self.hidden, name=f"forward_{i}")(x, start, **options)
            back, _ = recurrent_stack.Layer("lstm", self.hidden, name=f"backward_{i}")(turn(x), start, **options)
            # Both directions end at the last frame of their order.
            ends = [jnp.einsum("bt,bth->bh", is_last, y) for y in (ahead, back)]
            x = jnp.concatenate([ahead, turn(back)], axis=-1)
        h = jnp.concatenate(ends, axis=-1)
        return normal(h, self.latent)


def normal(
    h: Float[Array, "*B D"], size: int, sure: bool = False
) -> tuple[Float[Array, "*B {size}"], Float[Array, "*B {size}"]]:
    """The layers of a diagonal normal, inside an encoder: float[..., D] -> mean and scale, float32[..., Z] each.

    MusicVAE begins with posteriors near the prior; one that is `sure` begins with means that differ and a scale of an
    eighth, so that the decoder hears from the first step which piece it is.
    """
    small = nn.initializers.normal(0.001)
    start = nn.initializers.lecun_normal() if sure else small
    narrow = nn.initializers.constant(-2.0) if sure else nn.initializers.zeros
    h = nn.LayerNorm(use_bias=False, use_scale=False, name="level")(h) if sure else h
    mean = nn.Dense(size, kernel_init=start, name="mean")(h)
    raw = nn.Dense(size, kernel_init=small, bias_init=narrow, name="scale")(h)
    return mean.astype(jnp.float32), jax.nn.softplus(raw.astype(jnp.float32)) + MIN_SCALE


class Initial(nn.Module):
    """The first state of a stack, from a vector.

    Attributes:
        num_layers: The stack's.
        hidden: The same.
    """

    num_layers: int
    hidden: int

    @nn.compact
    def __call__(self, context: Float[Array, "B C"]) -> tuple[tuple[Float[Array, "B H"], Float[Array, "B H"]], ...]:
        """float[B, C] -> for each layer (h, c), float[B, H] each."""
        size = 2 * self.num_layers * self.hidden
        flat = jnp.tanh(nn.Dense(size, kernel_init=nn.initializers.normal(0.001), name="dense")(context))
        parts = jnp.split(flat, 2 * self.num_layers, axis=-1)
        return tuple(zip(parts[::2], parts[1::2], strict=True))


class Conductor(nn.Module):
    """From a latent vector to a context for each segment.

    Attributes:
        num_layers: Recurrent layers.
        hidden: Units in each; the size C of a context.
    """

    num_layers: int
    hidden: int

    @nn.compact
    def __call__(self, z: Float[Array, "B Z"], segments: int) -> Float[Array, "B {segments} C"]:
        """float[B, Z] -> float[B, U, C]; z sets the first state and is every input."""
        start = Initial(self.num_layers, self.hidden, name="initial")(z)
        x = jnp.broadcast_to(z[:, None], (z.shape[0], segments, z.shape[1]))
        return recurrent_stack.Stack("lstm", self.num_layers, self.hidden, name="stack")(x, start)[0]


class Decoder(nn.Module):
    """LSTM layers over the frames of a segment, or of a piece with a context for each frame.

    Attributes:
        num_layers: Recurrent layers.
        hidden: Units in each.
        outputs: Numbers a frame that come out.
        dropout: On each layer's output, when training.
        join: Units of a layer before the output that hears the context again; 0 for none.
    """

    num_layers: int
    hidden: int
    outputs: int
    dropout: float = 0.0
    join: int = 0

    def setup(self) -> None:
        """The layers."""
        self.initial = Initial(self.num_layers, self.hidden)
        self.stack = recurrent_stack.Stack("lstm", self.num_layers, self.hidden, self.dropout)
        if self.join:
            self.joined = nn.Dense(self.join)
        self.output = nn.Dense(self.outputs)

    def __call__(
        self,
        before: Float[Array, "B T D"],
        context: Float[Array, "B C"] | Float[Array, "B T C"],
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "B T O"]:
        """What comes out of each frame of a segment.

        Args:
            before: float[B, T, D], the frame before each, with conditions.
            context: float[B, C], or float[B, T, C], of which the first sets the first state.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, O].
        """
        first = context if context.ndim == 2 else context[:, 0]
        each = context[:, None] if context.ndim == 2 else context
        each = jnp.broadcast_to(each, (*before.shape[:2], context.shape[-1]))
        h = self.stack(jnp.concatenate([before, each], axis=-1), self.initial(first), key)[0]
        if self.join:
            h = nn.gelu(self.joined(jnp.concatenate([h, each], axis=-1)))
        return self.output(h)

    def begin(self, context: Float[Array, "B C"]) -> tuple[tuple[Float[Array, "B H"], Float[Array, "B H"]], ...]:
        """The first state of a segment: float[B, C] -> (h, c) for each layer."""
        return self.initial(context)
