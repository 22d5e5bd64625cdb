"""Chord symbols on a grid, one class a frame, from and to the text annotations that note-seq keeps them in.

The classes are those of `vocabulary.CHORDS`: none, then for each quality the twelve roots. Qualities are the four
triads, and `other` for what has no triad (suspended chords, bare fifths). A bass note and what stands above the triad
are lost.
"""

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from musejax.music import grid, noteseq
from musejax.theory import chords

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def read(sequence: "NoteSequence", frames: int, frames_per_quarter: int) -> np.ndarray:
    """The class of each frame: int32[T]; 0 before the first symbol, and for symbols that are no chord.

    Args:
        sequence: Its text annotations of type CHORD_SYMBOL are read; each holds up to the next.
        frames: T, from time 0 on.
        frames_per_quarter: Of the grid.
    """
    kind = noteseq.load().NoteSequence.TextAnnotation.CHORD_SYMBOL
    found = sorted((a for a in sequence.text_annotations if a.annotation_type == kind), key=lambda a: a.time)
    places = grid.frames(sequence, [a.time for a in found], frames_per_quarter).tolist()
    out = np.zeros(frames, np.int32)
    for place, annotation in zip(places, found, strict=True):
        out[max(place, 0) :] = _class(annotation.text)
    return out


def write(sequence: "NoteSequence", classes: np.ndarray, seconds: float) -> None:
    """Adds a text annotation where the class changes.

    Args:
        sequence: What is written to.
        classes: int[T].
        seconds: Of a frame.
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
