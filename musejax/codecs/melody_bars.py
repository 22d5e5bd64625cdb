"""A melody as note-seq's melody events in whole bars, with a beat per frame: `melody-90` and `melody-90-chords`.

The arrays are tokens int32[L], one per 16th, with the ids of `melody` over the pitches 21..108 (MusicVAE's 90 ids);
beat int32[L], the position in the bar in 16ths; and, for `melody-90-chords`, chord int32[L] (see `theory.chords`).
`melody-90-chords` discards a sequence without chord symbols.

Time signatures and marked bar lines (from ABC) determine where bars begin (see `metre`). The sequence is split where
the tempo or time signature changes. Each instrument yields melodies of any length and any number of pitch classes,
padded with silence to whole bars at both ends. A rest of 16 bars or more ends a melody; MusicVAE's melodies include
all rests, but windows of silence are not used here. If consecutive notes fall on one frame, the longest stays, because
an ornament precedes its note. An instrument in which two notes start together yields no melody. If the first time
signature comes with the first note, the grid begins there: in files made from audio the first bar line may lie
anywhere. Pieces with bars of more than 32 sixteenths are discarded. `prime` reads the first melody as `melody` does,
beginning at a bar line.

A hold before the first note is silence. This includes the leading frames of a window that was cut out of a piece
during a note.

Lost in encoding: dynamics, instrument, tempo, timing off the grid, ornaments shorter than a 16th, the end of a note
that overlaps the next, and bars of silence before the first and after the last note.

Arrays survive decode and encode if all bars have the same length, a note starts in the first bar and sounds in the
last, no rest before another note lasts 16 bars, and every note-off ends a note.
"""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import melody, melody_lines
from musejax.music import chord_annotations, grid, metre, noteseq, parts, timing
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.melodies_lib import Melody
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> description in one line
CODECS = {
    "melody-90": "note-seq's melody events, pitches 21..108, in whole bars with the beat",
    "melody-90-chords": "the same with the chord in every frame",
}
# Bars of rest that end a melody.
GAP_BARS = 16
# How early, in quarters, the first note may begin before the bar line to which it belongs.
_EARLY = 0.125
# Overlap in seconds of consecutive notes that is attributed to rounding.
_TOUCHING = 0.002


def make(name: str) -> codecs.Codec:
    """Returns the codec `melody-90` or `melody-90-chords`."""
    vocab = vocabulary.melody(21, 108, name=name, beat=True, chords=name == "melody-90-chords")
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: _encode(vocab, sequence),
        decode=lambda arrays, qpm: _decode(vocab, arrays, qpm),
        prime=lambda sequence: _prime(vocab, sequence),
        variants=lambda sequence: [sequence],
        voices=parts.first,
        metric=True,
    )


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> list[codecs.Arrays]:
    """Returns the melodies of a sequence; raises `errors.DiscardError` with the last reason if there are none."""
    conditions, sequence, begin = _from_first_signature(vocab, sequence)
    if "chord" in conditions and not conditions["chord"].any():
        raise errors.DiscardError("no chord symbols")
    reason, out = "empty", []
    for part in noteseq.load().sequences_lib.split_note_sequence_on_time_changes(sequence):
        quantised = grid.quantise(part, vocab.frames_per_quarter)
        _drop_ornaments(quantised)
        offset = np.array(part.subsequence_info.start_time_offset)
        start = begin + int(grid.frames(sequence, offset, vocab.frames_per_quarter))
        for instrument in sorted({n.instrument for n in quantised.notes}):
            melodies, reason_left_out = _melodies(quantised, instrument)
            reason = reason_left_out or reason
            for line in melodies:
                try:
                    out.append(_fill(vocab, line, conditions, start + line.start_step, end=True))
                except errors.DiscardError as error:
                    reason = str(error)
    if not out:
        raise errors.DiscardError(reason)
    return out


def _melodies(quantised: "NoteSequence", instrument: int) -> tuple[list["Melody"], str]:
    """Returns the melodies of one instrument, and the reason why the search ended early, if it did."""
    out, start = [], 0
    while True:
        try:
            line = melody_lines.extract(quantised, instrument, start, ignore_polyphonic_notes=False, gap_bars=GAP_BARS)
        except noteseq.load().PolyphonicMelodyError:
            return out, "two notes start together"
        if not len(line):
            return out, ""
        out.append(line)
        start = line.end_step + (-line.end_step) % line.steps_per_bar


def _prime(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> codecs.Arrays:
    """Returns the first melody of a primer, padded only at its beginning, from the preceding bar line."""
    conditions, sequence, begin = _from_first_signature(vocab, sequence)
    quantised = grid.quantise(grid.in_one_tempo(sequence), vocab.frames_per_quarter)
    for instrument in sorted({n.instrument for n in quantised.notes}):
        line = melody_lines.extract(quantised, instrument, 0, ignore_polyphonic_notes=True, gap_bars=np.inf)
        if len(line):
            return _fill(vocab, line, conditions, begin + line.start_step, end=False)
    raise errors.DiscardError("empty")


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with one instrument, time signatures if there is a beat, and chords if there are any."""
    sequence = melody.decode(vocab, arrays, qpm)
    seconds = 60.0 / qpm / vocab.frames_per_quarter
    if "chord" in arrays:
        chord_annotations.write(sequence, arrays["chord"], seconds)
    if "beat" in arrays:
        beat = np.asarray(arrays["beat"])
        lines_and_end = np.append(np.flatnonzero(beat == 0), len(beat))
        if len(set(np.diff(lines_and_end))) == 1:
            beat = np.append(beat, 0)  # bars of equal length are all whole, including the last
        metre.write(sequence, metre.signatures(beat), seconds)
    return sequence


def _drop_ornaments(quantised: "NoteSequence") -> None:
    """Keeps only the longest of the consecutive notes of an instrument that begin in one frame."""
    frames: dict[tuple[int, int], list[int]] = {}
    for i, n in sorted(enumerate(quantised.notes), key=lambda pair: pair[1].start_time):
        frames.setdefault((n.instrument, n.quantized_start_step), []).append(i)
    dropped = []
    for places in frames.values():
        notes = [quantised.notes[i] for i in places]
        if all(one.end_time <= other.start_time + _TOUCHING for one, other in itertools.pairwise(notes)):
            longest = max(range(len(notes)), key=lambda k: (notes[k].end_time - notes[k].start_time, k))
            dropped += places[:longest] + places[longest + 1 :]
    for i in sorted(dropped, reverse=True):
        del quantised.notes[i]


def _from_first_signature(
    vocab: vocabulary.Vocabulary, sequence: "NoteSequence"
) -> tuple[codecs.Arrays, "NoteSequence", int]:
    """Returns the conditions of all frames, the sequence from the beginning of its grid, and the frame of that.

    The grid begins at the first time signature if that comes with the first note, else at time 0. The conditions
    extend a little beyond the last note.
    """
    frames = int(grid.frames(sequence, [n.end_time for n in sequence.notes] or [0.0]).max()) + 2
    conditions = {"beat": metre.beats(metre.read_lines(sequence), frames)}
    if "chord" in dict(vocab.conditions):
        # A chord may outlast the notes by up to a bar.
        conditions["chord"] = chord_annotations.read(sequence, frames + vocabulary.BEATS, vocab.frames_per_quarter)
    first = min((s.time for s in sequence.time_signatures), default=0.0)
    onset = min((n.start_time for n in sequence.notes), default=0.0)
    place, note = timing.to_quarters(sequence, np.array([first, onset])).tolist()
    if first <= 0 or note < place - _EARLY:
        return conditions, sequence, 0
    moved = type(sequence).FromString(sequence.SerializeToString())
    for n in moved.notes:
        n.start_time = max(n.start_time, first)
    rest = noteseq.load().sequences_lib.extract_subsequence(moved, first, moved.total_time)
    return conditions, rest, int(grid.nearest(place * QUARTER))


def _fill(
    vocab: vocabulary.Vocabulary, line: "Melody", conditions: codecs.Arrays, first: int, *, end: bool
) -> codecs.Arrays:
    """Returns the arrays of a melody, padded with silence from the preceding bar line.

    Args:
        vocab: The vocabulary of the codec.
        line: The melody.
        conditions: The conditions of all frames of the sequence.
        first: First frame of the melody.
        end: Whether to pad the last bar as well.
    """
    if line.steps_per_bar > vocabulary.BEATS:
        raise errors.DiscardError(f"bars of more than {vocabulary.BEATS} 16ths")
    tokens = melody.to_ids(vocab, line)
    beat = conditions["beat"][first : first + len(tokens)]
    before, last = int(beat[0]), int(beat[-1])
    after = -(last + 1) % line.steps_per_bar if end else 0
    silence = np.full(after, vocab.id("hold"))
    silence[:1] = vocab.id("note_off")
    parts = {
        "tokens": [np.full(before, vocab.id("hold")), tokens, silence],
        "beat": [np.arange(before), beat, last + 1 + np.arange(after)],
    }
    if "chord" in conditions:
        # A bar that begins before the first frame of the sequence has no chord until that frame.
        missing = max(before - first, 0)
        parts["chord"] = [
            np.zeros(missing),
            conditions["chord"][max(first - before, 0) : first + len(tokens) + after],
        ]
    return {name: np.concatenate(arrays).astype(np.int32) for name, arrays in parts.items()}
