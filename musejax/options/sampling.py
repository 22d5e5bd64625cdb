"""How the values of a piece are sampled, as one value."""

import dataclasses
from collections.abc import Callable
from typing import Any

from musejax.options import declaration
from musejax.options.table import Beams, Guidance, MinP, Sampler, Steps, Temperature, TopK, TopP, Width


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the values of a piece are sampled.

    Long silences, endless notes and loops are avoided where likely tokens are preferred, by a temperature below 1, by
    `top_k`, `top_p`, `min_p` or by a beam search.

    Attributes:
        constraint: Which tokens are allowed where: a function of `musejax.decoding.constraints`, or any function
            (frame, stream, values so far) -> bool[V] or bool[N, V] in `jax.numpy`. It is compiled once.

    Example:
        >>> Sampling(temperature=0.9, top_p=0.95).top_p
        0.95

    Raises:
        errors.OptionError: A value lies outside its range.
    """

    temperature: Temperature = 1.0
    top_k: TopK = None
    top_p: TopP = None
    min_p: MinP = None
    beams: Beams = None
    guidance: Guidance = None
    sampler: Sampler = None
    steps: Steps = None
    width: Width = None
    constraint: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        """Shows the fields that are not at their defaults."""
        changed = [f for f in dataclasses.fields(self) if getattr(self, f.name) != f.default]
        return f"Sampling({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in changed)})"

    def __post_init__(self) -> None:
        """Checks the ranges."""
        declaration.check_all(type(self), vars(self))


declaration.document(Sampling, "Attributes")
