"""Which melodies are settings of one tune, by how much of one lines up with the other.

Equal runs of notes do not tell: settings differ by passing notes, so two of one tune may share none, while scales and
cadences are common to many tunes. Melodies are int32[N, 2], see `melodies`; lengths are not looked at.
"""

import collections
from collections.abc import Sequence

import numpy as np

from musejax.corpora import melody_groups

# Notes of equal openings that make two melodies one tune; a part of a tune must line up with as many.
_OPENING = 10
# Of an alignment: an equal note, two different notes, a note that only one melody has.
_EQUAL, _DIFFERENT, _EXTRA = 10, -7, -5
# The share of both melodies, and of the shorter alone (one may be a part of the other), that must line up. Where titles
# decide, a chorale's best share with jsb16's sopranos was .63 and more for one tune (or .97 of the shorter), .52 and
# less for two (.74 of the shorter). Between two chorales some of .60 to .63 are two tunes, and a few settings of one
# fall below, such as those whose repeat is written out in one alone.
_OF_BOTH, _OF_SHORTER = 0.6, 0.9
# Pairs are aligned where this share of the shorter one's runs of this many notes stands in the other.
_RUN, _RUNS_SHARED = 5, 0.25


def same(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """The pairs that are one tune, in any key: those of equal openings, and those that line up.

    Args:
        ones: Melodies.
        others: Melodies to compare them with; each pair is looked at once where these are the same list.

    Returns:
        Places in `ones` and `others`, in order.
    """
    own, theirs = ([_places(melody) for melody in side] for side in (ones, others))
    first, second = ([melody_groups.opening(melody, _OPENING) for melody in side] for side in (ones, others))
    found: set[tuple[int, int]] = set()
    doubtful, left, right = [], [], []
    for i, places in enumerate(own):
        for j in range(i + 1 if ones is others else 0, len(others)):
            shared = places.keys() & theirs[j].keys()
            if first[i] is not None and first[i] == second[j]:
                found.add((i, j))
            elif shared and len(shared) >= _RUNS_SHARED * min(len(places), len(theirs[j])):
                votes = collections.Counter(b - a for run in shared for a in places[run] for b in theirs[j][run])
                for shift in (s for s, count in votes.items() if count == max(votes.values())):
                    doubtful.append((i, j))
                    left.append(ones[i][:, 0] + shift)
                    right.append(others[j][:, 0])
    for (i, j), score in zip(doubtful, alignments(left, right), strict=True):
        sizes = len(ones[i]), len(others[j])
        if 2 * score >= _OF_BOTH * sum(sizes) or score >= max(_OF_SHORTER * min(sizes), _OPENING):
            found.add((i, j))
    return sorted(found)


def alignments(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """How many notes of each pair line up, less a part for what lies between: float[P], at most the shorter's length.

    The best local alignment (Smith and Waterman, 1981), in which different notes cost .7 and an extra one .5.

    Args:
        ones: P rows of pitches.
        others: P rows of pitches, in the same key.
    """
    if not ones:
        return np.zeros(0)
    left, right = _table(ones, -1), _table(others, -2)
    before = np.zeros((len(right) + 1, len(ones)), np.int32)
    best = before[0].copy()
    for pitches in left:
        now = np.zeros_like(before)
        paired = before[:-1] + np.where(right == pitches, _EQUAL, _DIFFERENT)
        reached = np.maximum(np.maximum(paired, before[1:] + _EXTRA), 0)
        for j, scores in enumerate(reached, 1):
            np.maximum(scores, now[j - 1] + _EXTRA, out=now[j])
        np.maximum(best, now.max(0), out=best)
        before = now
    return best / _EQUAL


def _table(rows: Sequence[np.ndarray], filling: int) -> np.ndarray:
    """Rows side by side as columns, filled up at the end: int32[N, P]."""
    table = np.full((max(len(row) for row in rows), len(rows)), filling, np.int32)
    for column, row in enumerate(rows):
        table[: len(row), column] = row
    return table


def _places(melody: np.ndarray) -> dict[bytes, list[int]]:
    """Each short run of intervals, with the pitches on which it begins."""
    steps = np.diff(melody[:, 0]).astype(np.int16)
    found: dict[bytes, list[int]] = {}
    for i in range(len(melody) - _RUN + 1):
        found.setdefault(steps[i : i + _RUN - 1].tobytes(), []).append(int(melody[i, 0]))
    return found
