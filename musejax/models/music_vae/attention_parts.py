"""Encoder and decoder of a VAE with Transformer blocks, in place of the LSTMs of `nn/latent_layers.py`.

The blocks of the encoder attend to the whole piece and to an extra token in front of it, whose output is the summary
(as in BERT). The blocks of the decoder attend to the previous frames of the segment. A context for the segment or for
the frame is added to each input, and so to the residual stream that every block reads.
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
    """Returns a shape of gated blocks with rotary positions, with about the size of the usual ungated blocks.

    Args:
        config: The family's config, with the fields num_layers, hidden, heads and dropout.
    """
    sizes = {"num_layers": config.num_layers, "width": config.hidden, "heads": config.heads}
    return transformer_stack.Shape(**sizes, feed_forward=max(1, 8 * config.hidden // 3), dropout=config.dropout)


class Reader(nn.Module):
    """Transformer blocks over whole pieces with a summary token in front of each.

    Attributes:
        shape: Shape of the stack.
    """

    shape: transformer_stack.Shape

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], lengths: Int[Array, " B"]) -> Float[Array, "B T+1 H"]:
        """Maps float[B, T, D] and lengths int32[B] in frames to float[B, 1 + T, H]; later frames are ignored."""
        num, frames = x.shape[:2]
        x = nn.Dense(self.shape.width, name="input")(x)
        token = self.param("summary", nn.initializers.normal(1.0), (1, 1, self.shape.width))
        x = jnp.concatenate([jnp.broadcast_to(token.astype(x.dtype), (num, 1, self.shape.width)), x], axis=1)
        within = jnp.arange(frames + 1)[None] <= lengths[:, None]
        mask = jnp.broadcast_to(within[:, None], (num, frames + 1, frames + 1))
        cache = transformer_stack.initial(self.shape, num)
        return transformer_stack.Stack(self.shape, name="stack")(x, cache, attn_mask=mask)[0]


class Encoder(nn.Module):
    """An encoder of Transformer blocks with a diagonal normal posterior.

    Attributes:
        shape: Shape of the stack.
        latent: Size Z of the latent vector.
    """

    shape: transformer_stack.Shape
    latent: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], lengths: Int[Array, " B"]
    ) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Encodes pieces; arguments and result are those of `latent_layers.Encoder`."""
        return latent_layers.posterior_layers(Reader(self.shape, name="reader")(x, lengths)[:, 0], self.latent)


class Decoder(nn.Module):
    """Transformer blocks over the frames of a segment, or of a piece with a context for each frame.

    Attributes:
        shape: Shape of the stack.
        outputs: Size of the output at each frame.
        join: Units of an extra layer before the output, which reads the context again; 0 for no such layer.
    """

    shape: transformer_stack.Shape
    outputs: int
    join: int = 0

    def setup(self) -> None:
        """Creates the layers."""
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
        """Returns the output at each frame; arguments and result are those of `latent_layers.Decoder`."""
        each = context[:, None] if context.ndim == 2 else context
        each = jnp.broadcast_to(each, (*before.shape[:2], context.shape[-1]))
        x = self.input(jnp.concatenate([before, each], axis=-1))
        h, _ = self.stack(x, transformer_stack.initial(self.shape, len(x)), key)
        if self.join:
            h = nn.gelu(self.joined(jnp.concatenate([h, each], axis=-1)))
        return self.output(h)

    def begin(self, context: Float[Array, "B C"]) -> tuple[()]:
        """Returns an empty initial state, as a segment begins without previous frames."""
        return ()


@struct.dataclass
class Part:
    """One decoder, laid out for sampling.

    Attributes:
        layers: The stack. Its rows are the inputs, a row of zeros, and N U contexts; its output is the extra layer if
            there is one.
        joined: float[N, U, J], the contribution of contexts to the extra layer, or None.
        kernel: float[J, O], the output layer.
        bias: float[O].
        width: Number of inputs besides the context, D.
        contexts: Number of contexts per piece, U.
        shape: Shape of the stack.
    """

    layers: transformer_step.Layers
    joined: Float[Array, "N U J"] | None
    kernel: Float[Array, "_ O"]
    bias: Float[Array, " O"]
    width: int = struct.field(pytree_node=False)
    contexts: int = struct.field(pytree_node=False)
    shape: transformer_stack.Shape = struct.field(pytree_node=False)

    def init_cache(self, num: int, frames: int) -> transformer_stack.Cache:
        """Returns the state before the first of `frames` frames."""
        return transformer_stack.initial(self.shape, num, frames, self.kernel)

    def advance(
        self,
        inputs: Int[Array, "N P"],
        piece: Int[Array, " N"],
        at: Int[Array, ""],
        start: tuple[Int[Array, ""], Bool[Array, ""]],
        cache: transformer_stack.Cache,
        reals: Float[Array, "N V"] | None = None,
    ) -> tuple[Float[Array, "N O"], transformer_stack.Cache]:
        """Advances by one frame; arguments and result are those of `decoder_step.Part.advance`.

        At the start of a segment, earlier frames are forgotten.
        """
        cache = cache._replace(pos=jnp.where(start[1], 0, cache.pos))
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
        shape: Shape of its stack.
        params: Its parameters.
        width: Number of inputs besides the context, D.
        contexts: float[N, U, C].
    """
    num, segments, size = contexts.shape
    kernel, output = params["input"]["kernel"], params["output"]
    context_rows = contexts.reshape(num * segments, size) @ kernel[width:]
    rows = jnp.concatenate([kernel[:width], jnp.zeros_like(kernel[:1]), context_rows])
    joined = None
    first = (output["kernel"], output["bias"])
    if "joined" in params:
        layer = params["joined"]
        joined = contexts @ layer["kernel"][-size:]
        first = (layer["kernel"][:-size], layer["bias"])
    layers = transformer_step.lay_out(shape, params["stack"], rows, *first)
    return Part(layers, joined, output["kernel"], output["bias"], width, segments, shape)
