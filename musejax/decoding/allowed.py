"""Which tokens may be drawn in a cell: constraints that must hold, and rules that yield where nothing else is left."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp

from musejax.array_types import Array, Bool, Float, Int
from musejax.base import Constraint

# Why nothing may be drawn in a cell: the constraint alone forbids everything, or it does together with what must hold
# in any case (the grammar of the codec; no END before the last given cell).
CONSTRAINT, TOGETHER = 1, 2


class Allowed(NamedTuple):
    """What may be drawn in one cell of each piece.

    Attributes:
        tokens: bool[N, V]; None where everything may be drawn.
        reason: int32[N], CONSTRAINT or TOGETHER where nothing may be drawn, 0 elsewhere; None where nothing must hold.
    """

    tokens: Bool[Array, "N V"] | None
    reason: Int[Array, " N"] | None


def combine(
    logits: Float[Array, "N V"],
    ask: Callable[[Constraint], Array],
    constraint: Constraint | None,
    required: Sequence[Constraint | Array],
    rules: Sequence[Constraint],
) -> Allowed:
    """Combines what must hold with rules, the first of which is the last to yield.

    Args:
        logits: float[N, V]; a token at -inf cannot be drawn.
        ask: Calls a constraint with the position of the cell and the values so far.
        constraint: The constraint of the request.
        required: What must hold beside it: constraints, or their answers.
        rules: Each applies where it leaves a token that is still allowed.
    """

    def answer(part: Constraint | Array) -> Bool[Array, "N V"]:
        return jnp.broadcast_to(part if isinstance(part, Array) else ask(part), logits.shape)

    tokens, reason = logits > -jnp.inf, None
    if constraint is not None:
        tokens = tokens & answer(constraint)
    if constraint is not None or required:
        alone = tokens.any(-1)
        for part in required:
            tokens = tokens & answer(part)
        reason = jnp.where(tokens.any(-1), 0, jnp.where(alone, TOGETHER, CONSTRAINT)).astype(jnp.int32)
    for rule in rules:
        kept = tokens & answer(rule)
        tokens = jnp.where(kept.any(-1, keepdims=True), kept, tokens)
    return Allowed(None if reason is None and not rules else tokens, reason)


def blocked(frame: Int[Array, "..."], stream: Int[Array, "..."], reason: Int[Array, " N"]) -> Int[Array, "N 3"]:
    """The record of pieces in which a cell could not be drawn: int32[N, 3], frame, stream and reason; -1 if none."""
    place = jnp.stack(jnp.broadcast_arrays(frame, stream, reason), axis=-1)
    return jnp.where((reason > 0)[:, None], place, -1).astype(jnp.int32)
