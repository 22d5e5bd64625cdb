"""What makes two pieces one melody: shared runs of intervals and note lengths, whatever the key.

All functions take a melody as int32[N, 2]: pitch and length in 16ths of each note, rests left out, repeats of a pitch
without a rest between them taken together (a note held and a note struck twice are the same tune; jsb16 cannot tell
them apart either).
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


def of_sequence(sequence: "NoteSequence", select: Callable[..., bool] = lambda note: not note.is_drum) -> np.ndarray:
    """The melody of a NoteSequence: at each onset its highest selected note, cut where the next begins: int32[N, 2].

    Args:
        sequence: Times in seconds; one tempo is assumed when lengths are counted, the first.
        select: Which notes may carry the melody; drums may not by default.
    """
    # `music.grid` would follow the tempo map and round halves upwards. That changes melodies, and with them the groups
    # that decide which split a piece is in.
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
    return _together(frames)


def of_frames(pitches: Iterable[int]) -> np.ndarray:
    """The melody of one voice on the 16th grid, a pitch a frame and -1 for silence: int32[N, 2]."""
    return _together([(t, t + 1, int(p)) for t, p in enumerate(pitches) if p >= 0])


def _together(notes: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Start, end and pitch of notes in order -> a melody; notes of one pitch that touch become one."""
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
    """Every run of so many notes, as intervals with the lengths of all its notes but the last.

    The last length is left out because the end of a phrase is the part that settings stretch.
    """
    steps = np.stack([np.diff(melody[:, 0]), melody[:-1, 1]], 1).astype(np.int16)
    return {steps[i : i + notes - 1].tobytes() for i in range(len(steps) - notes + 2)}


def contours(melody: np.ndarray, notes: int) -> set[bytes]:
    """Every run of so many notes, as intervals alone."""
    steps = np.diff(melody[:, 0]).astype(np.int8)
    return {b"contour" + steps[i : i + notes - 1].tobytes() for i in range(len(steps) - notes + 2)}


def opening(melody: np.ndarray, notes: int) -> bytes | None:
    """The intervals of the first so many notes, whatever their lengths; None where there are fewer."""
    if len(melody) < notes:
        return None
    return b"opening" + np.diff(melody[:notes, 0]).astype(np.int16).tobytes()


def fingerprint(melody: np.ndarray) -> str:
    """A hash of the whole melody, the same in every key: 16 hexadecimal digits."""
    steps = np.stack([np.diff(melody[:, 0]), melody[:-1, 1]], 1).astype("<i4")
    last = melody[-1:, 1].astype("<i4")
    return hashlib.sha256(steps.tobytes() + last.tobytes()).hexdigest()[:16]


def group(marks: Sequence[Iterable[Hashable]], names: Sequence[str]) -> list[str]:
    """Joins pieces that share a mark, and pieces joined to those, into groups.

    Args:
        marks: The marks of each piece.
        names: A text of each piece's content, such as its `fingerprint`.

    Returns:
        For each piece the smallest name in its group, whatever the order of the pieces.
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
