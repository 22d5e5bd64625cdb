"""One voice as note-seq's melody events in whole bars, with the beat of every frame: `melody-90`, `melody-90-chords`.

Arrays: tokens int32[L], one a frame of a 16th, the ids of `melody` over the pitches 21..108 (90 ids, MusicVAE's);
beat int32[L], the position in the bar in 16ths; with chords also chord int32[L], see `chords`. A sequence without
chord symbols is discarded there.

Time signatures and marked bar lines (those of ABC) say where bars begin, see `metre`. The sequence is split where
tempo or time signature change. Each instrument gives its melodies: of any length and any number of pitch classes,
through rests of less than 16 bars (MusicVAE's go through all; long ones are silent windows here, which are not used),
filled up with silence to whole bars at both ends. Of notes that follow each other and fall on one frame the longest
stays, as an ornament stands before its note; an instrument in which two notes start together is no melody. Where
the first time signature comes with the first note, the grid begins there too: files made from audio have their first
bar line anywhere. Pieces in bars of more than 32 16ths are discarded. `prime` reads the first melody as `melody` does,
from a bar line on.

A hold before the first note is silence. In a window cut from a piece so are the leading frames of a note that began
before it.

What is lost: dynamics, instrument, tempo, timing off the grid, ornaments shorter than a 16th, the end of a note that
overlaps the next, bars of silence before the first and after the last note.

Arrays survive decode and encode if all bars are of one length, a note starts in the first and sounds in the last bar,
no rest before another note lasts 16 bars, and no note ends where none sounds.
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

# name -> what it holds, in one line
CODECS = {
    "melody-90": "note-seq's melody events, pitches 21..108, in whole bars with the beat",
    "melody-90-chords": "the same with the chord of every frame",
}
# Bars of rest that end a melody.
GAP_BARS = 16
# How far before its bar line, in quarters, a first note may begin and still belong to it.
_EARLY = 0.125
# By how many seconds notes that follow each other may overlap: rounding.
_TOUCHING = 0.002


def make(name: str) -> codecs.Codec:
    """A codec by its name."""
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
    """The melodies of a sequence; raises `errors.DiscardError` with the last reason if there is none."""
    told, sequence, begin = _from_first_signature(vocab, sequence)
    if "chord" in told and not told["chord"].any():
        raise errors.DiscardError("no chord symbols")
    reason, out = "empty", []
    for part in noteseq.load().sequences_lib.split_note_sequence_on_time_changes(sequence):
        quantised = grid.quantise(part, vocab.frames_per_quarter)
        _drop_ornaments(quantised)
        offset = np.array(part.subsequence_info.start_time_offset)
        start = begin + int(grid.frames(sequence, offset, vocab.frames_per_quarter))
        for instrument in sorted({n.instrument for n in quantised.notes}):
            found, why = _melodies(quantised, instrument)
            reason = why or reason
            for one in found:
                try:
                    out.append(_fill(vocab, one, told, start + one.start_step, end=True))
                except errors.DiscardError as error:
                    reason = str(error)
    if not out:
        raise errors.DiscardError(reason)
    return out


def _melodies(quantised: "NoteSequence", instrument: int) -> tuple[list["Melody"], str]:
    """The melodies of one instrument, and why what follows the last is none."""
    out, start = [], 0
    while True:
        try:
            one = melody_lines.extract(quantised, instrument, start, ignore_polyphonic_notes=False, gap_bars=GAP_BARS)
        except noteseq.load().PolyphonicMelodyError:
            return out, "two notes start together"
        if not len(one):
            return out, ""
        out.append(one)
        start = one.end_step + (-one.end_step) % one.steps_per_bar


def _prime(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> codecs.Arrays:
    """The first melody of a primer, filled up to the bar line before it alone."""
    told, sequence, begin = _from_first_signature(vocab, sequence)
    quantised = grid.quantise(grid.in_one_tempo(sequence), vocab.frames_per_quarter)
    for instrument in sorted({n.instrument for n in quantised.notes}):
        one = melody_lines.extract(quantised, instrument, 0, ignore_polyphonic_notes=True, gap_bars=np.inf)
        if len(one):
            return _fill(vocab, one, told, begin + one.start_step, end=False)
    raise errors.DiscardError("empty")


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Tokens int[L] -> NoteSequence with one instrument; with the beat's time signatures and the chords if given."""
    sequence = melody.decode(vocab, arrays, qpm)
    seconds = 60.0 / qpm / vocab.frames_per_quarter
    if "chord" in arrays:
        chord_annotations.write(sequence, arrays["chord"], seconds)
    if "beat" in arrays:
        beat = np.asarray(arrays["beat"])
        lines_and_end = np.append(np.flatnonzero(beat == 0), len(beat))
        if len(set(np.diff(lines_and_end))) == 1:
            beat = np.append(beat, 0)  # bars of one length are whole, the last too
        metre.write(sequence, metre.signatures(beat), seconds)
    return sequence


def _drop_ornaments(quantised: "NoteSequence") -> None:
    """Leaves the longest of an instrument's notes that begin in one frame one after the other."""
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
    """The conditions of all frames and some more, the sequence from where its grid begins, and the frame of that.

    The grid begins at the first time signature if that comes with the first note, else at time 0.
    """
    frames = int(grid.frames(sequence, [n.end_time for n in sequence.notes] or [0.0]).max()) + 2
    told = {"beat": metre.beats(metre.read_lines(sequence), frames)}
    if "chord" in dict(vocab.conditions):
        # A chord may outlast the notes by up to a bar.
        told["chord"] = chord_annotations.read(sequence, frames + vocabulary.BEATS, vocab.frames_per_quarter)
    first = min((s.time for s in sequence.time_signatures), default=0.0)
    onset = min((n.start_time for n in sequence.notes), default=0.0)
    place, note = timing.to_quarters(sequence, np.array([first, onset])).tolist()
    if first <= 0 or note < place - _EARLY:
        return told, sequence, 0
    moved = type(sequence).FromString(sequence.SerializeToString())
    for n in moved.notes:
        n.start_time = max(n.start_time, first)
    sequences_lib = noteseq.load().sequences_lib
    return told, sequences_lib.extract_subsequence(moved, first, moved.total_time), int(grid.nearest(place * QUARTER))


def _fill(vocab: vocabulary.Vocabulary, one: "Melody", told: codecs.Arrays, at: int, *, end: bool) -> codecs.Arrays:
    """A melody with silence up to the bar line before it and, if asked, after it.

    Args:
        vocab: That of the codec.
        one: The melody.
        told: The conditions of all frames of the sequence.
        at: The melody's first frame.
        end: Whether the last bar is filled up too.
    """
    if one.steps_per_bar > vocabulary.BEATS:
        raise errors.DiscardError(f"bars of more than {vocabulary.BEATS} 16ths")
    tokens = melody.to_ids(vocab, one)
    beat = told["beat"][at : at + len(tokens)]
    before, last = int(beat[0]), int(beat[-1])
    after = -(last + 1) % one.steps_per_bar if end else 0
    silence = np.full(after, vocab.id("hold"))
    silence[:1] = vocab.id("note_off")
    parts = {
        "tokens": [np.full(before, vocab.id("hold")), tokens, silence],
        "beat": [np.arange(before), beat, last + 1 + np.arange(after)],
    }
    if "chord" in told:
        # A bar that begins before the first frame has no chord until then.
        missing, inside = max(before - at, 0), told["chord"][max(at - before, 0) : at + len(tokens) + after]
        parts["chord"] = [np.zeros(missing), inside]
    return {name: np.concatenate(arrays).astype(np.int32) for name, arrays in parts.items()}
