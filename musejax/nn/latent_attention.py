"""Encoder and decoder of a VAE as Transformer stacks, over the same frames and latent vectors as `latent`.

The encoder looks both ways over the frames of a piece, and reads out of them by several weighted means. The decoder is
causal; what the latent vector says joins every frame's input. Positions are sinusoidal: pieces begin at a bar line and
are of one length, so where a frame stands is worth knowing.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.base import Array
from musejax.nn import latent, transformer

# Weighted means that the encoder takes of the frames.
READERS = 8


def shape(num_layers: int, width: int, heads: int, dropout: float = 0.0) -> transformer.Shape:
    """The stack of either side."""
    return transformer.Shape(
        num_layers=num_layers,
        width=width,
        heads=heads,
        feed_forward=2 * width,
        positions="sinusoidal",
        span=1 << 16,
        dropout=dropout,
    )


class Encoder(nn.Module):
    """Blocks that look both ways, and a diagonal normal.

    Attributes:
        shape: Of the stack.
        latent: Size Z of the latent vector.
    """

    shape: transformer.Shape
    latent: int

    @nn.compact
    def __call__(self, x: Array, lengths: Array) -> tuple[Array, Array]:
        """Reads pieces; arguments and result are those of `latent.Encoder`."""
        num, frames = x.shape[:2]
        within = jnp.arange(frames)[None] < lengths[:, None]
        x = nn.Dense(self.shape.width, name="input")(x)
        seen = jnp.broadcast_to(within[:, None], (num, frames, frames))
        h, _ = transformer.Stack(self.shape, name="stack")(x, transformer.initial(self.shape, num), attn_mask=seen)
        raw = nn.Dense(READERS, name="readers")(h)
        weights = jax.nn.softmax(jnp.where(within[..., None], raw, -jnp.inf), axis=1)
        read = jnp.einsum("btr,btd->brd", weights, h).reshape(num, -1)
        return latent.normal(read, self.latent)


class Decoder(nn.Module):
    """Causal blocks over the frames of a piece.

    Attributes:
        shape: Of the stack.
        outputs: Numbers a frame that come out.
    """

    shape: transformer.Shape
    outputs: int

    def setup(self) -> None:
        """The layers."""
        self.input = nn.Dense(self.shape.width)
        self.context = nn.Dense(self.shape.width, use_bias=False)
        self.stack = transformer.Stack(self.shape)
        self.output = nn.Dense(self.outputs)

    def __call__(self, before: Array, context: Array, key: Array | None = None) -> Array:
        """What comes out of each frame; arguments and result are those of `latent.Decoder`."""
        x = self.input(before) + self.context(context)[:, None]
        return self.output(self.stack(x, transformer.initial(self.shape, len(x)), key)[0])
