"""Causal attention on a CPU: in blocks of queries, each of which reads only the keys that it may see.

Long sequences are read a few at a time, and the backward pass computes the weights anew instead of keeping them (as
Rabe and Staats, 2021, and Dao et al., 2022, do): memory that a core's cache does not hold costs more than arithmetic.
There the scores stand with a row for each key, so that two of the three products that follow read them as they lie.

Arrays are [B, G, R, L, d] for queries and [B, G, L, d] for keys and values: G groups of R heads each.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from musejax.array_types import Array, Bool, Float

# Queries in a block: measured on two cores, faster than 128 and than all at once.
BLOCK = 64
# Scores of a batch, in numbers, from which it is read in parts; and those of one block of a part.
LARGE = 1 << 21
PART = 1 << 18
_LOW = -1e9


class Place(NamedTuple):
    """Where a block of queries stands.

    Attributes:
        first: Its first query.
        last: One beyond its last query, and its last key.
        low: Its first key.
        span: Positions that a query sees.
    """

    first: int
    last: int
    low: int
    span: int

    def seen(self) -> Bool[Array, "Q K"]:
        """bool[queries, keys]."""
        distance = jnp.arange(self.first, self.last)[:, None] - jnp.arange(self.low, self.last)[None]
        return (distance >= 0) & (distance < self.span)

    def rows(self, length: int) -> slice:
        """Which rows of `by_distance` hold the block's distances."""
        return slice(length - (self.last - self.low), length + self.last - self.first - 1)


def _places(length: int, span: int) -> Iterator[Place]:
    for first in range(0, length, BLOCK):
        yield Place(first, min(first + BLOCK, length), max(0, first - span + 1), span)


def by_distance(table: Float[Array, "H M d"], length: int, queries: int) -> Float[Array, "H {length+queries-1} d"]:
    """Rows of a table of distances: row m is that of distance `length` - 1 - m, at least 0 and at most the last.

    Args:
        table: float[H, M + 1, d].
        length: Keys, L.
        queries: The last of them that are queries, c.

    Returns:
        float[H, L + c - 1, d].
    """
    return table[:, jnp.clip(length - 1 - jnp.arange(length + queries - 1), 0, table.shape[1] - 1)]


def relative(q: Float[Array, "B G R c d"], rows: Float[Array, "H m d"]) -> Float[Array, "B G R c m-c+1"]:
    """What distances add to the scores of queries that end where the keys end.

    Args:
        q: float[B, G, R, c, d], scaled.
        rows: float[H, n + c - 1, d], of `by_distance`.

    Returns:
        float[B, G, R, c, n]; without meaning where the key lies after the query.
    """
    c, n = q.shape[-2], rows.shape[1] - q.shape[-2] + 1
    wide = jnp.einsum("bgrcd,grmd->bgrcm", q, rows.reshape(*q.shape[1:3], *rows.shape[1:]))
    # Query r begins c - 1 - r columns later: rows are skewed by one length too many.
    flat = jnp.pad(wide, [(0, 0)] * 4 + [(0, 1)]).reshape(*q.shape[:3], c * (n + c))
    return flat[..., c - 1 : c - 1 + c * (n + c - 1)].reshape(*q.shape[:4], n + c - 1)[..., :n]


def weighted(scores: Float[Array, "... L n"], values: Float[Array, "... n d"]) -> Float[Array, "... L d"]:
    """Softmax of scores [..., L, n] over values [..., n, d], normalised after the product."""
    weights = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
    total = weights.sum(-1, keepdims=True)
    return (weights.astype(values.dtype) @ values) / total.astype(values.dtype)


def _scores(
    q: Float[Array, "B G R c d"], k: Float[Array, "B G n d"], rows: Float[Array, "H m d"] | None, place: Place
) -> Float[Array, "B G R c n"]:
    """float32[B, G, R, c, n] of a block's queries and keys."""
    scores = jnp.einsum("bgrcd,bgnd->bgrcn", q, k)
    if rows is not None:
        scores = scores + relative(q, rows)
    return jnp.where(place.seen(), scores.astype(jnp.float32), _LOW)


def _cut(
    q: Float[Array, "B G R L d"],
    k: Float[Array, "B G L d"],
    v: Float[Array, "B G L d"],
    rows: Float[Array, "H m d"] | None,
    place: Place,
) -> tuple[Float[Array, "B G R c d"], Float[Array, "B G n d"], Float[Array, "B G n d"], Float[Array, "H _ d"] | None]:
    part = None if rows is None else rows[:, place.rows(q.shape[-2])]
    keys = slice(place.low, place.last)
    return q[..., place.first : place.last, :], k[:, :, keys], v[:, :, keys], part


def causal(
    q: Float[Array, "B G R L d"],
    k: Float[Array, "B G L d"],
    v: Float[Array, "B G L d"],
    table: Float[Array, "H M d"] | None,
    span: int,
) -> Float[Array, "B G R L d"]:
    """Every position over itself and the `span` - 1 before it.

    Args:
        q: float[B, G, R, L, d], scaled.
        k: float[B, G, L, d].
        v: float[B, G, L, d].
        table: float[G R, M + 1, d] for distances, or None.
        span: Positions that are seen.

    Returns:
        float[B, G, R, L, d].
    """
    length = q.shape[-2]
    rows = None if table is None else by_distance(table, length, min(BLOCK, length))
    if q.size // q.shape[-1] * min(length, span) > LARGE:
        return _frugal(span, q, k, v, rows)
    out = []
    for place in _places(length, span):
        queries, keys, values, part = _cut(q, k, v, rows, place)
        out.append(weighted(_scores(queries, keys, part, place), values[:, :, None]))
    return jnp.concatenate(out, axis=-2)


def _in_parts(f: Any, length: int, span: int, args: tuple[Array, ...]) -> Any:
    """Applies f to parts of the batch, one after the other."""
    batch, groups, rest = args[0].shape[:3]
    most = max(1, PART // (groups * rest * min(BLOCK, length) * min(length, span + BLOCK)))
    size = max(n for n in range(1, batch + 1) if batch % n == 0 and n <= most)
    parts = jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), args)
    return lax.map(lambda part: f(*part), parts)


def _whole(x: Float[Array, "_ _ *R"]) -> Float[Array, "_ *R"]:
    return x.reshape(-1, *x.shape[2:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _frugal(
    span: int,
    q: Float[Array, "B G R L d"],
    k: Float[Array, "B G L d"],
    v: Float[Array, "B G L d"],
    rows: Float[Array, "H m d"] | None,
) -> Float[Array, "B G R L d"]:
    """`causal` for long sequences."""
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
        for place in _places(q.shape[-2], span):
            queries, keys, values, some = _cut(q, k, v, rows, place)
            scores = _scores(queries, keys, some, place)
            highest = scores.max(-1, keepdims=True)
            weights = jnp.exp(scores - highest)
            total = weights.sum(-1, keepdims=True)
            out.append((weights.astype(v.dtype) @ values[:, :, None]) / total.astype(v.dtype))
            norms.append((highest + jnp.log(total))[..., 0])
        return jnp.concatenate(out, axis=-2), jnp.concatenate(norms, axis=-1)

    out, norms = (_whole(x) for x in _in_parts(part, q.shape[-2], span, (q, k, v)))
    return out, (q, k, v, rows, out, norms)


def _backward(
    span: int, kept: Any, grad: Float[Array, "B G R L d"]
) -> tuple[Float[Array, "B G R L d"], Float[Array, "B G L d"], Float[Array, "B G L d"], Float[Array, "H m d"] | None]:
    q, k, v, rows, out, norms = kept
    # What the softmax takes from the gradient of each score.
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
        for place in _places(q.shape[-2], span):
            queries, keys, values, some = _cut(q, k, v, rows, place)
            b, g, r, c, d = queries.shape

            def flat(x: Array, place: Place = place, shape: tuple[int, ...] = (b, g, r * c)) -> Array:
                x = x[:, :, :, place.first : place.last]
                return x.reshape(*shape, *x.shape[4:])

            flat_q, flat_grad = flat(q), flat(grad)
            scores = jnp.einsum("bgnd,bgmd->bgnm", keys, flat_q)
            term, pull = (None, None) if some is None else jax.vjp(relative, queries, some)
            if term is not None:
                scores = scores + term.reshape(b, g, r * c, -1).swapaxes(2, 3)
            seen = jnp.tile(place.seen().T, (1, r))[None, None]
            weights = jnp.where(seen, jnp.exp(scores.astype(jnp.float32) - flat(norms)[:, :, None]), 0)
            change = jnp.einsum("bgnd,bgmd->bgnm", values, flat_grad).astype(jnp.float32)
            change = (weights * (change - flat(shares)[:, :, None])).astype(q.dtype)
            one = jnp.einsum("bgnm,bgnd->bgmd", change, keys).reshape(queries.shape)
            if drows is not None and term is not None and pull is not None:
                more, drow = pull(change.swapaxes(2, 3).reshape(term.shape))
                one, drows = one + more, drows.at[:, place.rows(q.shape[-2])].add(drow)
            dq.append(one)
            at = slice(place.low, place.last)
            dk = dk.at[:, :, at].add(jnp.einsum("bgnm,bgmd->bgnd", change, flat_q))
            dv = dv.at[:, :, at].add(jnp.einsum("bgnm,bgmd->bgnd", weights.astype(v.dtype), flat_grad))
        return jnp.concatenate(dq, axis=-2), dk, dv, drows

    dq, dk, dv, drows = _in_parts(part, q.shape[-2], span, (q, k, v, grad, norms, shares))
    return _whole(dq), _whole(dk), _whole(dv), None if drows is None else drows.sum(0)


_frugal.defvjp(_forward, _backward)
