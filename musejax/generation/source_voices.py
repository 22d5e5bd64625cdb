"""Which notes of a sequence are which voice, and what a new note of each looks like.

The voices of a chorale are the parts named Soprano, Alto, Tenor and Bass, whatever else sounds; else the four parts
that sound, the higher the earlier. These are the rules of codec `chorale`. A file in which one part sounds is a
melody, and parts are made for the voices that it lacks.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musejax import errors
from musejax.codecs import chorale
from musejax.evaluation import voice_leading
from musejax.music import noteseq
from musejax.music import parts as codec_parts

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Indices of the notes of each voice, and a note of which new ones take all but pitch, times and velocity.
Voices = tuple[list[list[int]], list["NoteSequence.Note"]]


def of_chorale(sequence: "NoteSequence", name: str, codec: str, melody: int | None) -> Voices:
    """The voices of a chorale, or a melody as one of them.

    Args:
        sequence: The music; of a melody it is given numbers and names for the other voices.
        name: What messages call it.
        codec: The codec's name.
        melody: The voice that a melody is; None where four voices are needed.

    Raises:
        errors.UserError: The voices cannot be told.
    """
    parts = codec_parts.split_parts(sequence)
    numbers = chorale.voice_numbers(sequence, parts.names, parts.notes)
    if numbers is None:
        if len(parts.notes) == 1 and melody is not None:
            indices, count = next(iter(parts.notes.values())), len(chorale.VOICES)
            return [indices if v == melody else [] for v in range(count)], _make_room(sequence, indices[0], melody)
        count = "1 part sounds" if len(parts.notes) == 1 else f"{len(parts.notes)} parts sound"
        wanted = "four voices" if melody is None else "one melody or four voices"
        raise errors.UserError(f"{name}: {count}; codec {codec} needs {wanted}")
    first = next(parts.notes[n][0] for n in numbers if parts.notes.get(n))
    patterns = []
    for number in numbers:
        indices = parts.notes.get(number)
        pattern = _pattern(sequence, indices[0] if indices else first)
        setattr(pattern, parts.field, number)
        patterns.append(pattern)
    return [parts.notes.get(number, []) for number in numbers], patterns


def tell_range(name: str, pitches: Sequence[int], voice: int, say: Callable[[str], None]) -> None:
    """Tells of a melody of which most lies outside the range of the voice that it is taken for.

    Args:
        name: What messages call the music.
        pitches: Those of the melody.
        voice: The voice.
        say: Is told.
    """
    low, high = voice_leading.RANGES[voice].tolist()
    part = chorale.VOICES[voice].lower()
    for outside, where in ((np.array(pitches) < low, "below"), (np.array(pitches) > high, "above")):
        if 2 * outside.sum() > len(pitches):
            say(
                f"{name}: its melody lies {where} {low}..{high}, the range of {part} voices; it is taken as the {part} "
                "and harmonised where it is"
            )


def all_together(sequence: "NoteSequence", name: str, codec: str, *, one: bool) -> Voices:
    """All notes as one voice.

    Args:
        sequence: The music.
        name: What messages call it.
        codec: The codec's name.
        one: Whether they must be of one part.

    Raises:
        errors.UserError: Several parts sound where one must.
    """
    notes = codec_parts.split_parts(sequence).notes
    if one and len(notes) > 1:
        raise errors.UserError(f"{name}: {len(notes)} parts sound; codec {codec} needs one melody")
    indices = sorted(i for group in notes.values() for i in group)
    return [indices], [_pattern(sequence, indices[0])]


def _pattern(sequence: "NoteSequence", index: int) -> "NoteSequence.Note":
    note = noteseq.load().NoteSequence.Note()
    note.CopyFrom(sequence.notes[index])
    for field in ("numerator", "denominator", "pitch_name"):
        note.ClearField(field)
    return note


def _make_room(sequence: "NoteSequence", index: int, voice: int) -> list["NoteSequence.Note"]:
    """Numbers what is there so that the voices above a melody come before it and those below after all; patterns."""
    by_part = bool(sequence.part_infos) or any(n.part for n in sequence.notes)
    field, infos = ("part", sequence.part_infos) if by_part else ("instrument", sequence.instrument_infos)
    others = [] if by_part else [*sequence.control_changes, *sequence.pitch_bends]
    for item in (*sequence.notes, *infos, *others):
        setattr(item, field, getattr(item, field) + voice)
    last = max(getattr(item, field) for item in (*sequence.notes, *infos))
    names = {getattr(info, field): info for info in infos}
    patterns = []
    for v, name in enumerate(chorale.VOICES):
        pattern = _pattern(sequence, index)
        if v != voice:
            setattr(pattern, field, v if v < voice else last + v - voice)
        number = getattr(pattern, field)
        if number not in names:
            infos.add(**{field: number}, name=name)
        elif not names[number].name.strip():
            names[number].name = name
        patterns.append(pattern)
    return patterns
