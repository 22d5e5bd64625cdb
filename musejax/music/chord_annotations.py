"""Conversion between chord symbols (text annotations of a NoteSequence) and chord classes per frame.

The classes are those of `vocabulary.CHORDS`: no chord, then twelve roots for each quality. Qualities are the four
triads, and `other` for chords without a triad (suspended chords, bare fifths). The bass note and extensions of the
triad are lost.
"""

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from musejax.music import grid, noteseq
from musejax.theory import chords

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def read(sequence: "NoteSequence", frames: int, frames_per_quarter: int) -> np.ndarray:
    """Returns the class of each frame, int32[T]: 0 before the first symbol and for symbols that are not chords.

    Args:
        sequence: The music; each annotation of type CHORD_SYMBOL holds until the next one.
        frames: Number of frames from time 0, T.
        frames_per_quarter: Frames per quarter note.
    """
    kind = noteseq.load().NoteSequence.TextAnnotation.CHORD_SYMBOL
    symbols = sorted((a for a in sequence.text_annotations if a.annotation_type == kind), key=lambda a: a.time)
    places = grid.frames(sequence, [a.time for a in symbols], frames_per_quarter).tolist()
    out = np.zeros(frames, np.int32)
    for place, annotation in zip(places, symbols, strict=True):
        out[max(place, 0) :] = _class(annotation.text)
    return out


def write(sequence: "NoteSequence", classes: np.ndarray, seconds: float) -> None:
    """Adds a chord symbol wherever the class changes.

    Args:
        sequence: The sequence to change.
        classes: int[T], the class of each frame.
        seconds: Length of a frame in seconds.
    """
    kind = noteseq.load().NoteSequence.TextAnnotation.CHORD_SYMBOL
    before = 0
    for frame, value in enumerate(np.asarray(classes).tolist()):
        if value != before:
            sequence.text_annotations.add(time=frame * seconds, text=chords.symbol(value), annotation_type=kind)
        before = value


def _class(text: str) -> int:
    from note_seq import chord_symbols_lib

    with contextlib.suppress(chord_symbols_lib.ChordSymbolError):
        return chords.triad(chord_symbols_lib.chord_symbol_root(text), chord_symbols_lib.chord_symbol_pitches(text))
    return 0
