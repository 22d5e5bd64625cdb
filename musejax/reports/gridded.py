"""Quantises NoteSequences to a grid for the music statistics."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.evaluation import note_rolls
from musejax.music import grid as note_grid
from musejax.music import limits, metre
from musejax.theory.sixteenths import BAR, QUARTER
from musejax.vocabulary import BEATS

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Frames in a quarter note.
GRID = QUARTER


class Piece(NamedTuple):
    """A piece on the grid that starts with a bar line.

    Attributes:
        notes: Notes; tracks are numbered in the order of their parts.
        drums: Whether each track is a drum track.
        bar: Number of frames in a bar.
        frames: Number of frames, including the silence that completes a pickup bar.
        names: Names of the tracks; empty if a track has no name, or two have the same name.
    """

    notes: list[note_rolls.Note]
    drums: list[bool]
    bar: int
    frames: int
    names: tuple[str, ...] = ()


def on_grid(sequence: "NoteSequence", grid: int = GRID) -> Piece:
    """Quantises a sequence, following its tempo changes; the bar length is the most frequent one of the piece.

    Args:
        sequence: NoteSequence, whose tracks are distinguished by part, instrument, program and drums.
        grid: Frames in a quarter note.

    Raises:
        errors.DiscardError: The sequence has no notes, a note before time 0, or exceeds the `limits`.
    """
    notes = [n for n in sequence.notes if n.velocity and n.end_time > n.start_time]
    if not notes:
        raise errors.DiscardError("empty")
    message = limits.excess(sequence)
    if message:
        raise errors.DiscardError(message)
    keys = sorted({(n.part, n.instrument, n.program, n.is_drum) for n in notes})
    note_grid.check_start(note_grid.note_seconds(notes))
    span = note_grid.spans(note_grid.note_positions(sequence, notes, grid))
    bar, pickup = _bar(sequence, int(span[:, 1].max()), grid)
    shift = (bar - pickup) % bar
    out = [
        note_rolls.Note(
            keys.index((n.part, n.instrument, n.program, n.is_drum)), n.pitch, int(a) + shift, int(b) + shift
        )
        for n, (a, b) in zip(notes, span, strict=True)
    ]
    parts = {info.part: info.name for info in sequence.part_infos}
    instruments = {info.instrument: info.name for info in sequence.instrument_infos}
    names = tuple((parts.get(part) or instruments.get(instrument) or "").strip() for part, instrument, _, _ in keys)
    are_unique = all(names) and len(set(names)) == len(names)
    return Piece(out, [key[3] for key in keys], bar, max(n.end for n in out), names if are_unique else ())


def _bar(sequence: "NoteSequence", frames: int, grid: int) -> tuple[int, int]:
    """Returns the number of frames in an ordinary bar, and in the pickup bar before the first bar line."""
    beat = metre.read_beats(sequence, -(-frames * QUARTER // grid))
    lines = np.flatnonzero(beat == 0)
    # In a bar that is longer than the largest beat number, beats wrap around, and the bar is counted as several.
    size = metre.usual_bar(beat) or max(BAR, int(beat.max()) + 1)
    size = size if size > 1 else BEATS
    first = int(lines[0]) if len(lines) else 0
    return max(1, size * grid // QUARTER), first % size * grid // QUARTER
