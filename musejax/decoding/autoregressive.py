"""The sampler of every left-to-right model: batched, one compiled loop, given cells kept exactly."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.base import Array, Autoregressive, Constraint, Params, Request, State
from musejax.decoding import draws

# (cache, previous value [N, ...], pos, conditions {name: [N]}) -> logits [N, V] or what `draw` reads, cache
StepFn = Callable[[Any, Array, Array, dict[str, Array]], tuple[Any, Any]]


class Drawn(NamedTuple):
    """What the loop returns.

    Attributes:
        values: int32[N, L] tokens, or int32[N, L, V] bits.
        nll: float32[N, L], nats of each value under the model's own distribution; 0 after the end.
        lengths: int32[N], cells up to and including END, or L.
    """

    values: Array
    nll: Array
    lengths: Array


def piece_keys(key: Array, first: Array | int, num: int) -> Array:
    """The keys of pieces first .. first + num - 1: piece i is drawn from fold_in(key, i)."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(first + jnp.arange(num))


def sample(
    step: StepFn,
    cache: Any,
    keys: Array,
    *,
    length: int,
    start: Array,
    draw: draws.Draw,
    conditions: dict[str, Array],
    given: Array | None = None,
    infill_mask: Array | None = None,
    constraint: Constraint | None = None,
    end: int | None = None,
    order: tuple[int, ...] = (0,),
) -> Drawn:
    """Draws N sequences of at most `length` values; the loop ends when all have ended.

    Args:
        step: The model's step.
        cache: Its state before the first value.
        keys: [N], one a piece.
        length: L, static.
        start: [N, ...], what stands before the first value.
        draw: How a value is drawn.
        conditions: {name: int32[N, L]}.
        given: int32[N, L, ...], values to keep where infill_mask is 0.
        infill_mask: [N, L], 1 where a value is drawn; None draws all. A piece may not end before its last given value.
        constraint: Which tokens may stand where; given values are kept even against it.
        end: The END id, which stops a piece; None never stops.
        order: The streams of a frame in the order of their values, for the constraint.
    """
    num = keys.shape[0]
    uniform = jax.vmap(lambda k: jax.random.uniform(k, (length, *draw.noise_shape)))(keys)
    values = jnp.zeros((num, length, *draw.value_shape), jnp.int32)
    last_given = None
    if end is not None and given is not None and infill_mask is not None:
        last_given = jnp.where(infill_mask.astype(bool), -1, jnp.arange(length)[None]).max(-1)

    def unfinished(carry: tuple) -> Array:
        pos, _, _, _, _, done = carry
        return (pos < length) & ~done.all()

    def advance(carry: tuple) -> tuple:
        pos, previous, cache, values, nll, done = carry
        here = {name: jax.lax.dynamic_index_in_dim(c, pos, 1, False) for name, c in conditions.items()}
        logits, cache = step(cache, previous, pos, here)
        place = (pos // len(order), jnp.asarray(order)[pos % len(order)])
        allowed = None if constraint is None else constraint(*place, values)
        if last_given is not None:
            is_end = jnp.arange(logits.shape[-1])[None] == end
            goes_on = ~is_end | (pos >= last_given)[:, None]
            allowed = goes_on if allowed is None else goes_on & jnp.broadcast_to(allowed, goes_on.shape)
        value = draw.draw(logits, allowed, jax.lax.dynamic_index_in_dim(uniform, pos, 1, False))
        if given is not None and infill_mask is not None:
            free = jax.lax.dynamic_index_in_dim(infill_mask, pos, 1, False).astype(bool)
            fixed = jax.lax.dynamic_index_in_dim(given, pos, 1, False)
            value = jnp.where(free.reshape((num,) + (1,) * len(draw.value_shape)), value, fixed)
        if end is not None:
            value = jnp.where(done, end, value)
        cost = jnp.where(done, 0.0, draw.nll(logits, value))
        values = jax.lax.dynamic_update_index_in_dim(values, value, pos, 1)
        nll = jax.lax.dynamic_update_index_in_dim(nll, cost, pos, 1)
        if end is not None:
            done = done | (value == end)
        return pos + 1, value, cache, values, nll, done

    carry = (0, start, cache, values, jnp.zeros((num, length)), jnp.zeros((num,), bool))
    _, _, _, values, nll, done = jax.lax.while_loop(unfinished, advance, carry)
    if end is None:
        return Drawn(values, nll, jnp.full((num,), length, jnp.int32))
    ended = jnp.cumsum(values == end, axis=1) > 0
    values = jnp.where(ended, end, values)
    lengths = jnp.where(done, jnp.argmax(ended, axis=1) + 1, length).astype(jnp.int32)
    return Drawn(values, nll, lengths)


def sample_request(
    model: Autoregressive,
    vocabulary: vocabularies.Vocabulary,
    params: Params,
    state: State,
    key: Array,
    request: Request,
) -> dict[str, Array]:
    """Answers a request with a left-to-right model: what every such family uses as its `sample`.

    Streams are drawn in turn within a frame, in the model's order.

    Returns:
        `tokens` int32[N, T, S] ([N, T] for one stream) or `frames` int32[N, T, V] for bits; `length` int32[N] in
        frames, END included; `log_prob` float32[N] in nats of what was drawn, given cells left out; the request's
        conditions.
    """
    num, frames, streams = request.num, request.length, vocabulary.streams
    bits = vocabulary.kind == "bits"
    order = model.order or tuple(range(streams))
    length = frames * streams
    conditions = {n: jnp.repeat(c, streams, axis=1) for n, c in request.conditions.items()}
    given, infill_mask = request.given, request.infill_mask
    if given is not None and infill_mask is not None and not bits:
        given, infill_mask = (
            x.reshape(num, frames, streams)[..., order].reshape(num, length) for x in (given, infill_mask)
        )
    size = vocabulary.size
    if model.prepare is not None:
        params = model.prepare(params)
    if model.draw is not None:
        draw = model.draw(params, request.choice)
    else:
        draw = draws.bernoulli(size, request.choice) if bits else draws.categorical(request.choice)
    drawn = sample(
        lambda cache, previous, pos, here: model.step(params, state, cache, previous, pos, here),
        model.init_cache(params, state, num, frames),
        piece_keys(key, request.first, num),
        length=length,
        start=jnp.full((num, *draw.value_shape), model.start, jnp.int32),
        draw=draw,
        conditions=conditions,
        given=given,
        infill_mask=infill_mask,
        constraint=request.constraint,
        end=vocabulary.id("end") if vocabulary.has("end") else None,
        order=order,
    )
    nll = drawn.nll if infill_mask is None else drawn.nll * infill_mask
    values = drawn.values
    if streams > 1:
        values = values.reshape(num, frames, streams)[..., tuple(order.index(s) for s in range(streams))]
    return {
        "frames" if bits else "tokens": values,
        "length": -(-drawn.lengths // streams),
        "log_prob": -nll.sum(axis=1),
        **request.conditions,
    }
