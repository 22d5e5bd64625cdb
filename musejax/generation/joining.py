"""Two phrases with empty bars between them, for a model to fill."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import grid, limits, metre, noteseq, score_annotations, timing
from musejax.theory.sixteenths import BAR, QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# What stands at a time, and comes along with the second phrase.
_MARKS = ("tempos", "time_signatures", "key_signatures", "text_annotations", "control_changes", "pitch_bends")


class Joined(NamedTuple):
    """Two phrases in one sequence.

    Attributes:
        sequence: The first as it is, empty bars, then the second.
        bars: The first and the last of the bars to fill.
        kept: Indices of the second's notes that lie before its first bar line: they sound in the last of these bars.
    """

    sequence: "NoteSequence"
    bars: tuple[int, int]
    kept: list[int]


def join(first: "NoteSequence", second: "NoteSequence", bars: int) -> Joined:
    """Lays the second phrase so many whole bars behind the first.

    The bars have the length of the first phrase's last one. The second phrase begins at a bar line, with its pick-up
    before it, and brings its tempos, signatures, controllers and texts along.

    Args:
        first: A phrase.
        second: Another, with the same parts.
        bars: How many bars lie between them.

    Raises:
        errors.UserError: There are none.
    """
    if bars < 1:
        raise errors.UserError(f"gap is {bars}; it must be at least 1")
    if bars > limits.MAX_BARS:
        raise errors.UserError(f"gap is {bars:,}; it may be at most {limits.MAX_BARS:,} bars")
    for phrase in (first, second):
        limits.check(phrase)
    total, signatures = grid.nearest_end(first), metre.read(first)
    size = signatures[-1][1] if signatures else BAR
    beat = metre.beats(signatures, total + size)
    line = total + int(np.argmax(beat[total:] == 0))
    before = int(np.argmax(metre.beats(metre.read(second), max(grid.total_frames(second), 1)) == 0))
    start = line + bars * size - before
    offset = float(timing.to_seconds(first, np.array([start / QUARTER]))[0])
    out = noteseq.load().NoteSequence()
    out.CopyFrom(first)
    kept = []
    tempos = list(second.tempos)
    if not any(tempo.time <= 0 for tempo in tempos):
        # Until a tempo is given, notes are read at the default, whatever the first phrase ends with.
        tempos.insert(0, noteseq.load().NoteSequence.Tempo(qpm=timing.DEFAULT_QPM))
    for field, number in (("part_infos", "part"), ("instrument_infos", "instrument")):
        known = {getattr(info, number) for info in getattr(first, field)}
        getattr(out, field).extend(info for info in getattr(second, field) if getattr(info, number) not in known)
    for field in _MARKS:
        for mark in tempos if field == "tempos" else getattr(second, field):
            new = getattr(out, field).add()
            new.CopyFrom(mark)
            new.time = mark.time + offset
    pick_up = float(timing.to_seconds(second, np.array([before / QUARTER]))[0])
    for note in second.notes:
        if note.start_time < pick_up - 1e-6:
            kept.append(len(out.notes))
        new = out.notes.add()
        new.CopyFrom(note)
        new.start_time, new.end_time = note.start_time + offset, note.end_time + offset
    out.total_time = max(second.total_time, *(n.end_time for n in second.notes), 0.0) + offset
    # The printed numbers of two scores are not those of one: the bars of the result are counted.
    texts = [a for a in out.text_annotations if not a.text.startswith(score_annotations.MEASURE)]
    del out.text_annotations[:]
    out.text_annotations.extend(texts)
    counted = np.cumsum(metre.beats(metre.read(out), max(grid.total_frames(out), start + 1)) == 0)
    low = int(counted[line])
    return Joined(out, (low, low + bars - 1), kept)
