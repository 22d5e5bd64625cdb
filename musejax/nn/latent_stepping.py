"""One frame of a latent variable model's decoders, for sampling: weights and contexts are laid out before the loop.

A frame's input is a sum of rows: of the tokens before it, of its conditions, and of its segment's context, whose
product with the input matrix is taken once. The numbers are those of `latent.Decoder` to rounding; a test compares
them.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from musejax.base import Array, Params
from musejax.nn import stepping


@struct.dataclass
class Part:
    """One decoder, laid out.

    Attributes:
        layers: The stack; its rows are the inputs, one of zeros, and N U contexts.
        initial: For each layer (h, c) of every segment, float[N, U, H] each.
        kernel: float[H, O], the output.
        bias: float[O].
        width: D, how many inputs there are beside the context.
    """

    layers: stepping.Layers
    initial: Any
    kernel: Array
    bias: Array
    width: int = struct.field(pytree_node=False)


def lay_out(params: Params, width: int, contexts: Array, initial: Any) -> Part:
    """Arranges a `latent.Decoder` for given contexts.

    Args:
        params: The decoder's.
        width: D, its inputs beside the context.
        contexts: float[N, U, C].
        initial: The first state of every segment, (h, c) float[N U, H] for each layer.
    """
    num, segments, size = contexts.shape
    rows = jnp.concatenate(
        [
            jnp.eye(width, width + size, dtype=contexts.dtype),
            jnp.zeros((1, width + size), contexts.dtype),
            jnp.pad(contexts.reshape(num * segments, size), ((0, 0), (width, 0))),
        ]
    )
    states = jax.tree.map(lambda x: x.reshape(num, segments, -1), initial)
    output = params["output"]
    return Part(stepping.lay_out("lstm", params["stack"], rows), states, output["kernel"], output["bias"], width)


def advance(
    part: Part, inputs: Array, piece: Array, segment: Array, begins: Array, carry: Any, reals: Array | None = None
) -> tuple[Array, tuple[Any, ...]]:
    """Advances by one frame.

    Args:
        part: The decoder.
        inputs: int32[N, P], which inputs are 1; D for none.
        piece: int32[N], the row of contexts of each piece.
        segment: int32[], the frame's segment.
        begins: bool[], whether the frame is its segment's first.
        carry: The state before it.
        reals: float[N, V], the first inputs where they are real numbers.

    Returns:
        float[N, O] and the state after it.
    """
    segments = jax.tree.leaves(part.initial)[0].shape[1]
    fresh = jax.tree.map(lambda x: x[piece, segment], part.initial)
    carry = jax.tree.map(lambda new, old: jnp.where(begins, new, old), fresh, carry)
    context = part.width + 1 + piece * segments + segment
    ids = jnp.concatenate([inputs, context[:, None]], axis=1)
    h, carry = stepping.step(part.layers, ids, carry, reals=reals)
    return h.T @ part.kernel + jnp.broadcast_to(part.bias, (len(piece), len(part.bias))), carry
