"""A custom metric: the share of melodic intervals that are steps.

musejax metrics music --reference folk-tunes:test --plugin my_metric.py
"""

import numpy as np

from musejax.evaluation.metric import Metric
from musejax.evaluation.note_rolls import Rolls


def steps(rolls: Rolls) -> np.ndarray:
    """Returns the share of successive onsets of a track that are one or two semitones apart, for each piece.

    Args:
        rolls: N pieces.

    Returns:
        float[N]; NaN for a piece in which no track changes its pitch.
    """
    shares = []
    for piece in rolls.onset:
        intervals = np.concatenate([np.abs(np.diff(np.nonzero(track)[1])) for track in piece])
        intervals = intervals[intervals > 0]
        shares.append(np.mean(intervals <= 2) if len(intervals) else np.nan)
    return np.array(shares)


METRIC = Metric("step_rate", steps)
