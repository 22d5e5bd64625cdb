"""A metric of one's own: the share of melodic intervals that are steps.

musejax metrics music --reference folk-tunes:test --plugin my_metric.py
"""

import numpy as np

from musejax.evaluation.metric import Metric
from musejax.evaluation.note_rolls import Rolls


def steps(rolls: Rolls) -> np.ndarray:
    """Returns for each piece the share of successive onsets of a track that lie one or two semitones apart.

    Args:
        rolls: N pieces.

    Returns:
        float[N]; NaN where a piece has no two onsets in one track.
    """
    shares = []
    for piece in rolls.onset:
        moves = [np.abs(np.diff(np.nonzero(track)[1])) for track in piece]
        moves = np.concatenate(moves)[np.concatenate(moves) > 0]
        shares.append(np.mean(moves <= 2) if len(moves) else np.nan)
    return np.array(shares)


METRIC = Metric("step_rate", steps)
