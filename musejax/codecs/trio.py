"""Melody, bass and drums together on the 16th grid: `trio`, after MusicVAE (Roberts et al., 2018).

The array is tokens int32[T, 3] with the streams melody, bass and drums. Each stream has its own ids
(`Vocabulary.own`): melody and bass use note-seq's melody events (hold, off, and a note-on for each pitch 21..108), and
drums use the 512 sets of the codec `drums`. The grammar restricts each stream to its ids.

`encode` follows MusicVAE's pipeline. The sequence is split where the tempo or time signature changes and quantised at 4
frames per quarter. An instrument is drums if its notes are, a melody if its program is 0..31 (piano, chromatic
percussion, organ, guitar), and a bass if its program is 32..39. Instruments with other programs or with notes of two
kinds are left out. Each instrument becomes one line over the whole segment: the highest of notes that start together
is kept, and a note ends where the next begins. A line with a pitch outside 21..108 is left out.

Every melody is combined with every bass and with all drums as one kit, because files often give each drum its own
track. A segment with more than 32 combinations is discarded. A piece begins and ends with a bar in which all three
sound; a silence of more than 2 bars in any of them splits it. It has at least 4 bars and is never truncated. A note
that sounds across the beginning of a piece begins there. Identical pieces, as from a doubled part, are kept once.

MusicVAE itself samples 5 windows per file, reads only 4/4, drops notes that sound across the beginning, and lets an
instrument rest for 2 bars on either side of a bar in which it sounds, so silences may last 4 bars.

`prime` reads the first melody, the first bass and all drums, from the bar line before the first note to the end of the
last, through rests and changes of tempo and time signature. One or two of the three may be missing; they are silent.
A primer does not fit if all its melodies, or all its basses, have a pitch outside the table.

Lost in encoding: everything that `melody` and `drums` lose; the identity of the instruments, all other instruments, all
notes of a chord except the highest, and the end of a note that another cuts short.

Tokens survive decode and `prime` if each stream has only its own ids, every off in melody and bass ends a note, a note
or hit begins in the first 16 frames, and a note sounds or a drum is hit in the last frame. They survive decode and
`encode` if, in addition, they consist of four or more whole bars of 16 frames, all three sound in the first and last
bar, and none is silent for more than 2 bars; the last frame may then be silent.
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

# name -> description in one line
CODECS = {
    "trio": "melody, bass and drums on the 16th grid",
}
Kind = Literal["melody", "bass", "drums"]
KINDS: tuple[Kind, ...] = ("melody", "bass", "drums")
MELODY_PROGRAMS = range(32)
BASS_PROGRAMS = range(32, 40)
# Programs that `decode` writes: a piano and a fingered electric bass.
PROGRAMS = (0, 33)
MIN_BARS = 4
GAP_BARS = 2
MAX_COMBINATIONS = 32


class _Line(NamedTuple):
    """One instrument over a whole segment.

    Attributes:
        events: int32[T]; note-seq's melody events, or, for drums, the number of the set.
        active: bool[T], whether a note sounds or a drum is hit.
    """

    events: np.ndarray
    active: np.ndarray


def make(name: str) -> codecs.Codec:
    """Returns the codec `trio`."""
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
    """Returns the ids that each stream may use, bool[3, V]."""
    return np.stack([np.any([vocab.values(t) >= 0 for t in types], axis=0) for types in vocab.own])


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> list[np.ndarray]:
    """Returns the trios of a sequence; raises `errors.DiscardError` with the last reason if there are none."""
    sequences_lib = noteseq.load().sequences_lib
    grid.check_start(np.array([note.start_time for note in sequence.notes]))
    reason, out = "no melody", {}
    for part in sequences_lib.split_note_sequence_on_time_changes(sequence):
        quantised = grid.quantise(part, vocab.frames_per_quarter)
        bar = int(sequences_lib.steps_per_bar_in_quantized_sequence(quantised))
        lines, left_out = _lines(vocab, quantised, -(-quantised.total_quantized_steps // bar) * bar)
        missing: list[Kind] = [kind for kind in KINDS if not lines[kind]]
        combinations = list(itertools.product(*(lines[kind] for kind in KINDS)))
        if missing:
            reason = left_out.get(missing[0], f"no {missing[0]}")
        elif len(combinations) > MAX_COMBINATIONS:
            reason = f"more than {MAX_COMBINATIONS} combinations of instruments"
        else:
            reason = f"no {MIN_BARS} consecutive bars that all three play"
            for combination in combinations:
                for first, last in _together(combination, bar):
                    tokens = _tokens(vocab, combination, first, last)
                    out.setdefault(tokens.tobytes(), tokens)
    if not out:
        raise errors.DiscardError(reason)
    return list(out.values())


def _prime(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> np.ndarray:
    """Returns the trio of a primer; raises `errors.DiscardError` if nothing sounds or a pitch does not fit."""
    quantised = grid.quantise(grid.in_one_tempo(sequence), vocab.frames_per_quarter)
    length = quantised.total_quantized_steps
    lines, left_out = _lines(vocab, quantised, length)
    for kind, reason in left_out.items():
        if not lines[kind]:
            raise errors.DiscardError(reason)
    silent = {kind: _Line(np.full(length, _rest(kind), np.int32), np.zeros(length, bool)) for kind in KINDS}
    chosen = tuple((lines[kind] or [silent[kind]])[0] for kind in KINDS)
    active = np.flatnonzero(np.any([line.active for line in chosen], axis=0))
    if not len(active):
        raise errors.DiscardError("no melody, bass or drums")
    bar = int(noteseq.load().sequences_lib.steps_per_bar_in_quantized_sequence(quantised))
    return _tokens(vocab, chosen, int(active[0]) // bar * bar, int(active[-1]) + 1)


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence of three parts from tokens int[T, 3].

    An id of another stream counts as a hold in melody and bass, and as silence in drums.
    """
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
    """Returns the kind of each instrument, by number, without those that have no kind or several."""
    kinds_of: dict[int, set[Kind | None]] = {}
    for note in quantised.notes:
        if note.velocity:
            kind: Kind | None = "melody" if note.program in MELODY_PROGRAMS else None
            kind = "bass" if note.program in BASS_PROGRAMS else kind
            kinds_of.setdefault(note.instrument, set()).add("drums" if note.is_drum else kind)
    return {i: kind for i, kinds in sorted(kinds_of.items()) for kind in kinds if kind is not None and len(kinds) == 1}


def voices(sequence: "NoteSequence") -> list[list[int]]:
    """Returns the indices of the notes of the first melody, of the first bass and of all drums.

    Raises:
        errors.DiscardError: The sequence has no melody, bass or drums.
    """
    kinds = _kinds(sequence)
    out: dict[Kind, list[int]] = {}
    for kind in KINDS:
        numbers = [number for number, kind_of_number in kinds.items() if kind_of_number == kind]
        chosen = numbers if kind == "drums" else numbers[:1]
        out[kind] = [i for i, note in enumerate(sequence.notes) if note.instrument in chosen and note.velocity]
    out["drums"] = [i for i in out["drums"] if drums.class_of(sequence.notes[i].pitch) is not None]
    if not any(out.values()):
        raise errors.DiscardError("no melody, bass or drums")
    return [out[kind] for kind in KINDS]


def _lines(
    vocab: vocabulary.Vocabulary, quantised: "NoteSequence", length: int
) -> tuple[dict[Kind, list[_Line]], dict[Kind, str]]:
    """Returns the lines of each kind, `length` frames long and in the order of instruments.

    Also returns, for each kind of which a line was left out, the reason of the last one.
    """
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
    """Returns first and end frame of each run of bars that a combination plays together."""
    bars = np.array([line.active.reshape(-1, bar).max(axis=1) for line in combination])
    common = np.array([_covered(plays) for plays in bars]).min(axis=0)
    out = []
    for first, last in grid.runs(common):
        # A piece neither begins nor ends with a bar in which one of them is silent.
        full = first + np.flatnonzero(bars[:, first:last].min(axis=0))
        if common[first] and len(full) and full[-1] + 1 - full[0] >= MIN_BARS:
            out.append((int(full[0]) * bar, int(full[-1] + 1) * bar))
    return out


def _covered(plays: np.ndarray) -> np.ndarray:
    """Returns the bars, bool[B], in which a line plays, including the short silences between them."""
    out = plays.copy()
    for first, last in grid.runs(plays):
        if first > 0 and last < len(plays) and last - first <= GAP_BARS:
            out[first:last] = True
    return out


def _rest(kind: Kind) -> int:
    return 0 if kind == "drums" else melody_lines.GO_ON


def _tokens(vocab: vocabulary.Vocabulary, combination: tuple[_Line, ...], first: int, last: int) -> np.ndarray:
    """Returns the ids of the frames from `first` to `last`, int32[last - first, 3]."""
    columns = []
    for kind, line in zip(KINDS, combination):
        events = line.events[first:last]
        if kind == "drums":
            columns.append(events + vocab.start(kind))
            continue
        if line.active[first] and events[0] == melody_lines.GO_ON:
            # A note that sounds across the beginning begins there.
            held = line.events[:first]
            events = np.concatenate([held[held >= 0][-1:], events[1:]])
        before = np.maximum.accumulate(events) < 0
        events = np.where(before, melody_lines.GO_ON, events)
        column = np.where(events == melody_lines.NOTE_OFF, vocab.id(f"{kind}_off"), vocab.id(f"{kind}_hold"))
        columns.append(np.where(events >= 0, events - vocab.range(kind).min + vocab.start(kind), column))
    return np.column_stack(columns).astype(np.int32)
