"""Beam search over any left-to-right model of tokens: the likeliest sequence that a few hypotheses a piece can find."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Float, Int, Num
from musejax.base import Constraint, Decoder, Params, Request, State
from musejax.decoding import allowed, autoregressive

# The exponent of the length penalty of Wu et al. (2016, section 7).
LENGTH_PENALTY = 0.6


class Beams(NamedTuple):
    """The hypotheses of N pieces that go on, W each: row n W + w is the w-th best of piece n.

    Attributes:
        values: int32[N W, L], tokens in drawing order; what lies ahead is 0.
        cache: The model's, its rows those of the hypotheses.
        score: float32[N W], log p in nats of the cells that count, see `search`; -inf where there is no hypothesis.
        log_prob: float32[N W], log p of the drawn cells alone.
        cells: int32[N W], how many cells were drawn.
    """

    values: Int[Array, "NW L"]
    cache: Any
    score: Float[Array, " NW"]
    log_prob: Float[Array, " NW"]
    cells: Int[Array, " NW"]


class Ended(NamedTuple):
    """The best ended hypothesis of each of N pieces.

    Attributes:
        values: int32[N, L], tokens in drawing order.
        rank: float32[N], its score divided by the length penalty; -inf where none has ended.
        log_prob: float32[N], log p of its drawn cells.
        number: int32[N], how many hypotheses have ended.
    """

    values: Int[Array, "N L"]
    rank: Float[Array, " N"]
    log_prob: Float[Array, " N"]
    number: Int[Array, " N"]


def _gather(cache: Any, rows: Int[Array, " NW"]) -> Any:
    """The cache of these rows; what has no rows serves all."""
    return jax.tree.map(lambda x: x[rows] if jnp.ndim(x) else x, cache)


def _repeat(request: Request, beams: int) -> Request:
    """The same request with each piece `beams` times."""

    def rows(x: Array) -> Array:
        return jnp.repeat(jnp.asarray(x), beams, axis=0)

    return dataclasses.replace(
        request,
        num=request.num * beams,
        given=None if request.given is None else rows(request.given),
        infill_mask=None if request.infill_mask is None else rows(request.infill_mask),
        conditions={name: rows(c) for name, c in request.conditions.items()},
    )


def penalty(cells: Num[Array, " *N"], exponent: Float[Array, ""] | float) -> Float[Array, " *N"]:
    """The length penalty of a number of cells, ((5 + cells) / 6) ** exponent (Wu et al., 2016, equation 14)."""
    return ((5.0 + cells) / 6.0) ** exponent


def search(
    model: Decoder,
    vocabulary: vocabularies.Vocabulary,
    params: Params,
    state: State,
    request: Request,
    *,
    beams: int,
    length_penalty: Float[Array, ""] | float = LENGTH_PENALTY,
) -> dict[str, Array]:
    """Answers a request with the best sequence that a beam search finds; nothing is drawn, so there is no key.

    At each cell the best W hypotheses are considered. Those that end there are set aside, and the best W that go on are
    searched further, until W hypotheses of the piece have ended or the length is reached. The result is the ended
    hypothesis of the highest score divided by `penalty`; if none has ended, the best of those that go on.

    The score of a hypothesis is the sum of log p from the first drawn cell on. It includes given cells behind that
    one: of two hypotheses the better one is that which also explains what must follow. A net that reads given cells
    ahead has told the drawn ones of them, so there the sum is of drawn cells alone. The request's `choice` and `first`
    do not count. One beam is the greedy choice.

    A hypothesis for which the constraint leaves no token is dropped.

    Args:
        model: A net over tokens.
        vocabulary: The model's.
        params: Its parameters.
        state: Its state.
        request: What to answer; given cells are kept, and no piece ends before its last given cell.
        beams: Hypotheses a piece, W; static.
        length_penalty: Exponent of the length penalty: 0 compares hypotheses of different length by likelihood, which
            favours an early END, and 1 (nearly) by the mean of a cell.

    Returns:
        What `autoregressive.sample_request` returns, of the best hypothesis of each piece: `tokens` int32[N, T, S] or
        [N, T], `length` int32[N] in frames, `log_prob` float32[N] in nats of the drawn cells, `blocked` where a
        constraint left no hypothesis, the conditions.

    Raises:
        ValueError: The vocabulary or the model is not one of single tokens, or there is not even one beam.
    """
    if vocabulary.kind == "bits" or model.draw is not None:
        raise ValueError(f"beam search ranks single tokens; {vocabulary.name} has frames of switches")
    if beams < 1:
        raise ValueError(f"beams is {beams}; it must be 1 or more")
    num, size, length = request.num, vocabulary.size, request.length * vocabulary.streams
    total = num * beams
    layout = autoregressive.lay_out(model, vocabulary, params, state, _repeat(request, beams))
    given, infill_mask, end = layout.given, layout.infill_mask, layout.end
    if given is None or infill_mask is None:
        given, infill_mask = jnp.zeros((total, length)), jnp.ones((total, length))
    last = None if end is None or request.given is None else autoregressive.last_given(infill_mask)
    given, infill_mask = given.astype(jnp.int32), infill_mask.astype(bool)
    # What is given first is the same for all. A net that reads ahead is not trained to tell what it was given.
    counts = infill_mask if model.read is not None else jnp.cumsum(infill_mask, axis=1) > 0
    ids = jnp.arange(size)[None]
    first = jnp.arange(num)[:, None] * beams
    grammars = () if request.grammar is None else (request.grammar,)
    order = jnp.asarray(layout.order)

    def permit(logits: Float[Array, "NW V"], pos: Int[Array, ""], values: Int[Array, "NW L"]) -> allowed.Allowed:
        def ask(part: Constraint) -> Array:
            """A constraint's answer for each rank of hypotheses: it may have a row for each piece."""
            of_rank = functools.partial(part, pos // len(order), order[pos % len(order)])
            ranked = values.reshape(num, beams, length)
            return jax.vmap(lambda v: jnp.broadcast_to(of_rank(v), (num, size)), 1, 1)(ranked).reshape(total, size)

        before = () if last is None or end is None else (autoregressive.not_before(last, pos, end, size),)
        return allowed.combine(logits, ask, request.constraint, (*grammars, *before), request.rules)

    def unfinished(carry: tuple[Array, Beams, Ended, Array]) -> Bool[Array, ""]:
        pos, held, ended, _ = carry
        alive = jnp.isfinite(held.score).reshape(num, beams).any(1)
        return (pos < length) & ((ended.number < beams) & alive).any()

    def advance(carry: tuple[Array, Beams, Ended, Array]) -> tuple[Array, Beams, Ended, Array]:
        pos, held, ended, blocked = carry
        before = jax.lax.dynamic_index_in_dim(held.values, jnp.maximum(pos - 1, 0), 1, False)
        here = {name: jax.lax.dynamic_index_in_dim(c, pos, 1, False) for name, c in layout.conditions.items()}
        logits, cache = layout.step(held.cache, jnp.where(pos > 0, before, model.start), pos, here)
        log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
        may = permit(logits, pos, held.values)

        fixed, free, count = (jax.lax.dynamic_index_in_dim(x, pos, 1, False) for x in (given, infill_mask, counts))
        gain = jnp.where(count[:, None], log_p, 0.0)
        drawn = gain if may.tokens is None else jnp.where(may.tokens, gain, -jnp.inf)
        # A given cell has one continuation.
        gain = jnp.where(free[:, None], drawn, jnp.where(ids == fixed[:, None], gain, -jnp.inf))
        score = held.score[:, None] + gain
        log_prob = held.log_prob[:, None] + jnp.where(free[:, None], log_p, 0.0)
        cells = held.cells + free
        searched = ended.number < beams

        # Of the best 2 W continuations W or more go on, for each hypothesis has one END.
        top, best = jax.lax.top_k(score.reshape(num, beams * size), min(2 * beams, beams * size))
        rows, value = first + best // size, best % size
        if end is not None:
            rank = jnp.where(value == end, top, -jnp.inf)[:, :beams] / penalty(cells[rows[:, :beams]], length_penalty)
            winner = rank.argmax(1)[:, None]
            row, rank_of_winner = (jnp.take_along_axis(x, winner, axis=1)[:, 0] for x in (rows, rank))
            better = searched & (rank_of_winner > ended.rank)
            values = jnp.where(jnp.arange(length) < pos, held.values[row], end)
            ended = Ended(
                values=jnp.where(better[:, None], values, ended.values),
                rank=jnp.where(better, rank_of_winner, ended.rank),
                log_prob=jnp.where(better, log_prob[row, end], ended.log_prob),
                number=ended.number + jnp.where(searched, jnp.isfinite(rank).sum(1), 0),
            )
            top = jnp.where(value == end, -jnp.inf, top)
        best = jnp.take_along_axis(best, jax.lax.top_k(top, beams)[1], axis=1)
        rows, value = (first + best // size).reshape(total), (best % size).reshape(total)
        after = score[rows, value]
        if end is not None:
            after = jnp.where(value == end, -jnp.inf, after)
        # The rows of no hypothesis tie at -inf, at values that cannot stand there. They keep what is given all the
        # same, but not its score: they would be copies of a hypothesis.
        value = jnp.where(free[rows], value, fixed[rows])

        if may.reason is not None:
            alive, goes_on = (jnp.isfinite(x).reshape(num, beams) for x in (held.score, after))
            reason = jnp.where(alive, may.reason.reshape(num, beams), 0).max(1)
            stops = searched & alive.any(1) & ~goes_on.any(1) & (ended.number == 0)
            place = allowed.blocked(pos // len(order), order[pos % len(order)], reason)
            blocked = jnp.where(stops[:, None], place, blocked)
        held = Beams(
            values=jax.lax.dynamic_update_index_in_dim(held.values[rows], value, pos, 1),
            cache=_gather(cache, rows),
            score=after,
            log_prob=log_prob[rows, value],
            cells=cells[rows],
        )
        return pos + 1, held, ended, blocked

    zeros = jnp.zeros((total,), jnp.float32)
    held = Beams(
        values=jnp.zeros((total, length), jnp.int32),
        cache=layout.cache,
        # All hypotheses of a piece begin alike: only one may go on.
        score=jnp.where(jnp.arange(total) % beams == 0, zeros, -jnp.inf),
        log_prob=zeros,
        cells=jnp.zeros((total,), jnp.int32),
    )
    ended = Ended(held.values[:num], jnp.full((num,), -jnp.inf), zeros[:num], jnp.zeros((num,), jnp.int32))
    start = (jnp.asarray(0), held, ended, jnp.full((num, 3), -1, jnp.int32))
    _, held, ended, blocked = jax.lax.while_loop(unfinished, advance, start)
    has_ended = ended.number > 0
    values, lengths = autoregressive.until_end(jnp.where(has_ended[:, None], ended.values, held.values[::beams]), end)
    required = request.constraint is not None or request.grammar is not None
    return {
        "tokens": autoregressive.by_frame(values, layout.order),
        "length": -(-lengths // vocabulary.streams),
        "log_prob": jnp.where(has_ended, ended.log_prob, held.log_prob[::beams]),
        **({"blocked": blocked} if required else {}),
        **request.conditions,
    }
