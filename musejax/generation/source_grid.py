"""A NoteSequence on a model's grid: which note lies in which cells, in which bar, and what conditions come with it.

Notes go to the nearest frame, whatever their distance; a note too short for the grid has no cell. Of two notes of one
voice that overlap by a frame at most the first ends where the second begins. The sequence itself keeps all its times.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.codecs import chorale
from musejax.evaluation import note_rolls, voice_leading
from musejax.generation import primers, quantising, source_voices, sources
from musejax.music import bar_numbers, grid, limits, metre, noteseq, score_annotations
from musejax.theory import keys
from musejax.theory.sixteenths import BAR, QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Longer files are damaged, or no piece for one call: 256 bars of four quarters in 16ths.
MAX_FRAMES = 256 * BAR


class Placed(NamedTuple):
    """A note on the grid.

    Attributes:
        number: Its place in the sequence's notes.
        stream: Its voice; 0 where the codec has one stream, or bits.
        first: Its first frame.
        last: The frame after its last; `first` for a note too short for the grid.
        pitch: As the model reads it.
    """

    number: int
    stream: int
    first: int
    last: int
    pitch: int


class Source(NamedTuple):
    """A sequence as a model reads it.

    Attributes:
        name: What messages call it.
        sequence: The sequence, with numbers and names for the voices that it lacks, and an assumed key and fermatas.
        patterns: A note a stream, of which new ones take all but pitch, times and velocity.
        notes: The notes of all streams.
        length: Frames, T.
        bars: int64[T], the bar of each frame, counted: 1 is the first whole bar, 0 a pick-up.
        numbers: The number of each frame's bar as people name it.
        bar: Frames of the bar that most bars are.
        conditions: int32[T] each, or [T + 1] where a frame of END follows.
        shift: Semitones by which the model reads the notes higher than they are.
    """

    name: str
    sequence: "NoteSequence"
    patterns: list["NoteSequence.Note"]
    notes: list[Placed]
    length: int
    bars: np.ndarray
    numbers: bar_numbers.BarNumbers
    bar: int
    conditions: dict[str, np.ndarray]
    shift: int


def read(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    *,
    melody: int | None = None,
    sharps: int | None = None,
    quantise: quantising.Quantise | None = None,
    say: Callable[[str], None],
) -> Source:
    """A sequence on the grid of a model.

    Args:
        loaded: The model; its codec has a grid.
        sequence: The music.
        melody: The voice that the one part of a melody is; None where all voices must be there.
        sharps: Key signature, -7..7, of a sequence that has none; by default an estimate. The sequence's own holds.
        quantise: A grid to which the notes that the model reads move before the codec's own.
        say: Is told what the sequence does not say and is assumed.

    Raises:
        errors.UserError: It lies outside what the model can read.
    """
    vocabulary = loaded.codec.vocabulary
    name = sequence.filename or "the sequence"
    if not any(n.velocity and not n.is_drum and n.end_time > n.start_time for n in sequence.notes):
        raise errors.UserError(f"{name}: it holds no notes with pitches")
    if min(n.start_time for n in sequence.notes) < 0:
        raise errors.UserError(f"{name}: a note begins before time 0")
    message = limits.excess(sequence)
    if message:
        raise errors.UserError(f"{name}: {message}")
    copy = noteseq.load().NoteSequence()
    copy.CopyFrom(sequence)
    if vocabulary.streams > 1:
        groups, patterns = source_voices.of_chorale(copy, name, vocabulary.name, melody)
    else:
        groups, patterns = source_voices.all_together(copy, name, vocabulary.name, one=vocabulary.kind == "tokens")
    notes = []
    for stream, indices in enumerate(groups):
        notes += _place(sequence, name, indices, stream, vocabulary, quantise)
    length = max((n.last for n in notes), default=0)
    if not length:
        raise errors.UserError(f"{name}: all its notes are too short for the grid")
    if not metre.is_score(sequence):
        length = max(length, grid.nearest_end(sequence, vocabulary.frames_per_quarter))
    if length > MAX_FRAMES:
        raise errors.UserError(f"{name}: it lasts {length} frames; at most {MAX_FRAMES} can be steered")
    notes, shift = _shifted(loaded.codec, notes, length)
    if loaded.codec.transposition is None:
        notes, shift = _in_range(loaded, name, notes, say)
    gridded = _on_grid(sequence, notes, vocabulary.frames_per_quarter)
    sources.tell_assumptions(sequence, say)
    if melody is not None and len({note.stream for note in notes}) == 1:
        source_voices.tell_range(name, [sequence.notes[n.number].pitch for n in notes if n.last > n.first], melody, say)
    assumed = _infer(loaded, gridded, notes, sharps, name, say)
    if not copy.key_signatures:
        # What the model is told stands in what it writes.
        del copy.key_signatures[:]
        copy.key_signatures.extend(gridded.key_signatures)
    for note in assumed:
        copy.text_annotations.add(time=sequence.notes[note.number].start_time, text=score_annotations.FERMATA)
    conditions = _conditions(loaded, gridded, name)
    if conditions:
        length = len(next(iter(conditions.values()))) - vocabulary.has("end")
    bars, numbers, bar = _bars(gridded, length, vocabulary.frames_per_quarter)
    return Source(name, copy, patterns, notes, length, bars, numbers, bar, conditions, shift)


def _place(
    sequence: "NoteSequence",
    name: str,
    indices: Sequence[int],
    stream: int,
    vocabulary: vocabularies.Vocabulary,
    quantise: quantising.Quantise | None,
) -> list[Placed]:
    """Notes on the grid, one at a time unless the codec is of bits."""
    notes = [sequence.notes[i] for i in indices]
    quarters = grid.note_positions(sequence, notes, 1)
    positions = quantising.apply(quantise, quarters) * vocabulary.frames_per_quarter
    frames = grid.spans(positions, 1 if vocabulary.kind == "bits" else 0)
    placed = [
        Placed(i, stream, int(first), int(last), note.pitch)
        for i, note, (first, last) in zip(indices, notes, frames.tolist(), strict=True)
    ]
    if vocabulary.kind == "bits":
        return placed
    placed.sort(key=lambda n: (n.first, n.last, sequence.notes[n.number].start_time))
    before: int | None = None
    for at, note in enumerate(placed):
        if note.last <= note.first:
            continue
        if before is not None:
            earlier = placed[before]
            if earlier.first == note.first and earlier.pitch == note.pitch:
                placed[before] = earlier._replace(last=earlier.first)  # a unison: the longer of the two has the cells
            elif earlier.last > note.first:
                if earlier.last - note.first > 1 or earlier.first == note.first:
                    where = sequence.notes[note.number].start_time
                    what = f"in the {chorale.VOICES[stream].lower()}" if vocabulary.streams > 1 else "in the melody"
                    raise errors.UserError(f"{name}: two notes sound at once {what} at {where:.2f} seconds")
                placed[before] = earlier._replace(last=note.first)
        before = at
    return placed


def _shifted(codec: codecs.Codec, notes: list[Placed], length: int) -> tuple[list[Placed], int]:
    """The notes as the codec reads them, and by how many semitones: `melody-basic` moves a melody to C and folds it."""
    if codec.transposition is None:
        return notes, 0
    events = np.full(length, -2)
    heard = [n for n in notes if n.last > n.first]
    events[[n.first for n in heard]] = [n.pitch for n in heard]
    melody = noteseq.load().Melody(events.tolist())
    pitches = codec.vocabulary.range("pitch")
    shift = melody.squash(min_note=pitches.min, max_note=pitches.max + 1, transpose_to_key=0)
    folded = list(melody)
    return [n._replace(pitch=folded[n.first]) if n.last > n.first else n for n in notes], shift


def _in_range(
    loaded: zoo.Loaded, name: str, notes: list[Placed], say: Callable[[str], None]
) -> tuple[list[Placed], int]:
    """The notes as the model reads them, in its range, and by how many semitones all of them were moved."""
    vocabulary = loaded.codec.vocabulary
    can = vocabulary.range("key" if vocabulary.kind == "bits" else "pitch")
    heard = [n.pitch for n in notes if n.last > n.first]
    shift = sources.common_shift(heard, can.min, can.max)
    outside = sum(not can.min <= pitch + shift <= can.max for pitch in heard)
    sources.tell_folded(name, outside, f"{can.min}..{can.max}", loaded.name, say)
    return [n._replace(pitch=sources.folded(n.pitch + shift, can.min, can.max)) for n in notes], shift


def _on_grid(sequence: "NoteSequence", notes: Sequence[Placed], frames_per_quarter: int) -> "NoteSequence":
    """The piece at one second a quarter, its notes on the grid, for the codec to read."""
    out = sources.in_quarters(sequence, grid.Grid(sequence, np.zeros(1), np.zeros(1)))
    for voice, name in enumerate(chorale.VOICES):
        out.part_infos.add(part=voice, name=name)
    # Fermatas count while the soprano sounds: a melody stands in for it, whichever voice it is.
    alone = len({n.stream for n in notes}) == 1
    for n in notes:
        if n.last > n.first:
            stream = 0 if alone else n.stream
            out.notes.add(
                part=stream, instrument=stream, pitch=n.pitch, velocity=codecs.VELOCITY,
                start_time=n.first / frames_per_quarter, end_time=n.last / frames_per_quarter,
            )  # fmt: skip
    out.total_time = grid.nearest_end(sequence, frames_per_quarter) / frames_per_quarter
    return out


def _infer(
    loaded: zoo.Loaded,
    gridded: "NoteSequence",
    notes: Sequence[Placed],
    sharps: int | None,
    name: str,
    say: Callable[[str], None],
) -> list[Placed]:
    """Completes what the piece does not say of key and fermatas, and tells of it; notes of assumed fermatas."""
    vocabulary = loaded.codec.vocabulary
    conditions = dict(vocabulary.conditions)
    reads = loaded.model.info.conditions
    if sharps is not None:
        gridded.filename = name
        primers.complete_key(gridded, sharps, say)
    elif not gridded.key_signatures and (vocabulary.streams > 1 or ("key" in conditions and "key" in reads)):
        # A score of several voices is written with a key, whether the model reads one or not.
        batch = note_rolls.from_notes(
            [[note_rolls.Note(n.stream, n.pitch, n.first, n.last) for n in notes]],
            tracks=vocabulary.streams,
            beat=vocabulary.frames_per_quarter,
            bar=vocabulary.bar,
        )
        tonic, minor = voice_leading.estimate_keys(batch)[0].tolist()
        gridded.key_signatures.add(key=tonic, mode=minor)
        key = keys.name(tonic, minor)
        say(f"{name}: it has no key signature; {key} is assumed, by Krumhansl's profiles of its notes")
    marked = any(a.text.strip().lower() == score_annotations.FERMATA for a in gridded.text_annotations)
    if "fermata" in conditions and "fermata" in reads and not marked:
        found = _likely_fermatas(notes, vocabulary.bar // 2)
        for note in found:
            gridded.text_annotations.add(
                time=note.first / vocabulary.frames_per_quarter, text=score_annotations.FERMATA
            )
        what = "its last note, long ones and those before a rest"
        say(f"{name}: it has no fermatas; {len(found)} {'is' if len(found) == 1 else 'are'} assumed, on {what}")
        return found
    return []


def _likely_fermatas(notes: Sequence[Placed], long: int) -> list[Placed]:
    """Notes of the highest voice over which a fermata is likely: the last, half notes, and those before a rest."""
    voice = min((n.stream for n in notes), default=0)
    mine = sorted((n for n in notes if n.stream == voice and n.last > n.first), key=lambda n: n.first)
    after = [n.first for n in mine[1:]] + [-1]
    return [n for n, begins in zip(mine, after, strict=True) if n.last - n.first >= long or begins != n.last]


def _conditions(loaded: zoo.Loaded, gridded: "NoteSequence", name: str) -> dict[str, np.ndarray]:
    """What the codec reads beside the notes."""
    vocabulary = loaded.codec.vocabulary
    if not vocabulary.conditions:
        return {}
    codec = loaded.codec
    try:
        arrays = codec.encode(gridded)[0] if vocabulary.has("end") else codec.prime(gridded)
    except errors.DiscardError as error:
        raise errors.UserError(f"{name}: it does not fit codec {vocabulary.name} of {loaded.name}: {error}") from None
    if vocabulary.has("end") and "beat" in arrays:
        # The piece ends as if at a bar line, as a score does: its last bar lacks what a pickup has.
        arrays["beat"][-1] = 0
    return {condition: arrays[condition] for condition, _ in vocabulary.conditions}


def _bars(
    gridded: "NoteSequence", length: int, frames_per_quarter: int
) -> tuple[np.ndarray, bar_numbers.BarNumbers, int]:
    """The bar of each frame, counted and by its number, and the frames of an ordinary bar."""
    sixteenths = -(-length * QUARTER // frames_per_quarter)
    beat = metre.read_beats(gridded, max(grid.total_frames(gridded), sixteenths))[:sixteenths]
    usual = metre.usual_bar(beat) or BAR
    of_frame = np.arange(length) * QUARTER // frames_per_quarter
    numbers = bar_numbers.read(gridded, beat)
    numbers = numbers._replace(frames=numbers.frames[of_frame])
    return np.cumsum(beat == 0)[of_frame], numbers, max(usual * frames_per_quarter // QUARTER, 1)
