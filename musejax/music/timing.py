"""The tempo map of a sequence: seconds to quarter notes and back."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

DEFAULT_QPM = 120.0
# What stands at a time, beside tempos and notes.
_MARKS = ("time_signatures", "key_signatures", "text_annotations", "control_changes", "pitch_bends")


class TempoMap(NamedTuple):
    """Stretches of one tempo.

    Attributes:
        times: Where each begins in seconds, the first at 0; float64[M].
        starts: Where each begins in quarters; float64[M].
        qpm: Its quarters a minute; float64[M].
    """

    times: np.ndarray
    starts: np.ndarray
    qpm: np.ndarray

    def quarters(self, seconds: np.ndarray | float) -> np.ndarray:
        """Returns times in seconds as quarter notes from the start: float64 of the same shape."""
        seconds = np.asarray(seconds, np.float64)
        stretch = np.maximum(np.searchsorted(self.times, seconds, side="right") - 1, 0)
        return self.starts[stretch] + (seconds - self.times[stretch]) * (self.qpm[stretch] / 60.0)

    def seconds(self, quarters: np.ndarray | float) -> np.ndarray:
        """Returns quarter notes from the start as seconds: undoes `quarters`."""
        quarters = np.asarray(quarters, np.float64)
        stretch = np.maximum(np.searchsorted(self.starts, quarters, side="right") - 1, 0)
        return self.times[stretch] + (quarters - self.starts[stretch]) / (self.qpm[stretch] / 60.0)


def tempo_map(sequence: "NoteSequence") -> TempoMap:
    """Returns the tempo map of a sequence: its tempos in any order, 120 quarters a minute before the first."""
    # Of several tempos at one time the last written holds, as it does in a MIDI file.
    tempos = {max(t.time, 0.0): t.qpm for t in sequence.tempos if t.qpm > 0}
    tempos.setdefault(0.0, DEFAULT_QPM)
    times = np.array(sorted(tempos))
    qpm = np.array([tempos[t] for t in times.tolist()])
    lengths = np.diff(times) * (qpm[:-1] / 60.0)
    return TempoMap(times, np.concatenate([[0.0], np.cumsum(lengths)]), qpm)


def to_quarters(sequence: "NoteSequence", seconds: np.ndarray) -> np.ndarray:
    """Returns times in seconds as quarter notes, through every tempo of a sequence: float64 of the same shape."""
    return tempo_map(sequence).quarters(seconds)


def to_seconds(sequence: "NoteSequence", quarters: np.ndarray) -> np.ndarray:
    """Returns quarter notes from the start as seconds: undoes `to_quarters`."""
    return tempo_map(sequence).seconds(quarters)


def fill_in_tempo(sequence: "NoteSequence", qpm: float) -> None:
    """Gives a sequence without a tempo one; everything keeps its place in quarters, and moves in seconds.

    Args:
        sequence: A sequence without tempos, which is read at 120 quarters a minute.
        qpm: Quarters a minute.
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
    """Returns the tempo at the start of a sequence, in quarter notes a minute."""
    tempos = sorted(sequence.tempos, key=lambda tempo: tempo.time)
    return tempos[0].qpm if tempos else DEFAULT_QPM


def stated_tempo(qpm: float) -> float:
    """Returns the tempo that a person would state for one that MIDI has rounded, such as 90 for 89.999955.

    It has the fewest decimals that give the same microseconds in a quarter note. Times are computed from the exact one.

    Args:
        qpm: Quarter notes a minute.
    """
    for decimals in range(4):
        stated = round(qpm, decimals)
        if stated > 0 and round(60e6 / stated) == round(60e6 / qpm):
            return stated
    return qpm
