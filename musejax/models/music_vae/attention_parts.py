"""Encoder and decoder of a VAE from Transformer blocks, in place of the LSTMs of `latent`.

The encoder's blocks see a whole piece, and a token of their own in front of it that ends as the summary (as in BERT).
The decoder's blocks see the frames before, within the segment; a context, of the segment or of the frame, adds to each
input and so to the stream that every block reads.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from musejax.array_types import Array, Bool, Float, Int, Key
from musejax.base import Params
from musejax.nn import latent_layers, transformer_stack
from musejax.nn.fast import transformer_step


def shape_of(config: Any) -> transformer_stack.Shape:
    """Gated blocks with rotary positions, of about as many weights as ungated ones that are four times as wide.

    Args:
        config: The family's; read are its num_layers, hidden, heads and dropout.
    """
    sizes = {"num_layers": config.num_layers, "width": config.hidden, "heads": config.heads}
    return transformer_stack.Shape(**sizes, feed_forward=max(1, 8 * config.hidden // 3), dropout=config.dropout)


class Reader(nn.Module):
    """Blocks over whole pieces and a token in front of each.

    Attributes:
        shape: The stack's.
    """

    shape: transformer_stack.Shape

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], lengths: Int[Array, " B"]) -> Float[Array, "B T+1 H"]:
        """float[B, T, D], int32[B] (frames of each) -> float[B, 1 + T, H]; what comes after a piece is not read."""
        num, frames = x.shape[:2]
        x = nn.Dense(self.shape.width, name="input")(x)
        token = self.param("summary", nn.initializers.normal(1.0), (1, 1, self.shape.width))
        x = jnp.concatenate([jnp.broadcast_to(token.astype(x.dtype), (num, 1, self.shape.width)), x], axis=1)
        within = jnp.arange(frames + 1)[None] <= lengths[:, None]
        seen = jnp.broadcast_to(within[:, None], (num, frames + 1, frames + 1))
        cache = transformer_stack.initial(self.shape, num)
        return transformer_stack.Stack(self.shape, name="stack")(x, cache, attn_mask=seen)[0]


class Encoder(nn.Module):
    """Blocks over a piece and a diagonal normal.

    Attributes:
        shape: The stack's.
        latent: Size Z of the latent vector.
    """

    shape: transformer_stack.Shape
    latent: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], lengths: Int[Array, " B"]
    ) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Reads pieces; arguments and result are those of `latent_layers.Encoder`."""
        return latent_layers.posterior_layers(Reader(self.shape, name="reader")(x, lengths)[:, 0], self.latent)


class Decoder(nn.Module):
    """Blocks over the frames of a segment, or of a piece with a context for each frame.

    Attributes:
        shape: The stack's.
        outputs: Numbers a frame that come out.
        join: Units of a layer before the output that hears the context again; 0 for none.
    """

    shape: transformer_stack.Shape
    outputs: int
    join: int = 0

    def setup(self) -> None:
        """The layers."""
        self.input = nn.Dense(self.shape.width, use_bias=False)
        self.stack = transformer_stack.Stack(self.shape)
        if self.join:
            self.joined = nn.Dense(self.join)
        self.output = nn.Dense(self.outputs)

    def __call__(
        self,
        before: Float[Array, "B T D"],
        context: Float[Array, "B C"] | Float[Array, "B T C"],
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "B T O"]:
        """What comes out of each frame; arguments and result are those of `latent_layers.Decoder`."""
        each = context[:, None] if context.ndim == 2 else context
        each = jnp.broadcast_to(each, (*before.shape[:2], context.shape[-1]))
        x = self.input(jnp.concatenate([before, each], axis=-1))
        h, _ = self.stack(x, transformer_stack.initial(self.shape, len(x)), key)
        if self.join:
            h = nn.gelu(self.joined(jnp.concatenate([h, each], axis=-1)))
        return self.output(h)

    def begin(self, context: Float[Array, "B C"]) -> tuple[()]:
        """Nothing: a segment begins with no frames before it."""
        return ()


@struct.dataclass
class Part:
    """One decoder, laid out for sampling.

    Attributes:
        layers: The stack; its rows are the inputs, one of zeros, and N U contexts. Its output is the layer that joins
            where there is one.
        joined: float[N, U, J], what contexts give there.
        kernel: float[J, O], the output after it.
        bias: float[O].
        width: D, how many inputs there are beside the context.
        contexts: U.
        shape: The stack's.
    """

    layers: transformer_step.Layers
    joined: Float[Array, "N U J"] | None
    kernel: Float[Array, "_ O"]
    bias: Float[Array, " O"]
    width: int = struct.field(pytree_node=False)
    contexts: int = struct.field(pytree_node=False)
    shape: transformer_stack.Shape = struct.field(pytree_node=False)

    def blank(self, num: int, frames: int) -> transformer_stack.Cache:
        """A state before the first of so many frames."""
        return transformer_stack.initial(self.shape, num, frames, self.kernel)

    def advance(
        self,
        inputs: Int[Array, "N P"],
        piece: Int[Array, " N"],
        at: Int[Array, ""],
        anew: tuple[Int[Array, ""], Bool[Array, ""]],
        cache: transformer_stack.Cache,
        reals: Float[Array, "N V"] | None = None,
    ) -> tuple[Float[Array, "N O"], transformer_stack.Cache]:
        """Advances by one frame; arguments and result are those of `latent_stepping.Part`.

        Where a segment begins, nothing before it is seen.
        """
        cache = cache._replace(pos=jnp.where(anew[1], 0, cache.pos))
        context = self.width + 1 + piece * self.contexts + at
        ids = jnp.concatenate([inputs, context[:, None]], axis=1)
        h, cache = transformer_step.step(self.shape, self.layers, ids, cache, reals)
        if self.joined is not None:
            h = nn.gelu(h + self.joined[piece, at])
            h = h @ self.kernel + jnp.broadcast_to(self.bias, (len(piece), len(self.bias)))
        return h, cache


def lay_out(shape: transformer_stack.Shape, params: Params, width: int, contexts: Float[Array, "N U C"]) -> Part:
    """Arranges a decoder for given contexts.

    Args:
        shape: Its stack's.
        params: Its parameters.
        width: D, its inputs beside the context.
        contexts: float[N, U, C].
    """
    num, segments, size = contexts.shape
    kernel, output = params["input"]["kernel"], params["output"]
    heard = contexts.reshape(num * segments, size) @ kernel[width:]
    rows = jnp.concatenate([kernel[:width], jnp.zeros_like(kernel[:1]), heard])
    joined = None
    first = (output["kernel"], output["bias"])
    if "joined" in params:
        layer = params["joined"]
        joined = contexts @ layer["kernel"][-size:]
        first = (layer["kernel"][:-size], layer["bias"])
    layers = transformer_step.lay_out(shape, params["stack"], rows, *first)
    return Part(layers, joined, output["kernel"], output["bias"], width, segments, shape)
