"""The copy check: finds the longest sequence of notes of a piece that also occurs in the training data. NumPy only.

A piece is a set of lines, and a line consists of pitches in the order of their onsets. A sequence of n notes is copied
if its n - 1 intervals are those of n successive notes of a training line, so transposed copies count. Rhythm and rests
are ignored. The check is therefore stricter than one that also compares rhythm: copies found by such a check are found
here with at least the same length.

The search is exact. The positions of all lines are sorted by the intervals that follow them (a suffix array by prefix
doubling; Manber & Myers, "Suffix arrays", SIAM J. Comput. 22(5), 1993). The longest match of a position is then with
one of the nearest training positions before and after it in that order.
"""

from collections.abc import Sequence

import numpy as np

from musejax.evaluation import note_rolls as roll_batches

Lines = Sequence[Sequence[np.ndarray]]

# Intervals are -127..127. Each line ends with a unique larger number, which matches nothing.
_OFFSET = 127
_SEPARATORS = 255


def lines_of_notes(notes: Sequence[roll_batches.Note], drums: Sequence[bool]) -> list[np.ndarray]:
    """Returns the line of each pitched track of a piece: the highest pitch of each onset frame.

    Args:
        notes: Notes of the piece, in any order.
        drums: Whether each track is a drum track.

    Returns:
        An array int64[notes] for each pitched track; the line of a silent track is empty.
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
    """Concatenates the intervals of all lines; returns them and the index of the piece of each.

    Each line is followed by a unique number, counted from `line_count`.
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
    """Returns, for j = 0, 1, ..., the rank of each position by the next 2**j symbols.

    Ranks are equal only if these symbols are equal. Each array is int32[len(text) + 1] and includes the end of the
    text. The last array distinguishes all positions that differ within `longest` symbols.
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
    """Returns the length of the common prefix at pairs of positions `left` and `right`, which differ somewhere."""
    length = np.zeros(len(left), np.int64)
    for level in range(len(ranks) - 1, -1, -1):
        # A common prefix ends before its line does, so both indices stay inside the text.
        length += (ranks[level][left + length] == ranks[level][right + length]) * 2**level
    return length


def longest_runs(pieces: Lines, training: Lines, exclude_same_index: bool = False) -> np.ndarray:
    """Returns the length of the longest sequence of notes of each piece that occurs in a training line in any key.

    Args:
        pieces: Lines of each of N pieces, such as from `lines_of_notes`.
        training: Lines of each training piece.
        exclude_same_index: Whether piece i is not compared with training piece i, for comparing a set with itself.

    Returns:
        Lengths in notes (one more than the number of intervals), int64[N]. They are 1 if no interval matches or there
        are no training lines, and 0 for a piece without notes.
    """
    queries, owners = _text(pieces, 0)
    targets, sources = _text(training, sum(len(piece) for piece in pieces))
    best = np.array([any(len(line) for line in piece) for piece in pieces], np.int64)
    if not len(queries) or not len(targets):
        return best
    ends = np.flatnonzero(queries >= _SEPARATORS)
    # No match is longer than the longest query line, because each ends with a unique number.
    ranks = _ranks(np.concatenate([queries, targets]), int(np.diff(ends, prepend=-1).max()))
    order = ranks[-1][:-1].argsort()
    is_target = order >= len(queries)
    candidates = order[is_target]
    positions = order[~is_target]
    # The candidates before and after each query in the order. With `exclude_same_index`, those of the same piece are
    # skipped; `first` and `last` are the ends of each sequence of candidates of one piece.
    before = is_target.cumsum()[~is_target] - 1
    after = before + 1
    if exclude_same_index:
        source = sources[candidates - len(queries)]
        index = np.arange(len(source))
        changes = source[1:] != source[:-1]
        first = np.maximum.accumulate(np.where(np.append(True, changes), index, 0))
        last = np.minimum.accumulate(np.where(np.append(changes, True), index, len(source))[::-1])[::-1]
        own = (before >= 0) & (source[before] == owners[positions])
        before = np.where(own, first[before] - 1, before)
        inside = np.minimum(after, len(source) - 1)
        own = (after < len(source)) & (source[inside] == owners[positions])
        after = np.where(own, last[inside] + 1, after)
    for neighbour in (before, after):
        exists = (neighbour >= 0) & (neighbour < len(candidates))
        length = _common(ranks, positions[exists], candidates[neighbour[exists]])
        # A match without intervals must not count as a note, as the line may have no notes.
        longest = np.zeros(len(best), np.int64)
        np.maximum.at(longest, owners[positions[exists]], length)
        best = np.maximum(best, np.where(longest > 0, longest + 1, 0))
    return best


def distinct_ngrams(pieces: Lines, n: int = 4) -> float:
    """Returns the number of different sequences of n notes as a share of all sequences of n notes in a set of pieces.

    Sequences are compared by their n - 1 intervals, so transposed repetitions are equal, and they do not cross lines.
    The share falls with the size of the set, so compare only sets of similar size. After distinct-n of Li et al., "A
    diversity-promoting objective function for neural conversation models", NAACL 2016.

    Args:
        pieces: Lines of each piece.
        n: Number of notes in a sequence.

    Returns:
        The share, in 0..1; NaN if no line has n notes.

    Raises:
        ValueError: n is less than 2.
    """
    if n < 2:
        raise ValueError(f"n is {n}; it must be at least 2")
    text = _text(pieces, 0)[0]
    if len(text) < n:
        return float("nan")
    windows = np.lib.stride_tricks.sliding_window_view(text, n - 1)
    windows = windows[(windows < _SEPARATORS).all(1)]
    return len(np.unique(windows, axis=0)) / len(windows) if len(windows) else float("nan")
