"""The record of a user-defined music statistic, for `musejax metrics --plugin FILE`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from musejax.evaluation.note_rolls import Rolls


class Metric(NamedTuple):
    """A statistic of pieces.

    Attributes:
        name: Name of the statistic in the table and in the JSON output.
        measure: Function from rolls of N pieces to float[N], with NaN for pieces for which it is undefined.
        summary: One-line description.
    """

    name: str
    measure: Callable[[Rolls], np.ndarray]
    summary: str = ""

    record_kind = "metric"
