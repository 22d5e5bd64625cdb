"""Melody, bass and drums together on the 16th grid: `trio`, MusicVAE's (Roberts et al., 2018).

Arrays: tokens int32[T, 3], streams melody, bass, drums. Each stream has ids of its own (`Vocabulary.own`): the two
lines note-seq's melody events (a hold, an off, a note-on for each pitch 21..108), the drums one of the 512 sets of
the codec `drums`. The grammar keeps each stream to its ids.

`encode` follows MusicVAE's pipeline. The sequence is split where tempo or time signature change and quantised at 4
frames a quarter. An instrument is drums if its notes are; a melody if its program is 0..31 (piano, chromatic
percussion, organ, guitar); a bass if it is 32..39; one with any other program, or with notes of two kinds, is left
out. Each becomes one line over the whole stretch: of notes that start together the highest, and a note ends where
the next begins. A line with a pitch outside 21..108 is left out.

Every melody is put together with every bass and with all drums as one kit, for files often give each drum a track;
at most 32 combinations, a stretch with more is discarded. A piece begins and ends with a bar in which all three
sound; between them none is silent for more than 2 bars, which would part it. It has at least 4 bars and is not cut. A
note that sounds across its beginning begins there. Of pieces that are equal, as where a part is doubled, one is kept.

MusicVAE itself draws 5 windows from a file, reads 4/4 alone, leaves notes out that sound across the beginning, and
lets an instrument rest for 2 bars on either side of a bar in which it sounds, so that its silences may last 4.

`prime` reads the first instrument of each kind that has notes, from the bar line before the first to the end of the
last, through rests and through changes of tempo and time signature. One or two of the three may be missing: they are
silent. A primer whose only melody or only bass has a pitch outside the table does not fit.

What is lost: what `melody` and `drums` lose (see there); which instruments play, all others, chords (but for their
highest note), where a note ends that another cuts short.

Tokens survive decode and `prime` if each stream has its own ids alone; in the lines no note ends where none sounds;
a note or hit begins in the first 16 frames; and a note sounds or a drum is hit in the last. They survive decode and
`encode` if besides they are whole bars of 16 frames, at least four, with each of the three in the first bar and in
the last, and none silent for more than 2 bars; that something sounds in the last frame is then not needed.
"""

import itertools
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import drums, melody_lines
from musejax.music import grid, noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

    from musejax.base import Constraint

# name -> what it holds, in one line
CODECS = {
    "trio": "melody, bass and drums on the 16th grid",
}
Kind = Literal["melody", "bass", "drums"]
KINDS: tuple[Kind, ...] = ("melody", "bass", "drums")
MELODY_PROGRAMS = range(32)
BASS_PROGRAMS = range(32, 40)
# What `decode` writes: a piano and a fingered electric bass.
PROGRAMS = (0, 33)
MIN_BARS = 4
GAP_BARS = 2
MAX_COMBINATIONS = 32


class _Line(NamedTuple):
    """One instrument over a whole stretch.

    Attributes:
        events: int32[T]; note-seq's melody events, or for drums the number of the set.
        active: bool[T], whether a note sounds, or a drum is hit.
    """

    events: np.ndarray
    active: np.ndarray


def make(name: str) -> codecs.Codec:
    """The codec `trio`."""
    vocab = vocabulary.trio()
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [{"tokens": tokens} for tokens in _encode(vocab, sequence)],
        decode=lambda arrays, qpm: _decode(vocab, arrays, qpm),
        prime=lambda sequence: {"tokens": _prime(vocab, sequence)},
        variants=lambda sequence: [sequence],
        grammar=lambda: _grammar(vocab),
        voices=voices,
        parts=(codecs.Part("melody", PROGRAMS[0]), codecs.Part("bass", PROGRAMS[1]), codecs.Part("drums", 0, True)),
    )


def _grammar(vocab: vocabulary.Vocabulary) -> "Constraint":
    from musejax.decoding import constraints  # a codec alone does not need JAX

    return constraints.by_stream(allowed(vocab))


def allowed(vocab: vocabulary.Vocabulary) -> np.ndarray:
    """The ids that each stream has: bool[3, V]."""
    return np.stack([np.any([vocab.values(t) >= 0 for t in types], axis=0) for types in vocab.own])


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> list[np.ndarray]:
    """The trios of a sequence; raises `errors.DiscardError` with the last reason if there is none."""
    sequences_lib = noteseq.load().sequences_lib
    grid.check_start(np.array([note.start_time for note in sequence.notes]))
    reason, out = "no melody", {}
    for part in sequences_lib.split_note_sequence_on_time_changes(sequence):
        quantised = grid.quantise(part, vocab.frames_per_quarter)
        bar = int(sequences_lib.steps_per_bar_in_quantized_sequence(quantised))
        found, left_out = _lines(vocab, quantised, -(-quantised.total_quantized_steps // bar) * bar)
        missing: list[Kind] = [kind for kind in KINDS if not found[kind]]
        combinations = list(itertools.product(*(found[kind] for kind in KINDS)))
        if missing:
            reason = left_out.get(missing[0], f"no {missing[0]}")
        elif len(combinations) > MAX_COMBINATIONS:
            reason = f"more than {MAX_COMBINATIONS} combinations of instruments"
        else:
            reason = f"no {MIN_BARS} bars in a row that all three play"
            for combination in combinations:
                for first, last in _together(combination, bar):
                    tokens = _tokens(vocab, combination, first, last)
                    out.setdefault(tokens.tobytes(), tokens)
    if not out:
        raise errors.DiscardError(reason)
    return list(out.values())


def _prime(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> np.ndarray:
    """The trio of a primer; raises `errors.DiscardError` if nothing sounds or a pitch does not fit."""
    quantised = grid.quantise(grid.in_one_tempo(sequence), vocab.frames_per_quarter)
    length = quantised.total_quantized_steps
    found, left_out = _lines(vocab, quantised, length)
    for kind, reason in left_out.items():
        if not found[kind]:
            raise errors.DiscardError(reason)
    silent = {kind: _Line(np.full(length, _rest(kind), np.int32), np.zeros(length, bool)) for kind in KINDS}
    chosen = tuple((found[kind] or [silent[kind]])[0] for kind in KINDS)
    active = np.flatnonzero(np.any([line.active for line in chosen], axis=0))
    if not len(active):
        raise errors.DiscardError("no melody, bass or drums")
    bar = int(noteseq.load().sequences_lib.steps_per_bar_in_quantized_sequence(quantised))
    return _tokens(vocab, chosen, int(active[0]) // bar * bar, int(active[-1]) + 1)


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Tokens int[T, 3] -> NoteSequence of three parts; an id that is not the stream's holds, or hits nothing."""
    note_seq, tokens = noteseq.load(), np.asarray(arrays["tokens"])
    sequence = note_seq.NoteSequence(ticks_per_quarter=220)
    sequence.tempos.add(qpm=qpm)
    for part, kind in enumerate(KINDS):
        sequence.part_infos.add(part=part, name=kind)
        sequence.instrument_infos.add(instrument=part, name=kind)
        values = vocab.values(kind)[tokens[:, part]]
        if kind == "drums":
            played = drums.write(drums.to_frames(np.maximum(values, 0)), qpm, vocab.frames_per_quarter)
        else:
            ending = np.where(tokens[:, part] == vocab.id(f"{kind}_off"), melody_lines.NOTE_OFF, melody_lines.GO_ON)
            events = np.where(values >= 0, values, ending).tolist()
            melody = note_seq.Melody(events, steps_per_quarter=vocab.frames_per_quarter)
            played = melody.to_sequence(velocity=codecs.VELOCITY, program=PROGRAMS[part], qpm=qpm)
        for note in played.notes:
            note.instrument = note.part = part
        sequence.notes.extend(played.notes)
    sequence.total_time = len(tokens) * 60.0 / qpm / vocab.frames_per_quarter
    return sequence


def _kinds(quantised: "NoteSequence") -> dict[int, Kind]:
    """What each instrument is, by its number; those that are none of the three, or more than one, are left out."""
    found: dict[int, set[Kind | None]] = {}
    for note in quantised.notes:
        if note.velocity:
            kind: Kind | None = "melody" if note.program in MELODY_PROGRAMS else None
            kind = "bass" if note.program in BASS_PROGRAMS else kind
            found.setdefault(note.instrument, set()).add("drums" if note.is_drum else kind)
    return {i: kind for i, kinds in sorted(found.items()) for kind in kinds if kind is not None and len(kinds) == 1}


def voices(sequence: "NoteSequence") -> list[list[int]]:
    """Indices of the notes of the first melody, of the first bass and of all drums.

    Raises:
        errors.DiscardError: There are none of all three.
    """
    kinds = _kinds(sequence)
    found: dict[Kind, list[int]] = {}
    for kind in KINDS:
        numbers = [number for number, of_number in kinds.items() if of_number == kind]
        chosen = numbers if kind == "drums" else numbers[:1]
        found[kind] = [i for i, note in enumerate(sequence.notes) if note.instrument in chosen and note.velocity]
    found["drums"] = [i for i in found["drums"] if drums.class_of(sequence.notes[i].pitch) is not None]
    if not any(found.values()):
        raise errors.DiscardError("no melody, bass or drums")
    return [found[kind] for kind in KINDS]


def _lines(
    vocab: vocabulary.Vocabulary, quantised: "NoteSequence", length: int
) -> tuple[dict[Kind, list[_Line]], dict[Kind, str]]:
    """The lines of each kind over so many frames, by instrument, and why the last one left out of each kind was."""
    left_out: dict[Kind, str] = {}
    out: dict[Kind, list[_Line]] = {kind: [] for kind in KINDS}
    kinds = _kinds(quantised)
    for instrument, kind in kinds.items():
        if kind == "drums":
            continue
        line = _melody(quantised, instrument, length)
        pitches, used = vocab.range(kind), line.events[line.events >= 0]
        if used.min() < pitches.min or used.max() > pitches.max:
            left_out[kind] = f"pitch outside {pitches.min}..{pitches.max}"
        else:
            out[kind].append(line)
    kit = _kit(quantised, {i for i, kind in kinds.items() if kind == "drums"}, length)
    if kit.active.any():
        out["drums"].append(kit)
    return out, left_out


def _melody(quantised: "NoteSequence", instrument: int, length: int) -> _Line:
    melody = melody_lines.extract(quantised, instrument, 0, ignore_polyphonic_notes=True, gap_bars=np.inf)
    start = melody.start_step
    melody.set_length(length - start)
    events = np.array([melody_lines.GO_ON] * start + list(melody), np.int32)
    return _Line(events, melody_lines.sounding(events))


def _kit(quantised: "NoteSequence", instruments: set[int], length: int) -> _Line:
    frames = np.zeros((length, vocabulary.DRUMS), np.uint8)
    for note in quantised.notes:
        drum = drums.class_of(note.pitch)
        if note.instrument in instruments and note.velocity and drum is not None:
            frames[note.quantized_start_step, drum] = 1
    ids = drums.to_ids(frames)
    return _Line(ids, ids > 0)


def _together(combination: tuple[_Line, ...], bar: int) -> list[tuple[int, int]]:
    """First and end frame of each stretch of bars that a combination plays together."""
    bars = np.array([line.active.reshape(-1, bar).max(axis=1) for line in combination])
    common = np.array([_covered(plays) for plays in bars]).min(axis=0)
    out = []
    for first, last in grid.runs(common):
        # A silence at either end is none between bars of the piece.
        full = first + np.flatnonzero(bars[:, first:last].min(axis=0))
        if common[first] and len(full) and full[-1] + 1 - full[0] >= MIN_BARS:
            out.append((int(full[0]) * bar, int(full[-1] + 1) * bar))
    return out


def _covered(plays: np.ndarray) -> np.ndarray:
    """The bars in which a line plays, bool[B], and the short silences between them."""
    out = plays.copy()
    for first, last in grid.runs(plays):
        if first > 0 and last < len(plays) and last - first <= GAP_BARS:
            out[first:last] = True
    return out


def _rest(kind: Kind) -> int:
    return 0 if kind == "drums" else melody_lines.GO_ON


def _tokens(vocab: vocabulary.Vocabulary, combination: tuple[_Line, ...], first: int, last: int) -> np.ndarray:
    """The ids of a stretch: int32[last - first, 3]."""
    columns = []
    for kind, line in zip(KINDS, combination):
        events = line.events[first:last]
        if kind == "drums":
            columns.append(events + vocab.start(kind))
            continue
        if line.active[first] and events[0] == melody_lines.GO_ON:
            # A note that sounds across the beginning begins anew.
            held = line.events[:first]
            events = np.concatenate([held[held >= 0][-1:], events[1:]])
        before = np.maximum.accumulate(events) < 0
        events = np.where(before, melody_lines.GO_ON, events)
        column = np.where(events == melody_lines.NOTE_OFF, vocab.id(f"{kind}_off"), vocab.id(f"{kind}_hold"))
        columns.append(np.where(events >= 0, events - vocab.range(kind).min + vocab.start(kind), column))
    return np.column_stack(columns).astype(np.int32)
