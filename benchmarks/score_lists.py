"""Note lists of scores, and comparisons of two lists note by note.

A list holds notes as part, pitch, onset and duration, in quarters. Two notes are equal if part and pitch are, and if
onset and duration differ by less than 1/24 of a quarter: programs round tuplets to divisions.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_TOUCHING = 1 / 24
Rows = Sequence[Sequence[float]]
# Onsets and durations in the order of time, by part and pitch.
Notes = Mapping[tuple[int, int], list[tuple[float, float]]]


class Kinds(NamedTuple):
    """The notes of a list that another list does not have, by kind.

    Attributes:
        length: The other list has a note of that part and pitch at that onset, of another length.
        inside: A note of that part and pitch sounds there in the other list, but begins earlier.
        elsewhere: No such note sounds there in the other list.
    """

    length: int
    inside: int
    elsewhere: int


def grouped(rows: Rows, parts: Sequence[int]) -> Notes:
    """Returns a list by part and pitch; unisons of one part count once.

    Args:
        rows: The notes.
        parts: The number under which each part counts.
    """
    out: dict[tuple[int, int], list[tuple[float, float]]] = collections.defaultdict(list)
    numbered = sorted((parts[int(part)], int(pitch), onset, length) for part, pitch, onset, length in rows)
    for part, pitch, onset, length in numbered:
        notes = out[part, pitch]
        if not notes or not _same(notes[-1], (onset, length)):
            notes.append((onset, length))
    return dict(out)


def size(notes: Notes) -> int:
    """Returns how many notes a list has."""
    return sum(map(len, notes.values()))


def common(a: Notes, b: Notes) -> Notes:
    """Returns the notes of a list that have an equal of their own in another list."""
    return {key: _split(a[key], b[key])[0] for key in a.keys() & b.keys()}


def missing(a: Notes, b: Notes) -> Notes:
    """Returns the notes of a list that have no equal of their own in another list."""
    return {key: lacking for key in a if (lacking := _split(a[key], b.get(key, []))[1])}


def kinds(a: Notes, b: Notes) -> Kinds:
    """Returns of what kinds the notes are that the first of two lists has and the second has not."""
    counts = [0, 0, 0]
    for key, lacking in missing(a, b).items():
        others = b.get(key, [])
        for onset, _ in lacking:
            if any(abs(start - onset) < _TOUCHING for start, _ in others):
                counts[0] += 1
            elif any(start < onset < start + length - _TOUCHING for start, length in others):
                counts[1] += 1
            else:
                counts[2] += 1
    return Kinds(*counts)


def _split(
    a: list[tuple[float, float]], b: list[tuple[float, float]]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Returns the notes of one part and pitch that have an equal in another list, and those that have none."""
    with_equal: list[tuple[float, float]] = []
    without: list[tuple[float, float]] = []
    b = list(b)
    at = 0
    for note in a:
        while at < len(b) and b[at][0] < note[0] - _TOUCHING:
            at += 1
        near = range(at, next((i for i in range(at, len(b)) if b[i][0] > note[0] + _TOUCHING), len(b)))
        match = next((i for i in near if _same(note, b[i])), None)
        if match is None:
            without.append(note)
        else:
            with_equal.append(note)
            del b[match]
    return with_equal, without


def _same(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return abs(a[0] - b[0]) < _TOUCHING and abs(a[1] - b[1]) < _TOUCHING
