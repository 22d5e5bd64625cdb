"""Determines the allowed tokens of a cell from hard constraints, and rules that are dropped if they leave no token."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp

from musejax.array_types import Array, Bool, Float, Int
from musejax.base import Constraint

# Reasons why no token is allowed in a cell: the constraint alone forbids all, or it does so together with the other
# requirements (the grammar of the codec; no END before the last given cell).
CONSTRAINT, TOGETHER = 1, 2


class Allowed(NamedTuple):
    """The allowed tokens in one cell of each piece.

    Attributes:
        tokens: Allowed tokens, bool[N, V]; None if all are allowed.
        reason: CONSTRAINT or TOGETHER if no token is allowed, else 0, int32[N]; None if there are no hard constraints.
    """

    tokens: Bool[Array, "N V"] | None
    reason: Int[Array, " N"] | None


def combine(
    logits: Float[Array, "N V"],
    evaluate: Callable[[Constraint], Array],
    constraint: Constraint | None,
    required: Sequence[Constraint | Array],
    rules: Sequence[Constraint],
) -> Allowed:
    """Combines hard constraints with rules, of which earlier ones have priority over later ones.

    Args:
        logits: Logits, float[N, V]; a token at -inf cannot be sampled.
        evaluate: Calls a constraint with the position of the cell and the values so far.
        constraint: Constraint of the request.
        required: Other hard constraints, or their values, bool[N, V].
        rules: Soft constraints; each applies in rows where it leaves at least one of the tokens allowed so far.
    """

    def compute(part: Constraint | Array) -> Bool[Array, "N V"]:
        return jnp.broadcast_to(part if isinstance(part, Array) else evaluate(part), logits.shape)

    tokens, reason = logits > -jnp.inf, None
    if constraint is not None:
        tokens = tokens & compute(constraint)
    if constraint is not None or required:
        any_before = tokens.any(-1)
        for part in required:
            tokens = tokens & compute(part)
        reason = jnp.where(tokens.any(-1), 0, jnp.where(any_before, TOGETHER, CONSTRAINT)).astype(jnp.int32)
    for rule in rules:
        kept = tokens & compute(rule)
        tokens = jnp.where(kept.any(-1, keepdims=True), kept, tokens)
    return Allowed(None if reason is None and not rules else tokens, reason)


def blocked(frame: Int[Array, "..."], stream: Int[Array, "..."], reason: Int[Array, " N"]) -> Int[Array, "N 3"]:
    """Stacks frame, stream and reason of blocked cells, int32[N, 3]; rows without a reason are -1."""
    place = jnp.stack(jnp.broadcast_arrays(frame, stream, reason), axis=-1)
    return jnp.where((reason > 0)[:, None], place, -1).astype(jnp.int32)
