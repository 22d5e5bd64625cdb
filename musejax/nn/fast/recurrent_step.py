"""One step of a stack of recurrent layers, for sampling, with weights that are rearranged once before the loop.

A loop over tokens reads every weight at every step. So everything that depends on weights alone is computed beforehand:
the input matrix becomes a table with a row for each token, so that a step gathers rows instead of multiplying, and the
matrices of each later layer are concatenated for one product. Within a step, arrays are [features, N], as in
`recurrent_cells`.

The results equal those of `recurrent_stack.Stack` up to rounding; a test compares them.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from musejax.array_types import Array, Float, Int
from musejax.base import Params
from musejax.nn import recurrent_cells


@struct.dataclass
class Layers:
    """The weights of a stack, laid out for `step`.

    Attributes:
        rows: float[R, G H], the contribution of each input row to the gates of the first layer.
        weights: The matrices and biases of each layer.
        norms: The parameters of each layer's normalisation; empty for a stack without normalisation.
    """

    rows: Float[Array, "R G"]
    weights: tuple[dict[str, Array], ...]
    norms: tuple[Params, ...]


def lay_out(cell: str, params: Params, rows: Float[Array, "R D"]) -> Layers:
    """Arranges the parameters of a `recurrent_stack.Stack`.

    Args:
        cell: `lstm` or `gru`.
        params: Parameters of the stack.
        rows: float[R, D], the rows of which every input is a sum.
    """
    weights = []
    for i in range(sum(name.startswith("layer_") for name in params)):
        layer = params[f"layer_{i}"]
        w_in, w_rec, bias = layer["input"], layer["recurrent"], layer["bias"][:, None]
        if cell == "gru":
            more = {"recurrent": w_rec.T, "new_bias": layer["new_bias"][:, None], "bias": bias}
            weights.append(more if i == 0 else {**more, "input": w_in.T})
        else:
            weights.append({"both": w_rec.T if i == 0 else jnp.concatenate([w_in, w_rec]).T, "bias": bias})
    norms = tuple(params[f"norm_{i}"] for i in range(len(weights)) if f"norm_{i}" in params)
    return Layers(rows @ params["layer_0"]["input"], tuple(weights), norms)


def step(
    layers: Layers,
    ids: Int[Array, "N P"],
    carry: tuple[Any, ...],
    *,
    residual: bool = False,
    reals: Float[Array, "N D"] | None = None,
) -> tuple[Float[Array, "H N"], tuple[Any, ...]]:
    """Advances the stack by one step.

    Args:
        layers: The output of `lay_out`.
        ids: int32[N, P], the rows whose sum is the input of each sequence.
        carry: The state of each layer before the step, arrays [N, H].
        residual: As in `recurrent_stack.Stack`.
        reals: float[N, D], factors of the first D rows, which are added to the input; None for no such rows.

    Returns:
        float[H, N] and the new state.
    """
    num = len(ids)
    x, after = layers.rows[ids].sum(1).T, []
    if reals is not None:
        x = x + (reals @ layers.rows[: reals.shape[1]]).T
    for i, (weights, state) in enumerate(zip(layers.weights, carry, strict=True)):
        state = tuple(s.T for s in state)
        bias = jnp.broadcast_to(weights["bias"], (len(weights["bias"]), num))
        if "both" in weights:
            z = x + weights["both"] @ state[0] if i == 0 else weights["both"] @ jnp.concatenate([x, state[0]])
            state = recurrent_cells.lstm_gates(z + bias, state[1], 0)[:2]
        else:
            z = x if i == 0 else weights["input"] @ x
            new_bias = jnp.broadcast_to(weights["new_bias"], state[0].shape)
            state = recurrent_cells.gru_gates(z + bias, weights["recurrent"] @ state[0], new_bias, state[0], 0)[:1]
        after.append(tuple(s.T for s in state))
        y = state[0]
        if layers.norms:
            y = nn.LayerNorm().apply({"params": layers.norms[i]}, y.T).T  # type: ignore[union-attr]
        x = y + x if residual and i else y
    return x, tuple(after)
