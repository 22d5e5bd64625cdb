"""Attention: causal over whole sequences, causal one position at a time with a sliding cache, and with any mask.

Arrays are [B, L, H, d]. Queries have H heads; keys and values have G heads, where G divides H (grouped queries; Ainslie
et al., 2023). Positions enter as rotations of queries and keys (Su et al., 2021) or as a learned term for each clipped
distance (Shaw et al., 2018; with the skewing of Music Transformer, Huang et al., 2019).

On a GPU or TPU, attention is computed by `jax.nn.dot_product_attention`. On a CPU that function is slow, so causal
attention over whole sequences is computed in blocks (`nn/fast/blocked_attention.py`).
"""

import functools
import itertools
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from musejax.array_types import Array, Bool, Float, Int
from musejax.nn.fast import blocked_attention

# Longest cache with 2 pages on a CPU; longer ones have 4. With one page XLA would copy the cache at every position.
SHORT = 256
_LOW = -1e9


def compute_rotations(
    pos: Int[Array, " L"], width: int, dtype: Any
) -> tuple[Float[Array, "1 L 1 {width}"], Float[Array, "1 L 1 {width}"]]:
    """Returns the cosines and signed sines of rotary positions, float[1, L, 1, width] each, for int32[L]."""
    half = width // 2
    rates = 10_000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = pos.astype(jnp.float32)[:, None] * rates[None]
    sin, cos = jnp.sin(angles), jnp.cos(angles)
    pair = jnp.concatenate([cos, cos], axis=-1), jnp.concatenate([-sin, sin], axis=-1)
    # Without a barrier XLA recomputes them for every head of every sequence and layer.
    return lax.optimization_barrier(tuple(x[None, :, None].astype(dtype) for x in pair))


def rotate(
    x: Float[Array, "B L H d"], by: tuple[Float[Array, "1 L 1 d"], Float[Array, "1 L 1 d"]]
) -> Float[Array, "B L H d"]:
    """Rotates pairs of features (i, i + d / 2) of float[B, L, H, d] by the output of `compute_rotations`."""
    cos, sin = by
    return x * cos + jnp.roll(x, x.shape[-1] // 2, axis=-1) * sin


def sinusoids(pos: Int[Array, " L"], width: int) -> Float[Array, "L {width}"]:
    """Returns sinusoidal position embeddings (Vaswani et al., 2017), float32[L, width] for int32[L]."""
    half = (width + 1) // 2
    rates = 10_000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = pos.astype(jnp.float32)[:, None] * rates[None]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)[:, :width]


def _group_heads(q: Float[Array, "B L H d"], groups: int) -> Float[Array, "B {groups} R L d"]:
    """Reshapes queries [B, L, H, d] to [B, G, H / G, L, d]."""
    b, length, heads, d = q.shape
    return q.reshape(b, length, groups, heads // groups, d).transpose(0, 2, 3, 1, 4)


def _merge_groups(o: Float[Array, "B G R L d"]) -> Float[Array, "B L H d"]:
    b, groups, rest, length, d = o.shape
    return o.transpose(0, 3, 1, 2, 4).reshape(b, length, groups * rest, d)


def _implementation(q: Float[Array, "B L H d"]) -> Literal["cudnn"] | None:
    """Returns `cudnn` where its kernel supports these arrays (it raises otherwise), else None for JAX's choice."""
    fits = q.dtype in (jnp.bfloat16, jnp.float16) and q.shape[-1] % 8 == 0 and q.shape[-1] <= 128
    return "cudnn" if fits and jax.default_backend() == "gpu" and _supports_cudnn() else None


def _supports_cudnn() -> bool:
    """Returns whether cuDNN's kernel runs on the GPU: an NVIDIA GPU, Ampere or later."""
    try:
        return float(getattr(jax.local_devices()[0], "compute_capability", "0")) >= 8.0
    except ValueError:  # on AMD GPUs it is a name
        return False


def attend_causal(
    q: Float[Array, "B L H d"],
    k: Float[Array, "B L G d"],
    v: Float[Array, "B L G d"],
    table: Float[Array, "H M d"] | None,
    span: int,
) -> Float[Array, "B L H d"]:
    """Attends from each position to itself and the `span` - 1 positions before it.

    Args:
        q: float[B, L, H, d].
        k: float[B, L, G, d].
        v: float[B, L, G, d].
        table: Embeddings of the distances 0 to M, float[H, M + 1, d], or None.
        span: Number of positions that each position sees.

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
        rows = blocked_attention.distance_rows(table, length, length)
        bias = blocked_attention.relative_scores(_group_heads(scaled, groups), rows)
        bias = bias.reshape(q.shape[0], q.shape[2], length, length)
        return jax.nn.dot_product_attention(q, k, v, bias=bias, is_causal=True, local_window_size=window)
    out = blocked_attention.attend_causal(_group_heads(scaled, groups), k.swapaxes(1, 2), v.swapaxes(1, 2), table, span)
    return _merge_groups(out)


def make_pages(
    num: int, groups: int, capacity: int, width: int, dtype: Any
) -> tuple[Float[Array, "{num} {groups} _ {width}"], ...]:
    """Returns an empty ring buffer of `capacity` positions, split into pages of equal length (the last may be shorter).

    With pages, attention reads only the first ones while a piece is short. On GPUs and TPUs there is one page, as a
    branch would cost more than it saves.

    Returns:
        Pages float[num, groups, P, width], whose lengths P add up to `capacity`; one page of length 0 if that is 0.
    """
    count = 1 if jax.default_backend() != "cpu" else 2 if capacity <= SHORT else 4
    length = -(-capacity // count)
    firsts = range(0, max(capacity, 1), max(length, 1))
    return tuple(jnp.zeros((num, groups, min(length, capacity - first), width), dtype) for first in firsts)


def write(
    ring: tuple[Float[Array, "N G _ d"], ...], x: Float[Array, "N 1 G d"], pos: Int[Array, ""]
) -> tuple[Float[Array, "N G _ d"], ...]:
    """Writes a position's entry to its slot, `pos` modulo the ring's capacity.

    Args:
        ring: float[N, G, P, d] each.
        x: float[N, 1, G, d].
        pos: int32[].
    """
    slot, x = pos % sum(page.shape[2] for page in ring), x.swapaxes(1, 2)
    updated, first = [], 0
    for page in ring:
        # Every page is written, the others with their old values: a branch would copy them.
        at = slot - first
        old = lax.dynamic_slice_in_dim(page, at, 1, 2)
        entry = jnp.where((at >= 0) & (at < page.shape[2]), x, old)
        updated.append(lax.dynamic_update_slice_in_dim(page, entry, at, 2))
        first += page.shape[2]
    return tuple(updated)


def _ring_scores(
    q: Float[Array, "N G R 1 d"], table: Float[Array, "H M d"], capacity: int, pos: Int[Array, ""]
) -> Float[Array, "N G R 1 {capacity}"]:
    """Returns the relative-position scores of a ring's slots, float[N, G, R, 1, C]; a gather would be slow on CPUs.

    Args:
        q: float[N, G, R, 1, d], scaled.
        table: float[H, M + 1, d].
        capacity: Number of slots, C.
        pos: int32[], the current position.
    """
    last = min(table.shape[1], capacity) - 1
    rows = table.reshape(*q.shape[1:3], *table.shape[1:])  # all rows: a slice would copy the table at every position
    falling = jnp.einsum("ngrcd,grmd->ngrcm", q, rows)[..., last::-1]  # distances `last` to 0
    if last == table.shape[1] - 1:  # larger distances share the last row
        beyond = (*falling.shape[:-1], capacity - 1 - last)
        falling = jnp.concatenate([jnp.broadcast_to(falling[..., :1], beyond), falling], axis=-1)
    # Slot s is (pos - s) % C away: distances decrease from slot pos + 1 around the ring to 0 at slot pos.
    twice = jnp.concatenate([falling, falling], axis=-1)
    return lax.dynamic_slice_in_dim(twice, capacity - 1 - pos % capacity, capacity, -1)


def attend_step(
    q: Float[Array, "N 1 H d"],
    keys: tuple[Float[Array, "N G _ d"], ...],
    values: tuple[Float[Array, "N G _ d"], ...],
    table: Float[Array, "H M d"] | None,
    pos: Int[Array, ""],
) -> Float[Array, "N 1 H d"]:
    """Attends from one position to a ring of the last C: slot s holds the latest position that is s modulo C.

    Args:
        q: float[N, 1, H, d].
        keys: Pages float[N, G, P, d], which already contain the current position.
        values: As `keys`.
        table: Embeddings of the distances 0 to M, float[H, M + 1, d], or None.
        pos: int32[], the current position.

    Returns:
        float[N, 1, H, d].
    """
    lengths = [page.shape[2] for page in keys]
    capacity = sum(lengths)
    grouped = _group_heads(q * q.shape[-1] ** -0.5, keys[0].shape[1])
    term = None if table is None else _ring_scores(grouped, table, capacity, pos)

    def attend(count: int) -> Float[Array, "N G R 1 d"]:
        """Attends to the first `count` pages."""
        distance = (pos - jnp.arange(sum(lengths[:count]))) % capacity
        # Keys are the first factor: as the second, XLA would copy them transposed at every position.
        scores = jnp.concatenate([jnp.einsum("ngsd,ngrcd->ngsrc", page, grouped) for page in keys[:count]], 2)
        scores = jnp.moveaxis(scores, 2, -1)
        if term is not None:
            scores = scores + term[..., : scores.shape[-1]]
        seen = (distance <= pos).reshape(1, 1, 1, 1, -1)
        scores = jnp.where(seen, scores.astype(jnp.float32), _LOW)
        weights = jnp.exp(scores - scores.max(-1, keepdims=True))
        parts = jnp.split(weights.astype(q.dtype), list(itertools.accumulate(lengths[: count - 1])), -1)
        total = weights.sum(-1, keepdims=True).astype(q.dtype)
        return sum(part @ page[:, :, None] for part, page in zip(parts, values[:count], strict=True)) / total

    used = jnp.minimum(pos // lengths[0], len(lengths) - 1)
    return _merge_groups(lax.switch(used, [functools.partial(attend, i + 1) for i in range(len(lengths))]))


def attend_masked(
    q: Float[Array, "B L H d"], k: Float[Array, "B L G d"], v: Float[Array, "B L G d"], attn_mask: Bool[Array, "B L L"]
) -> Float[Array, "B L H d"]:
    """Attends from each position to those that the mask allows, before or after it.

    Args:
        q: float[B, L, H, d].
        k: float[B, L, G, d].
        v: float[B, L, G, d].
        attn_mask: bool[B, L, L], True where the query (row) sees the key.

    Returns:
        float[B, L, H, d].
    """
    if jax.default_backend() != "cpu":
        return jax.nn.dot_product_attention(q, k, v, mask=attn_mask[:, None])
    grouped = _group_heads(q * q.shape[-1] ** -0.5, k.shape[2])
    scores = jnp.einsum("bgrcd,bgnd->bgrcn", grouped, k.swapaxes(1, 2)).astype(jnp.float32)
    scores = jnp.where(attn_mask[:, None, None], scores, _LOW)
    return _merge_groups(blocked_attention.average_values(scores, v.swapaxes(1, 2)[:, :, None]))
