"""One step of a stack of recurrent layers, for sampling: its weights are laid out once, before the loop.

A loop over tokens reads every weight at every step. So what depends on weights alone is computed beforehand: the input
matrix becomes a table with a row for each token, from which a step takes rows instead of multiplying, and the other
layers' matrices stand side by side, for one product a layer. Arrays are [features, N] within a step, as in `cells`.

The numbers are those of `recurrent.Stack` to rounding; a test compares them.
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
        rows: float[R, G H]: what each row of the first layer's input adds to its gates.
        weights: For each layer its matrices and biases as `step` reads them.
        norms: The parameters of each layer's normalisation; empty for a stack without.
    """

    rows: Float[Array, "R G"]
    weights: tuple[dict[str, Array], ...]
    norms: tuple[Params, ...]


def lay_out(cell: str, params: Params, rows: Float[Array, "R D"]) -> Layers:
    """Arranges the parameters of a `recurrent.Stack`.

    Args:
        cell: `lstm` or `gru`.
        params: The stack's.
        rows: float[R, D], the inputs that may occur or parts of which an input is the sum.
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
        layers: As laid out.
        ids: int32[N, P]: the input of a sequence is the sum of these rows.
        carry: The state before it, one a layer, of arrays [N, H].
        residual: As in `recurrent.Stack`.
        reals: float[N, D]: how much of each of the first D rows is added besides.

    Returns:
        float[H, N] and the state after it.
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
