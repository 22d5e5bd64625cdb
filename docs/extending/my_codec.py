"""A custom codec: the highest voice of any music in eighth notes.

musejax prepare my_tunes --codec skyline-8ths --plugin my_codec.py --out tunes.npz
musejax train fine-tune --plugin my_codec.py ...
"""

from typing import TYPE_CHECKING

import numpy as np

from musejax.codecs import Arrays, Codec
from musejax.errors import DiscardError
from musejax.music import grid, noteseq
from musejax.vocabulary import EventRange, Vocabulary

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

GRID = 2  # frames per quarter note
RANGES = (EventRange("hold"), EventRange("rest"), EventRange("pitch", 36, 96), EventRange("end"))
VOCABULARY = Vocabulary(name="skyline-8ths", version=1, ranges=RANGES, frames_per_quarter=GRID)
HOLD, REST, END = (VOCABULARY.id(name) for name in ("hold", "rest", "end"))
LOW, HIGH, FIRST = 36, 96, VOCABULARY.start("pitch")


def prime(sequence: "NoteSequence") -> Arrays:
    """Encodes music without END, as tokens int32[T]."""
    notes = grid.read_notes(sequence, GRID)  # int[N, 3]: first frame, end frame, pitch
    tokens = np.full(notes[:, 1].max(), REST, np.int32)
    for first, end, pitch in notes[np.argsort(notes[:, 2])]:  # the highest pitch is written last
        if not LOW <= pitch <= HIGH:
            raise DiscardError(f"pitch outside {LOW}..{HIGH}")
        tokens[first:end] = HOLD
        tokens[first] = FIRST + pitch - LOW
    return {"tokens": tokens}


def encode(sequence: "NoteSequence") -> list[Arrays]:
    """Encodes a whole piece."""
    return [{"tokens": np.append(prime(sequence)["tokens"], END).astype(np.int32)}]


def decode(arrays: Arrays, qpm: float) -> "NoteSequence":
    """Decodes tokens int32[T] to one instrument, at a tempo in quarter notes per minute."""
    sequence, seconds, note = noteseq.load().NoteSequence(ticks_per_quarter=220), 60 / qpm / GRID, None
    sequence.tempos.add(qpm=qpm)
    for frame, token in enumerate(np.asarray(arrays["tokens"])):
        note = note if token == HOLD else None
        if FIRST <= token < END:
            note = sequence.notes.add(pitch=int(token) - FIRST + LOW, velocity=80, start_time=frame * seconds)
        if note is not None:
            note.end_time = sequence.total_time = (frame + 1) * seconds
    return sequence


CODEC = Codec(VOCABULARY, encode, decode, prime, variants=lambda sequence: [sequence])
