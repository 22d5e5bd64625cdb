"""What a model drew, put beside the music that it was given: that stays as it is, to the last bit.

New notes take program, name and velocity from the given part that they go on with. A part that the music lacks is
added with the name and the program that the codec writes.
"""

import collections
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs
from musejax import vocabulary as vocabularies
from musejax.codecs import groove
from musejax.generation.sources import Source, name_of
from musejax.music import grid, noteseq
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# In seconds of the copy.
_ROUNDING = 1e-6


def continuation(codec: codecs.Codec, source: Source, arrays: codecs.Arrays, given: int) -> "NoteSequence":
    """The source with what was drawn after it.

    Args:
        codec: The model's.
        source: What was given.
        arrays: The whole piece as the model drew it.
        given: How many frames, or events, of it were given.
    """
    if codec.vocabulary.frames_per_quarter:
        arrays = dict(arrays)
        field = "frames" if "frames" in arrays else "tokens"
        arrays[field] = _silenced(codec.vocabulary, arrays[field], given)
        music = codec.decode(arrays, 60.0)
        seam = given / codec.vocabulary.frames_per_quarter
        texts = [a for a in music.text_annotations if a.time > seam - _ROUNDING]
        return weave(codec, source, music.notes, texts)
    known = collections.Counter(_place(n) for n in codec.decode({"tokens": arrays["tokens"][:given]}, 60.0).notes)
    new = []
    for note in codec.decode(arrays, 60.0).notes:
        known[_place(note)] -= 1
        if known[_place(note)] < 0:
            new.append(note)
    return weave(codec, source, new)


def _place(note: "NoteSequence.Note") -> tuple[int, int, float]:
    return note.instrument, note.pitch, round(note.start_time, 6)


def _silenced(vocabulary: vocabularies.Vocabulary, cells: np.ndarray, given: int) -> np.ndarray:
    """Cells [T, ...] with silence in the first ones."""
    out = np.array(cells)
    out[:given] = 0
    if vocabulary.kind == "tokens":
        goes_on = np.array([vocabulary.silence(stream)[1] for stream in range(vocabulary.streams)])
        out[:given] = goes_on if out.ndim > 1 else goes_on[0]
    return out


def weave(
    codec: codecs.Codec,
    source: Source,
    new: "Iterable[NoteSequence.Note]",
    texts: "Sequence[NoteSequence.TextAnnotation]" = (),
    *,
    gone: AbstractSet[int] = frozenset(),
) -> "NoteSequence":
    """The source with new notes.

    Args:
        codec: The model's.
        source: What was given.
        new: Notes as the codec decodes them at 60 quarters a minute.
        texts: Annotations that come with them.
        gone: Indices of notes of the source that they replace.
    """
    out = noteseq.load().NoteSequence()
    out.CopyFrom(source.sequence)
    if gone:
        kept = [note for index, note in enumerate(source.sequence.notes) if index not in gone]
        del out.notes[:]
        out.notes.extend(kept)
    by_stream: dict[int, list[NoteSequence.Note]] = collections.defaultdict(list)
    for note in new:
        by_stream[note.instrument if codec.parts else 0].append(note)
    own_velocity = codec.vocabulary.has("velocity")
    one_at_a_time = codec.vocabulary.kind == "tokens" and codec.vocabulary.frames_per_quarter > 0
    for stream, notes in sorted(by_stream.items()):
        voice = [source.sequence.notes[i] for i in source.voices[stream]]
        beside = [source.sequence.notes[i] for i in source.voices[stream] if i not in gone]
        looks = _looks(codec, source.sequence, out, stream, voice, notes[0])
        loud = int(np.median([n.velocity for n in voice or source.sequence.notes]))
        times = source.seconds(np.array([(n.start_time, n.end_time) for n in notes]).ravel()).reshape(-1, 2)
        for note, (start, end) in zip(notes, times.tolist(), strict=True):
            pitch = note.pitch if note.is_drum else inside(note.pitch - source.shift)
            alone = one_at_a_time and not note.is_drum
            span = room([n for n in beside if alone or n.pitch == pitch], start, end)
            if span is None:
                continue
            made = out.notes.add()
            made.CopyFrom(min(looks, key=lambda look: abs(look[1] - pitch))[0])
            made.pitch, (made.start_time, made.end_time) = pitch, span
            made.velocity = note.velocity if own_velocity else loud
    for text in texts:
        out.text_annotations.add(
            time=source.seconds(np.array([text.time]))[0], text=text.text, annotation_type=text.annotation_type
        )
    out.total_time = max(out.total_time, *(n.end_time for n in out.notes), 0.0)
    return out


def played(source: Source, frames: np.ndarray) -> "NoteSequence":
    """The source with velocity and timing of its hits as a player has them.

    Hits of one class that share a frame stay as far apart as they were.

    Args:
        source: Drums as codec `groove` reads them.
        frames: float[T, 27], with the hits of the source.
    """
    out = noteseq.load().NoteSequence()
    out.CopyFrom(source.sequence)
    _, velocity, offset = np.split(np.asarray(frames, np.float64), 3, axis=1)
    _, _, before = np.split(np.asarray(source.arrays["frames"], np.float64), 3, axis=1)
    for index, hit in zip(source.voices[0], source.copy.notes, strict=True):
        drum, note = groove.class_of(hit.pitch), out.notes[index]
        at = (hit.start_time - source.start) * QUARTER
        frame = int(grid.nearest(at, grid.HALF_WAY))
        moved = frame + np.clip(offset[frame, drum], -0.5, 0.5) + at - frame - before[frame, drum]
        length = note.end_time - note.start_time
        note.start_time = max(float(source.seconds(np.array([moved / QUARTER]))[0]), 0.0)
        note.end_time = note.start_time + length
        note.velocity = int(np.clip(np.rint(velocity[frame, drum] * 127), 1, 127))
    out.total_time = max(out.total_time, *(n.end_time for n in out.notes))
    return out


def replaced(
    codec: codecs.Codec, source: Source, given: Sequence[int], reader: str, say: Callable[[str], None]
) -> frozenset[int]:
    """Indices of the notes in place of which a model draws others: those of the parts that are not given.

    Args:
        codec: The model's.
        source: What was given.
        given: The parts that are kept.
        reader: The model's name.
        say: Is told how many notes are replaced.
    """
    parts = [part for part, voice in enumerate(source.voices) if part not in given and voice]
    gone = frozenset(index for part in parts for index in source.voices[part])
    if gone:
        names = ", ".join(codec.parts[part].name.lower() for part in parts)
        say(f"{name_of(source.sequence)}: {reader} draws its {names} anew; {len(gone)} notes are replaced")
    return gone


def _looks(
    codec: codecs.Codec,
    sequence: "NoteSequence",
    out: "NoteSequence",
    stream: int,
    voice: "Sequence[NoteSequence.Note]",
    drawn: "NoteSequence.Note",
) -> "list[tuple[NoteSequence.Note, float]]":
    """Notes of which new ones of a stream take all but pitch, times and velocity, and the mean pitch of their parts.

    There is one, of the part that has most notes of the voice; where a codec lays all parts over each other, one of
    each. A voice without notes gets a part of its own in `out`.
    """
    groups: dict[tuple[int, ...], list[NoteSequence.Note]] = collections.defaultdict(list)
    for note in voice:
        groups[note.part, note.instrument, note.program, note.is_drum].append(note)
    if not groups:
        return [(_new_part(codec.parts[stream], sequence, out, drawn), 0.0)]
    found = sorted(groups.values(), key=len, reverse=True)
    several = not codec.parts and not drawn.is_drum
    return [
        (_plain(of_part[0]), float(np.mean([n.pitch for n in of_part]))) for of_part in found[: None if several else 1]
    ]


def _plain(note: "NoteSequence.Note") -> "NoteSequence.Note":
    out = noteseq.load().NoteSequence.Note()
    out.CopyFrom(note)
    for field in ("numerator", "denominator", "pitch_name", "voice"):
        out.ClearField(field)
    return out


def _new_part(
    part: codecs.Part, sequence: "NoteSequence", out: "NoteSequence", drawn: "NoteSequence.Note"
) -> "NoteSequence.Note":
    """A note of a part that is added to `out`, or of the silent part of this name that it has already."""
    by_part = bool(sequence.part_infos) or any(n.part for n in sequence.notes)
    note = noteseq.load().NoteSequence.Note(program=drawn.program, is_drum=drawn.is_drum)
    used = [*out.notes, *out.instrument_infos, *out.control_changes, *out.pitch_bends]
    note.instrument = max((item.instrument for item in used), default=-1) + 1
    if by_part:
        note.part = max(item.part for item in (*out.notes, *out.part_infos)) + 1
    infos, field = (out.part_infos, "part") if by_part else (out.instrument_infos, "instrument")
    for info in infos:
        if info.name.strip().lower() == part.name.lower():
            setattr(note, field, getattr(info, field))
            return note
    infos.add(**{field: getattr(note, field)}, name=part.name)
    return note


def inside(pitch: int) -> int:
    """A pitch brought into MIDI's range by octaves."""
    while pitch > 127:
        pitch -= 12
    while pitch < 0:
        pitch += 12
    return pitch


def room(given: "Sequence[NoteSequence.Note]", start: float, end: float) -> tuple[float, float] | None:
    """The part of a span in which no given note sounds, up to the first that begins; None where nothing is left."""
    for note in sorted(given, key=lambda n: n.start_time):
        if note.start_time <= start:
            start = max(start, note.end_time)
        else:
            end = min(end, note.start_time)
    return (start, end) if end > start else None
