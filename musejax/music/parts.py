"""The parts of a sequence: which of its numbers tell them apart, their names and their notes."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from musejax import errors

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Parts(NamedTuple):
    """The parts of a sequence.

    Attributes:
        field: What tells them apart: `part` where a score has several, else `instrument`.
        names: By number.
        notes: Indices of the sounding notes with pitches, by number, for the parts that have any.
    """

    field: str
    names: dict[int, str]
    notes: dict[int, list[int]]


def sounds(note: "NoteSequence.Note") -> bool:
    """Whether a note is heard and has a pitch: drums and notes without length or velocity do not count."""
    return bool(note.velocity) and not note.is_drum and note.end_time > note.start_time


def everything(sequence: "NoteSequence") -> list[list[int]]:
    """Indices of all sounding notes, as one voice.

    Raises:
        errors.DiscardError: There are none.
    """
    found = [index for index, note in enumerate(sequence.notes) if sounds(note)]
    if not found:
        raise errors.DiscardError("empty")
    return [found]


def first(sequence: "NoteSequence") -> list[list[int]]:
    """Indices of the sounding notes of the first instrument that has any, as one voice.

    Raises:
        errors.DiscardError: There is none.
    """
    (found,) = everything(sequence)
    number = min(sequence.notes[index].instrument for index in found)
    return [[index for index in found if sequence.notes[index].instrument == number]]


def split_parts(sequence: "NoteSequence") -> Parts:
    """The parts of a sequence; drums and notes without length or velocity are left out."""
    if len(sequence.part_infos) > 1 or any(n.part for n in sequence.notes):
        field, names = "part", {info.part: info.name for info in sequence.part_infos}
    else:
        field, names = "instrument", {info.instrument: info.name for info in sequence.instrument_infos}
    notes: dict[int, list[int]] = {}
    for index, note in enumerate(sequence.notes):
        if sounds(note):
            notes.setdefault(getattr(note, field), []).append(index)
    return Parts(field, names, notes)


def named(names: Mapping[int, str], voice: str) -> int | None:
    """The one part of this name, else the one part whose name begins with it, else None."""
    for pattern in (rf"{voice}|{voice[0]}\.?", rf"{voice}\b.*"):
        found = [n for n, name in names.items() if re.fullmatch(pattern, name.strip(), re.IGNORECASE | re.DOTALL)]
        if found:
            return found[0] if len(found) == 1 else None
    return None
