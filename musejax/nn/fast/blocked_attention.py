"""Causal attention on a CPU, in blocks of queries that read only the keys visible to them.

Long sequences are processed a few at a time, and the backward pass recomputes the weights instead of storing them (as
in Rabe and Staats, 2021, and Dao et al., 2022): memory outside a core's cache costs more than arithmetic. In the
backward pass the scores have a row for each key, so that two of the three later products need no transposition.

Arrays are [B, G, R, L, d] for queries and [B, G, L, d] for keys and values: G groups of R heads each.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from musejax.array_types import Array, Bool, Float

# Queries in a block; on two cores 64 was faster than 128 and than all queries at once.
BLOCK = 64
# Number of scores of a batch above which it is processed in parts, and of one block of a part.
LARGE = 1 << 21
PART = 1 << 18
_LOW = -1e9


class Block(NamedTuple):
    """The range of a block of queries and of their keys.

    Attributes:
        first: Index of the first query.
        last: Index after the last query and the last key.
        low: Index of the first key.
        span: Number of positions that a query sees.
    """

    first: int
    last: int
    low: int
    span: int

    def mask(self) -> Bool[Array, "Q K"]:
        """Returns which keys each query sees, bool[queries, keys]."""
        distance = jnp.arange(self.first, self.last)[:, None] - jnp.arange(self.low, self.last)[None]
        return (distance >= 0) & (distance < self.span)

    def rows(self, length: int) -> slice:
        """Returns the rows of `distance_rows` that the block uses."""
        return slice(length - (self.last - self.low), length + self.last - self.first - 1)


def _blocks(length: int, span: int) -> Iterator[Block]:
    for first in range(0, length, BLOCK):
        yield Block(first, min(first + BLOCK, length), max(0, first - span + 1), span)


def distance_rows(table: Float[Array, "H M d"], length: int, queries: int) -> Float[Array, "H {length+queries-1} d"]:
    """Returns rows of a table of distances: row m is that of distance `length` - 1 - m, clipped to the table.

    Args:
        table: float[H, M + 1, d].
        length: Number of keys, L.
        queries: Number of queries, c, at the last of these positions.

    Returns:
        float[H, L + c - 1, d].
    """
    return table[:, jnp.clip(length - 1 - jnp.arange(length + queries - 1), 0, table.shape[1] - 1)]


def relative_scores(q: Float[Array, "B G R c d"], rows: Float[Array, "H m d"]) -> Float[Array, "B G R c m-c+1"]:
    """Returns the relative-position scores of queries at the last c of n positions.

    Args:
        q: float[B, G, R, c, d], scaled.
        rows: float[H, n + c - 1, d], rows from `distance_rows`.

    Returns:
        float[B, G, R, c, n]; undefined where the key is after the query.
    """
    c, n = q.shape[-2], rows.shape[1] - q.shape[-2] + 1
    wide = jnp.einsum("bgrcd,grmd->bgrcm", q, rows.reshape(*q.shape[1:3], *rows.shape[1:]))
    # Query r begins c - 1 - r columns later: a reshape to rows longer by one skews them.
    flat = jnp.pad(wide, [(0, 0)] * 4 + [(0, 1)]).reshape(*q.shape[:3], c * (n + c))
    return flat[..., c - 1 : c - 1 + c * (n + c - 1)].reshape(*q.shape[:4], n + c - 1)[..., :n]


def average_values(scores: Float[Array, "... L n"], values: Float[Array, "... n d"]) -> Float[Array, "... L d"]:
    """Averages values [..., n, d] with the softmax of scores [..., L, n], normalised after the product."""
    weights = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
    total = weights.sum(-1, keepdims=True)
    return (weights.astype(values.dtype) @ values) / total.astype(values.dtype)


def _block_scores(
    q: Float[Array, "B G R c d"], k: Float[Array, "B G n d"], rows: Float[Array, "H m d"] | None, block: Block
) -> Float[Array, "B G R c n"]:
    """Returns the masked scores of a block's queries and keys, float32[B, G, R, c, n]."""
    scores = jnp.einsum("bgrcd,bgnd->bgrcn", q, k)
    if rows is not None:
        scores = scores + relative_scores(q, rows)
    return jnp.where(block.mask(), scores.astype(jnp.float32), _LOW)


def _slice_block(
    q: Float[Array, "B G R L d"],
    k: Float[Array, "B G L d"],
    v: Float[Array, "B G L d"],
    rows: Float[Array, "H m d"] | None,
    block: Block,
) -> tuple[Float[Array, "B G R c d"], Float[Array, "B G n d"], Float[Array, "B G n d"], Float[Array, "H _ d"] | None]:
    part = None if rows is None else rows[:, block.rows(q.shape[-2])]
    keys = slice(block.low, block.last)
    return q[..., block.first : block.last, :], k[:, :, keys], v[:, :, keys], part


def attend_causal(
    q: Float[Array, "B G R L d"],
    k: Float[Array, "B G L d"],
    v: Float[Array, "B G L d"],
    table: Float[Array, "H M d"] | None,
    span: int,
) -> Float[Array, "B G R L d"]:
    """Attends from each position to itself and the `span` - 1 positions before it.

    Args:
        q: float[B, G, R, L, d], scaled.
        k: float[B, G, L, d].
        v: float[B, G, L, d].
        table: Embeddings of the distances 0 to M, float[G R, M + 1, d], or None.
        span: Number of positions that each position sees.

    Returns:
        float[B, G, R, L, d].
    """
    length = q.shape[-2]
    rows = None if table is None else distance_rows(table, length, min(BLOCK, length))
    if q.size // q.shape[-1] * min(length, span) > LARGE:
        return _attend_low_memory(span, q, k, v, rows)
    out = []
    for block in _blocks(length, span):
        queries, keys, values, part = _slice_block(q, k, v, rows, block)
        out.append(average_values(_block_scores(queries, keys, part, block), values[:, :, None]))
    return jnp.concatenate(out, axis=-2)


def _map_parts(f: Any, length: int, span: int, args: tuple[Array, ...]) -> Any:
    """Applies `f` to parts of the batch, one after the other."""
    batch, groups, rest = args[0].shape[:3]
    most = max(1, PART // (groups * rest * min(BLOCK, length) * min(length, span + BLOCK)))
    size = max(n for n in range(1, batch + 1) if batch % n == 0 and n <= most)
    parts = jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), args)
    return lax.map(lambda part: f(*part), parts)


def _merge_parts(x: Float[Array, "_ _ *R"]) -> Float[Array, "_ *R"]:
    return x.reshape(-1, *x.shape[2:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend_low_memory(
    span: int,
    q: Float[Array, "B G R L d"],
    k: Float[Array, "B G L d"],
    v: Float[Array, "B G L d"],
    rows: Float[Array, "H m d"] | None,
) -> Float[Array, "B G R L d"]:
    """Computes `attend_causal` for long sequences, without storing the weights."""
    return _forward(span, q, k, v, rows)[0]


def _forward(
    span: int,
    q: Float[Array, "B G R L d"],
    k: Float[Array, "B G L d"],
    v: Float[Array, "B G L d"],
    rows: Float[Array, "H m d"] | None,
) -> tuple[Float[Array, "B G R L d"], Any]:
    def part(
        q: Float[Array, "B G R L d"], k: Float[Array, "B G L d"], v: Float[Array, "B G L d"]
    ) -> tuple[Float[Array, "B G R L d"], Float[Array, "B G R L"]]:
        out, norms = [], []
        for block in _blocks(q.shape[-2], span):
            queries, keys, values, some = _slice_block(q, k, v, rows, block)
            scores = _block_scores(queries, keys, some, block)
            highest = scores.max(-1, keepdims=True)
            weights = jnp.exp(scores - highest)
            total = weights.sum(-1, keepdims=True)
            out.append((weights.astype(v.dtype) @ values[:, :, None]) / total.astype(v.dtype))
            norms.append((highest + jnp.log(total))[..., 0])
        return jnp.concatenate(out, axis=-2), jnp.concatenate(norms, axis=-1)

    out, norms = (_merge_parts(x) for x in _map_parts(part, q.shape[-2], span, (q, k, v)))
    return out, (q, k, v, rows, out, norms)


def _backward(
    span: int, kept: Any, grad: Float[Array, "B G R L d"]
) -> tuple[Float[Array, "B G R L d"], Float[Array, "B G L d"], Float[Array, "B G L d"], Float[Array, "H m d"] | None]:
    q, k, v, rows, out, norms = kept
    # The term that the softmax subtracts from the gradient of each score.
    shares = (grad.astype(jnp.float32) * out.astype(jnp.float32)).sum(-1)

    def part(
        q: Float[Array, "B G R L d"],
        k: Float[Array, "B G L d"],
        v: Float[Array, "B G L d"],
        grad: Float[Array, "B G R L d"],
        norms: Float[Array, "B G R L"],
        shares: Float[Array, "B G R L"],
    ) -> tuple[Any, ...]:
        dq, dk, dv = [], jnp.zeros_like(k), jnp.zeros_like(v)
        drows = None if rows is None else jnp.zeros_like(rows)
        for block in _blocks(q.shape[-2], span):
            queries, keys, values, some = _slice_block(q, k, v, rows, block)
            b, g, r, c, d = queries.shape

            def flat(x: Array, block: Block = block, shape: tuple[int, ...] = (b, g, r * c)) -> Array:
                x = x[:, :, :, block.first : block.last]
                return x.reshape(*shape, *x.shape[4:])

            flat_q, flat_grad = flat(q), flat(grad)
            scores = jnp.einsum("bgnd,bgmd->bgnm", keys, flat_q)
            term, pull = (None, None) if some is None else jax.vjp(relative_scores, queries, some)
            if term is not None:
                scores = scores + term.reshape(b, g, r * c, -1).swapaxes(2, 3)
            seen = jnp.tile(block.mask().T, (1, r))[None, None]
            weights = jnp.where(seen, jnp.exp(scores.astype(jnp.float32) - flat(norms)[:, :, None]), 0)
            change = jnp.einsum("bgnd,bgmd->bgnm", values, flat_grad).astype(jnp.float32)
            change = (weights * (change - flat(shares)[:, :, None])).astype(q.dtype)
            one = jnp.einsum("bgnm,bgnd->bgmd", change, keys).reshape(queries.shape)
            if drows is not None and term is not None and pull is not None:
                more, drow = pull(change.swapaxes(2, 3).reshape(term.shape))
                one, drows = one + more, drows.at[:, block.rows(q.shape[-2])].add(drow)
            dq.append(one)
            at = slice(block.low, block.last)
            dk = dk.at[:, :, at].add(jnp.einsum("bgnm,bgmd->bgnd", change, flat_q))
            dv = dv.at[:, :, at].add(jnp.einsum("bgnm,bgmd->bgnd", weights.astype(v.dtype), flat_grad))
        return jnp.concatenate(dq, axis=-2), dk, dv, drows

    dq, dk, dv, drows = _map_parts(part, q.shape[-2], span, (q, k, v, grad, norms, shares))
    return _merge_parts(dq), _merge_parts(dk), _merge_parts(dv), None if drows is None else drows.sum(0)


_attend_low_memory.defvjp(_forward, _backward)
