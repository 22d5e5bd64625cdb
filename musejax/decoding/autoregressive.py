"""The sampler of every left-to-right model: batched, one compiled loop, given cells kept exactly."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key, Num, Shaped
from musejax.base import Constraint, Decoder, Params, Request, State
from musejax.decoding import allowed, draws

# (cache, previous value [N, ...], pos, conditions {name: [N]}) -> logits [N, V] or what `draw` reads, cache
StepFn = Callable[[Any, Array, Array, dict[str, Array]], tuple[Any, Any]]


class Drawn(NamedTuple):
    """What the loop returns.

    Attributes:
        values: int32[N, L] tokens, int32[N, L, V] bits, or float32[N, L, V] rows of real numbers.
        nll: float32[N, L], nats of each value under the model's own distribution; 0 after the end.
        lengths: int32[N], cells up to and including END, or L.
        blocked: int32[N, 3], frame, stream and reason (`decoding.allowed`) of the cell in which a piece stopped because
            nothing could be drawn, -1 where there is none; None where nothing is required.
    """

    values: Num[Array, "N L *V"]
    nll: Float[Array, "N L"]
    lengths: Int[Array, " N"]
    blocked: Int[Array, "N 3"] | None = None


def piece_keys(key: Key[Array, ""], first: Int[Array, ""] | int, num: int) -> Key[Array, " {num}"]:
    """The keys of pieces first .. first + num - 1: piece i is drawn from fold_in(key, i)."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(first + jnp.arange(num))


def last_given(infill_mask: Shaped[AnyArray, "N L"]) -> Int[Array, " N"]:
    """Where the last given cell of each piece stands, -1 where there is none: int32[N] of [N, L]."""
    return jnp.where(infill_mask.astype(bool), -1, jnp.arange(infill_mask.shape[1])[None]).max(-1)


def not_before(last: Int[Array, " N"], pos: Int[Array, ""], end: int, size: int) -> Bool[Array, "N {size}"]:
    """Forbids END before the last given cell: bool[N, V].

    Args:
        last: int32[N], what `last_given` returns.
        pos: Index of the cell in drawing order.
        end: The END id.
        size: V.
    """
    return (jnp.arange(size)[None] != end) | (pos >= last)[:, None]


def until_end(values: Num[Array, "N L *V"], end: int | None) -> tuple[Num[Array, "N L *V"], Int[Array, " N"]]:
    """Values [N, L, ...] with END after the first END, and int32[N] how many there are, END included."""
    num, length = values.shape[:2]
    if end is None:
        return values, jnp.full((num,), length, jnp.int32)
    ended = jnp.cumsum(values == end, axis=1) > 0
    lengths = jnp.where(ended[:, -1], jnp.argmax(ended, axis=1) + 1, length).astype(jnp.int32)
    return jnp.where(ended, end, values), lengths


def sample(
    step: StepFn,
    cache: Any,
    keys: Key[Array, " N"],
    *,
    length: int,
    start: Num[Array, "N *V"],
    draw: draws.Draw,
    conditions: dict[str, Array],
    given: Num[AnyArray, "N {length} *V"] | None = None,
    infill_mask: Shaped[AnyArray, "N {length} ..."] | None = None,
    constraint: Constraint | None = None,
    grammar: Constraint | None = None,
    rules: Sequence[Constraint] = (),
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
        infill_mask: [N, L], 1 where a value is drawn, or of given's shape; None draws all. A piece may not end before
            its last given value.
        constraint: Which tokens may stand where; given values are kept even against it. A piece stops at a token for
            which nothing is left.
        grammar: Keeps pieces well-formed; it holds as the constraint does.
        rules: Constraints that yield where nothing else is left, the last first.
        end: The END id, which stops a piece; None never stops.
        order: The streams of a frame in the order of their values, for the constraint.
    """
    num = keys.shape[0]
    uniform = jax.vmap(lambda k: jax.random.uniform(k, (length, *draw.noise_shape)))(keys)
    values = jnp.zeros((num, length, *draw.value_shape), draw.dtype)
    last = None if end is None or given is None or infill_mask is None else last_given(infill_mask)

    tokens = draw.value_shape == ()
    grammars = () if grammar is None else (grammar,)
    required = tokens and (constraint is not None or grammar is not None)

    def permit(logits: Any, pos: Int[Array, ""], values: Num[Array, "N L *V"]) -> allowed.Allowed:
        frame, stream = pos // len(order), jnp.asarray(order)[pos % len(order)]

        def ask(part: Constraint) -> Array:
            return part(frame, stream, values)

        if not tokens:  # a frame of switches that must all be off is silent, which is a frame as any other
            asked = [part for part in (constraint, *grammars, *rules) if part is not None]
            parts = [jnp.broadcast_to(ask(part), (num, *draw.value_shape)) for part in asked]
            return allowed.Allowed(functools.reduce(jnp.logical_and, parts) if parts else None, None)
        before = () if last is None or end is None else (not_before(last, pos, end, logits.shape[-1]),)
        return allowed.combine(logits, ask, constraint, (*grammars, *before), rules)

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        pos, _, _, _, _, done, _ = carry
        return (pos < length) & ~done.all()

    def advance(carry: tuple) -> tuple:
        pos, previous, cache, values, nll, done, blocked = carry
        here = {name: jax.lax.dynamic_index_in_dim(c, pos, 1, False) for name, c in conditions.items()}
        logits, cache = step(cache, previous, pos, here)
        may = permit(logits, pos, values)
        value = draw.draw(logits, may.tokens, jax.lax.dynamic_index_in_dim(uniform, pos, 1, False))
        reason = may.reason
        if given is not None and infill_mask is not None:
            free = jax.lax.dynamic_index_in_dim(infill_mask, pos, 1, False).astype(bool)
            fixed = jax.lax.dynamic_index_in_dim(given, pos, 1, False)
            value = jnp.where(free.reshape(free.shape + (1,) * (value.ndim - free.ndim)), value, fixed)
            reason = None if reason is None else jnp.where(free, reason, 0)
        if end is not None:
            value = jnp.where(done, end, value)
        cost = jnp.where(done, 0.0, draw.nll(logits, value))
        values = jax.lax.dynamic_update_index_in_dim(values, value, pos, 1)
        nll = jax.lax.dynamic_update_index_in_dim(nll, cost, pos, 1)
        if reason is not None and blocked is not None:
            stops = ~done & (reason > 0)
            frame, stream = pos // len(order), jnp.asarray(order)[pos % len(order)]
            blocked = jnp.where(stops[:, None], allowed.blocked(frame, stream, reason), blocked)
            done = done | stops
        if end is not None:
            done = done | (value == end)
        return pos + 1, value, cache, values, nll, done, blocked

    blocked = jnp.full((num, 3), -1, jnp.int32) if required else None
    carry = (0, start, cache, values, jnp.zeros((num, length)), jnp.zeros((num,), bool), blocked)
    _, _, _, values, nll, _, blocked = jax.lax.while_loop(unfinished, advance, carry)
    values, lengths = until_end(values, end)
    return Drawn(values, nll, lengths, blocked)


class Layout(NamedTuple):
    """A request laid out for a loop over its cells in drawing order.

    Attributes:
        step: The model's step, its parameters bound.
        params: The parameters as the step takes them.
        cache: Before the first cell; given cells have been read where the model reads ahead.
        conditions: {name: int32[N, L]}.
        given: int32[N, L, ...], or None.
        infill_mask: [N, L], or None.
        order: The streams of a frame as they are drawn.
        end: The END id, or None.
    """

    step: StepFn
    params: Any
    cache: Any
    conditions: dict[str, Array]
    given: Num[AnyArray, "N L *V"] | None
    infill_mask: Shaped[AnyArray, "N L ..."] | None
    order: tuple[int, ...]
    end: int | None


def lay_out(
    model: Decoder, vocabulary: vocabularies.Vocabulary, params: Params, state: State, request: Request
) -> Layout:
    """What a loop over the cells of a request needs, whatever it does with them."""
    num, frames, streams = request.num, request.length, vocabulary.streams
    order = model.order or tuple(range(streams))
    given, infill_mask = request.given, request.infill_mask
    if given is not None and infill_mask is not None and vocabulary.kind == "tokens":
        given, infill_mask = (
            x.reshape(num, frames, streams)[..., order].reshape(num, frames * streams) for x in (given, infill_mask)
        )
    if model.prepare is not None:
        params = model.prepare(params)
    cache = model.init_cache(params, state, num, frames)
    if model.read is not None:
        free = jnp.ones((num, frames, streams) if streams > 1 else (num, frames), jnp.int32)
        known = (free, free) if request.given is None else (request.given, request.infill_mask)
        cache = model.read(params, state, cache, *known, request.conditions)
    return Layout(
        step=lambda cache, previous, pos, here: model.step(params, state, cache, previous, pos, here),
        params=params,
        cache=cache,
        conditions={n: jnp.repeat(c, streams, axis=1) for n, c in request.conditions.items()},
        given=given,
        infill_mask=infill_mask,
        order=order,
        end=vocabulary.id("end") if vocabulary.has("end") else None,
    )


def by_frame(values: Num[Array, "N L *V"], order: tuple[int, ...]) -> Num[Array, "N ..."]:
    """Cells in drawing order [N, L] as frames [N, T, S] of streams in their own order; of one stream as they are."""
    streams = len(order)
    if streams == 1:
        return values
    return values.reshape(len(values), -1, streams)[..., tuple(order.index(s) for s in range(streams))]


def sample_request(
    model: Decoder,
    vocabulary: vocabularies.Vocabulary,
    params: Params,
    state: State,
    key: Key[Array, ""],
    request: Request,
) -> dict[str, Array]:
    """Answers a request with a left-to-right model: what every such family uses as its `sample`.

    Streams are drawn in turn within a frame, in the model's order.

    Returns:
        `tokens` int32[N, T, S] ([N, T] for one stream) or `frames` [N, T, V], int32 for bits and float32 for rows of
        real numbers; `length` int32[N] in frames, END included; `log_prob` float32[N] in nats of what was drawn, given
        cells left out; the request's conditions; with a constraint or a grammar also `blocked`, as in `Drawn`.
    """
    layout = lay_out(model, vocabulary, params, state, request)
    if model.draw is not None:
        draw = model.draw(layout.params, request.choice)
    else:
        bits = vocabulary.kind == "bits"
        draw = draws.bernoulli(vocabulary.size, request.choice) if bits else draws.categorical(request.choice)
    drawn = sample(
        layout.step,
        layout.cache,
        piece_keys(key, request.first, request.num),
        length=request.length * vocabulary.streams,
        start=jnp.full((request.num, *draw.value_shape), model.start, draw.dtype),
        draw=draw,
        conditions=layout.conditions,
        given=layout.given,
        infill_mask=layout.infill_mask,
        constraint=request.constraint,
        grammar=request.grammar,
        rules=request.rules,
        end=layout.end,
        order=layout.order,
    )
    mask = layout.infill_mask
    nll = drawn.nll if mask is None else drawn.nll * (mask.any(-1) if mask.ndim > drawn.nll.ndim else mask)
    return {
        "tokens" if vocabulary.kind == "tokens" else "frames": by_frame(drawn.values, layout.order),
        "length": -(-drawn.lengths // vocabulary.streams),
        "log_prob": -nll.sum(axis=1),
        **({} if drawn.blocked is None else {"blocked": drawn.blocked}),
        **request.conditions,
    }
