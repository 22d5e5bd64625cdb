"""The tempo map of a sequence, which converts between seconds and quarter notes."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

DEFAULT_QPM = 120.0
# Fields with events that have a time, other than tempos and notes.
_MARKS = ("time_signatures", "key_signatures", "text_annotations", "control_changes", "pitch_bends")


class TempoMap(NamedTuple):
    """Segments of constant tempo.

    Attributes:
        times: Start of each segment in seconds, the first at 0; float64[M].
        starts: Start of each segment in quarters; float64[M].
        qpm: Quarters per minute of each segment; float64[M].
    """

    times: np.ndarray
    starts: np.ndarray
    qpm: np.ndarray

    def quarters(self, seconds: np.ndarray | float) -> np.ndarray:
        """Converts times in seconds to quarter notes from the start: float64 of the same shape."""
        seconds = np.asarray(seconds, np.float64)
        segment = np.maximum(np.searchsorted(self.times, seconds, side="right") - 1, 0)
        return self.starts[segment] + (seconds - self.times[segment]) * (self.qpm[segment] / 60.0)

    def seconds(self, quarters: np.ndarray | float) -> np.ndarray:
        """Converts quarter notes from the start to seconds; the inverse of `quarters`."""
        quarters = np.asarray(quarters, np.float64)
        segment = np.maximum(np.searchsorted(self.starts, quarters, side="right") - 1, 0)
        return self.times[segment] + (quarters - self.starts[segment]) / (self.qpm[segment] / 60.0)


def tempo_map(sequence: "NoteSequence") -> TempoMap:
    """Returns the tempo map of a sequence, with 120 quarters per minute before the first tempo."""
    # As in a MIDI file, the last of several tempos at one time holds.
    tempos = {max(t.time, 0.0): t.qpm for t in sequence.tempos if t.qpm > 0}
    tempos.setdefault(0.0, DEFAULT_QPM)
    times = np.array(sorted(tempos))
    qpm = np.array([tempos[t] for t in times.tolist()])
    lengths = np.diff(times) * (qpm[:-1] / 60.0)
    return TempoMap(times, np.concatenate([[0.0], np.cumsum(lengths)]), qpm)


def to_quarters(sequence: "NoteSequence", seconds: np.ndarray) -> np.ndarray:
    """Converts times in seconds to quarter notes, following every tempo of a sequence: float64 of the same shape."""
    return tempo_map(sequence).quarters(seconds)


def to_seconds(sequence: "NoteSequence", quarters: np.ndarray) -> np.ndarray:
    """Converts quarter notes from the start to seconds; the inverse of `to_quarters`."""
    return tempo_map(sequence).seconds(quarters)


def fill_in_tempo(sequence: "NoteSequence", qpm: float) -> None:
    """Adds a tempo to a sequence without one; times in quarters stay the same, and times in seconds change.

    Args:
        sequence: A sequence without tempos, whose times assume 120 quarters per minute.
        qpm: Quarters per minute.
    """
    factor = DEFAULT_QPM / qpm
    for field in _MARKS:
        for mark in getattr(sequence, field):
            mark.time *= factor
    for note in sequence.notes:
        note.start_time *= factor
        note.end_time *= factor
    sequence.total_time *= factor
    sequence.tempos.add(qpm=qpm)


def opening_tempo(sequence: "NoteSequence") -> float:
    """Returns the tempo at the start of a sequence, in quarter notes per minute."""
    tempos = sorted(sequence.tempos, key=lambda tempo: tempo.time)
    return tempos[0].qpm if tempos else DEFAULT_QPM


def stated_tempo(qpm: float) -> float:
    """Returns a tempo without the rounding of MIDI, such as 90 for 89.999955, for display.

    It has the fewest decimals that give the same number of microseconds per quarter note.

    Args:
        qpm: Quarter notes per minute.
    """
    for decimals in range(4):
        stated = round(qpm, decimals)
        if stated > 0 and round(60e6 / stated) == round(60e6 / qpm):
            return stated
    return qpm
