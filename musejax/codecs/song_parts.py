"""Which part of a file with several is the melody, the bridge or the piano.

Parts named MELODY, BRIDGE and PIANO are these tracks, if no other part sounds. Else the parts whose names hold
"melody", "lead" or "vocal" are the melody, or if none does, of the parts that play one note at a time the highest on
average; of the rest the one of most notes is the piano, and all others together are the bridge.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors
from musejax.music import grid
from musejax.music import parts as codec_parts

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

NAMES = ("MELODY", "BRIDGE", "PIANO")
PARTS = tuple(codecs.Part(name) for name in NAMES)
_MELODY = re.compile("melody|lead|vocal", re.IGNORECASE)
# Share of a part's notes that may begin while another sounds, for a part that plays one note at a time.
_OVERLAPPING = 0.05


def parts(sequence: "NoteSequence") -> tuple[dict[int, str], np.ndarray]:
    """Names of parts, and part, start and end in seconds and pitch of each note but drums: float64[N, 4]."""
    found = codec_parts.split_parts(sequence)
    of_note = {index: number for number, indices in found.notes.items() for index in indices}
    notes = [(of_note[i], sequence.notes[i]) for i in sorted(of_note)]
    rows = [(number, n.start_time, n.end_time, n.pitch) for number, n in notes]
    return found.names, np.array(rows, np.float64).reshape(-1, 4)


def assign(sequence: "NoteSequence") -> list[tuple[int, int]]:
    """Track and index of each sounding note but drums."""
    found = codec_parts.split_parts(sequence)
    placed = [(number, index) for number, indices in sorted(found.notes.items()) for index in indices]
    if not placed:
        return []
    notes = [sequence.notes[index] for _, index in placed]
    span = grid.spans(grid.note_positions(sequence, notes), 0)
    rows = np.column_stack([[p for p, _ in placed], span[:, 0], [n.pitch for n in notes], span[:, 1] - span[:, 0]])
    of_part = tracks(found.names, rows)
    return [(of_part[number], index) for number, index in placed]


def voices(sequence: "NoteSequence") -> list[list[int]]:
    """Indices of the notes of melody, bridge and piano.

    Raises:
        errors.DiscardError: There are no notes.
    """
    assigned = assign(sequence)
    if not assigned:
        raise errors.DiscardError("empty")
    return [[index for track, index in assigned if track == wanted] for wanted in range(len(NAMES))]


def tracks(names: Mapping[int, str], notes: np.ndarray) -> dict[int, int]:
    """The track of each part that sounds.

    Args:
        names: Of the parts.
        notes: int64[N, 4]: part, onset, pitch, length.
    """
    parts = np.unique(notes[:, 0]).tolist()
    titles = {p: names.get(p, "").strip() for p in parts}
    if all(title.upper() in NAMES for title in titles.values()):
        return {p: NAMES.index(title.upper()) for p, title in titles.items()}
    of_part = {p: notes[notes[:, 0] == p] for p in parts}
    melody = [p for p in parts if _MELODY.search(titles[p])]
    if not melody:
        single = [p for p in parts if _one_at_a_time(of_part[p])]
        melody = sorted(single, key=lambda p: (-of_part[p][:, 2].mean(), p))[:1]
    rest = [p for p in parts if p not in melody]
    fullest = max(rest, key=lambda p: (len(of_part[p]), -p), default=None)
    return {p: 0 if p in melody else 2 if p == fullest else 1 for p in parts}


def _one_at_a_time(notes: np.ndarray) -> bool:
    """Whether few notes begin while another sounds; notes int64[N, 4]: part, onset, pitch, length."""
    notes = notes[np.argsort(notes[:, 1], kind="stable")]
    last = np.maximum.accumulate(notes[:, 1] + notes[:, 3])
    return bool((notes[1:, 1] < last[:-1]).sum() <= _OVERLAPPING * len(notes))
