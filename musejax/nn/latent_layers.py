"""Encoder and decoder of MusicVAE (Roberts et al., 2018), over frames as one-hot vectors or bits.

The bidirectional encoder returns the mean and scale of a diagonal normal posterior. The decoder starts each segment
from a context. In a flat decoder the only segment is the whole piece, and its context is z. A hierarchical decoder has
a conductor, a recurrent network that turns z into a context for each segment. A context sets the initial state through
a tanh layer and is concatenated to every input.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float, Int, Key
from musejax.nn import recurrent_stack

# Smallest scale of a posterior.
MIN_SCALE = 1e-4


class Encoder(nn.Module):
    """An encoder of bidirectional LSTM layers with a diagonal normal posterior.

    Attributes:
        hidden: Units of each direction.
        num_layers: Number of layers; each layer reads both directions of the layer below.
        latent: Size Z of the latent vector.
    """

    hidden: int
    num_layers: int
    latent: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], lengths: Int[Array, " B"]
    ) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Encodes pieces.

        Args:
            x: float[B, T, D].
            lengths: int32[B], the number of frames of each piece; later frames are ignored.

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
            # In its own order, each direction ends at the last frame of the piece.
            ends = [jnp.einsum("bt,bth->bh", is_last, y) for y in (ahead, back)]
            x = jnp.concatenate([ahead, turn(back)], axis=-1)
        h = jnp.concatenate(ends, axis=-1)
        return posterior_layers(h, self.latent)


def posterior_layers(
    h: Float[Array, "*B D"], size: int, sure: bool = False
) -> tuple[Float[Array, "*B {size}"], Float[Array, "*B {size}"]]:
    """Applies the layers of a diagonal normal inside an encoder: float[..., D] -> mean and scale, float32[..., Z] each.

    In MusicVAE the posteriors are close to the prior at initialisation. With `sure` the initial means differ and the
    scale is about an eighth, so that the decoder can identify the piece from the first training step.
    """
    small = nn.initializers.normal(0.001)
    start = nn.initializers.lecun_normal() if sure else small
    narrow = nn.initializers.constant(-2.0) if sure else nn.initializers.zeros
    h = nn.LayerNorm(use_bias=False, use_scale=False, name="level")(h) if sure else h
    mean = nn.Dense(size, kernel_init=start, name="mean")(h)
    raw = nn.Dense(size, kernel_init=small, bias_init=narrow, name="scale")(h)
    return mean.astype(jnp.float32), jax.nn.softplus(raw.astype(jnp.float32)) + MIN_SCALE


class Initial(nn.Module):
    """A layer that maps a context vector to the initial state of a stack.

    Attributes:
        num_layers: Number of layers of the stack.
        hidden: Units in each layer of the stack.
    """

    num_layers: int
    hidden: int

    @nn.compact
    def __call__(self, context: Float[Array, "B C"]) -> tuple[tuple[Float[Array, "B H"], Float[Array, "B H"]], ...]:
        """Maps float[B, C] to (h, c) for each layer, float[B, H] each."""
        size = 2 * self.num_layers * self.hidden
        flat = jnp.tanh(nn.Dense(size, kernel_init=nn.initializers.normal(0.001), name="dense")(context))
        parts = jnp.split(flat, 2 * self.num_layers, axis=-1)
        return tuple(zip(parts[::2], parts[1::2], strict=True))


class Conductor(nn.Module):
    """A recurrent network that maps a latent vector to a context for each segment.

    Attributes:
        num_layers: Number of recurrent layers.
        hidden: Units in each layer, which is the size C of a context.
    """

    num_layers: int
    hidden: int

    @nn.compact
    def __call__(self, z: Float[Array, "B Z"], segments: int) -> Float[Array, "B {segments} C"]:
        """Maps float[B, Z] to float[B, U, C]; z sets the initial state and is the input at every step."""
        start = Initial(self.num_layers, self.hidden, name="initial")(z)
        x = jnp.broadcast_to(z[:, None], (z.shape[0], segments, z.shape[1]))
        return recurrent_stack.Stack("lstm", self.num_layers, self.hidden, name="stack")(x, start)[0]


class Decoder(nn.Module):
    """LSTM layers over the frames of a segment, or of a piece with a context for each frame.

    Attributes:
        num_layers: Number of recurrent layers.
        hidden: Units in each layer.
        outputs: Size of the output at each frame.
        dropout: Dropout rate of each layer's output in training.
        join: Units of an extra layer before the output, which reads the context again; 0 for no such layer.
    """

    num_layers: int
    hidden: int
    outputs: int
    dropout: float = 0.0
    join: int = 0

    def setup(self) -> None:
        """Creates the layers."""
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
        """Returns the output at each frame of a segment.

        Args:
            before: float[B, T, D], the frame before each frame, with the conditions.
            context: float[B, C], or float[B, T, C], whose first frame sets the initial state.
            key: Key for dropout, or None to drop nothing.

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
        """Returns the initial state of a segment: float[B, C] -> (h, c) for each layer."""
        return self.initial(context)
