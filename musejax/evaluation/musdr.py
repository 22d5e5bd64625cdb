"""The symbolic measures of MusDr on rolls: pitch-class entropy by bar and grooving pattern similarity. NumPy only.

Source: Wu and Yang, "The Jazz Transformer on the Front Line: Exploring the Shortcomings of AI-composed Music through
Quantitative Measures", 2020, and their package MusDr. Their structureness indicators need audio and are not here.

The bars of a piece are those that begin within its frames; a last one that is not full is filled up with silence, and
silent bars count as bars (the package drops one at the end in which no note begins). A similarity over positions grows
with the fineness of the grid: theirs has 64 positions in a bar, so figures compare only between pieces on one grid.
"""

import numpy as np

from musejax.evaluation import muspy
from musejax.evaluation import note_rolls as rolls_


def _class_counts(rolls: rolls_.Rolls, bars: int) -> np.ndarray:
    """Notes of each pitch class that begin in each bar, over all pitched tracks: int64[N, bars, 12]."""
    piece, _, frame, pitch = np.nonzero(rolls.pitched().onset)
    cell = (piece * bars + frame // rolls.bar[piece]) * 12 + pitch % 12
    return np.bincount(cell, minlength=len(rolls) * bars * 12).reshape(len(rolls), bars, 12)


def _windowed_entropy(counts: np.ndarray, bars: np.ndarray, window: int) -> np.ndarray:
    """Mean entropy over all windows of consecutive bars.

    Args:
        counts: int64[N, B, 12].
        bars: int64[N], bars of each piece.
        window: Bars in a window.

    Returns:
        Bits, float64[N].
    """
    width = np.minimum(bars, window)[:, None]
    first = np.arange(counts.shape[1])[None]
    sums = np.pad(counts.cumsum(1), ((0, 0), (1, 0), (0, 0)))
    last = np.minimum(first + width, counts.shape[1])
    bits = muspy.entropy(np.take_along_axis(sums, last[..., None], 1) - sums[:, :-1])
    counted = (first + width <= bars[:, None]) & ~np.isnan(bits)
    return muspy.ratio(np.where(counted, bits, 0).sum(1), counted.sum(1))


def _grooving_similarity(rolls: rolls_.Rolls, bars: np.ndarray) -> np.ndarray:
    """Mean over all pairs of bars of the share of positions at which both or neither have an onset: float64[N]."""
    piece, frame = np.nonzero(np.any(rolls.onset, axis=(1, 3)))
    widest = int(rolls.bar.max(initial=1))
    cell = piece * widest + frame % rolls.bar[piece]
    with_onset = np.bincount(cell, minlength=len(rolls) * widest).reshape(len(rolls), widest)
    # At a position where k of n bars have an onset k * (n - k) pairs differ, so no pair need be formed.
    differ = (with_onset * (bars[:, None] - with_onset)).sum(1)
    return 1 - muspy.ratio(differ, rolls.bar * (bars * (bars - 1) // 2))


def statistics(rolls: rolls_.Rolls) -> dict[str, np.ndarray]:
    """The measures of MusDr.

    - `h1`, `h4`: mean entropy in bits of the pitch-class histogram (notes, not weighted by their length; pitched
      tracks) of 1 and of 4 consecutive bars, over all such windows that have a note; in a piece of fewer than 4 bars
      the window is the piece. 0 is one pitch class only, log2(12) = 3.58 all equally often.
    - `gs`: grooving pattern similarity in 0..1, one less the mean XOR of the onset patterns (all tracks, drums too)
      of two bars over all pairs of bars. The package samples 1000 pairs where there are more; here all count.

    Args:
        rolls: N pieces.

    Returns:
        float64[N] by name, NaN where undefined: without pitched notes (`h1`, `h4`), with fewer than two bars (`gs`).
    """
    bars = -(-rolls.frames // rolls.bar)
    counts = _class_counts(rolls, int(bars.max(initial=1)))
    return {
        "h1": _windowed_entropy(counts, bars, 1),
        "h4": _windowed_entropy(counts, bars, 4),
        "gs": _grooving_similarity(rolls, bars),
    }
