"""A melody as note-seq's melody events on the 16th grid: `melody`, `melody-basic` and `melody-100`.

The array is tokens int32[L], one per frame. `melody` (130 ids) and `melody-basic` (38 ids, pitches 48..83) use the ids
of note-seq's `MelodyOneHotEncoding`: 0 continues, 1 ends the note, and a note-on for each pitch follows.
`melody-basic` transposes to C and folds into its range with `Melody.squash`, as Magenta's basic_rnn does. `melody-100`
expresses the same in the classes of the pattern page: pitches 15..112 as 0..97, 98 for a frame of rest, 99 for a frame
in which a note is held.

`encode` follows Magenta's melody pipeline. It splits the sequence where the tempo or time signature changes and
quantises it at 4 frames per quarter. In each instrument, a rest of a bar or more ends a melody. A melody starts at the
bar line before its first note, has at least 7 bars and 5 pitch classes and is truncated to 512 frames. An instrument
in which two notes start together yields no melody. `prime` reads the first instrument that has notes, through rests
and changes of tempo or time signature (a pickup bar appears as one), whatever its length; of notes that start together
it takes the highest.

Lost in encoding: dynamics, instrument, tempo, metre, timing off the grid, the end of a note that overlaps the next, and
rests before the first bar and after the last note; in `melody-basic` also key and octave.

Tokens survive decode and `prime` if a note starts in the first 16 frames, the last frame belongs to a note, every
note-off ends a note, and, in `melody-basic`, the melody is already in C. They survive decode and `encode` if, in
addition, no rest before another note is 16 frames or longer and Magenta's rules hold for bars of 16 frames.
"""

from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import melody_lines
from musejax.music import grid, noteseq, parts
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.melodies_lib import Melody
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> description in one line
CODECS = {
    "melody": "note-seq's melody events, all 128 pitches",
    "melody-basic": "note-seq's melody events, pitches 48..83, transposed to C",
    "melody-100": "the pattern page's 100 classes: 98 pitches, rest, hold",
}
MIN_BARS = 7
MIN_PITCHES = 5
MAX_FRAMES = 512

_VOCABULARIES = {
    "melody": lambda: vocabulary.melody(),
    "melody-basic": lambda: vocabulary.melody(48, 83, name="melody-basic"),
    "melody-100": vocabulary.sketch,
}


def make(name: str) -> codecs.Codec:
    """Returns the codec `melody`, `melody-basic` or `melody-100`."""
    vocab = _VOCABULARIES[name]()
    squash = name == "melody-basic"
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: _encode(vocab, sequence, squash),
        decode=lambda arrays, qpm: decode(vocab, arrays, qpm),
        prime=lambda sequence: _prime(vocab, sequence, squash),
        variants=lambda sequence: [sequence],
        voices=parts.first,
        transposition=(lambda sequence: transposition(vocab, sequence)) if squash else None,
    )


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence", squash: bool) -> list[codecs.Arrays]:
    """Returns the melodies of a sequence; raises `errors.DiscardError` with the last reason if there are none."""
    sequences_lib = noteseq.load().sequences_lib
    reason, out = "empty", []
    for part in sequences_lib.split_note_sequence_on_time_changes(sequence):
        quantised = grid.quantise(part, vocab.frames_per_quarter)
        for instrument in sorted({n.instrument for n in quantised.notes}):
            melodies, reason_left_out = _melodies(quantised, instrument)
            reason = reason_left_out or reason
            for melody in melodies:
                try:
                    out.append({"tokens": to_ids(vocab, melody, squash)})
                except errors.DiscardError as error:
                    reason = str(error)
    if not out:
        raise errors.DiscardError(reason)
    return out


def _prime(vocab: vocabulary.Vocabulary, sequence: "NoteSequence", squash: bool) -> codecs.Arrays:
    """Returns the first melody of a primer; raises `errors.DiscardError` if there is none or it leaves the range."""
    quantised = grid.quantise(grid.in_one_tempo(sequence), vocab.frames_per_quarter)
    for instrument in sorted({n.instrument for n in quantised.notes}):
        melody = melody_lines.extract(quantised, instrument, 0, ignore_polyphonic_notes=True, gap_bars=np.inf)
        if len(melody):
            return {"tokens": to_ids(vocab, melody, squash)}
    raise errors.DiscardError("empty")


def decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with one instrument from tokens int[L]; there is no END, so every token counts."""
    events = _events(vocab, np.asarray(arrays["tokens"])).tolist()
    melody = noteseq.load().Melody(events, steps_per_quarter=vocab.frames_per_quarter)
    return melody.to_sequence(velocity=codecs.VELOCITY, qpm=qpm)


def _melodies(quantised: "NoteSequence", instrument: int) -> tuple[list["Melody"], str]:
    """Returns the melodies of one instrument by Magenta's rules, and the reason why the last rejected one was rejected.

    The reason is empty if no melody was rejected.
    """
    out, reason, start = [], "", 0
    while True:
        try:
            melody = melody_lines.extract(quantised, instrument, start, ignore_polyphonic_notes=False)
        except noteseq.load().PolyphonicMelodyError:
            return out, "two notes start together"
        if not len(melody):
            return out, reason
        bar = melody.steps_per_bar
        # The next search starts at the next bar line.
        start = melody.end_step + (-melody.end_step) % bar
        if len(melody) < MIN_BARS * bar:
            reason = f"shorter than {MIN_BARS} bars"
            continue
        if len(melody) > MAX_FRAMES:
            melody.set_length(MAX_FRAMES)
        if np.count_nonzero(melody.get_note_histogram()) < MIN_PITCHES:
            reason = f"fewer than {MIN_PITCHES} pitch classes"
            continue
        out.append(melody)


def to_ids(vocab: vocabulary.Vocabulary, melody: "Melody", squash: bool = False) -> np.ndarray:
    """Converts events to ids, int32[L]; raises `errors.DiscardError` for a pitch outside the vocabulary."""
    pitches = vocab.range("pitch")
    if squash:
        melody.squash(min_note=pitches.min, max_note=pitches.max + 1, transpose_to_key=0)
    events = np.array(list(melody), np.int32)
    for pitch in sorted({int(p) for p in events if p >= 0}):
        if not pitches.min <= pitch <= pitches.max:
            raise errors.DiscardError(f"pitch {pitch} is outside {pitches.min}..{pitches.max}")
    out = np.full(len(events), vocab.id("hold"), np.int32)
    if vocab.has("note_off"):
        out[events == melody_lines.NOTE_OFF] = vocab.id("note_off")
    else:
        out[~melody_lines.sounding(events)] = vocab.id("rest")
    on = events >= 0
    out[on] = events[on] - pitches.min + vocab.start("pitch")
    return out


def transposition(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> int:
    """Returns the semitones by which `Melody.squash` transposes a melody to C and into the range.

    The key is the major key that contains the most notes; the last key signature decides between equals.
    """
    pitches = [note.pitch for note in sequence.notes if parts.sounds(note)]
    if not pitches:
        return 0
    counts = noteseq.load().Melody(pitches).get_major_key_histogram()
    key, signatures = int(np.argmax(counts)), sorted(sequence.key_signatures, key=lambda s: s.time)
    if signatures:
        last = signatures[-1]
        named = keys.tonic(keys.sharps(last.key, last.mode == last.MINOR))
        key = named if counts[named] == max(counts) else key
    limits = vocab.range("pitch")
    away = (limits.min + limits.max) / 2 - ((min(pitches) + max(pitches)) / 2 - key)
    return -key + 12 * int(round(away / 12))


def _events(vocab: vocabulary.Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Converts ids to note-seq's events, int32[L]."""
    values = vocab.values("pitch")[tokens]
    ending = tokens == (vocab.id("note_off") if vocab.has("note_off") else vocab.id("rest"))
    events = np.where(values >= 0, values, np.where(ending, melody_lines.NOTE_OFF, melody_lines.GO_ON))
    # A rest is a single NOTE_OFF, however long it lasts; a hold during a rest continues the rest.
    silent = ~melody_lines.sounding(events)
    again = np.concatenate([[False], silent[:-1]])[: len(silent)]
    events[ending & again] = melody_lines.GO_ON
    return events
