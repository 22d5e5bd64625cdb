"""The copy check: how long a stretch of a piece is also found in the training data. NumPy only.

A piece is a set of lines, a line the pitches of its notes in the order of their onsets. A run of n notes is copied if
its n - 1 pitch intervals are those of n successive notes of a training line: so a transposed copy counts as a copy.
Rhythm and rests are not looked at. That makes the check stricter than one which also asks for the same rhythm: every
run that such a check would find is found here, at least as long.

The search is exact. Positions of all lines are ordered by the intervals that follow them (a suffix array by prefix
doubling; Manber & Myers, "Suffix arrays", SIAM J. Comput. 22(5), 1993); the longest match of a position is then with
the training position right before or right behind it in that order.
"""

from collections.abc import Sequence

import numpy as np

from musejax.evaluation import note_rolls as roll_batches

Lines = Sequence[Sequence[np.ndarray]]

# Intervals are -127..127; above them every line has a number of its own at its end, which nothing else equals.
_OFFSET = 127
_SEPARATORS = 255


def lines_of_notes(notes: Sequence[roll_batches.Note], drums: Sequence[bool]) -> list[np.ndarray]:
    """For each pitched track of a piece the highest pitch that begins in each frame in which one does.

    Args:
        notes: The piece's notes, in any order.
        drums: For each track whether it is one of drums.

    Returns:
        As many int64[notes] as there are pitched tracks; a silent track is an empty line.
    """
    highest: list[dict[int, int]] = [{} for _ in drums]
    for note in notes:
        track = highest[note.track]
        track[note.start] = max(note.pitch, track.get(note.start, -1))
    return [
        np.array([track[frame] for frame in sorted(track)], np.int64)
        for track, is_drum in zip(highest, drums, strict=True)
        if not is_drum
    ]


def _text(pieces: Lines, line_count: int) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of all lines one after the other, and for each the index of its piece.

    Each line is followed by a number of its own, counted from `line_count` on.
    """
    texts, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for owner, piece in enumerate(pieces):
        for line in piece:
            intervals = np.diff(np.asarray(line, np.int64))
            texts.append(np.append(intervals + _OFFSET, _SEPARATORS + line_count))
            owners.append(np.full(len(intervals) + 1, owner))
            line_count += 1
    return np.concatenate(texts), np.concatenate(owners)


def _ranks(text: np.ndarray, longest: int) -> list[np.ndarray]:
    """For j = 0, 1, ... the rank of each position by the 2**j symbols from it on; equal only if all of these are.

    Each is int32[len(text) + 1]; the last is the end of the text. The last of the list tells apart any two positions
    that differ within `longest` symbols.
    """
    ranks, width = [np.append(np.unique(text, return_inverse=True)[1] + 1, 0).astype(np.int32)], 1
    while width < longest:
        behind = np.zeros(len(text) + 1, np.int64)
        behind[:-width] = ranks[-1][width:]
        key = ranks[-1].astype(np.int64) * (len(text) + 2) + behind
        order = key.argsort()
        steps = np.diff(key[order], prepend=key[order[0]]) != 0
        rank = np.empty(len(key), np.int32)
        rank[order] = steps.cumsum()
        ranks.append(rank)
        width *= 2
    return ranks


def _common(ranks: list[np.ndarray], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How many symbols from `left` and from `right` on are equal, for pairs of positions that differ somewhere."""
    length = np.zeros(len(left), np.int64)
    for level in range(len(ranks) - 1, -1, -1):
        # An equal stretch ends before its line does, so neither index leaves the text.
        length += (ranks[level][left + length] == ranks[level][right + length]) * 2**level
    return length


def longest_runs(pieces: Lines, training: Lines, exclude_same_index: bool = False) -> np.ndarray:
    """For each piece the length of its longest run of notes that also occurs in a training line, transposed or not.

    Args:
        pieces: Lines of each of N pieces, as by `lines`.
        training: Lines of each training piece.
        exclude_same_index: Whether training piece i is left out for piece i: for a set against itself.

    Returns:
        int64[N], in notes: one more than the intervals of the run. 1 where no interval is found or training is empty; 0
        for a piece without notes.
    """
    queries, owners = _text(pieces, 0)
    known, sources = _text(training, sum(len(piece) for piece in pieces))
    best = np.array([any(len(line) for line in piece) for piece in pieces], np.int64)
    if not len(queries) or not len(known):
        return best
    ends = np.flatnonzero(queries >= _SEPARATORS)
    # A query line ends in a number of its own, so no match with it is longer than the longest of these.
    ranks = _ranks(np.concatenate([queries, known]), int(np.diff(ends, prepend=-1).max()))
    order = ranks[-1][:-1].argsort()
    is_known = order >= len(queries)
    candidates = order[is_known]
    asked = order[~is_known]
    # Candidates before each query in the order; among candidates of one piece in a row, the ends of that row.
    before = is_known.cumsum()[~is_known] - 1
    after = before + 1
    if exclude_same_index:
        source = sources[candidates - len(queries)]
        index = np.arange(len(source))
        changes = source[1:] != source[:-1]
        first = np.maximum.accumulate(np.where(np.append(True, changes), index, 0))
        last = np.minimum.accumulate(np.where(np.append(changes, True), index, len(source))[::-1])[::-1]
        own = (before >= 0) & (source[before] == owners[asked])
        before = np.where(own, first[before] - 1, before)
        inside = np.minimum(after, len(source) - 1)
        own = (after < len(source)) & (source[inside] == owners[asked])
        after = np.where(own, last[inside] + 1, after)
    for neighbour in (before, after):
        exists = (neighbour >= 0) & (neighbour < len(candidates))
        length = _common(ranks, asked[exists], candidates[neighbour[exists]])
        # A line without notes has no interval either; its length of 0 must not count as a note.
        longest = np.zeros(len(best), np.int64)
        np.maximum.at(longest, owners[asked[exists]], length)
        best = np.maximum(best, np.where(longest > 0, longest + 1, 0))
    return best


def distinct_ngrams(pieces: Lines, n: int = 4) -> float:
    """The share of different runs of n notes among all runs of n notes of a set of pieces.

    A run is n - 1 intervals, as in `longest_runs`: a transposed repetition is a repetition. Runs do not cross lines.
    The share falls with the size of the set, so only sets of about equal size compare. After distinct-n of Li et al.,
    "A diversity-promoting objective function for neural conversation models", NAACL 2016.

    Args:
        pieces: Lines of each piece.
        n: Notes in a run.

    Returns:
        0..1; NaN if no line has n notes.

    Raises:
        ValueError: n is less than 2.
    """
    if n < 2:
        raise ValueError(f"a run has at least 2 notes, not {n}")
    text = _text(pieces, 0)[0]
    if len(text) < n:
        return float("nan")
    windows = np.lib.stride_tricks.sliding_window_view(text, n - 1)
    windows = windows[(windows < _SEPARATORS).all(1)]
    return len(np.unique(windows, axis=0)) / len(windows) if len(windows) else float("nan")
