"""A pre-norm Transformer stack as one Flax module: for whole sequences, single steps with a cache, or any mask.

The cache is an explicit pytree of static shape. With a cache of length 0 the stack reads a whole sequence, in which
every position attends to the positions before it. A longer cache holds the keys and values of the last C positions in a
ring, and the stack reads one position at a time. Both ways give the same numbers for the same span.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from musejax.array_types import Array, Bool, Float, Int, Key
from musejax.nn import attention
from musejax.nn import dropout as dropouts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """The hyperparameters of a stack.

    Attributes:
        num_layers: Number of blocks.
        width: Number of features of a position, D.
        heads: Number of attention heads, H, which divides D.
        kv_heads: Number of heads of keys and values; 0 for as many as there are query heads.
        feed_forward: Units of the feed-forward layers.
        gated: Whether the feed-forward layers are gated (SwiGLU; Shazeer, 2020); otherwise they use GELU.
        positions: `relative` (a learned term for each clipped distance), `rotary`, or `sinusoidal` (added to inputs).
        max_distance: Distance at which `relative` positions are clipped.
        span: Number of positions that each position attends to, itself included; the largest size of the cache.
        dropout: Dropout rate of the output of each attention and feed-forward layer.
        variational: Whether all positions of a sequence share one dropout mask.
        remat: Whether the backward pass recomputes the activations of a block instead of storing them.
    """

    num_layers: int = 4
    width: int = 192
    heads: int = 4
    kv_heads: int = 0
    feed_forward: int = 512
    gated: bool = True
    positions: Literal["relative", "rotary", "sinusoidal"] = "rotary"
    max_distance: int = 128
    span: int = 1024
    dropout: float = 0.0
    variational: bool = False
    remat: bool = False


class Cache(NamedTuple):
    """The keys and values of earlier positions.

    Attributes:
        keys: For each block the pages of a ring, float[N, G, P, d] each; of length 0 for whole sequences.
        values: As `keys`.
        pos: Number of positions so far, int32[].
    """

    keys: tuple[tuple[Float[Array, "N G _ d"], ...], ...]
    values: tuple[tuple[Float[Array, "N G _ d"], ...], ...]
    pos: Int[Array, ""]


def check(shape: Shape) -> None:
    """Raises ValueError if the value of a field is invalid or does not fit the other fields."""
    if shape.width % shape.heads or (shape.width // shape.heads) % 2:
        raise ValueError(f"width is {shape.width} and heads {shape.heads}; width / heads must be an even whole number")
    if shape.kv_heads and shape.heads % shape.kv_heads:
        raise ValueError(f"kv_heads is {shape.kv_heads}; it must divide heads, which is {shape.heads}")
    for name in ("num_layers", "width", "heads", "feed_forward", "max_distance", "span"):
        if getattr(shape, name) < 1:
            raise ValueError(f"{name} is {getattr(shape, name)}; it must be at least 1")


def initial(shape: Shape, num: int, length: int = 0, params: Any = None) -> Cache:
    """Returns an empty cache.

    Args:
        shape: Shape of the stack.
        num: Number of rows, N.
        length: Number of positions to be sampled, or 0 for whole sequences; the cache holds at most `span` positions.
        params: Parameters whose type is that of the computation; None for float32.
    """
    dtype = jnp.float32 if params is None else jax.tree.leaves(params)[0].dtype
    groups = shape.kv_heads or shape.heads
    empty = attention.make_pages(num, groups, min(length, shape.span), shape.width // shape.heads, dtype)
    return Cache((empty,) * shape.num_layers, (empty,) * shape.num_layers, jnp.zeros((), jnp.int32))


def apply_to_rows(layer: Callable[[Array], Array], x: Float[Array, "B L D"]) -> Float[Array, "B L F"]:
    """Applies a layer to float[B, L, D] as B L rows.

    The gradient of a kernel is then one product of two matrices without transposition. With three axes, XLA transposes
    both on CPUs, which takes longer than the product.
    """
    return layer(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


@jax.custom_vjp
def _narrowing_product(x: Float[Array, "N F"], kernel: Float[Array, "F D"]) -> Float[Array, "N D"]:
    """Multiplies float[N, F] by float[F, D], where F > D, with a gradient of the kernel that is fast on CPUs."""
    return x @ kernel


def _narrowing_backward(
    residuals: tuple[Float[Array, "N F"], Float[Array, "F D"]], grad: Float[Array, "N D"]
) -> tuple[Float[Array, "N F"], Float[Array, "F D"]]:
    x, kernel = residuals
    # Without the barrier XLA would move the transposition into the product, which would take 50 % longer.
    return grad @ kernel.T, lax.optimization_barrier(grad.T @ x).T


_narrowing_product.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _narrowing_backward)


class Block(nn.Module):
    """Attention and feed-forward layers with pre-norm residual connections.

    Attributes:
        shape: Shape of the stack.
    """

    shape: Shape

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L D"],
        keys: tuple[Float[Array, "B G _ d"], ...],
        values: tuple[Float[Array, "B G _ d"], ...],
        pos: Int[Array, ""],
        key: Key[Array, ""] | None,
        attn_mask: Bool[Array, "B L L"] | None,
    ) -> tuple[Float[Array, "B L D"], tuple[Float[Array, "B G _ d"], ...], tuple[Float[Array, "B G _ d"], ...]]:
        """Runs the block over a sequence, or over one position.

        Args:
            x: float[B, L, D].
            keys: The keys of this block in the cache.
            values: The values of this block in the cache.
            pos: int32[], the first position of x.
            key: Key for dropout, or None to drop nothing.
            attn_mask: bool[B, L, L], True where a position attends to another; None for causal attention.

        Returns:
            float[B, L, D], and the updated keys and values of this block.
        """
        shape, (batch, length, width) = self.shape, x.shape
        heads, d = shape.heads, shape.width // shape.heads
        groups = shape.kv_heads or heads

        def dense(features: int, x: Float[Array, "B L D"], **options: Any) -> Float[Array, "B L {features}"]:
            return apply_to_rows(nn.Dense(features, use_bias=False, dtype=x.dtype, **options), x)

        out_init = nn.initializers.variance_scaling(0.5 / shape.num_layers, "fan_in", "truncated_normal")
        drops = (None, None) if key is None else tuple(jax.random.split(key))
        table = None
        if shape.positions == "relative":
            table = self.param("distance", nn.initializers.normal(0.02), (heads, shape.max_distance + 1, d))
            table = table.astype(x.dtype)

        y = nn.LayerNorm(name="norm_attention", dtype=x.dtype)(x)
        qkv = dense((heads + 2 * groups) * d, y, name="qkv").reshape(batch, length, heads + 2 * groups, d)
        q, k, v = jnp.split(qkv, [heads, heads + groups], axis=2)
        if shape.positions == "rotary":
            turns = attention.compute_rotations(pos + jnp.arange(length), d, x.dtype)
            q, k = attention.rotate(q, turns), attention.rotate(k, turns)
        if attn_mask is not None:
            o = attention.attend_masked(q, k, v, attn_mask)
        elif keys[0].shape[2] == 0:
            o = attention.attend_causal(q, k, v, table, shape.span)
        else:
            keys, values = attention.write(keys, k, pos), attention.write(values, v, pos)
            o = attention.attend_step(q, keys, values, table, pos)
        o = dense(width, o.reshape(batch, length, heads * d), name="out", kernel_init=out_init)
        one_mask = (batch, 1, width) if shape.variational else None
        x = x + dropouts.drop(o, shape.dropout, drops[0], one_mask)

        y = nn.LayerNorm(name="norm_feed_forward", dtype=x.dtype)(x)
        up = dense(shape.feed_forward * (2 if shape.gated else 1), y, name="up")
        if shape.gated:
            gate, up = jnp.split(up, 2, axis=-1)
            up = nn.silu(gate) * up
        else:
            up = nn.gelu(up)
        narrowing: Any = (
            (lambda x, kernel, *_, **__: _narrowing_product(x, kernel)) if shape.feed_forward > width else None
        )
        y = dense(width, up, name="down", kernel_init=out_init, dot_general=narrowing)
        return x + dropouts.drop(y, shape.dropout, drops[1], one_mask), keys, values


class Stack(nn.Module):
    """A stack of blocks with a final normalisation.

    Attributes:
        shape: Hyperparameters of the stack.
    """

    shape: Shape

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L D"],
        cache: Cache,
        key: Key[Array, ""] | None = None,
        *,
        attn_mask: Bool[Array, "B L L"] | None = None,
    ) -> tuple[Float[Array, "B L D"], Cache]:
        """Runs the stack over whole sequences (with a cache of length 0), or over one position (L = 1).

        Args:
            x: float[B, L, D].
            cache: The cache before x.
            key: Key for dropout, or None to drop nothing.
            attn_mask: bool[B, L, L], True where a position attends to another, before or after it; None for causal
                attention.

        Returns:
            float[B, L, D] and the updated cache.
        """
        shape = self.shape
        if shape.positions == "sinusoidal":
            at = cache.pos + jnp.arange(x.shape[1])
            x = x + attention.sinusoids(at, shape.width)[None].astype(x.dtype)
        block: Callable[..., Any] = nn.remat(Block) if shape.remat else Block
        after = []
        for i in range(shape.num_layers):
            each = None if key is None else jax.random.fold_in(key, i)
            x, k, v = block(shape, name=f"block_{i}")(x, cache.keys[i], cache.values[i], cache.pos, each, attn_mask)
            after.append((k, v))
        keys, values = (tuple(part) for part in zip(*after, strict=True))
        return nn.LayerNorm(name="norm", dtype=x.dtype)(x), Cache(keys, values, cache.pos + x.shape[1])
