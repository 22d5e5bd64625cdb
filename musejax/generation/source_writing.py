"""What was drawn, put into the sequence that it was drawn for: given notes stay as they are, to the last bit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs
from musejax import vocabulary as vocabularies
from musejax.generation import source_grid, weaving
from musejax.music import noteseq, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def write(
    source: source_grid.Source,
    codec: codecs.Codec,
    arrays: codecs.Arrays,
    infill_mask: np.ndarray,
    redrawn: Sequence[source_grid.Placed],
) -> "NoteSequence":
    """The source with its redrawn notes replaced by what was drawn.

    Equal neighbouring cells are one note where the codec has no holds, but never with a given note. A new note is cut
    where it would sound together with a given note of its voice (of its pitch, for bits), which may lie off the grid.

    Args:
        source: What was read.
        codec: The model's.
        arrays: What it drew.
        infill_mask: 1 where a cell was free, of the cells' shape; [T] for bits.
        redrawn: The notes that are replaced.
    """
    out = noteseq.load().NoteSequence()
    out.CopyFrom(source.sequence)
    gone = {n.number for n in redrawn}
    kept = [out.notes[i] for i in range(len(out.notes)) if i not in gone]
    given: list[list[NoteSequence.Note]] = [[] for _ in source.patterns]
    velocities: list[list[int]] = [[] for _ in source.patterns]
    for n in source.notes:
        velocities[n.stream].append(out.notes[n.number].velocity)
        if n.number not in gone:
            given[n.stream].append(out.notes[n.number])
    everywhere = [v for of_stream in velocities for v in of_stream]
    new = []
    drawn = _drawn(codec, arrays, infill_mask)
    times = timing.to_seconds(source.sequence, np.array([n[1:3] for n in drawn], np.float64).ravel()).reshape(-1, 2)
    bits = codec.vocabulary.kind == "bits"
    for (stream, _, _, pitch), (start, end) in zip(drawn, times.tolist(), strict=True):
        pitch = weaving.inside(pitch - source.shift)
        beside = [g for g in given[stream] if not bits or g.pitch == pitch]
        span = weaving.room(beside, start, end)
        if span is None:
            continue
        note = noteseq.load().NoteSequence.Note()
        note.CopyFrom(source.patterns[stream])
        note.pitch, (note.start_time, note.end_time) = pitch, span
        note.velocity = int(np.median(velocities[stream] or everywhere))
        new.append(note)
    copies = [type(n).FromString(n.SerializeToString()) for n in kept]
    del out.notes[:]
    out.notes.extend(copies + new)
    out.total_time = max(out.total_time, *(n.end_time for n in out.notes), 0.0)
    return out


def _drawn(codec: codecs.Codec, arrays: codecs.Arrays, infill_mask: np.ndarray) -> list[tuple[int, float, float, int]]:
    """Stream, start and end in quarters, and pitch of the notes in free cells."""
    vocabulary = codec.vocabulary
    cells, free = silence(arrays, infill_mask, vocabulary)
    cells = cells[:-1] if vocabulary.has("end") else cells
    if not free.any():
        return []
    # At 60 quarters a minute, seconds are quarters.
    music = codec.decode({"frames" if vocabulary.kind == "bits" else "tokens": cells}, 60.0)
    several = vocabulary.streams > 1
    return [(n.instrument if several else 0, n.start_time, n.end_time, n.pitch) for n in music.notes]


def silence(
    arrays: codecs.Arrays, infill_mask: np.ndarray, vocabulary: vocabularies.Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
    """What was drawn with rests in all given cells, and where cells were free."""
    bits = vocabulary.kind == "bits"
    cells = np.array(arrays["frames" if bits else "tokens"])
    free = np.asarray(infill_mask)[: len(cells)] > 0
    if bits:
        cells[~free] = 0
    else:
        cells[~free] = vocabulary.id("rest" if vocabulary.has("rest") else "note_off")
    return cells, free
