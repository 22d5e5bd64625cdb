"""Which of 88 keys sound in each frame: `pianoroll-88`, the form of the `bl` benchmark sets.

Arrays: frames uint8[T, 88] (MIDI 21..108) at `frames_per_quarter` frames a quarter (eighths), beat int32[T], the
frame's index modulo 32. All instruments but drums are laid over each other, each note moved to the nearest frame and
at least one frame long.

What is lost: repeated notes (equal neighbours become one note), dynamics, instruments, metre, tempo, timing off the
grid. Silence at the end is kept through `total_time`, which a MIDI file does not hold.

Any frames in which at least one key sounds survive decode and encode.
"""

from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.music import grid, noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> what it holds, in one line
CODECS = {
    "pianoroll-88": "binary frames of 88 keys",
}


def make(name: str) -> codecs.Codec:
    """The codec `pianoroll-88`."""
    vocab = vocabulary.pianoroll()
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [_encode(vocab, sequence)],
        decode=lambda arrays, qpm: _decode(vocab, arrays, qpm),
        prime=lambda sequence: _encode(vocab, sequence),
        variants=lambda sequence: [sequence],
    )


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> codecs.Arrays:
    """The frames of a sequence; raises `errors.DiscardError` if it is empty or leaves the keyboard."""
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
    """Frames [T, 88] -> NoteSequence with one piano; a key that sounds in neighbouring frames is one note."""
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
