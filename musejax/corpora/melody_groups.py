"""Groups of pieces with the same melody: those that share runs of intervals and note lengths, in any key.

A melody is int32[N, 2]: pitch and length in 16ths of each note, without rests. Adjacent notes of one pitch are merged,
because a held note and a repeated note belong to the same tune, and jsb16 does not distinguish them.
"""

import hashlib
import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musejax.music import timing
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def from_sequence(sequence: "NoteSequence", select: Callable[..., bool] = lambda note: not note.is_drum) -> np.ndarray:
    """Returns the melody of a NoteSequence, int32[N, 2]: the highest selected note at each onset, up to the next onset.

    Args:
        sequence: The music. Lengths are computed at the first tempo.
        select: Returns whether a note can belong to the melody; by default all notes except drums.
    """
    # `music.grid` would follow the tempo map and round halves upwards. That would change melodies, their groups, and
    # thereby the splits of published runs.
    sixteenth = 60.0 / QUARTER / (sequence.tempos[0].qpm if sequence.tempos else timing.DEFAULT_QPM)
    top: dict[int, tuple[int, int]] = {}
    for note in sequence.notes:
        if select(note):
            start, end = round(note.start_time / sixteenth), round(note.end_time / sixteenth)
            top[start] = max(top.get(start, (-1, 0)), (note.pitch, end))
    onsets = sorted(top)
    frames = []
    for onset, following in itertools.zip_longest(onsets, onsets[1:]):
        pitch, end = top[onset]
        end = max(onset + 1, end if following is None else min(end, following))
        frames.append((onset, end, pitch))
    return _merge(frames)


def from_frames(pitches: Iterable[int]) -> np.ndarray:
    """Returns the melody of one voice on the 16th grid, int32[N, 2], from a pitch per frame, -1 for silence."""
    return _merge([(t, t + 1, int(p)) for t, p in enumerate(pitches) if p >= 0])


def _merge(notes: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Converts notes (start, end, pitch) in temporal order to a melody; adjacent notes of one pitch are merged."""
    out: list[list[int]] = []
    before = None
    for start, end, pitch in notes:
        if out and pitch == out[-1][0] and start == before:
            out[-1][1] += end - start
        else:
            out.append([pitch, end - start])
        before = end
    return np.array(out, np.int32).reshape(-1, 2)


def runs(melody: np.ndarray, notes: int) -> set[bytes]:
    """Returns every run of the given number of notes, as intervals and the lengths of all its notes except the last.

    The last length is left out because settings of a tune tend to stretch the end of a phrase.
    """
    steps = np.stack([np.diff(melody[:, 0]), melody[:-1, 1]], 1).astype(np.int16)
    return {steps[i : i + notes - 1].tobytes() for i in range(len(steps) - notes + 2)}


def contours(melody: np.ndarray, notes: int) -> set[bytes]:
    """Returns every run of the given number of notes, as intervals without lengths."""
    steps = np.diff(melody[:, 0]).astype(np.int8)
    return {b"contour" + steps[i : i + notes - 1].tobytes() for i in range(len(steps) - notes + 2)}


def opening(melody: np.ndarray, notes: int) -> bytes | None:
    """Returns the intervals of the first notes, without lengths, or None if there are fewer notes."""
    if len(melody) < notes:
        return None
    return b"opening" + np.diff(melody[:notes, 0]).astype(np.int16).tobytes()


def fingerprint(melody: np.ndarray) -> str:
    """Returns a hash of the whole melody that is the same in every key: 16 hexadecimal digits."""
    steps = np.stack([np.diff(melody[:, 0]), melody[:-1, 1]], 1).astype("<i4")
    last = melody[-1:, 1].astype("<i4")
    return hashlib.sha256(steps.tobytes() + last.tobytes()).hexdigest()[:16]


def group(marks: Sequence[Iterable[Hashable]], names: Sequence[str]) -> list[str]:
    """Groups pieces that are connected by shared marks, directly or through other pieces.

    Args:
        marks: The marks of each piece.
        names: A name derived from the content of each piece, such as its `fingerprint`.

    Returns:
        For each piece, the smallest name in its group. It does not depend on the order of the pieces.
    """
    parent = list(range(len(names)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, own in enumerate(marks):
        for mark in own:
            parent[root(i)] = root(first.setdefault(mark, i))
    smallest: dict[int, str] = {}
    for i, name in enumerate(names):
        smallest[root(i)] = min(smallest.get(root(i), name), name)
    return [smallest[root(i)] for i in range(len(names))]
