"""The sampler of models that say of every cell what it may be given others: batched, one compiled loop over steps.

A plan (`decoding/gibbs_plans.py`) says which cells a step draws anew and which the net sees. All noise of a step comes
from the piece's own key, so a piece does not depend on its neighbours. Given cells are never drawn.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int, Key
from musejax.base import Choice, Constraint, Request
from musejax.decoding import allowed as cells
from musejax.decoding import autoregressive, constraints, draws, gibbs_plans

SAMPLERS = ("gibbs", "span", "contiguous", "ancestral", "upsampling", "rounds")

# (tokens int32[N, T, S], hidden bool[N, T, S], step) -> logits [N, T, S, V], or [N, T, 1, V] for the cells of the one
# voice that is drawn; of hidden cells the tokens have no say.
Conditional = Callable[[Array, Array, Array], Array]


class Sampling(NamedTuple):
    """How a request's cells are drawn.

    Attributes:
        sampler: `gibbs` (annealed blocks of cells here and there), `span` or `contiguous` (of stretches of all voices
            or of each), `ancestral`, `upsampling`, or `rounds` voice by voice.
        steps: How often the net is asked; 0 for one cell a step, which the ancestral sampler can do.
    """

    sampler: Literal["gibbs", "span", "contiguous", "ancestral", "upsampling", "rounds"]
    steps: int


def sample(
    conditional: Conditional,
    plan: gibbs_plans.Plan,
    keys: Key[Array, " N"],
    tokens: Int[Array, "N T S"],
    free: Bool[Array, "N T S"],
    *,
    choice: Choice | None = None,
    allowed: Bool[Array, "..."] | None = None,
) -> Int[Array, "N T S"]:
    """Draws the free cells of N pieces.

    Args:
        conditional: What each cell may be.
        plan: In what order.
        keys: [N], one a piece.
        tokens: int32[N, T, S]: the given cells, and what the chain begins with.
        free: bool[N, T, S], the cells that are drawn.
        choice: How a token is chosen; its temperature is multiplied by the plan's.
        allowed: bool, broadcast to [N, T, S, V]: what may stand where. Where it allows nothing it is passed over.

    Returns:
        int32[N, T, S].
    """
    choice, shape = choice or Choice(), tokens.shape
    of_blocks, of_draws = (jax.vmap(lambda k, i=i: jax.random.fold_in(k, i))(keys) for i in range(2))

    def advance(step: Int[Array, ""], tokens: Int[Array, "N T S"]) -> Int[Array, "N T S"]:
        redraw, hidden = jax.vmap(plan.blocks, in_axes=(0, None, 0))(of_blocks, step, free)
        logits = conditional(tokens, hidden & free, step).astype(jnp.float32)
        logits = jnp.broadcast_to(logits, (*shape, logits.shape[-1]))
        uniform = jax.vmap(lambda k: jax.random.uniform(jax.random.fold_in(k, step), shape[1:]))(of_draws)
        chosen: Any = choice.replace(temperature=choice.temperature * plan.temperature(step))  # type: ignore[attr-defined]
        flat = draws.restrict(logits, allowed).reshape(-1, logits.shape[-1])
        value = draws.invert(draws.filter_logits(flat, chosen), uniform.reshape(-1)).reshape(shape)
        return jnp.where(redraw & free, value, tokens)

    return jax.lax.fori_loop(0, plan.steps, advance, tokens)


def allowed_cells(
    constraint: Constraint | None, vocabulary: vocabularies.Vocabulary, num: int, frames: int
) -> Bool[Array, "_ {frames} S V"] | None:
    """What a constraint allows in each cell: bool[N or 1, T, S, V], or None where all is allowed.

    It is asked once for each cell, with zeros for the values, for there is no past. Where a cell may hold what sounds
    before it, it may only if every pitch that was allowed there is allowed here, or nothing else is allowed.
    """
    if constraint is None:
        return None
    return constraints.narrowed(vocabulary, constraints.table(constraint, vocabulary, num, frames))


def answer(
    conditional: Callable[..., Array],
    cost: Callable[..., Array],
    plan: gibbs_plans.Plan,
    vocabulary: vocabularies.Vocabulary,
    key: Key[Array, ""],
    request: Request,
    start: Int[Array, "N T S"] | None = None,
) -> dict[str, Array]:
    """Answers a request: what every family that draws cells in any order uses as its `sample`.

    The request's conditions may hold `pad_mask`, int32[N, T], 1 in the frames of a piece; else all frames are of it.
    Where the vocabulary has END, it stands in the last of them, and nowhere else.

    Args:
        conditional: (tokens, hidden, step, real bool[N, T], conditions) -> as `Conditional`.
        cost: (keys [N], batch with infill_mask bool[N, T, S]) -> nats [N] of the free cells, or an estimate.
        plan: In what order cells are drawn.
        vocabulary: Of tokens, with several streams.
        key: A random key.
        request: What is asked for.
        start: int32[N, T, S], what the chain begins with; None where its first steps draw all cells.

    Returns:
        As `autoregressive.sample_request`; `log_prob` is minus the cost. With a constraint, `blocked` names the first
        cell for which it leaves nothing.
    """
    conditions = dict(request.conditions)
    shape = (request.num, request.length, vocabulary.streams)
    real = jnp.asarray(conditions.pop("pad_mask", jnp.ones(shape[:2], jnp.int32))) > 0
    free = jnp.ones(shape, bool) if request.infill_mask is None else jnp.asarray(request.infill_mask) > 0
    tokens = jnp.zeros(shape, jnp.int32) if start is None else start
    if request.given is not None:
        tokens = jnp.where(free, tokens, request.given)
    alone = allowed_cells(request.constraint, vocabulary, request.num, request.length)
    allowed, ids = alone, jnp.arange(vocabulary.size)
    if vocabulary.has("end"):
        end = vocabulary.id("end")
        last = real & ~jnp.pad(real[:, 1:], ((0, 0), (0, 1)))
        tokens = jnp.where((last[..., None] & free) | ~real[..., None], end, tokens)
        free = free & ~last[..., None]
        goes_on = (ids != end)[None, None, None]
        allowed = goes_on if allowed is None else allowed & goes_on
    rules = [allowed_cells(rule, vocabulary, request.num, request.length) for rule in request.rules]
    if vocabulary.has("hold"):
        # Nothing sounds that the first frame could hold.
        rules.append(((ids != vocabulary.id("hold"))[None] | (jnp.arange(shape[1]) > 0)[:, None])[None, :, None])
    required = allowed
    for rule in rules:
        if allowed is None or rule is None:
            allowed = rule
        else:
            kept = allowed & rule
            allowed = jnp.where(kept.any(-1, keepdims=True), kept, allowed)
    free = free & real[..., None]
    keys = autoregressive.piece_keys(key, request.first, request.num)
    tokens = sample(
        lambda tokens, hidden, step: conditional(tokens, hidden, step, real, conditions),
        plan, keys, tokens, free, choice=request.choice, allowed=allowed,
    )  # fmt: skip
    batch = {**conditions, "tokens": tokens, "pad_mask": real.astype(jnp.int32), "infill_mask": free}
    return {
        "tokens": tokens,
        "length": real.sum(1).astype(jnp.int32),
        "log_prob": -cost(keys, batch),
        **({} if alone is None or required is None else {"blocked": _blocked(alone, required, free)}),
        **conditions,
    }


def _blocked(alone: Bool[Array, "..."], allowed: Bool[Array, "..."], free: Bool[Array, "N T S"]) -> Int[Array, "N 3"]:
    """The first free cell of each piece for which nothing is allowed, as `autoregressive.Drawn.blocked`.

    Args:
        alone: bool, broadcast to [N, T, S, V]: what the constraint allows.
        allowed: What it allows of what can be drawn.
        free: bool[N, T, S], the cells that are drawn.
    """
    num, _, streams = free.shape
    empty = (free & ~allowed.any(-1)).reshape(num, -1)
    index = empty.argmax(1)
    left = jnp.broadcast_to(alone.any(-1), free.shape).reshape(num, -1)
    left = jnp.take_along_axis(left, index[:, None], axis=1)[:, 0]
    reason = jnp.where(empty.any(1), jnp.where(left, cells.TOGETHER, cells.CONSTRAINT), 0)
    return cells.blocked(index // streams, index % streams, reason)
