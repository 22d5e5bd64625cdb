"""One position of a Transformer stack, for sampling, with weights that are rearranged once before the loop.

A loop over tokens reads every weight at every position and spends its time on many small operations. So everything that
depends on weights alone is computed beforehand. All layers that read the residual stream normalise it first, which
removes the mean of the features. So the mean is already subtracted from whatever is added to the stream, and each layer
needs only one sum of squares. Scales and biases of normalisations are merged into the matrices that follow them.

The results equal those of `transformer_stack.Stack` up to rounding; a test compares them.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jax import lax

from musejax.array_types import Array, Float, Int
from musejax.base import Params
from musejax.nn import attention, transformer_stack

_EPSILON = 1e-6  # of nn.LayerNorm


@struct.dataclass
class Layers:
    """The weights of a stack, laid out for `step`.

    Attributes:
        rows: float[R, D], the contribution of each input row to the residual stream.
        blocks: For each block the matrices `qkv`, `out`, `up` and `down`, the biases of `qkv` and `up`, and `distance`
            if positions are relative.
        output: float[D, V].
        bias: float[V].
    """

    rows: Float[Array, "R D"]
    blocks: tuple[dict[str, Array], ...]
    output: Float[Array, "D V"]
    bias: Float[Array, " V"]


def _centre(x: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
    return x - x.mean(-1, keepdims=True)


def _merge_norm(norm: Params, kernel: Float[Array, "D F"]) -> tuple[Float[Array, "D F"], Float[Array, " F"]]:
    """Merges the scale and bias of a normalisation into the layer after it; returns its matrix and bias."""
    return norm["scale"][:, None] * kernel, norm["bias"] @ kernel


def lay_out(
    shape: transformer_stack.Shape,
    params: Params,
    rows: Float[Array, "R D"],
    output: Float[Array, "D V"],
    bias: Float[Array, " V"],
) -> Layers:
    """Arranges the parameters of a `transformer_stack.Stack` and of the output that follows it.

    Args:
        shape: Shape of the stack.
        params: Parameters of the stack.
        rows: float[R, D], the rows of which every input is a sum.
        output: float[D, V].
        bias: float[V].
    """
    blocks = []
    for i in range(shape.num_layers):
        block = params[f"block_{i}"]
        qkv, qkv_bias = _merge_norm(block["norm_attention"], block["qkv"]["kernel"])
        up, up_bias = _merge_norm(block["norm_feed_forward"], block["up"]["kernel"])
        weights = {"qkv": qkv, "qkv_bias": qkv_bias, "up": up, "up_bias": up_bias}
        weights |= {name: _centre(block[name]["kernel"]) for name in ("out", "down")}
        if "distance" in block:
            weights["distance"] = block["distance"]
        blocks.append(weights)
    last, last_bias = _merge_norm(params["norm"], output)
    return Layers(_centre(rows), tuple(blocks), last, last_bias + bias)


def _dense(x: Float[Array, "N D"], kernel: Float[Array, "D F"], bias: Float[Array, " F"]) -> Float[Array, "N F"]:
    """Applies a layer to the normalised stream: float[N, D] -> float[N, F]."""
    rate = lax.rsqrt(jnp.square(x.astype(jnp.float32)).mean(-1, keepdims=True) + _EPSILON)
    return (x @ kernel) * rate.astype(x.dtype) + jnp.broadcast_to(bias, (len(x), len(bias)))


def step(
    shape: transformer_stack.Shape,
    layers: Layers,
    ids: Int[Array, "N P"],
    cache: transformer_stack.Cache,
    reals: Float[Array, "N K"] | None = None,
) -> tuple[Float[Array, "N V"], transformer_stack.Cache]:
    """Runs the stack for one position.

    Args:
        shape: Shape of the stack.
        layers: The output of `lay_out`.
        ids: int32[N, P], the rows whose sum is the input of each sequence.
        cache: The cache before the position, of length 1 or more.
        reals: float[N, K], factors of the first K rows, which are added to the input; None for no such rows.

    Returns:
        The output float[N, V] and the updated cache.
    """
    num, heads, d = len(ids), shape.heads, shape.width // shape.heads
    groups = shape.kv_heads or heads
    at, after = cache.pos + jnp.arange(1), []
    x = layers.rows[ids].sum(1)
    if reals is not None:
        x = x + reals.astype(x.dtype) @ layers.rows[: reals.shape[1]]
    if shape.positions == "sinusoidal":
        x = x + _centre(attention.sinusoids(at, shape.width)).astype(x.dtype)
    turns = attention.compute_rotations(at, d, x.dtype) if shape.positions == "rotary" else None
    for weights, keys, values in zip(layers.blocks, cache.keys, cache.values, strict=True):
        qkv = _dense(x, weights["qkv"], weights["qkv_bias"]).reshape(num, 1, heads + 2 * groups, d)
        q, k, v = qkv[:, :, :heads], qkv[:, :, heads : heads + groups], qkv[:, :, heads + groups :]
        if turns is not None:
            q, k = attention.rotate(q, turns), attention.rotate(k, turns)
        keys, values = attention.write(keys, k, cache.pos), attention.write(values, v, cache.pos)
        o = attention.attend_step(q, keys, values, weights.get("distance"), cache.pos)
        x = x + o.reshape(num, heads * d) @ weights["out"]
        up = _dense(x, weights["up"], weights["up_bias"])
        if shape.gated:
            gate, up = jnp.split(up, 2, axis=-1)
            up = jax.nn.silu(gate) * up
        else:
            up = jax.nn.gelu(up)
        x = x + up @ weights["down"]
        after.append((keys, values))
    keys, values = (tuple(part) for part in zip(*after, strict=True))
    return _dense(x, layers.output, layers.bias), transformer_stack.Cache(keys, values, cache.pos + 1)
