"""A piano-roll of 88 keys: `pianoroll-88`, the form of the `bl` benchmark sets.

The arrays are frames uint8[T, 88] (MIDI pitches 21..108) at `frames_per_quarter` frames per quarter (eighths), and
beat int32[T], the index of the frame modulo 32. All instruments except drums are combined. Each note is moved to the
nearest frame and is at least one frame long.

Lost in encoding: repeated notes (adjacent notes of one pitch are merged), dynamics, instruments, metre, tempo and
timing off the grid. Silence at the end is kept through `total_time`, which a MIDI file does not store.

Frames survive decode and encode if at least one key sounds.
"""

from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.music import grid, noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> description in one line
CODECS = {
    "pianoroll-88": "binary frames of 88 keys",
}


def make(name: str) -> codecs.Codec:
    """Returns the codec `pianoroll-88`."""
    vocab = vocabulary.pianoroll()
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [_encode(vocab, sequence)],
        decode=lambda arrays, qpm: _decode(vocab, arrays, qpm),
        prime=lambda sequence: _encode(vocab, sequence),
        variants=lambda sequence: [sequence],
    )


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> codecs.Arrays:
    """Returns the arrays of a sequence; raises `errors.DiscardError` if it is empty or leaves the keyboard."""
    keys = vocab.range("key")
    notes = grid.read_notes(sequence, vocab.frames_per_quarter)
    if notes[:, 2].min() < keys.min or notes[:, 2].max() > keys.max:
        raise errors.DiscardError(f"pitch outside {keys.min}..{keys.max}")
    length = max(grid.total_frames(sequence, vocab.frames_per_quarter), int(notes[:, 1].max()))
    frames = np.zeros((length, vocab.size), np.uint8)
    for first, last, pitch in notes:
        frames[first:last, pitch - keys.min] = 1
    return {"frames": frames, "beat": (np.arange(length) % vocabulary.BEATS).astype(np.int32)}


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with one piano from frames [T, 88]; a key in consecutive frames is one note."""
    frames = np.asarray(arrays["frames"]) > 0
    tick = 60.0 / qpm / vocab.frames_per_quarter
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=220, total_time=len(frames) * tick)
    sequence.tempos.add(qpm=qpm)
    notes = [
        (first, last, key)
        for key in np.flatnonzero(frames.any(axis=0)).tolist()
        for first, last in grid.runs(frames[:, key])
        if frames[first, key]
    ]
    lowest = vocab.range("key").min
    for first, last, key in sorted(notes):
        sequence.notes.add(start_time=first * tick, end_time=last * tick, pitch=lowest + key, velocity=codecs.VELOCITY)
    return sequence
