"""A pre-norm Transformer stack as one Flax module: whole sequences, single steps over a sliding cache, known sets.

The cache is an explicit pytree of static shape. A whole sequence is read by a stack whose cache has no room: then
every position sees those before it within the sequence. A cache with room holds the keys and values of the last C
positions in a ring, and the stack takes one position at a time. Both give the same numbers under the same band.
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
    """What a stack can be.

    Attributes:
        num_layers: Blocks.
        width: Features of a position, D.
        heads: Heads of attention, H; they divide D.
        kv_heads: Heads of keys and values; 0 for as many as there are queries.
        feed_forward: Units of the feed-forward layers.
        gated: Whether these are gated (SwiGLU; Shazeer, 2020), else GELU.
        positions: `relative` (a learnt term for each clipped distance), `rotary`, or `sinusoidal` (added to the input).
        max_distance: Distance from which `relative` tells no further apart.
        span: Positions that attention looks back over, its own included; the size of the cache.
        dropout: On the output of each attention and feed-forward layer.
        variational: Whether one dropout mask serves all positions of a sequence.
        remat: Whether the backward pass computes the activations of a block anew instead of keeping them.
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
    """What a stack remembers.

    Attributes:
        keys: For each block a ring in pages, float[N, G, P, d] each; without room where whole sequences are read.
        values: As keys.
        pos: Positions so far, int32[].
    """

    keys: tuple[tuple[Float[Array, "N G _ d"], ...], ...]
    values: tuple[tuple[Float[Array, "N G _ d"], ...], ...]
    pos: Int[Array, ""]


def check(shape: Shape) -> None:
    """Raises ValueError where a field does not fit the others."""
    if shape.width % shape.heads or (shape.width // shape.heads) % 2:
        raise ValueError(f"heads {shape.heads} does not cut width {shape.width} into heads of even width")
    if shape.kv_heads and shape.heads % shape.kv_heads:
        raise ValueError(f"kv_heads {shape.kv_heads} does not divide heads {shape.heads}")
    for name in ("num_layers", "width", "heads", "feed_forward", "max_distance", "span"):
        if getattr(shape, name) < 1:
            raise ValueError(f"{name} is {getattr(shape, name)}; it must be 1 or more")


def initial(shape: Shape, num: int, length: int = 0, params: Any = None) -> Cache:
    """An empty cache.

    Args:
        shape: The stack's.
        num: Rows, N.
        length: Positions that will be drawn, for a cache of the smaller of it and `span`; 0 for whole sequences.
        params: Whose type the computation takes; float32 without.
    """
    dtype = jnp.float32 if params is None else jax.tree.leaves(params)[0].dtype
    groups = shape.kv_heads or shape.heads
    empty = attention.pages(num, groups, min(length, shape.span), shape.width // shape.heads, dtype)
    return Cache((empty,) * shape.num_layers, (empty,) * shape.num_layers, jnp.zeros((), jnp.int32))


def by_rows(layer: Callable[[Array], Array], x: Float[Array, "B L D"]) -> Float[Array, "B L F"]:
    """Applies a layer to float[B, L, D] as B L rows.

    The gradient of a kernel is then one product of two matrices as they lie; over three axes XLA copies both transposed
    for CPUs, which takes longer than the product.
    """
    return layer(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


@jax.custom_vjp
def _narrowing(x: Float[Array, "N F"], kernel: Float[Array, "F D"]) -> Float[Array, "N D"]:
    """float[N, F] and float[F, D], F > D, to their product: the kernel's gradient is taken the way that CPUs like."""
    return x @ kernel


def _narrowing_backward(
    kept: tuple[Float[Array, "N F"], Float[Array, "F D"]], grad: Float[Array, "N D"]
) -> tuple[Float[Array, "N F"], Float[Array, "F D"]]:
    x, kernel = kept
    # XLA would move the transposition back into the product, which then takes half as long again.
    return grad @ kernel.T, lax.optimization_barrier(grad.T @ x).T


_narrowing.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _narrowing_backward)


class Block(nn.Module):
    """Attention and feed-forward layers, each added to what it read (pre-norm).

    Attributes:
        shape: The stack's.
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
        """Runs over a sequence, or over one position.

        Args:
            x: float[B, L, D].
            keys: The block's part of the cache.
            values: The same.
            pos: int32[], the first position of x.
            key: For dropout; None when nothing is to be dropped.
            attn_mask: bool[B, L, L] for attention over a known set; None for causal attention.

        Returns:
            float[B, L, D], and the block's part of the cache after it.
        """
        shape, (batch, length, width) = self.shape, x.shape
        heads, d = shape.heads, shape.width // shape.heads
        groups = shape.kv_heads or heads

        def dense(features: int, x: Float[Array, "B L D"], **options: Any) -> Float[Array, "B L {features}"]:
            return by_rows(nn.Dense(features, use_bias=False, dtype=x.dtype, **options), x)

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
            turns = attention.turns(pos + jnp.arange(length), d, x.dtype)
            q, k = attention.turn(q, turns), attention.turn(k, turns)
        if attn_mask is not None:
            o = attention.known(q, k, v, attn_mask)
        elif keys[0].shape[2] == 0:
            o = attention.causal(q, k, v, table, shape.span)
        else:
            keys, values = attention.write(keys, k, pos), attention.write(values, v, pos)
            o = attention.step(q, keys, values, table, pos)
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
        narrowing: Any = (lambda x, kernel, *_, **__: _narrowing(x, kernel)) if shape.feed_forward > width else None
        y = dense(width, up, name="down", kernel_init=out_init, dot_general=narrowing)
        return x + dropouts.drop(y, shape.dropout, drops[1], one_mask), keys, values


class Stack(nn.Module):
    """Blocks one above the other, and a last normalisation.

    Attributes:
        shape: What it is.
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
        """Runs over whole sequences (a cache without room), or over one position (L = 1).

        Args:
            x: float[B, L, D].
            cache: What was read before.
            key: For dropout; None when nothing is to be dropped.
            attn_mask: bool[B, L, L], 1 where a position sees another, before or after; None for causal attention.

        Returns:
            float[B, L, D] and the cache after it.
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
