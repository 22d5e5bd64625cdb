"""The symbolic measures of MusDr: pitch-class entropy of bars and grooving pattern similarity. NumPy only.

Source: Wu and Yang, "The Jazz Transformer on the Front Line: Exploring the Shortcomings of AI-composed Music through
Quantitative Measures", 2020, and their package MusDr. Their structureness indicators need audio and are not included.

The bars of a piece are those that begin within its frames. An incomplete last bar is padded with silence. Silent bars
count (the package drops a last bar in which no note begins). The similarity increases with the resolution of the grid,
which is 64 positions per bar in the package, so compare only pieces on the same grid.
"""

import numpy as np

from musejax.evaluation import muspy
from musejax.evaluation import note_rolls as rolls_


def _class_counts(rolls: rolls_.Rolls, bars: int) -> np.ndarray:
    """Counts the notes of each pitch class that begin in each bar, over all pitched tracks: int64[N, bars, 12]."""
    piece, _, frame, pitch = np.nonzero(rolls.pitched().onset)
    cell = (piece * bars + frame // rolls.bar[piece]) * 12 + pitch % 12
    return np.bincount(cell, minlength=len(rolls) * bars * 12).reshape(len(rolls), bars, 12)


def _windowed_entropy(counts: np.ndarray, bars: np.ndarray, window: int) -> np.ndarray:
    """Returns the mean entropy over all windows of consecutive bars.

    Args:
        counts: Notes of each pitch class in each bar, int64[N, B, 12].
        bars: Number of bars of each piece, int64[N].
        window: Number of bars in a window.

    Returns:
        Entropies in bits, float64[N].
    """
    width = np.minimum(bars, window)[:, None]
    first = np.arange(counts.shape[1])[None]
    sums = np.pad(counts.cumsum(1), ((0, 0), (1, 0), (0, 0)))
    last = np.minimum(first + width, counts.shape[1])
    bits = muspy.entropy(np.take_along_axis(sums, last[..., None], 1) - sums[:, :-1])
    counted = (first + width <= bars[:, None]) & ~np.isnan(bits)
    return muspy.ratio(np.where(counted, bits, 0).sum(1), counted.sum(1))


def _grooving_similarity(rolls: rolls_.Rolls, bars: np.ndarray) -> np.ndarray:
    """Returns the share of positions at which both or neither of two bars have an onset, averaged over all pairs."""
    piece, frame = np.nonzero(np.any(rolls.onset, axis=(1, 3)))
    widest = int(rolls.bar.max(initial=1))
    cell = piece * widest + frame % rolls.bar[piece]
    with_onset = np.bincount(cell, minlength=len(rolls) * widest).reshape(len(rolls), widest)
    # If k of n bars have an onset at a position, k * (n - k) pairs differ, so the pairs need not be enumerated.
    differ = (with_onset * (bars[:, None] - with_onset)).sum(1)
    return 1 - muspy.ratio(differ, rolls.bar * (bars * (bars - 1) // 2))


def statistics(rolls: rolls_.Rolls) -> dict[str, np.ndarray]:
    """Computes the measures of MusDr.

    - `h1`, `h4`: Mean entropy, in bits, of the pitch-class histograms of 1 and of 4 consecutive bars, over all such
      windows with a note. Histograms count the notes of pitched tracks, not weighted by duration. A piece of fewer than
      4 bars is a single window. The entropy is 0 for a single pitch class and log2(12) = 3.58 for a uniform histogram.
    - `gs`: Grooving pattern similarity in 0..1: one minus the mean XOR of the onset patterns of two bars (all tracks,
      including drums), over all pairs of bars. The package samples 1000 pairs if there are more.

    Args:
        rolls: N pieces.

    Returns:
        Measures by name, float64[N], NaN for pieces without pitched notes (`h1`, `h4`) or with fewer than two bars
        (`gs`).
    """
    bars = -(-rolls.frames // rolls.bar)
    counts = _class_counts(rolls, int(bars.max(initial=1)))
    return {
        "h1": _windowed_entropy(counts, bars, 1),
        "h4": _windowed_entropy(counts, bars, 4),
        "gs": _grooving_similarity(rolls, bars),
    }
