"""A music statistic of one's own, as `musejax metrics --plugin FILE` takes it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from musejax.evaluation.note_rolls import Rolls


class Metric(NamedTuple):
    """A statistic of pieces.

    Attributes:
        name: Its name in the table and in the JSON.
        measure: Rolls of N pieces -> float[N], NaN where it is not defined for a piece.
        summary: One line about it.
    """

    name: str
    measure: Callable[[Rolls], np.ndarray]
    summary: str = ""

    record_kind = "metric"
