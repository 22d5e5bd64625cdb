"""Helpers for codecs that extract melodies with note-seq."""

from typing import TYPE_CHECKING

import numpy as np

from musejax.music import noteseq

if TYPE_CHECKING:
    from note_seq.melodies_lib import Melody
    from note_seq.protobuf.music_pb2 import NoteSequence

# note-seq's event values.
GO_ON, NOTE_OFF = -2, -1


def extract(
    quantised: "NoteSequence",
    instrument: int,
    start: int,
    *,
    ignore_polyphonic_notes: bool,
    gap_bars: float = 1,
) -> "Melody":
    """Returns the next melody of an instrument; it is empty if there is none.

    Args:
        quantised: A sequence from `grid.quantise`.
        instrument: Number of the instrument.
        start: Frame at which the search begins.
        ignore_polyphonic_notes: Whether to take the highest of notes that start together. If not, such notes raise
            note-seq's PolyphonicMelodyError.
        gap_bars: Bars of rest that end a melody.
    """
    melody = noteseq.load().Melody()
    melody.from_quantized_sequence(
        quantised,
        search_start_step=start,
        instrument=instrument,
        gap_bars=gap_bars,
        ignore_polyphonic_notes=ignore_polyphonic_notes,
    )
    return melody


def sounding(events: np.ndarray) -> np.ndarray:
    """Returns whether a note sounds in each frame of melody events, bool[L]."""
    last = np.maximum.accumulate(np.where(events == GO_ON, -1, np.arange(len(events))))
    return (last >= 0) & (events[np.maximum(last, 0)] >= 0)
