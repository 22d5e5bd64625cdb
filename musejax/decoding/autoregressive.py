"""The sampler of all left-to-right models: batched, with one compiled loop that keeps given cells exactly."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key, Num, Shaped
from musejax.base import Constraint, Decoder, Params, Request, State
from musejax.decoding import allowed, draws

# (cache, previous value [N, ...], pos, conditions {name: [N]}) -> logits [N, V] or another input of `draw`, cache
StepFn = Callable[[Any, Array, Array, dict[str, Array]], tuple[Any, Any]]


class Samples(NamedTuple):
    """The result of the loop.

    Attributes:
        values: Tokens int32[N, L], bits int32[N, L, V], or rows of real numbers float32[N, L, V].
        nll: Negative log-likelihood of each value under the model in nats, 0 after the end, float32[N, L].
        lengths: Number of cells up to and including END, or L, int32[N].
        blocked: Frame, stream and reason (`decoding.allowed`) of the cell in which a piece stopped because no token was
            allowed, int32[N, 3], -1 if there is none; None without a constraint or grammar.
    """

    values: Num[Array, "N L *V"]
    nll: Float[Array, "N L"]
    lengths: Int[Array, " N"]
    blocked: Int[Array, "N 3"] | None = None


def piece_keys(key: Key[Array, ""], first: Int[Array, ""] | int, num: int) -> Key[Array, " {num}"]:
    """Returns the keys of pieces first .. first + num - 1; that of piece i is fold_in(key, i)."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(first + jnp.arange(num))


def last_given(infill_mask: Shaped[AnyArray, "N L"]) -> Int[Array, " N"]:
    """Returns the index of the last given cell of each piece, -1 if there is none: [N, L] -> int32[N]."""
    return jnp.where(infill_mask.astype(bool), -1, jnp.arange(infill_mask.shape[1])[None]).max(-1)


def not_before(last: Int[Array, " N"], pos: Int[Array, ""], end: int, size: int) -> Bool[Array, "N {size}"]:
    """Returns which tokens are allowed if END may not precede the last given cell: bool[N, V].

    Args:
        last: Result of `last_given`, int32[N].
        pos: Index of the cell in sampling order.
        end: Id of END.
        size: Size of the vocabulary, V.
    """
    return (jnp.arange(size)[None] != end) | (pos >= last)[:, None]


def until_end(values: Num[Array, "N L *V"], end: int | None) -> tuple[Num[Array, "N L *V"], Int[Array, " N"]]:
    """Replaces all values after the first END by END.

    Args:
        values: Values, [N, L, ...].
        end: Id of END, or None if there is none.

    Returns:
        The values, and the length of each piece including END, int32[N].
    """
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
) -> Samples:
    """Samples N sequences of at most `length` values; the loop stops when all of them have ended.

    Args:
        step: Step function of the model.
        cache: Cache before the first value.
        keys: A key for each piece, [N].
        length: Number of cells, L; static.
        start: Input of the first step in place of a previous value, [N, ...].
        draw: Distribution of a value.
        conditions: Conditions by name, int32[N, L] each.
        given: Values to keep where infill_mask is 0, int32[N, L, ...].
        infill_mask: 1 for values to sample, [N, L] or the shape of `given`; None samples all. A piece may not end
            before its last given value.
        constraint: Restricts the sampled tokens, but not the given ones. A piece stops at a cell in which no token is
            allowed.
        grammar: Constraint that keeps pieces well-formed; it applies in addition to `constraint`.
        rules: Soft constraints, ignored in cells where they would leave no token; the first has the highest priority.
        end: Id of END, which ends a piece; None if pieces have no END.
        order: Streams of a frame in sampling order, which constraints need.
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

        def evaluate(part: Constraint) -> Array:
            return part(frame, stream, values)

        if not tokens:  # a binary frame can always be silent, so no piece is ever blocked
            functions = [part for part in (constraint, *grammars, *rules) if part is not None]
            parts = [jnp.broadcast_to(evaluate(part), (num, *draw.value_shape)) for part in functions]
            return allowed.Allowed(functools.reduce(jnp.logical_and, parts) if parts else None, None)
        no_end = () if last is None or end is None else (not_before(last, pos, end, logits.shape[-1]),)
        return allowed.combine(logits, evaluate, constraint, (*grammars, *no_end), rules)

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        pos, _, _, _, _, done, _ = carry
        return (pos < length) & ~done.all()

    def advance(carry: tuple) -> tuple:
        pos, previous, cache, values, nll, done, blocked = carry
        here = {name: jax.lax.dynamic_index_in_dim(c, pos, 1, False) for name, c in conditions.items()}
        logits, cache = step(cache, previous, pos, here)
        permitted = permit(logits, pos, values)
        value = draw.draw(logits, permitted.tokens, jax.lax.dynamic_index_in_dim(uniform, pos, 1, False))
        reason = permitted.reason
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
    return Samples(values, nll, lengths, blocked)


class Layout(NamedTuple):
    """A request in the form of a loop over its cells in sampling order.

    Attributes:
        step: Step function of the model, with its parameters.
        params: Parameters as the step uses them.
        cache: Cache before the first cell; it includes the given cells if the model reads them in advance.
        conditions: Conditions by name, int32[N, L] each.
        given: Given values, int32[N, L, ...], or None.
        infill_mask: 1 for cells to sample, [N, L], or None.
        order: Streams of a frame in sampling order.
        end: Id of END, or None.
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
    """Prepares a request for a loop over its cells, such as sampling or beam search."""
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
        cells = (free, free) if request.given is None else (request.given, request.infill_mask)
        cache = model.read(params, state, cache, *cells, request.conditions)
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
    """Reshapes cells in sampling order, [N, L], to frames [N, T, S] in stream order (no change for one stream)."""
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
    """Answers a request with a left-to-right model; the `sample` function of all such families uses it.

    The streams of a frame are sampled one after another, in the order of the model.

    Returns:
        A dictionary with `tokens`, int32[N, T, S] ([N, T] for one stream), or `frames`, [N, T, V], int32 for bits and
        float32 for rows of real numbers; `length`, int32[N], in frames including END; `log_prob`, float32[N], of the
        sampled cells in nats; the conditions of the request; and, with a constraint or grammar, `blocked` as in
        `Samples`.
    """
    layout = lay_out(model, vocabulary, params, state, request)
    if model.draw is not None:
        draw = model.draw(layout.params, request.choice)
    else:
        bits = vocabulary.kind == "bits"
        draw = draws.bernoulli(vocabulary.size, request.choice) if bits else draws.categorical(request.choice)
    samples = sample(
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
    nll = samples.nll if mask is None else samples.nll * (mask.any(-1) if mask.ndim > samples.nll.ndim else mask)
    return {
        "tokens" if vocabulary.kind == "tokens" else "frames": by_frame(samples.values, layout.order),
        "length": -(-samples.lengths // vocabulary.streams),
        "log_prob": -nll.sum(axis=1),
        **({} if samples.blocked is None else {"blocked": samples.blocked}),
        **request.conditions,
    }
