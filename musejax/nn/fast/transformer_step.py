"""One position of a Transformer stack, for sampling: its weights are laid out once, before the loop.

A loop over tokens reads every weight at every position, and its time goes to many small operations. So what depends on
weights alone is computed beforehand. Everything that reads the residual stream normalises it first, and normalisation
does not see what all features have in common: the mean is taken out of whatever is added to the stream, which leaves
one sum of squares a layer. Scales and biases of the normalisations become part of the matrices that follow them.

The numbers are those of `transformer_stack.Stack` to rounding; a test compares them.
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
        rows: float[R, D]: what each row of the input adds to the residual stream.
        blocks: For each block its matrices `qkv`, `out`, `up` and `down`, the biases of the first and third, and
            `distance` where positions are relative.
        output: float[D, V].
        bias: float[V].
    """

    rows: Float[Array, "R D"]
    blocks: tuple[dict[str, Array], ...]
    output: Float[Array, "D V"]
    bias: Float[Array, " V"]


def _centred(x: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
    return x - x.mean(-1, keepdims=True)


def _after_norm(norm: Params, kernel: Float[Array, "D F"]) -> tuple[Float[Array, "D F"], Float[Array, " F"]]:
    """The matrix and bias by which normalised features become what the layer gives."""
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
        shape: The stack's.
        params: The stack's.
        rows: float[R, D], parts of which an input is the sum.
        output: float[D, V].
        bias: float[V].
    """
    blocks = []
    for i in range(shape.num_layers):
        block = params[f"block_{i}"]
        qkv, qkv_bias = _after_norm(block["norm_attention"], block["qkv"]["kernel"])
        up, up_bias = _after_norm(block["norm_feed_forward"], block["up"]["kernel"])
        laid = {"qkv": qkv, "qkv_bias": qkv_bias, "up": up, "up_bias": up_bias}
        laid |= {name: _centred(block[name]["kernel"]) for name in ("out", "down")}
        if "distance" in block:
            laid["distance"] = block["distance"]
        blocks.append(laid)
    last, last_bias = _after_norm(params["norm"], output)
    return Layers(_centred(rows), tuple(blocks), last, last_bias + bias)


def _dense(x: Float[Array, "N D"], kernel: Float[Array, "D F"], bias: Float[Array, " F"]) -> Float[Array, "N F"]:
    """A layer over the normalised stream: float[N, D] -> float[N, F]."""
    rate = lax.rsqrt(jnp.square(x.astype(jnp.float32)).mean(-1, keepdims=True) + _EPSILON)
    return (x @ kernel) * rate.astype(x.dtype) + jnp.broadcast_to(bias, (len(x), len(bias)))


def step(
    shape: transformer_stack.Shape,
    layers: Layers,
    ids: Int[Array, "N P"],
    cache: transformer_stack.Cache,
    reals: Float[Array, "N K"] | None = None,
) -> tuple[Float[Array, "N V"], transformer_stack.Cache]:
    """Takes one position.

    Args:
        shape: The stack's.
        layers: As laid out.
        ids: int32[N, P]: the input of a sequence is the sum of these rows.
        cache: With room.
        reals: float[N, K], how much of each of the first K rows the input has beside these; None for nothing.

    Returns:
        The output float[N, V] and the cache after it.
    """
    num, heads, d = len(ids), shape.heads, shape.width // shape.heads
    groups = shape.kv_heads or heads
    at, after = cache.pos + jnp.arange(1), []
    x = layers.rows[ids].sum(1)
    if reals is not None:
        x = x + reals.astype(x.dtype) @ layers.rows[: reals.shape[1]]
    if shape.positions == "sinusoidal":
        x = x + _centred(attention.sinusoids(at, shape.width)).astype(x.dtype)
    turns = attention.turns(at, d, x.dtype) if shape.positions == "rotary" else None
    for weights, keys, values in zip(layers.blocks, cache.keys, cache.values, strict=True):
        qkv = _dense(x, weights["qkv"], weights["qkv_bias"]).reshape(num, 1, heads + 2 * groups, d)
        q, k, v = qkv[:, :, :heads], qkv[:, :, heads : heads + groups], qkv[:, :, heads + groups :]
        if turns is not None:
            q, k = attention.turn(q, turns), attention.turn(k, turns)
        keys, values = attention.write(keys, k, cache.pos), attention.write(values, v, cache.pos)
        o = attention.step(q, keys, values, weights.get("distance"), cache.pos)
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
