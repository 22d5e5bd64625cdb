"""Performances as note-seq's events: `performance` with 32 velocity bins (388 ids), `performance-356` without.

The array is tokens int32[L]: note-on, note-off, time shifts of 1..100 steps of 10 ms, and velocity bins. The ids are
those of note-seq's `PerformanceOneHotEncoding` with `OneHotEventSequenceEncoderDecoder`.

`encode` follows Magenta's performance pipeline. It applies the sustain pedal, cuts the music into segments of 30 s (a
note across a cut ends there) and quantises them. Segments of fewer than 32 events are left out, and longer ones are
truncated to 512 events. All instruments except drums are read as one player. `variants` are the five tempos of
Magenta's training data. `prime` reads the whole sequence, whatever its length. The events are computed with NumPy,
which is many times faster than note-seq's loop; a test compares the two.

Lost in encoding: timing finer than 10 ms and the order of notes within a step; dynamics finer than a bin of 4;
instruments, tempo, metre, pedals and silence at the end. `performance-356` loses dynamics entirely.

Tokens survive decode and `prime` if `prime` made them from notes on the 10 ms grid, and notes of one pitch did not
overlap.
"""

from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.music import grid, noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> description in one line
CODECS = {
    "performance": "note-seq's 388 performance events with 32 velocity bins",
    "performance-356": "note-seq's performance events without dynamics",
}
STEPS_PER_SECOND = 100
SECONDS = 30.0
MIN_EVENTS = 32
MAX_EVENTS = 512
STRETCHES = (0.95, 0.975, 1.0, 1.025, 1.05)
_BINS = {"performance": 32, "performance-356": 0}
_SUSTAIN = 64


def make(name: str) -> codecs.Codec:
    """Returns the codec `performance` or `performance-356`."""
    bins = _BINS[name]
    vocab = vocabulary.performance(bins, name=name)
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: _encode(vocab, sequence),
        decode=lambda arrays, qpm: _decode(vocab, bins, arrays, qpm),
        prime=lambda sequence: _prime(vocab, sequence),
        variants=_variants,
    )


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> list[codecs.Arrays]:
    """Returns the segments of 30 s by Magenta's rules; raises `errors.DiscardError` if none is long enough."""
    notes, total = _notes(sequence)
    cuts = [0.0, *np.arange(SECONDS, total, SECONDS).tolist()]
    out = []
    for start, end in zip(cuts, [*cuts[1:], total]):
        part = notes[(notes[:, 0] >= start) & (notes[:, 0] < end)]
        part[:, 0] -= start
        part[:, 1] = np.minimum(part[:, 1], end) - start
        tokens = _tokens(vocab, part)
        if len(tokens) >= MIN_EVENTS:
            out.append({"tokens": tokens[:MAX_EVENTS]})
    if not out:
        raise errors.DiscardError(f"fewer than {MIN_EVENTS} events")
    return out


def _prime(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> codecs.Arrays:
    """Returns all events of a sequence."""
    return {"tokens": _tokens(vocab, _notes(sequence)[0])}


def _decode(vocab: vocabulary.Vocabulary, bins: int, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence from tokens int[L]; notes without a note-off last to the end.

    Times do not depend on `qpm`; it is only written as the tempo.
    """
    performance_lib = noteseq.load().performance_lib
    kinds = {
        "note_on": performance_lib.PerformanceEvent.NOTE_ON,
        "note_off": performance_lib.PerformanceEvent.NOTE_OFF,
        "time_shift": performance_lib.PerformanceEvent.TIME_SHIFT,
        "velocity": performance_lib.PerformanceEvent.VELOCITY,
    }
    performance = performance_lib.Performance(steps_per_second=STEPS_PER_SECOND, num_velocity_bins=bins)
    for token in np.asarray(arrays["tokens"]).tolist():
        kind, value = vocab.event(token)
        performance.append(performance_lib.PerformanceEvent(kinds[kind], value))
    sequence = performance.to_sequence(velocity=codecs.VELOCITY)
    sequence.tempos.add(qpm=qpm)
    return sequence


def _variants(sequence: "NoteSequence") -> list["NoteSequence"]:
    """Returns the sequence, with the pedal applied, at five tempos including its own.

    The pedal is applied once, because it takes longer than everything else.
    """
    sequence = _pedalled(sequence)
    sequences_lib = noteseq.load().sequences_lib
    return [sequences_lib.stretch_note_sequence(sequence, factor) for factor in STRETCHES]


def _pedalled(sequence: "NoteSequence") -> "NoteSequence":
    """Returns the sequence with its notes extended by the sustain pedal and without the pedal itself."""
    if not any(c.control_number == _SUSTAIN for c in sequence.control_changes):
        return sequence
    out = noteseq.load().sequences_lib.apply_sustain_control_changes(sequence)
    del out.control_changes[:]
    return out


def _notes(sequence: "NoteSequence") -> tuple[np.ndarray, float]:
    """Returns start and end in seconds, pitch and velocity of each note, float64[N, 4], and the total time.

    The pedal is applied, and notes are ordered by start, as by note-seq's splitter.

    Raises:
        errors.DiscardError: There is no note, or one starts before time 0.
    """
    sequence = _pedalled(sequence)
    audible = (n for n in sequence.notes if n.velocity and not n.is_drum)
    rows = [(n.start_time, n.end_time, n.pitch, n.velocity) for n in audible]
    if not rows:
        raise errors.DiscardError("empty")
    notes = np.array(rows, np.float64)
    grid.check_start(notes[:, 0])
    total = max(sequence.total_time, float(notes[:, 1].max()))
    return notes[np.argsort(notes[:, 0], kind="stable")], total


def _tokens(vocab: vocabulary.Vocabulary, notes: np.ndarray) -> np.ndarray:
    """Converts notes float64[N, 4] (start, end, pitch, velocity) to ids in note-seq's order of events, int32[L]."""
    notes = notes[np.lexsort((notes[:, 2], notes[:, 0]))]
    count = len(notes)
    # As in note-seq: to the nearest step, halves upwards, and at least one step long.
    step = grid.spans(notes[:, :2] * STEPS_PER_SECOND).T.ravel()
    note = np.tile(np.arange(count), 2)
    off = np.repeat([False, True], count)
    order = np.lexsort((off, note, step))
    step, note, off = step[order], note[order], off[order]
    pitch = notes[note, 2].astype(np.int64)
    event = np.where(off, vocab.start("note_off"), vocab.start("note_on")) + pitch

    shift = vocab.range("time_shift")
    gaps = np.diff(step, prepend=0)
    shifts = -(-gaps // shift.max)
    changes = np.zeros(len(step), np.int64)
    bins = np.zeros(0, np.int64)
    if vocab.has("velocity"):
        size = -(-127 // vocab.range("velocity").size)
        on = np.flatnonzero(~off)
        bins = (notes[note[on], 3].astype(np.int64) - 1) // size
        changed = np.diff(bins, prepend=-1) != 0
        changes[on[changed]] = 1
        bins = bins[changed]

    # Each note event is preceded by its time shifts, all but the last of full length, and then its velocity change.
    place = np.cumsum(shifts + changes + 1) - 1
    out = np.empty(place[-1] + 1 if count else 0, np.int32)
    out[:] = vocab.id("time_shift", shift.max)
    out[place] = event
    moved = shifts > 0
    rest = gaps - (shifts - 1) * shift.max
    out[(place - changes)[moved] - 1] = vocab.start("time_shift") + rest[moved] - shift.min
    if vocab.has("velocity"):
        out[place[changes > 0] - 1] = vocab.start("velocity") + bins
    return out
