"""One frame of a latent variable model's decoders, for sampling, with weights that are rearranged before the loop.

The input of a frame is a sum of rows for the previous tokens, the conditions, and the context of its segment, whose
product with the input matrix is computed once. The results equal those of `latent_layers.Decoder` up to rounding; a
test compares them.
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
    """One decoder, laid out for sampling.

    Attributes:
        layers: The stack. Its rows are the inputs, a row of zeros, and N U contexts.
        initial: (h, c) of each layer at the start of each of R segments, float[N, R, H] each.
        kernel: float[H, O], the output layer, or float[J, O] after the extra layer.
        bias: float[O].
        width: Number of inputs besides the context, D.
        join: float[H, J], the extra layer, which reads the context again, or None.
        joined: float[N, U, J], the contribution of contexts to the extra layer, or None.
    """

    layers: recurrent_step.Layers
    initial: Any
    kernel: Float[Array, "_ O"]
    bias: Float[Array, " O"]
    width: int = struct.field(pytree_node=False)
    join: Float[Array, "_ J"] | None = None
    joined: Float[Array, "N U J"] | None = None

    def init_cache(self, num: int, frames: int) -> Any:
        """Returns a state of zeros, which the first frame replaces by its initial state."""
        return jax.tree.map(lambda x: jnp.zeros((num, x.shape[-1]), x.dtype), self.initial)

    def advance(
        self,
        inputs: Int[Array, "N P"],
        piece: Int[Array, " N"],
        at: Int[Array, ""],
        start: tuple[Int[Array, ""], Bool[Array, ""]],
        carry: Any,
        reals: Float[Array, "N V"] | None = None,
    ) -> tuple[Float[Array, "N O"], tuple[Any, ...]]:
        """Advances by one frame.

        Args:
            inputs: int32[N, P], the indices of the inputs that are 1; D stands for none.
            piece: int32[N], the row of contexts of each piece.
            at: int32[], index of the context of the frame.
            start: int32[] and bool[], the index of the segment, and whether the frame is its first.
            carry: The state before the frame.
            reals: float[N, V], the values of the first V inputs if they are real numbers.

        Returns:
            float[N, O] and the new state.
        """
        segment, is_first = start
        initial = jax.tree.map(lambda x: x[piece, segment], self.initial)
        carry = jax.tree.map(lambda new, old: jnp.where(is_first, new, old), initial, carry)
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
    """Arranges a `latent_layers.Decoder` for given contexts.

    Args:
        params: Parameters of the decoder.
        width: Number of inputs besides the context, D.
        contexts: float[N, U, C].
        initial: Its initial states, (h, c) float[N R, H] for each layer.
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
