"""Seconds to quarters and back to a grid: what the codecs share about time.

note-seq quantises against one tempo and raises on a tempo change; here seconds go through the whole tempo map first,
so that a change of tempo does not move a note on the grid.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

DEFAULT_QPM = 120.0


class _TempoMap(NamedTuple):
    """Stretches of one tempo: where each begins in seconds and in quarters, and its quarters a second; float64[M]."""

    times: np.ndarray
    starts: np.ndarray
    rates: np.ndarray


def _tempo_map(sequence: "NoteSequence") -> _TempoMap:
    # Of several tempos at one time the last written holds, as it does in a MIDI file.
    tempos = {max(t.time, 0.0): t.qpm for t in sequence.tempos if t.qpm > 0}
    tempos.setdefault(0.0, DEFAULT_QPM)
    times = np.array(sorted(tempos))
    rates = np.array([tempos[t] for t in times]) / 60.0
    return _TempoMap(times, np.concatenate([[0.0], np.cumsum(np.diff(times) * rates[:-1])]), rates)


def _stretch(begins: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.maximum(np.searchsorted(begins, places, side="right") - 1, 0)


def to_quarters(sequence: "NoteSequence", seconds: np.ndarray) -> np.ndarray:
    """Times in seconds as quarter notes from the start, through every tempo of the sequence.

    Args:
        sequence: Its tempos are read, in any order; 120 quarters a minute hold before the first.
        seconds: float[N].

    Returns:
        float64[N].
    """
    tempos, seconds = _tempo_map(sequence), np.asarray(seconds, np.float64)
    at = _stretch(tempos.times, seconds)
    return tempos.starts[at] + (seconds - tempos.times[at]) * tempos.rates[at]


def to_seconds(sequence: "NoteSequence", quarters: np.ndarray) -> np.ndarray:
    """Quarter notes from the start as seconds: undoes `to_quarters`, arguments and result are its own."""
    tempos, quarters = _tempo_map(sequence), np.asarray(quarters, np.float64)
    at = _stretch(tempos.starts, quarters)
    return tempos.times[at] + (quarters - tempos.starts[at]) / tempos.rates[at]


def nearest(positions: np.ndarray) -> np.ndarray:
    """The nearest whole frames, halves upwards: int64[N]."""
    return np.floor(np.asarray(positions, np.float64) + 0.5).astype(np.int64)


def total_frames(sequence: "NoteSequence", frames_per_quarter: int) -> int:
    """Frames up to the sequence's total time; a tenth of a frame does not make another."""
    end = to_quarters(sequence, np.array([sequence.total_time]))[0] * frames_per_quarter
    return int(np.ceil(end - 0.1))


def nearest_end(sequence: "NoteSequence", frames_per_quarter: int) -> int:
    """The frame nearest to the sequence's total time: a note that is let go late does not make another."""
    return int(nearest(to_quarters(sequence, np.array([sequence.total_time])) * frames_per_quarter)[0])


def grid_notes(sequence: "NoteSequence", frames_per_quarter: int) -> np.ndarray:
    """The sounding notes of a sequence on the grid: int64[N, 3] of first frame, end frame (excluded), pitch.

    Drums and notes without length or velocity are left out; every other note lasts at least one frame.

    Raises:
        errors.DiscardError: There is no note, or one starts before time 0.
    """
    notes = [n for n in sequence.notes if n.velocity and not n.is_drum and n.end_time > n.start_time]
    if not notes:
        raise errors.DiscardError("empty")
    seconds = np.array([(n.start_time, n.end_time) for n in notes])
    if seconds.min() < 0:
        raise errors.DiscardError("a note before time 0")
    span = nearest(to_quarters(sequence, seconds.ravel()) * frames_per_quarter).reshape(-1, 2)
    span[:, 1] = np.maximum(span[:, 1], span[:, 0] + 1)
    return np.column_stack([span, [n.pitch for n in notes]])


def runs(values: np.ndarray) -> list[tuple[int, int]]:
    """First and end index of each stretch of equal neighbours in a vector."""
    if not len(values):
        return []
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return list(zip(bounds, bounds[1:]))


def opening_tempo(sequence: "NoteSequence") -> float:
    """Returns the tempo at the start of a sequence, in quarter notes a minute."""
    tempos = sorted(sequence.tempos, key=lambda tempo: tempo.time)
    return tempos[0].qpm if tempos else DEFAULT_QPM
