"""One frame of a latent variable model's decoders, for sampling: weights and contexts are laid out before the loop.

A frame's input is a sum of rows: of the tokens before it, of its conditions, and of its segment's context, whose
product with the input matrix is taken once. The numbers are those of `latent.Decoder` to rounding; a test compares
them.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from musejax.array_types import Array, Bool, Float, Int
from musejax.base import Params
from musejax.nn.fast import recurrent_step


@struct.dataclass
class Part:
    """One decoder, laid out.

    Attributes:
        layers: The stack; its rows are the inputs, one of zeros, and N U contexts.
        initial: For each layer (h, c) where the decoder begins anew, float[N, R, H] each.
        kernel: float[H, O], the output; of the layer that joins where there is one.
        bias: float[O].
        join: float[H, J], the layer that hears the context again; None for none.
        joined: float[N, U, J], what contexts give there.
        width: D, how many inputs there are beside the context.
    """

    layers: recurrent_step.Layers
    initial: Any
    kernel: Float[Array, "_ O"]
    bias: Float[Array, " O"]
    width: int = struct.field(pytree_node=False)
    join: Float[Array, "_ J"] | None = None
    joined: Float[Array, "N U J"] | None = None

    def blank(self, num: int, frames: int) -> Any:
        """A state before the first of so many frames, which sets its own."""
        return jax.tree.map(lambda x: jnp.zeros((num, x.shape[-1]), x.dtype), self.initial)

    def advance(
        self,
        inputs: Int[Array, "N P"],
        piece: Int[Array, " N"],
        at: Int[Array, ""],
        anew: tuple[Int[Array, ""], Bool[Array, ""]],
        carry: Any,
        reals: Float[Array, "N V"] | None = None,
    ) -> tuple[Float[Array, "N O"], tuple[Any, ...]]:
        """Advances by one frame.

        Args:
            inputs: int32[N, P], which inputs are 1; D for none.
            piece: int32[N], the row of contexts of each piece.
            at: int32[], which context the frame has.
            anew: int32[] and bool[], which of the first states is the frame's, and whether it begins with that.
            carry: The state before it.
            reals: float[N, V], the first inputs where they are real numbers.

        Returns:
            float[N, O] and the state after it.
        """
        which, begins = anew
        fresh = jax.tree.map(lambda x: x[piece, which], self.initial)
        carry = jax.tree.map(lambda new, old: jnp.where(begins, new, old), fresh, carry)
        num = len(jax.tree.leaves(self.initial)[0])
        contexts = (len(self.layers.rows) - self.width - 1) // num
        context = self.width + 1 + piece * contexts + at
        ids = jnp.concatenate([inputs, context[:, None]], axis=1)
        h, carry = recurrent_step.step(self.layers, ids, carry, reals=reals)
        h = h.T
        if self.join is not None and self.joined is not None:
            h = nn.gelu(h @ self.join + self.joined[piece, at])
        return h @ self.kernel + jnp.broadcast_to(self.bias, (len(piece), len(self.bias))), carry


def lay_out(params: Params, width: int, contexts: Float[Array, "N U C"], initial: Any) -> Part:
    """Arranges a `latent.Decoder` for given contexts.

    Args:
        params: The decoder's.
        width: D, its inputs beside the context.
        contexts: float[N, U, C].
        initial: Its first states, (h, c) float[N R, H] for each layer.
    """
    num, segments, size = contexts.shape
    rows = jnp.concatenate(
        [
            jnp.eye(width, width + size, dtype=contexts.dtype),
            jnp.zeros((1, width + size), contexts.dtype),
            jnp.pad(contexts.reshape(num * segments, size), ((0, 0), (width, 0))),
        ]
    )
    states = jax.tree.map(lambda x: x.reshape(num, -1, x.shape[-1]), initial)
    output, layers = params["output"], recurrent_step.lay_out("lstm", params["stack"], rows)
    if "joined" not in params:
        return Part(layers, states, output["kernel"], output["bias"], width)
    kernel = params["joined"]["kernel"]
    joined = contexts @ kernel[-size:] + params["joined"]["bias"][None, None]
    return Part(layers, states, output["kernel"], output["bias"], width, kernel[:-size], joined)
