"""Beam search for left-to-right models of tokens."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Float, Int, Num
from musejax.base import Constraint, Decoder, Params, Request, State
from musejax.decoding import allowed, autoregressive

# Exponent of the length penalty in Wu et al. (2016, section 7).
LENGTH_PENALTY = 0.6


class Beams(NamedTuple):
    """The W unfinished hypotheses of each of N pieces; row n W + w is the w-th best hypothesis of piece n.

    Attributes:
        values: Tokens in sampling order, 0 in later cells, int32[N W, L].
        cache: Cache of the model, with a row for each hypothesis.
        score: Log-probability of the scored cells (see `search`) in nats, float32[N W]; -inf for an empty row.
        log_prob: Log-probability of the free cells in nats, float32[N W].
        cells: Number of free cells so far, int32[N W].
    """

    values: Int[Array, "NW L"]
    cache: Any
    score: Float[Array, " NW"]
    log_prob: Float[Array, " NW"]
    cells: Int[Array, " NW"]


class Ended(NamedTuple):
    """The best finished hypothesis of each of N pieces.

    Attributes:
        values: Tokens in sampling order, int32[N, L].
        rank: Score divided by the length penalty, float32[N]; -inf if no hypothesis is finished.
        log_prob: Log-probability of the free cells in nats, float32[N].
        number: Number of finished hypotheses, int32[N].
    """

    values: Int[Array, "N L"]
    rank: Float[Array, " N"]
    log_prob: Float[Array, " N"]
    number: Int[Array, " N"]


def _gather(cache: Any, rows: Int[Array, " NW"]) -> Any:
    """Selects rows of the cache; scalars are unchanged."""
    return jax.tree.map(lambda x: x[rows] if jnp.ndim(x) else x, cache)


def _repeat(request: Request, beams: int) -> Request:
    """Returns the request with each piece repeated `beams` times."""

    def repeat(x: Array) -> Array:
        return jnp.repeat(jnp.asarray(x), beams, axis=0)

    return dataclasses.replace(
        request,
        num=request.num * beams,
        given=None if request.given is None else repeat(request.given),
        infill_mask=None if request.infill_mask is None else repeat(request.infill_mask),
        conditions={name: repeat(c) for name, c in request.conditions.items()},
    )


def penalty(cells: Num[Array, " *N"], exponent: Float[Array, ""] | float) -> Float[Array, " *N"]:
    """Returns the length penalty ((5 + cells) / 6) ** exponent (Wu et al., 2016, equation 14)."""
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
    """Answers a request with the best sequence that a beam search finds; the search is deterministic and needs no key.

    At each cell, the best W continuations are considered. Those that end there are finished, and the best W of the
    others are extended, until W hypotheses of the piece are finished or the length is reached. The result is the
    finished hypothesis with the highest score divided by `penalty`, or the best unfinished one if none is finished.

    The score of a hypothesis is the sum of log-probabilities from the first free cell on. It includes later given
    cells, so that a hypothesis is better if it also predicts what must follow. A model that reads given cells in
    advance predicts free cells conditioned on them, so there the sum is over free cells only. A hypothesis is dropped
    when the constraint leaves no token for it. The `choice` and `first` of the request are ignored. With one beam, the
    search is greedy.

    Args:
        model: Decoder of a model of tokens.
        vocabulary: Vocabulary of the model.
        params: Model parameters.
        state: Model state.
        request: The request. Given cells are kept, and no piece ends before its last given cell.
        beams: Number of hypotheses per piece, W; static.
        length_penalty: Exponent of the length penalty. With 0, hypotheses of different lengths are compared by
            likelihood, which favours an early END; with 1, approximately by the mean log-probability per cell.

    Returns:
        The same as `autoregressive.sample_request`, for the best hypothesis of each piece: `tokens` int32[N, T, S] or
        [N, T], `length` int32[N] in frames, `log_prob` float32[N] of the free cells in nats, the conditions, and
        `blocked` for pieces in which a constraint left no hypothesis.

    Raises:
        ValueError: The cells are not single tokens, or `beams` is less than 1.
    """
    if vocabulary.kind == "bits" or model.draw is not None:
        raise ValueError(f"the codec is {vocabulary.name}, whose frames are not tokens; beam search needs tokens")
    if beams < 1:
        raise ValueError(f"beams is {beams}; it must be at least 1")
    num, size, length = request.num, vocabulary.size, request.length * vocabulary.streams
    total = num * beams
    layout = autoregressive.lay_out(model, vocabulary, params, state, _repeat(request, beams))
    given, infill_mask, end = layout.given, layout.infill_mask, layout.end
    if given is None or infill_mask is None:
        given, infill_mask = jnp.zeros((total, length)), jnp.ones((total, length))
    last = None if end is None or request.given is None else autoregressive.last_given(infill_mask)
    given, infill_mask = given.astype(jnp.int32), infill_mask.astype(bool)
    # Cells before the first free one are the same for all hypotheses. A model that reads given cells in advance is not
    # trained to predict them.
    counts = infill_mask if model.read is not None else jnp.cumsum(infill_mask, axis=1) > 0
    ids = jnp.arange(size)[None]
    first = jnp.arange(num)[:, None] * beams
    grammars = () if request.grammar is None else (request.grammar,)
    order = jnp.asarray(layout.order)

    def permit(logits: Float[Array, "NW V"], pos: Int[Array, ""], values: Int[Array, "NW L"]) -> allowed.Allowed:
        def evaluate(part: Constraint) -> Array:
            """Evaluates a constraint separately for each rank of hypotheses, as it may have a row for each piece."""
            function = functools.partial(part, pos // len(order), order[pos % len(order)])
            ranked = values.reshape(num, beams, length)
            return jax.vmap(lambda v: jnp.broadcast_to(function(v), (num, size)), 1, 1)(ranked).reshape(total, size)

        no_end = () if last is None or end is None else (autoregressive.not_before(last, pos, end, size),)
        return allowed.combine(logits, evaluate, request.constraint, (*grammars, *no_end), request.rules)

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
        permitted = permit(logits, pos, held.values)

        fixed, free, count = (jax.lax.dynamic_index_in_dim(x, pos, 1, False) for x in (given, infill_mask, counts))
        gain = jnp.where(count[:, None], log_p, 0.0)
        free_gain = gain if permitted.tokens is None else jnp.where(permitted.tokens, gain, -jnp.inf)
        # A given cell has a single continuation.
        gain = jnp.where(free[:, None], free_gain, jnp.where(ids == fixed[:, None], gain, -jnp.inf))
        score = held.score[:, None] + gain
        log_prob = held.log_prob[:, None] + jnp.where(free[:, None], log_p, 0.0)
        cells = held.cells + free
        searching = ended.number < beams

        # At least W of the best 2 W continuations do not end, because each hypothesis has only one END.
        top, best = jax.lax.top_k(score.reshape(num, beams * size), min(2 * beams, beams * size))
        rows, value = first + best // size, best % size
        if end is not None:
            rank = jnp.where(value == end, top, -jnp.inf)[:, :beams] / penalty(cells[rows[:, :beams]], length_penalty)
            winner = rank.argmax(1)[:, None]
            row, rank_of_winner = (jnp.take_along_axis(x, winner, axis=1)[:, 0] for x in (rows, rank))
            better = searching & (rank_of_winner > ended.rank)
            values = jnp.where(jnp.arange(length) < pos, held.values[row], end)
            ended = Ended(
                values=jnp.where(better[:, None], values, ended.values),
                rank=jnp.where(better, rank_of_winner, ended.rank),
                log_prob=jnp.where(better, log_prob[row, end], ended.log_prob),
                number=ended.number + jnp.where(searching, jnp.isfinite(rank).sum(1), 0),
            )
            top = jnp.where(value == end, -jnp.inf, top)
        best = jnp.take_along_axis(best, jax.lax.top_k(top, beams)[1], axis=1)
        rows, value = (first + best // size).reshape(total), (best % size).reshape(total)
        after = score[rows, value]
        if end is not None:
            after = jnp.where(value == end, -jnp.inf, after)
        # Rows without a hypothesis tie at -inf and may have impossible values. They take the given values too, but not
        # their scores, which would make them copies of a hypothesis.
        value = jnp.where(free[rows], value, fixed[rows])

        if permitted.reason is not None:
            alive, continues = (jnp.isfinite(x).reshape(num, beams) for x in (held.score, after))
            reason = jnp.where(alive, permitted.reason.reshape(num, beams), 0).max(1)
            stops = searching & alive.any(1) & ~continues.any(1) & (ended.number == 0)
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
        # All hypotheses of a piece are equal at the start, so only the first may be extended.
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
