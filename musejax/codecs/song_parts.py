"""Assignment of the parts of a song to the tracks melody, bridge and piano.

Parts named MELODY, BRIDGE and PIANO are these tracks if no other part sounds. Otherwise, parts whose names contain
"melody", "lead" or "vocal" are the melody. If there are none, the melody is the highest part on average among those
that play one note at a time. The remaining part with the most notes is the piano, and all others form the bridge.
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
# Largest share of notes that begin while another sounds, in a part that counts as playing one note at a time.
_OVERLAPPING = 0.05


def parts(sequence: "NoteSequence") -> tuple[dict[int, str], np.ndarray]:
    """Returns the names of the parts by number, and part, start, end (seconds) and pitch of each note: float64[N, 4].

    Drums are left out.
    """
    split = codec_parts.split_parts(sequence)
    part_of_note = {index: number for number, indices in split.notes.items() for index in indices}
    notes = [(part_of_note[i], sequence.notes[i]) for i in sorted(part_of_note)]
    rows = [(number, n.start_time, n.end_time, n.pitch) for number, n in notes]
    return split.names, np.array(rows, np.float64).reshape(-1, 4)


def assign(sequence: "NoteSequence") -> list[tuple[int, int]]:
    """Returns track and index of each sounding note; drums are left out."""
    split = codec_parts.split_parts(sequence)
    placed = [(number, index) for number, indices in sorted(split.notes.items()) for index in indices]
    if not placed:
        return []
    notes = [sequence.notes[index] for _, index in placed]
    span = grid.spans(grid.note_positions(sequence, notes), 0)
    rows = np.column_stack([[p for p, _ in placed], span[:, 0], [n.pitch for n in notes], span[:, 1] - span[:, 0]])
    track_of_part = tracks(split.names, rows)
    return [(track_of_part[number], index) for number, index in placed]


def voices(sequence: "NoteSequence") -> list[list[int]]:
    """Returns the indices of the notes of melody, bridge and piano.

    Raises:
        errors.DiscardError: There are no notes.
    """
    assigned = assign(sequence)
    if not assigned:
        raise errors.DiscardError("empty")
    return [[index for track, index in assigned if track == number] for number in range(len(NAMES))]


def tracks(names: Mapping[int, str], notes: np.ndarray) -> dict[int, int]:
    """Returns the track of each part that sounds.

    Args:
        names: Names of the parts, by number.
        notes: int64[N, 4]: part, onset, pitch, length.
    """
    parts = np.unique(notes[:, 0]).tolist()
    titles = {p: names.get(p, "").strip() for p in parts}
    if all(title.upper() in NAMES for title in titles.values()):
        return {p: NAMES.index(title.upper()) for p, title in titles.items()}
    by_part = {p: notes[notes[:, 0] == p] for p in parts}
    melody = [p for p in parts if _MELODY.search(titles[p])]
    if not melody:
        single = [p for p in parts if _is_monophonic(by_part[p])]
        melody = sorted(single, key=lambda p: (-by_part[p][:, 2].mean(), p))[:1]
    rest = [p for p in parts if p not in melody]
    fullest = max(rest, key=lambda p: (len(by_part[p]), -p), default=None)
    return {p: 0 if p in melody else 2 if p == fullest else 1 for p in parts}


def _is_monophonic(notes: np.ndarray) -> bool:
    """Returns whether few notes begin while another sounds; notes int64[N, 4]: part, onset, pitch, length."""
    notes = notes[np.argsort(notes[:, 1], kind="stable")]
    last = np.maximum.accumulate(notes[:, 1] + notes[:, 3])
    return bool((notes[1:, 1] < last[:-1]).sum() <= _OVERLAPPING * len(notes))
