"""Beam search over any left-to-right model of tokens: the likeliest sequence that a few hypotheses a piece can find."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.base import Array, Autoregressive, Params, Request, State
from musejax.decoding import autoregressive, draws


class Beams(NamedTuple):
    """N pieces of W hypotheses each: row n W + w is the w-th best of piece n.

    Attributes:
        values: int32[N W, L], tokens in drawing order; what lies ahead is 0.
        cache: The model's, its rows those of the hypotheses.
        score: float32[N W], log p in nats of the cells that count, see `search`; -inf where there is no hypothesis.
        log_prob: float32[N W], log p of the drawn cells alone.
        cells: int32[N W], how many cells were drawn.
        done: bool[N W], whether END has been reached.
    """

    values: Array
    cache: Any
    score: Array
    log_prob: Array
    cells: Array
    done: Array


def _gather(cache: Any, rows: Array) -> Any:
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


def search(
    model: Autoregressive,
    vocabulary: vocabularies.Vocabulary,
    params: Params,
    state: State,
    request: Request,
    *,
    beams: int,
    length_penalty: float | Array = 0.0,
) -> dict[str, Array]:
    """Answers a request with the best sequence that a beam search finds; nothing is drawn, so there is no key.

    Hypotheses are ranked by (sum of log p) / (drawn cells) ** length_penalty. The sum begins at the first drawn cell
    and includes given cells behind it: of two hypotheses the better one is that which also explains what must follow.
    A net that reads given cells ahead has told the drawn ones of them, so there the sum is of drawn cells alone.
    The request's `choice` and `first` do not count. One beam is the greedy choice.

    Where the constraint allows nothing it is ignored, as in the sampler.

    Args:
        model: A net over tokens.
        vocabulary: The model's.
        params: Its parameters.
        state: Its state.
        request: What to answer; given cells are kept, and no piece ends before its last given cell.
        beams: Hypotheses a piece, W; static.
        length_penalty: 0 ranks by likelihood, which favours an early END; 1 by the mean of a cell.

    Returns:
        What `autoregressive.sample_request` returns, of the best hypothesis of each piece: `tokens` int32[N, T, S] or
        [N, T], `length` int32[N] in frames, `log_prob` float32[N] in nats of the drawn cells, the conditions.

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

    def constraint(frame: Array, stream: Array, values: Array) -> Array:
        """The request's, asked once for each rank of hypotheses: it may have a row for each piece."""
        assert request.constraint is not None
        ask = functools.partial(request.constraint, frame, stream)
        allowed = jax.vmap(lambda v: jnp.broadcast_to(ask(v), (num, size)), 1, 1)(values.reshape(num, beams, length))
        return allowed.reshape(total, size)

    def unfinished(carry: tuple[Array, Beams]) -> Array:
        pos, held = carry
        return (pos < length) & ~(held.done | jnp.isneginf(held.score)).all()

    def advance(carry: tuple[Array, Beams]) -> tuple[Array, Beams]:
        pos, held = carry
        before = jax.lax.dynamic_index_in_dim(held.values, jnp.maximum(pos - 1, 0), 1, False)
        here = {name: jax.lax.dynamic_index_in_dim(c, pos, 1, False) for name, c in layout.conditions.items()}
        logits, cache = layout.step(held.cache, jnp.where(pos > 0, before, model.start), pos, here)
        log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
        steered = None if request.constraint is None else constraint
        allowed = autoregressive.may_stand(logits, pos, held.values, layout.order, steered, end, last)

        fixed, free, count = (jax.lax.dynamic_index_in_dim(x, pos, 1, False) for x in (given, infill_mask, counts))
        # A cell that is given, and END after END, has one continuation.
        only = jnp.where(free, -1, fixed)
        if end is not None:
            only = jnp.where(held.done, end, only)
        gain = jnp.where((held.done | ~count)[:, None], 0.0, log_p)
        gain = jnp.where(
            (only < 0)[:, None], draws.restrict(gain, allowed), jnp.where(ids == only[:, None], gain, -jnp.inf)
        )
        score = held.score[:, None] + gain
        cells = held.cells + (free & ~held.done)
        rank = score / jnp.maximum(cells, 1).astype(jnp.float32)[:, None] ** length_penalty
        best = jax.lax.top_k(rank.reshape(num, beams * size), beams)[1]
        rows, value = (first + best // size).reshape(total), (best % size).reshape(total)
        after = score[rows, value]
        # The rows of no hypothesis tie at -inf, at values that cannot stand there. They keep what is given all the
        # same, but not its score: they would be copies of a hypothesis.
        value = jnp.where(only[rows] < 0, value, only[rows])

        drawn = (free & ~held.done)[rows]
        values = jax.lax.dynamic_update_index_in_dim(held.values[rows], value, pos, 1)
        return pos + 1, Beams(
            values=values,
            cache=_gather(cache, rows),
            score=after,
            log_prob=held.log_prob[rows] + jnp.where(drawn, log_p[rows, value], 0.0),
            cells=cells[rows],
            done=held.done[rows] if end is None else value == end,
        )

    zeros = jnp.zeros((total,), jnp.float32)
    start = Beams(
        values=jnp.zeros((total, length), jnp.int32),
        cache=layout.cache,
        # All hypotheses of a piece begin alike: only one may go on.
        score=jnp.where(jnp.arange(total) % beams == 0, zeros, -jnp.inf),
        log_prob=zeros,
        cells=jnp.zeros((total,), jnp.int32),
        done=jnp.zeros((total,), bool),
    )
    _, held = jax.lax.while_loop(unfinished, advance, (jnp.asarray(0), start))
    values, lengths = autoregressive.until_end(held.values[::beams], end)
    return {
        "tokens": autoregressive.by_frame(values, layout.order),
        "length": -(-lengths // vocabulary.streams),
        "log_prob": held.log_prob[::beams],
        **request.conditions,
    }
