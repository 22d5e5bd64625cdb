"""note-seq's relative grid and its melody events: what the codecs that read lines through note-seq share."""

from typing import TYPE_CHECKING

import numpy as np

from musejax import errors
from musejax.music import noteseq, timing

if TYPE_CHECKING:
    from note_seq.melodies_lib import Melody
    from note_seq.protobuf.music_pb2 import NoteSequence

# note-seq's event values.
GO_ON, NOTE_OFF = -2, -1


def quantise(sequence: "NoteSequence", frames_per_quarter: int) -> "NoteSequence":
    """note-seq's relative quantisation of a sequence of one tempo and time signature.

    Raises:
        errors.DiscardError: note-seq refuses it, or its bars are no whole number of 16ths.
    """
    sequences_lib = noteseq.load().sequences_lib
    try:
        quantised = sequences_lib.quantize_note_sequence(sequence, frames_per_quarter)
    except sequences_lib.BadTimeSignatureError as error:
        raise errors.DiscardError("a time signature that is none") from error
    except sequences_lib.NegativeTimeError as error:
        raise errors.DiscardError("a note before time 0") from error
    if sequences_lib.steps_per_bar_in_quantized_sequence(quantised) % 1:
        raise errors.DiscardError("bars are no whole number of 16ths")
    return quantised


def extract(
    quantised: "NoteSequence",
    instrument: int,
    start: int,
    *,
    ignore_polyphonic_notes: bool,
    gap_bars: float = 1,
) -> "Melody":
    """The next melody of an instrument, empty if there is none.

    Args:
        quantised: What `quantise` returned.
        instrument: Its number.
        start: The frame from which it is sought.
        ignore_polyphonic_notes: Takes the highest of notes that start together; otherwise they raise note-seq's
            PolyphonicMelodyError.
        gap_bars: A rest of so many bars ends the melody.
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
    """Whether a note sounds in each frame of melody events: bool[L]."""
    last = np.maximum.accumulate(np.where(events == GO_ON, -1, np.arange(len(events))))
    return (last >= 0) & (events[np.maximum(last, 0)] >= 0)


def steady(sequence: "NoteSequence") -> "NoteSequence":
    """The notes at one tempo under the one time signature that holds longest, all others left out."""
    out = noteseq.load().NoteSequence()
    qpm = timing.DEFAULT_QPM
    out.tempos.add(qpm=qpm)
    marks = sorted(sequence.time_signatures, key=lambda s: s.time)
    if marks:
        ends = [*[s.time for s in marks[1:]], max(sequence.total_time, marks[-1].time)]
        spans: dict[tuple[int, int], float] = {}
        for mark, end in zip(marks, ends):
            key = (mark.numerator, mark.denominator)
            spans[key] = spans.get(key, 0.0) + end - mark.time
        numerator, denominator = max(spans, key=lambda key: spans[key])
        out.time_signatures.add(numerator=numerator, denominator=denominator)
    seconds = np.array([(n.start_time, n.end_time) for n in sequence.notes], np.float64).reshape(-1, 2)
    moved = timing.to_quarters(sequence, seconds.ravel()).reshape(-1, 2) * 60.0 / qpm
    for note, (start, end) in zip(sequence.notes, moved.tolist()):
        new = out.notes.add()
        new.CopyFrom(note)
        new.start_time, new.end_time = start, end
        out.total_time = max(out.total_time, end)
    return out
