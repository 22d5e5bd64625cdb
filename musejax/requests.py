"""What a sampler is asked for, as values that compiled functions take."""

from collections.abc import Callable
from typing import Any

from flax import struct

from musejax.array_types import Array


@struct.dataclass
class Choice:
    """How a token is chosen from logits. Filters apply in this order; None disables a filter.

    Attributes:
        temperature: Divides the logits; near 0 the likeliest token is chosen.
        top_k: Keeps the k likeliest tokens.
        top_p: Keeps the smallest set of tokens whose probability reaches p (Holtzman et al., 2020).
        min_p: Keeps tokens at least min_p times as likely as the likeliest (Nguyen et al., 2024).
    """

    temperature: float = 1.0
    top_k: int | None = struct.field(default=None, pytree_node=False)
    top_p: float | None = None
    min_p: float | None = None

    @property
    def sharp(self) -> bool:
        """Whether likely tokens are chosen more often than under the model's own distribution."""
        cuts = (self.top_k is not None, self.top_p is not None and self.top_p < 1.0, bool(self.min_p))
        return self.temperature < 1.0 or any(cuts)


# (frame, stream, values sampled so far [N, L, ...]) -> the allowed tokens, bool, broadcast to [N, V]. A constraint that
# contains arrays is a `jax.tree_util.Partial`, so that new arrays do not trigger a new compilation. A family that
# samples cells in any order calls it once for each cell, with zeros for the values.
Constraint = Callable[[Array, Array, Array], Array]


@struct.dataclass
class Request:
    """A request to sample pieces: one pytree of static shape.

    Attributes:
        num: Number of pieces, N.
        length: Number of frames T (number of tokens if tokens are not frames).
        choice: How a token is chosen.
        first: Index of the first piece: piece i is sampled with the key `fold_in(key, first + i)`, so that a large
            request can be split.
        given: Given cells, int32[N, T, S] (or [N, T]; uint8[N, T, V] for bits, float32 for rows of real numbers); None
            for unconditional sampling.
        infill_mask: 1 where a cell is to be sampled, in the shape of `given` ([N, T] for bits). For a primer, it begins
            with zeros. For rows of real numbers it is [N, T], or [N, T, V] if only their hits are given. A family that
            accompanies a track reads this track from `given` and needs no mask.
        conditions: One int32[N, T] array for each condition that the model reads. For a family that samples cells in
            any order also `pad_mask`, 1 in the frames of each piece; without it all frames belong to the piece.
        constraint: The tokens that are allowed in each cell. Samplers return `blocked`, which marks cells in which it
            left no token.
        grammar: Constraint that keeps samples well-formed; it holds like `constraint`.
        rules: Soft constraints. Where no token would be left in a cell, rules are dropped there, the last one first.
        sampling: Sampler of a family that samples cells in any order (`decoding.gibbs.Sampling`); None for its default.
    """

    num: int = struct.field(pytree_node=False)
    length: int = struct.field(pytree_node=False)
    choice: Choice = struct.field(default_factory=Choice)
    first: int = 0
    given: Array | None = None
    infill_mask: Array | None = None
    conditions: dict[str, Array] = struct.field(default_factory=dict)
    constraint: Constraint | None = None
    grammar: Constraint | None = None
    rules: tuple[Constraint, ...] = ()
    sampling: Any = struct.field(pytree_node=False, default=None)
