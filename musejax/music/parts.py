"""The parts of a sequence, with their names and notes."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from musejax import errors

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Parts(NamedTuple):
    """The parts of a sequence.

    Attributes:
        field: The field of a note that identifies its part: `part` in a score with several parts, else `instrument`.
        names: Names of the parts, by number.
        notes: Indices of the sounding, pitched notes of each part that has any, by number.
    """

    field: str
    names: dict[int, str]
    notes: dict[int, list[int]]


def sounds(note: "NoteSequence.Note") -> bool:
    """Returns whether a note is audible and pitched, that is, no drum and not without length or velocity."""
    return bool(note.velocity) and not note.is_drum and note.end_time > note.start_time


def everything(sequence: "NoteSequence") -> list[list[int]]:
    """Returns the indices of all sounding notes, as one voice.

    Raises:
        errors.DiscardError: There are none.
    """
    indices = [index for index, note in enumerate(sequence.notes) if sounds(note)]
    if not indices:
        raise errors.DiscardError("empty")
    return [indices]


def first(sequence: "NoteSequence") -> list[list[int]]:
    """Returns the indices of the sounding notes of the first instrument that has any, as one voice.

    Raises:
        errors.DiscardError: There are no sounding notes.
    """
    (indices,) = everything(sequence)
    number = min(sequence.notes[index].instrument for index in indices)
    return [[index for index in indices if sequence.notes[index].instrument == number]]


def split_parts(sequence: "NoteSequence") -> Parts:
    """Returns the parts of a sequence, without drums and notes without length or velocity."""
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
    """Returns the number of the only part with this name, else of the only one whose name begins with it, else None."""
    for pattern in (rf"{voice}|{voice[0]}\.?", rf"{voice}\b.*"):
        numbers = [n for n, name in names.items() if re.fullmatch(pattern, name.strip(), re.IGNORECASE | re.DOTALL)]
        if numbers:
            return numbers[0] if len(numbers) == 1 else None
    return None
