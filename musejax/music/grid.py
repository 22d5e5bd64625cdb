"""Quantisation of notes: the only module that converts seconds to whole frames.

Seconds are converted through the tempo map, so that a change of tempo does not move a note on the grid, and then
rounded to the nearest frame, halves upwards. Representations differ in their parameters: the frames per quarter, the
shortest note, how many notes may lie off the grid, and whether the grid restarts at each time signature (`Grid`).
`quantise` is note-seq's own quantisation, for melodies that note-seq extracts; it rounds in the same way.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import noteseq, timing
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# In frames: rounding of seconds must not move a hit half-way between two frames to the earlier one.
HALF_WAY = 1e-6
# In quarters: rounding must not move a note to the other side of a bar line.
_ROUNDING = 1e-9


def nearest(positions: np.ndarray | float, slack: float = 0.0) -> np.ndarray:
    """Returns the nearest whole frames, halves upwards: int64 of the same shape.

    Args:
        positions: Positions in frames, of any shape.
        slack: Distance below a half, in frames, that still rounds upwards.
    """
    return np.floor(np.asarray(positions, np.float64) + slack + 0.5).astype(np.int64)


def spans(positions: np.ndarray, shortest: int = 1) -> np.ndarray:
    """Returns the first and the end frame of notes: int64[N, 2].

    Args:
        positions: Starts and ends in frames, [N, 2].
        shortest: Minimum length of a note in frames; with 0, a short note may have no length.
    """
    out = nearest(positions)
    out[:, 1] = np.maximum(out[:, 1], out[:, 0] + shortest)
    return out


def frames(
    sequence: "NoteSequence", seconds: Sequence[float] | np.ndarray, frames_per_quarter: int = QUARTER
) -> np.ndarray:
    """Returns the frames nearest to times in seconds: int64 of the same shape."""
    return nearest(timing.to_quarters(sequence, np.asarray(seconds, np.float64)) * frames_per_quarter)


def note_seconds(notes: Iterable["NoteSequence.Note"]) -> np.ndarray:
    """Returns start and end of each note in seconds: float64[N, 2]."""
    return np.array([(n.start_time, n.end_time) for n in notes], np.float64).reshape(-1, 2)


def note_positions(
    sequence: "NoteSequence", notes: Iterable["NoteSequence.Note"], frames_per_quarter: int = QUARTER
) -> np.ndarray:
    """Returns start and end of each note in frames, not rounded: float64[N, 2]."""
    return timing.to_quarters(sequence, note_seconds(notes)) * frames_per_quarter


def check_start(seconds: np.ndarray) -> None:
    """Checks that no time lies before 0.

    Raises:
        errors.DiscardError: A time lies before 0.
    """
    if len(seconds) and seconds.min() < 0:
        raise errors.DiscardError("a note before time 0")


def is_off(positions: np.ndarray, tolerance: float, share: float) -> bool:
    """Returns whether more than a share of notes lies off the grid.

    Args:
        positions: Positions in frames, [N] or [N, 2]; a note lies on the grid if all its positions do.
        tolerance: Largest distance from a frame, in frames, of a position on the grid.
        share: The share of notes that may lie off the grid.
    """
    off = np.abs(positions - nearest(positions)) > tolerance
    return bool(off.reshape(len(positions), -1).any(axis=1).mean() > share)


def read_notes(sequence: "NoteSequence", frames_per_quarter: int = QUARTER) -> np.ndarray:
    """Returns the sounding notes of a sequence on the grid: int64[N, 3] of first frame, end frame (excluded), pitch.

    Drums and notes without length or velocity are left out; every other note lasts at least one frame.

    Raises:
        errors.DiscardError: There is no note, or one starts before time 0.
    """
    notes = [n for n in sequence.notes if n.velocity and not n.is_drum and n.end_time > n.start_time]
    if not notes:
        raise errors.DiscardError("empty")
    check_start(note_seconds(notes))
    return np.column_stack([spans(note_positions(sequence, notes, frames_per_quarter)), [n.pitch for n in notes]])


def total_frames(sequence: "NoteSequence", frames_per_quarter: int = QUARTER) -> int:
    """Returns the number of frames up to the sequence's total time; a tenth of a frame does not count."""
    return _whole(timing.to_quarters(sequence, np.array(sequence.total_time)) * frames_per_quarter)


def _whole(position: np.ndarray | float) -> int:
    return int(np.ceil(position - 0.1))


def nearest_end(sequence: "NoteSequence", frames_per_quarter: int = QUARTER) -> int:
    """Returns the frame nearest to the sequence's total time; a note that ends late does not add a frame."""
    return int(frames(sequence, np.array(sequence.total_time), frames_per_quarter))


def runs(values: np.ndarray) -> list[tuple[int, int]]:
    """Returns first and end index of each run of equal values in a vector."""
    if not len(values):
        return []
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return list(zip(bounds, bounds[1:]))


class Grid(NamedTuple):
    """A grid that restarts at each time signature.

    In files made from audio, bar lines may lie anywhere. If the time signatures lie on 16ths of the tempo map, this is
    the plain grid.

    Attributes:
        sequence: The sequence, for its tempos.
        places: Positions of the time signatures in the tempo map, in quarters; float64[M], at least one.
        lines: Positions of the time signatures on the grid, in quarters, on whole 16ths; float64[M].
    """

    sequence: "NoteSequence"
    places: np.ndarray
    lines: np.ndarray

    def quarters(self, seconds: np.ndarray) -> np.ndarray:
        """Returns seconds of the sequence as quarters on the grid: float64 of the same shape."""
        places = timing.to_quarters(self.sequence, seconds)
        section = self._section(places)
        return self.lines[section] + places - self.places[section]

    def seconds(self, quarters: np.ndarray) -> np.ndarray:
        """Returns quarters on the grid as seconds of the sequence: float64 of the same shape."""
        quarters = np.asarray(quarters, np.float64)
        section = np.maximum(np.searchsorted(self.lines, quarters + _ROUNDING, side="right") - 1, 0)
        return timing.to_seconds(self.sequence, self.places[section] + quarters - self.lines[section])

    def split(self, seconds: np.ndarray, frames_per_quarter: int = QUARTER) -> tuple[np.ndarray, np.ndarray]:
        """Returns the preceding time signature of each time, int64, and the distance from it, float64, in frames.

        The nearest frame of a time is the signature plus the rounded distance.
        """
        places = timing.to_quarters(self.sequence, seconds)
        section = self._section(places)
        lines = (self.lines * frames_per_quarter).astype(np.int64)
        return lines[section], (places - self.places[section]) * frames_per_quarter

    def total_frames(self, frames_per_quarter: int = QUARTER) -> int:
        """Returns the number of frames up to the sequence's total time."""
        end = timing.to_quarters(self.sequence, np.array(self.sequence.total_time))
        beyond = (end - self.places[-1]) * frames_per_quarter
        return _whole(beyond) + int(self.lines[-1] * frames_per_quarter)

    def _section(self, places: np.ndarray) -> np.ndarray:
        return np.maximum(np.searchsorted(self.places, places + _ROUNDING, side="right") - 1, 0)


def read(sequence: "NoteSequence") -> Grid:
    """Returns the grid of a sequence that restarts at each of its time signatures."""
    marks = sorted({s.time for s in sequence.time_signatures if s.numerator > 0 and s.denominator > 0})
    places = timing.to_quarters(sequence, np.array(marks))
    if not len(places):
        return Grid(sequence, np.zeros(1), np.zeros(1))
    return Grid(sequence, places, np.cumsum(nearest(np.diff(places, prepend=0.0) * QUARTER)) / QUARTER)


def quantise(sequence: "NoteSequence", frames_per_quarter: int = QUARTER) -> "NoteSequence":
    """Returns note-seq's relative quantisation of a sequence with one tempo and time signature.

    Raises:
        errors.DiscardError: note-seq rejects the sequence, or a bar is not a whole number of 16ths.
    """
    sequences_lib = noteseq.load().sequences_lib
    try:
        quantised = sequences_lib.quantize_note_sequence(sequence, frames_per_quarter)
    except sequences_lib.BadTimeSignatureError as error:
        raise errors.DiscardError("an invalid time signature") from error
    except sequences_lib.NegativeTimeError as error:
        raise errors.DiscardError("a note before time 0") from error
    if sequences_lib.steps_per_bar_in_quantized_sequence(quantised) % 1:
        raise errors.DiscardError("a bar is not a whole number of 16ths")
    return quantised


def in_one_tempo(sequence: "NoteSequence") -> "NoteSequence":
    """Returns the notes of a sequence at a single tempo, under the time signature that lasts longest.

    `quantise` accepts the result, whatever changes of tempo and time signature the sequence has.
    """
    out = noteseq.load().NoteSequence()
    qpm = timing.DEFAULT_QPM
    out.tempos.add(qpm=qpm)
    marks = sorted(sequence.time_signatures, key=lambda s: s.time)
    if marks:
        ends = [*[s.time for s in marks[1:]], max(sequence.total_time, marks[-1].time)]
        lengths: dict[tuple[int, int], float] = {}
        for mark, end in zip(marks, ends):
            key = (mark.numerator, mark.denominator)
            lengths[key] = lengths.get(key, 0.0) + end - mark.time
        numerator, denominator = max(lengths, key=lambda key: lengths[key])
        out.time_signatures.add(numerator=numerator, denominator=denominator)
    moved = timing.to_quarters(sequence, note_seconds(sequence.notes)) * 60.0 / qpm
    for note, (start, end) in zip(sequence.notes, moved.tolist()):
        new = out.notes.add()
        new.CopyFrom(note)
        new.start_time, new.end_time = start, end
        out.total_time = max(out.total_time, end)
    return out
