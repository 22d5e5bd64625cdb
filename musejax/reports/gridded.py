"""A NoteSequence on a grid, as the music statistics read it."""

import collections
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.evaluation import note_rolls
from musejax.music import limits, metre, timing
from musejax.vocabulary import BEATS

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Frames in a quarter note.
GRID = 4
_COMMON = 16  # a bar of four quarters, in 16ths


class Piece(NamedTuple):
    """One piece on the grid, its first bar line at a multiple of its bar.

    Attributes:
        notes: Its notes; tracks are numbered in the order of their parts.
        drums: For each track whether it is one of drums.
        bar: Frames in a bar.
        frames: Frames in all, a pick-up filled up with silence included.
        names: For each track its name; empty where one has none, or two have the same.
    """

    notes: list[note_rolls.Note]
    drums: list[bool]
    bar: int
    frames: int
    names: tuple[str, ...] = ()


def on_grid(sequence: "NoteSequence", grid: int = GRID) -> Piece:
    """A sequence on the grid, its tempo changes followed; the bar is the one that most bars of the piece have.

    Args:
        sequence: Its tracks are told apart by part, instrument, program and drums.
        grid: Frames in a quarter note.

    Raises:
        errors.DiscardError: It has no note, or one before time 0, or exceeds `limits`.
    """
    notes = [n for n in sequence.notes if n.velocity and n.end_time > n.start_time]
    if not notes:
        raise errors.DiscardError("empty")
    message = limits.excess(sequence)
    if message:
        raise errors.DiscardError(message)
    keys = sorted({(n.part, n.instrument, n.program, n.is_drum) for n in notes})
    seconds = np.array([(n.start_time, n.end_time) for n in notes])
    if seconds.min() < 0:
        raise errors.DiscardError("a note before time 0")
    span = timing.nearest(timing.to_quarters(sequence, seconds.ravel()) * grid).reshape(-1, 2)
    span[:, 1] = np.maximum(span[:, 1], span[:, 0] + 1)
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
    told = all(names) and len(set(names)) == len(names)
    return Piece(out, [key[3] for key in keys], bar, max(n.end for n in out), names if told else ())


def _bar(sequence: "NoteSequence", frames: int, grid: int) -> tuple[int, int]:
    """Frames in an ordinary bar, and in the pick-up before the first bar line."""
    sixteenths = -(-frames * 4 // grid)
    score = sequence.source_info.encoding_type == sequence.source_info.MUSIC_XML
    beat = metre.beats(metre.read(sequence), sixteenths, score=score)
    lines = np.flatnonzero(beat == 0)
    sizes = collections.Counter(np.diff(lines).tolist())
    # A bar that wraps around the largest beat is counted as the wrap.
    size = max(sizes, key=lambda s: (sizes[s] * s, s)) if sizes else max(_COMMON, int(beat.max()) + 1)
    size = size if size > 1 else BEATS
    first = int(lines[0]) if len(lines) else 0
    return max(1, size * grid // 4), first % size * grid // 4
