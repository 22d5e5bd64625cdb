"""Detection of melodies that are settings of one tune, by alignment.

Shared runs of notes are not sufficient: settings of one tune differ by passing notes and may share no run, while scales
and cadences are common to many tunes. Melodies are int32[N, 2] (see `melody_groups`), and lengths are ignored.
"""

import collections
from collections.abc import Sequence

import numpy as np

from musejax.corpora import melody_groups

# Number of notes in equal openings that make two melodies one tune, and the smallest number of aligned notes.
_OPENING = 10
# Alignment scores of an equal note, of two different notes, and of a note that only one melody has.
_EQUAL, _DIFFERENT, _EXTRA = 10, -7, -5
# The share of both melodies, or of the shorter one (which may be part of the other), that must be aligned. Judged by
# titles, a chorale's best share with jsb16's sopranos was at least .63 (or .97 of the shorter) for the same tune, and
# at most .52 (.74 of the shorter) for different tunes. Between two chorales, some pairs with .60 to .63 are different
# tunes, and a few settings of one tune have less, for example if only one of them writes out a repeat.
_OF_BOTH, _OF_SHORTER = 0.6, 0.9
# Pairs are aligned only if they share this fraction of the shorter melody's runs of this number of notes.
_RUN, _RUNS_SHARED = 5, 0.25


def matching_pairs(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Returns the pairs that are one tune, in any key: those with equal openings, and those that can be aligned.

    Args:
        ones: Melodies.
        others: Melodies to compare them with. If this is the same list, each pair is compared once.

    Returns:
        Sorted pairs of indices in `ones` and `others`.
    """
    runs_of_ones, runs_of_others = ([_run_pitches(melody) for melody in side] for side in (ones, others))
    first, second = ([melody_groups.opening(melody, _OPENING) for melody in side] for side in (ones, others))
    matches: set[tuple[int, int]] = set()
    doubtful, left, right = [], [], []
    for i, runs in enumerate(runs_of_ones):
        for j in range(i + 1 if ones is others else 0, len(others)):
            other = runs_of_others[j]
            shared = runs.keys() & other.keys()
            if first[i] is not None and first[i] == second[j]:
                matches.add((i, j))
            elif shared and len(shared) >= _RUNS_SHARED * min(len(runs), len(other)):
                votes = collections.Counter(b - a for run in shared for a in runs[run] for b in other[run])
                for shift in (s for s, count in votes.items() if count == max(votes.values())):
                    doubtful.append((i, j))
                    left.append(ones[i][:, 0] + shift)
                    right.append(others[j][:, 0])
    for (i, j), score in zip(doubtful, alignments(left, right), strict=True):
        sizes = len(ones[i]), len(others[j])
        if 2 * score >= _OF_BOTH * sum(sizes) or score >= max(_OF_SHORTER * min(sizes), _OPENING):
            matches.add((i, j))
    return sorted(matches)


def alignments(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the score of the best local alignment of each pair, float[P] (Smith and Waterman, 1981).

    An equal note counts 1, two different notes cost .7 and an extra note costs .5.

    Args:
        ones: P rows of pitches.
        others: P rows of pitches, in the same key.
    """
    if not ones:
        return np.zeros(0)
    left, right = _table(ones, -1), _table(others, -2)
    previous = np.zeros((len(right) + 1, len(ones)), np.int32)
    best = previous[0].copy()
    for pitches in left:
        current = np.zeros_like(previous)
        paired = previous[:-1] + np.where(right == pitches, _EQUAL, _DIFFERENT)
        without_insertion = np.maximum(np.maximum(paired, previous[1:] + _EXTRA), 0)
        for j, scores in enumerate(without_insertion, 1):
            np.maximum(scores, current[j - 1] + _EXTRA, out=current[j])
        np.maximum(best, current.max(0), out=best)
        previous = current
    return best / _EQUAL


def _table(rows: Sequence[np.ndarray], padding: int) -> np.ndarray:
    """Returns rows as the columns of int32[N, P], padded at the end."""
    table = np.full((max(len(row) for row in rows), len(rows)), padding, np.int32)
    for column, row in enumerate(rows):
        table[: len(row), column] = row
    return table


def _run_pitches(melody: np.ndarray) -> dict[bytes, list[int]]:
    """Returns the pitches on which each short run of intervals begins."""
    steps = np.diff(melody[:, 0]).astype(np.int16)
    out: dict[bytes, list[int]] = {}
    for i in range(len(melody) - _RUN + 1):
        out.setdefault(steps[i : i + _RUN - 1].tobytes(), []).append(int(melody[i, 0]))
    return out
