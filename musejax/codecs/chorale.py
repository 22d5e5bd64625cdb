"""Four voices on the 16th grid: `chorale` with holds and END, `chorale-pitches` with sounding pitches only.

The arrays of `chorale` are tokens int32[T, 4] (soprano, alto, tenor, bass) and, for every frame, `beat` (position in
the bar in 16ths, see `metre`), `fermata` (1 while a soprano note with a fermata sounds) and `key` (sharps -7..7 as
0..14). `encode` ends a piece with a frame of four END cells, in which the beat counts on, the fermata is 0 and the key
is the last one. `chorale-pitches`, the form of the `jsb16` file, has only sounding pitches and rests; its beat counts
from the first frame, modulo 16, and its pieces have no END.

The domain is music in four voices, each monophonic, with pitches 36..81. The voices are the parts named Soprano, Alto,
Tenor and Bass. Without all four names there must be exactly four parts; those without such a name are the remaining
voices, from high to low. A fermata is a text annotation "fermata" at a time when a soprano note sounds. Up to one
note in a hundred may lie off the grid; it is moved to the grid.

Lost in encoding: tempo and its changes, dynamics, instruments, text and all other parts; notes too short for the grid;
the spelling of keys that sound alike (7 flats are read back as 5 sharps, 6 flats as 6 sharps, 7 sharps as 5 flats) and
the mode of a key signature; the difference between time signatures with bars of equal length, such as 12/8 and 3/2; a
fermata over a rest. `chorale-pitches` also loses repeated notes, metre, keys and fermatas. The beat wraps in bars of
more than 32 sixteenths. Silence at the end is kept through `total_time`, which a MIDI file does not store; at the end
of a score it is dropped.

Arrays survive decode and encode if every hold follows a note, keys are 2..13, the fermata is constant during a soprano
note and 0 in its rests, at least one note sounds, and the beat is that of a piece in one metre, with or without a
pickup bar and a short last bar.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.music import grid, metre, parts, score_annotations
from musejax.theory import keys
from musejax.theory.sixteenths import BAR

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> description in one line
CODECS = {
    "chorale": "four voices on the 16th grid with holds, fermatas, beat, key",
    "chorale-pitches": "four voices on the 16th grid as sounding pitches (jsb16)",
}
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
# Church organ: it sustains, and a repeated note is audible.
PROGRAM = 19
PARTS = tuple(codecs.Part(voice, PROGRAM) for voice in VOICES)
# Largest distance in frames at which a note counts as on the grid, and the share of notes that may lie off it.
_TOLERANCE = 0.1
_OFF_GRID = 0.01


def make(name: str) -> codecs.Codec:
    """Returns the codec `chorale` or `chorale-pitches`."""
    holds = name == "chorale"
    vocab = vocabulary.chorale(holds=holds, name=name)
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [_encode(vocab, sequence, end=holds)],
        decode=lambda arrays, qpm: _decode(vocab, arrays, qpm),
        prime=lambda sequence: _encode(vocab, sequence, end=False),
        variants=lambda sequence: [sequence],
        voices=notes_of_voices,
        parts=PARTS,
        metric=holds,
    )


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence", *, end: bool) -> codecs.Arrays:
    """Returns the arrays of a piece, with a frame of END if `end`.

    Raises:
        errors.DiscardError: The piece is outside the domain.
    """
    notes = [[sequence.notes[i] for i in indices] for indices in notes_of_voices(sequence)]
    grid.check_start(grid.note_seconds(n for of_voice in notes for n in of_voice))
    positions = [grid.note_positions(sequence, of_voice, vocab.frames_per_quarter) for of_voice in notes]
    if grid.is_off(np.concatenate(positions), _TOLERANCE, _OFF_GRID):
        raise errors.DiscardError("note off the 16th grid")
    voices = [_one_at_a_time(grid.spans(p, 0), [n.pitch for n in of]) for p, of in zip(positions, notes, strict=True)]
    everything = np.concatenate(voices)
    if not len(everything):
        raise errors.DiscardError("empty")
    pitches = vocab.range("pitch")
    if everything[:, 2].min() < pitches.min or everything[:, 2].max() > pitches.max:
        raise errors.DiscardError(f"pitch outside {pitches.min}..{pitches.max}")
    sounding = int(everything[:, 1].max())
    total = max(grid.total_frames(sequence, vocab.frames_per_quarter), sounding)
    # A score may have rests in its last bar, but a piece ends with its last note.
    length = sounding if metre.is_score(sequence) else total
    tokens = np.full((length + end, len(VOICES)), vocab.id("rest"), np.int32)
    for voice, rows in enumerate(voices):
        for first, last, pitch in rows:
            tokens[first:last, voice] = vocab.id("pitch", int(pitch))
            if vocab.has("hold"):
                tokens[first + 1 : last, voice] = vocab.id("hold")
    if not vocab.has("hold"):
        return {"tokens": tokens, "beat": (np.arange(length) % BAR).astype(np.int32)}
    if end:
        tokens[length] = vocab.id("end")
    beat = metre.read_beats(sequence, total)
    if metre.is_score(sequence):
        # A score ends with its last note, as if at a bar line: the pickup completes its last bar.
        beat[length] = 0
    return {
        "tokens": tokens,
        "beat": beat[: length + end],
        "fermata": _fermatas(sequence, voices[0], length + end),
        "key": _keys(sequence, length + end),
    }


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with one part per voice, up to the first frame with an END."""
    tokens = np.asarray(arrays["tokens"])
    frames = len(tokens)
    if vocab.has("end"):
        stops = np.flatnonzero((tokens == vocab.id("end")).any(axis=1))
        frames = int(stops[0]) if len(stops) else frames
    tick = 60.0 / qpm / vocab.frames_per_quarter
    pitches = vocab.values("pitch")
    notes = [(v, *note) for v in range(len(VOICES)) for note in _notes(vocab, pitches, tokens[:frames, v])]
    sequence = codecs.write(PARTS, notes, frames, qpm, frames_per_quarter=vocab.frames_per_quarter)
    if vocab.has("hold") and "fermata" in arrays:
        for voice, first, _, _ in notes:
            if voice == 0 and arrays["fermata"][first]:
                sequence.text_annotations.add(time=first * tick, text=score_annotations.FERMATA)
    if vocab.has("hold") and "beat" in arrays:
        # The beat of the END frame shows whether the last bar is complete.
        metre.write(sequence, metre.signatures(arrays["beat"][: frames + 1]), tick)
    if vocab.has("hold") and "key" in arrays:
        key = np.asarray(arrays["key"])[: max(frames, 1)]
        for first, _ in grid.runs(key):
            sequence.key_signatures.add(time=first * tick, key=keys.tonic(int(key[first]) - vocabulary.NO_SHARPS))
    return sequence


def _notes(vocab: vocabulary.Vocabulary, pitches: np.ndarray, cells: np.ndarray) -> list[tuple[int, int, int]]:
    """Returns first frame, end frame and pitch of each note of one voice; a hold without a preceding note is a rest."""
    if not vocab.has("hold"):
        return [
            (first, last, int(pitches[cells[first]])) for first, last in grid.runs(cells) if pitches[cells[first]] >= 0
        ]
    hold, out = vocab.id("hold"), []
    for first in np.flatnonzero(pitches[cells] >= 0).tolist():
        after = np.flatnonzero(cells[first + 1 :] != hold)
        last = first + 1 + int(after[0]) if len(after) else len(cells)
        out.append((first, last, int(pitches[cells[first]])))
    return out


def notes_of_voices(sequence: "NoteSequence") -> list[list[int]]:
    """Returns the indices of the notes of each of the four voices, from soprano to bass.

    Raises:
        errors.DiscardError: The four voices cannot be identified.
    """
    names, groups = parts.split_parts(sequence)[1:]
    if not groups:
        raise errors.DiscardError("empty")
    numbers = voice_numbers(sequence, names, groups)
    if numbers is None:
        raise errors.DiscardError("not four voices")
    return [groups.get(number, []) for number in numbers]


def voice_numbers(
    sequence: "NoteSequence", names: Mapping[int, str], groups: Mapping[int, Sequence[int]]
) -> list[int] | None:
    """Returns the numbers of the soprano, alto, tenor and bass parts, or None if they cannot be identified.

    Parts named after the voices are these voices. If exactly four parts sound, those without such a name are the
    remaining voices, from high to low.

    Args:
        sequence: The music.
        names: Names of the parts, by number.
        groups: Indices of the notes of each part that sounds, by number.
    """
    numbers = [parts.named(names, voice) for voice in VOICES]
    named = [number for number in numbers if number is not None]
    if len(named) == len(VOICES) and any(number in groups for number in named):
        return named
    if len(groups) != len(VOICES):
        return None
    height = {number: np.mean([sequence.notes[i].pitch for i in groups[number]]) for number in groups}
    others = iter(sorted(set(groups) - set(named), key=lambda number: (-height[number], number)))
    return [number if number is not None and number in groups else next(others) for number in numbers]


def _one_at_a_time(spans: np.ndarray, pitches: Sequence[int]) -> np.ndarray:
    """Returns first frame, end frame and pitch of the notes of a voice in temporal order: int64[N, 3].

    Notes of zero length on the grid are dropped, and unisons are merged.

    Raises:
        errors.DiscardError: Two notes sound at once.
    """
    notes = np.column_stack([spans, np.array(pitches, np.int64)])
    notes = np.unique(notes[notes[:, 1] > notes[:, 0]], axis=0)
    if (notes[1:, 0] < notes[:-1, 1]).any():
        raise errors.DiscardError("a voice is polyphonic")
    return notes


def _fermatas(sequence: "NoteSequence", soprano: np.ndarray, length: int) -> np.ndarray:
    """Returns int32[length]: 1 in every frame of a soprano note during which a fermata is annotated, else 0."""
    out = np.zeros(length, np.int32)
    times = [a.time for a in sequence.text_annotations if a.text.strip().lower() == score_annotations.FERMATA]
    frames = grid.frames(sequence, times)
    for first, last, _ in soprano:
        if ((frames >= first) & (frames < last)).any():
            out[first:last] = 1
    return out


def _keys(sequence: "NoteSequence", length: int) -> np.ndarray:
    """Returns int32[length]: sharps (-7..7 as 0..14) of the key signature at each frame, 7 before the first."""
    out = np.full(length, vocabulary.NO_SHARPS, np.int32)
    # If several stand at one time, the first one listed holds: transposing instruments have signatures of their own.
    signatures = {s.time: s for s in reversed(sequence.key_signatures)}
    for time in sorted(signatures):
        signature = signatures[time]
        sharps = keys.sharps(signature.key, signature.mode == signature.MINOR)
        out[max(int(grid.frames(sequence, np.array(time))), 0) :] = vocabulary.NO_SHARPS + sharps
    return out
