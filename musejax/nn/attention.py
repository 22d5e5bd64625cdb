"""Attention: causal over whole sequences, causal one position at a time over a sliding cache, and over a known set.

Arrays are [B, L, H, d]; queries have H heads, keys and values G of them, where G divides H (grouped queries; Ainslie
et al., 2023). Positions enter by rotation of queries and keys (Su et al., 2021) or by a learnt term for each clipped
distance (Shaw et al., 2018; the skewing of Music Transformer, Huang et al., 2019).

On a GPU or TPU the products are those of `jax.nn.dot_product_attention`. On a CPU that function is slow, so the
causal forms work through the queries in blocks, each of which reads only the keys that it may see.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from musejax.base import Array

# Queries in a block on the CPU: measured on two cores, faster than 64 and than all at once.
BLOCK = 128
_LOW = -1e9


def rotate(x: Array, pos: Array) -> Array:
    """Rotates pairs of features by angles that grow with the position.

    Args:
        x: float[B, L, H, d], d even.
        pos: int32[L], where each entry stands.
    """
    half = x.shape[-1] // 2
    rates = 10_000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = pos.astype(jnp.float32)[:, None] * rates[None]
    sin, cos = (f(angles)[None, :, None].astype(x.dtype) for f in (jnp.sin, jnp.cos))
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def sinusoids(pos: Array, width: int) -> Array:
    """Sines and cosines of positions (Vaswani et al., 2017): float32[L, width] of int32[L]."""
    half = (width + 1) // 2
    rates = 10_000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = pos.astype(jnp.float32)[:, None] * rates[None]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)[:, :width]


def _grouped(q: Array, groups: int) -> Array:
    """Queries [B, L, H, d] as [B, G, H / G, L, d]."""
    b, length, heads, d = q.shape
    return q.reshape(b, length, groups, heads // groups, d).transpose(0, 2, 3, 1, 4)


def _ungrouped(o: Array) -> Array:
    b, groups, rest, length, d = o.shape
    return o.transpose(0, 3, 1, 2, 4).reshape(b, length, groups * rest, d)


def _relative(q: Array, table: Array, keys: int) -> Array:
    """What distances add to the scores of queries that end where the keys end.

    Args:
        q: float[B, G, R, c, d], scaled.
        table: float[H, M + 1, d], a row for each distance from 0 to M, the last for all beyond.
        keys: Number of keys, n >= c; query r stands at key n - c + r.

    Returns:
        float[B, G, R, c, n]; without meaning where the key lies after the query.
    """
    c, most = q.shape[-2], table.shape[1] - 1
    # Column m holds distance n - 1 - m. Row r begins c - 1 - r columns later: rows are skewed by one length too many.
    rows = table[:, jnp.clip(keys - 1 - jnp.arange(keys + c - 1), 0, most)]
    wide = jnp.einsum("bgrcd,grmd->bgrcm", q, rows.reshape(*q.shape[1:3], keys + c - 1, q.shape[-1]))
    flat = jnp.pad(wide, [(0, 0)] * 4 + [(0, 1)]).reshape(*q.shape[:3], c * (keys + c))
    return flat[..., c - 1 : c - 1 + c * (keys + c - 1)].reshape(*q.shape[:4], keys + c - 1)[..., :keys]


def _weighted(scores: Array, values: Array) -> Array:
    """Softmax of scores [..., L, n] over values [..., n, d], normalised after the product."""
    weights = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
    total = weights.sum(-1, keepdims=True)
    return (weights.astype(values.dtype) @ values) / total.astype(values.dtype)


def _block(q: Array, k: Array, v: Array, table: Array | None, first: int, low: int, span: int) -> Array:
    """Queries from `first` on over keys from `low` on: [B, G, R, c, d]."""
    c, n = q.shape[-2], k.shape[-2]
    scores = jnp.einsum("bgrcd,bgnd->bgrcn", q, k)
    if table is not None:
        scores = scores + _relative(q, table, n)
    distance = (first + jnp.arange(c))[:, None] - (low + jnp.arange(n))[None]
    seen = (distance >= 0) & (distance < span)
    return _weighted(jnp.where(seen, scores.astype(jnp.float32), _LOW), v[:, :, None])


def _implementation(q: Array) -> Literal["cudnn"] | None:
    """`cudnn` where it takes these arrays, else JAX's own choice: asked for elsewhere it raises."""
    fits = q.dtype in (jnp.bfloat16, jnp.float16) and q.shape[-1] % 8 == 0 and q.shape[-1] <= 128
    return "cudnn" if fits and jax.default_backend() == "gpu" else None


def causal(q: Array, k: Array, v: Array, table: Array | None, span: int) -> Array:
    """Every position over itself and the `span` - 1 before it.

    Args:
        q: float[B, L, H, d].
        k: float[B, L, G, d].
        v: float[B, L, G, d].
        table: float[H, M + 1, d] for distances, or None.
        span: Positions that are seen.

    Returns:
        float[B, L, H, d].
    """
    length, groups = q.shape[1], k.shape[2]
    scaled = q * q.shape[-1] ** -0.5
    if jax.default_backend() != "cpu":
        window = None if span >= length else (span - 1, 0)
        if table is None:
            return jax.nn.dot_product_attention(
                q, k, v, is_causal=True, local_window_size=window, implementation=_implementation(q)
            )
        bias = _relative(_grouped(scaled, groups), table, length).reshape(q.shape[0], q.shape[2], length, length)
        return jax.nn.dot_product_attention(q, k, v, bias=bias, is_causal=True, local_window_size=window)
    k, v = k.swapaxes(1, 2), v.swapaxes(1, 2)
    grouped, out = _grouped(scaled, groups), []
    for first in range(0, length, BLOCK):
        last = min(first + BLOCK, length)
        low = max(0, first - span + 1)
        part = functools.partial(_block, first=first, low=low, span=span)
        out.append(part(grouped[..., first:last, :], k[:, :, low:last], v[:, :, low:last], table))
    return _ungrouped(jnp.concatenate(out, axis=-2))


def step(q: Array, k: Array, v: Array, table: Array | None, pos: Array) -> Array:
    """One position over a ring of the last C: slot s holds the latest position that is s modulo C.

    Args:
        q: float[N, 1, H, d].
        k: float[N, G, C, d], the present position's already in it.
        v: float[N, G, C, d].
        table: float[H, M + 1, d] for distances, or None.
        pos: int32[], the present position.

    Returns:
        float[N, 1, H, d].
    """
    capacity = k.shape[2]
    grouped = _grouped(q * q.shape[-1] ** -0.5, k.shape[1])
    distance = (pos - jnp.arange(capacity)) % capacity
    scores = jnp.einsum("ngrcd,ngsd->ngrcs", grouped, k)
    if table is not None:
        rows = table.reshape(*grouped.shape[1:3], *table.shape[1:])
        by_distance = jnp.einsum("ngrcd,grmd->ngrcm", grouped, rows)
        scores = scores + by_distance[..., jnp.minimum(distance, table.shape[1] - 1)]
    seen = (distance <= pos).reshape(1, 1, 1, 1, capacity)
    return _ungrouped(_weighted(jnp.where(seen, scores.astype(jnp.float32), _LOW), v[:, :, None]))


def known(q: Array, k: Array, v: Array, attn_mask: Array) -> Array:
    """Every position over those that the mask lets it see, before and after.

    Args:
        q: float[B, L, H, d].
        k: float[B, L, G, d].
        v: float[B, L, G, d].
        attn_mask: bool[B, L, L], 1 where the query (row) sees the key.

    Returns:
        float[B, L, H, d].
    """
    if jax.default_backend() != "cpu":
        return jax.nn.dot_product_attention(q, k, v, mask=attn_mask[:, None])
    grouped = _grouped(q * q.shape[-1] ** -0.5, k.shape[2])
    scores = jnp.einsum("bgrcd,bgnd->bgrcn", grouped, k.swapaxes(1, 2))
    return _ungrouped(
        _weighted(jnp.where(attn_mask[:, None, None], scores.astype(jnp.float32), _LOW), v.swapaxes(1, 2)[:, :, None])
    )
