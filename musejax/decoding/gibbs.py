"""The Gibbs sampler of models that predict each cell given other cells: batched, with one compiled loop over steps.

A plan (`decoding/gibbs_plans.py`) determines which cells a step resamples and which are hidden from the network. The
noise of a piece comes from its own key, so that pieces do not depend on each other. Given cells are never changed.
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

# (tokens int32[N, T, S], hidden bool[N, T, S], step) -> logits [N, T, S, V], or [N, T, 1, V] if only one voice is
# sampled; they do not depend on the tokens of hidden cells.
Conditional = Callable[[Array, Array, Array], Array]


class Sampling(NamedTuple):
    """Settings of the sampler.

    Attributes:
        sampler: `gibbs` (annealed blocks of scattered cells), `span` (stretches of all voices), `contiguous` (a stretch
            of each voice), `ancestral`, `upsampling`, or `rounds` (one voice at a time).
        steps: Number of network evaluations; 0 for one cell per step, which only the ancestral sampler supports.
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
    """Samples the free cells of N pieces.

    Args:
        conditional: Predicts the cells given the cells that are not hidden.
        plan: Order in which cells are sampled.
        keys: A key for each piece, [N].
        tokens: Given cells, and initial values of the others, int32[N, T, S].
        free: Cells to sample, bool[N, T, S].
        choice: Sampling filters; the temperature is multiplied by that of the plan.
        allowed: Allowed tokens, bool, broadcast to [N, T, S, V]; ignored in cells where it allows no token.

    Returns:
        Tokens, int32[N, T, S].
    """
    choice, shape = choice or Choice(), tokens.shape
    block_keys, noise_keys = (jax.vmap(lambda k, i=i: jax.random.fold_in(k, i))(keys) for i in range(2))

    def advance(step: Int[Array, ""], tokens: Int[Array, "N T S"]) -> Int[Array, "N T S"]:
        redraw, hidden = jax.vmap(plan.blocks, in_axes=(0, None, 0))(block_keys, step, free)
        logits = conditional(tokens, hidden & free, step).astype(jnp.float32)
        logits = jnp.broadcast_to(logits, (*shape, logits.shape[-1]))
        uniform = jax.vmap(lambda k: jax.random.uniform(jax.random.fold_in(k, step), shape[1:]))(noise_keys)
        chosen: Any = choice.replace(temperature=choice.temperature * plan.temperature(step))  # type: ignore[attr-defined]
        flat = draws.restrict(logits, allowed).reshape(-1, logits.shape[-1])
        value = draws.invert(draws.filter_logits(flat, chosen), uniform.reshape(-1)).reshape(shape)
        return jnp.where(redraw & free, value, tokens)

    return jax.lax.fori_loop(0, plan.steps, advance, tokens)


def allowed_cells(
    constraint: Constraint | None, vocabulary: vocabularies.Vocabulary, num: int, frames: int
) -> Bool[Array, "_ {frames} S V"] | None:
    """Returns the tokens that a constraint allows in each cell, bool[N or 1, T, S, V], or None without a constraint.

    The constraint is called once for each cell, with values 0, because cells are not sampled from left to right. A hold
    is allowed only if every pitch allowed in the previous frame is also allowed in this one, or if no other token is.
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
    """Answers a request; the `sample` function of all families that sample cells in any order uses it.

    The conditions of the request may contain `pad_mask`, int32[N, T], which is 1 in the frames of a piece; without it,
    pieces have the full length. If the vocabulary has END, it occurs exactly in the last frame of a piece.

    Args:
        conditional: Function (tokens, hidden, step, real frames bool[N, T], conditions) -> logits as in `Conditional`.
        cost: Function (keys [N], batch with infill_mask bool[N, T, S]) -> negative log-likelihood of the free cells in
            nats, [N], or an estimate of it.
        plan: Order in which cells are sampled.
        vocabulary: Vocabulary of tokens with several streams.
        key: PRNG key.
        request: The request.
        start: Initial cells, int32[N, T, S]; None if the first steps of the plan sample all cells.

    Returns:
        The same as `autoregressive.sample_request`; `log_prob` is minus the cost. With a constraint, `blocked` is the
        first cell of each piece for which it leaves no token.
    """
    conditions = dict(request.conditions)
    shape = (request.num, request.length, vocabulary.streams)
    real = jnp.asarray(conditions.pop("pad_mask", jnp.ones(shape[:2], jnp.int32))) > 0
    free = jnp.ones(shape, bool) if request.infill_mask is None else jnp.asarray(request.infill_mask) > 0
    tokens = jnp.zeros(shape, jnp.int32) if start is None else start
    if request.given is not None:
        tokens = jnp.where(free, tokens, request.given)
    by_constraint = allowed_cells(request.constraint, vocabulary, request.num, request.length)
    allowed, ids = by_constraint, jnp.arange(vocabulary.size)
    if vocabulary.has("end"):
        end = vocabulary.id("end")
        last = real & ~jnp.pad(real[:, 1:], ((0, 0), (0, 1)))
        tokens = jnp.where((last[..., None] & free) | ~real[..., None], end, tokens)
        free = free & ~last[..., None]
        not_end = (ids != end)[None, None, None]
        allowed = not_end if allowed is None else allowed & not_end
    rules = [allowed_cells(rule, vocabulary, request.num, request.length) for rule in request.rules]
    if vocabulary.has("hold"):
        # The first frame has no previous note to hold.
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
        **({} if by_constraint is None or required is None else {"blocked": _blocked(by_constraint, required, free)}),
        **conditions,
    }


def _blocked(
    by_constraint: Bool[Array, "..."], allowed: Bool[Array, "..."], free: Bool[Array, "N T S"]
) -> Int[Array, "N 3"]:
    """Returns the first free cell of each piece with no allowed token, as in `autoregressive.Samples.blocked`.

    Args:
        by_constraint: Tokens that the constraint allows, bool, broadcast to [N, T, S, V].
        allowed: Those of them that can be sampled.
        free: Cells to sample, bool[N, T, S].
    """
    num, _, streams = free.shape
    empty = (free & ~allowed.any(-1)).reshape(num, -1)
    index = empty.argmax(1)
    any_allowed = jnp.broadcast_to(by_constraint.any(-1), free.shape).reshape(num, -1)
    any_allowed = jnp.take_along_axis(any_allowed, index[:, None], axis=1)[:, 0]
    reason = jnp.where(empty.any(1), jnp.where(any_allowed, cells.TOGETHER, cells.CONSTRAINT), 0)
    return cells.blocked(index // streams, index % streams, reason)
