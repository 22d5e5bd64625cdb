"""Four voices on the 16th grid: `chorale` with holds and END, `chorale-pitches` as sounding pitches.

Arrays of `chorale`: tokens int32[T, 4] (soprano, alto, tenor, bass), and of every frame its `beat` (position in the
bar in 16ths, as `metre` counts it), `fermata` (1 while a soprano note under a fermata sounds) and `key` (sharps -7..7
as 0..14). `encode` closes a piece with a frame of four END cells, whose beat goes on counting, whose fermata is 0 and
whose key is the last. `chorale-pitches`, the form of the `jsb16` file, has sounding pitches and rests alone; beat
counts from the first frame, modulo 16; pieces have no END.

The domain is a sequence of four voices, each one note at a time, pitches 36..81: the parts named Soprano, Alto, Tenor
and Bass, else exactly four parts, those without such a name the higher the earlier. A fermata is a text annotation
"fermata" while a soprano note sounds. Up to one note in a hundred may lie off the grid and is moved to it.

What is lost: tempo and its changes, dynamics, instruments, text, everything but the four parts; notes too short for
the grid; what distinguishes keys that sound alike (7 flats read back as 5 sharps, 6 flats as 6 sharps, 7 sharps as 5
flats) and a key signature's mode; 12/8 and 3/2 and such where only the bar's length tells them apart; a fermata over
a rest. `chorale-pitches` also loses repeated notes, metre, keys and fermatas. Bars of more than 32 sixteenths wrap.
Silence at the end is kept through `total_time`, which a MIDI file does not hold; at the end of a score it is dropped.

Arrays survive decode and encode if holds follow a note, keys are 2..13, the fermata is the same for all of a soprano
note and 0 in its rests, at least one note sounds, and the beat is that of a piece in one metre,
pick-up and short last bar included.
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

# name -> what it holds, in one line
CODECS = {
    "chorale": "four voices on the 16th grid with holds, fermatas, beat, key",
    "chorale-pitches": "four voices on the 16th grid as sounding pitches (jsb16)",
}
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
# Church organ: it sustains, and a repeated note is heard as one.
PROGRAM = 19
PARTS = tuple(codecs.Part(voice, PROGRAM) for voice in VOICES)
# How far from the grid, in frames, a note still counts as on it, and the share of notes that may lie elsewhere.
_TOLERANCE = 0.1
_OFF_GRID = 0.01


def make(name: str) -> codecs.Codec:
    """The codec `chorale` or `chorale-pitches`."""
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
    """The arrays of a piece, with a frame of END if asked; raises `errors.DiscardError` outside the domain."""
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
    # A score may rest in its last bar, and a piece ends with its last note.
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
        # A score ends with its last note, as if at a bar line: its last bar lacks what the pickup has.
        beat[length] = 0
    return {
        "tokens": tokens,
        "beat": beat[: length + end],
        "fermata": _fermatas(sequence, voices[0], length + end),
        "key": _keys(sequence, length + end),
    }


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Arrays -> NoteSequence with a part for each voice; stops at the first frame with an END."""
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
        # The place of END tells whether the last bar is complete.
        metre.write(sequence, metre.signatures(arrays["beat"][: frames + 1]), tick)
    if vocab.has("hold") and "key" in arrays:
        key = np.asarray(arrays["key"])[: max(frames, 1)]
        for first, _ in grid.runs(key):
            sequence.key_signatures.add(time=first * tick, key=keys.tonic(int(key[first]) - vocabulary.NO_SHARPS))
    return sequence


def _notes(vocab: vocabulary.Vocabulary, pitches: np.ndarray, cells: np.ndarray) -> list[tuple[int, int, int]]:
    """First frame, end frame and pitch of each note of one voice; a hold without a note before it is a rest."""
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
    """Indices of the notes of the four voices, soprano to bass.

    Raises:
        errors.DiscardError: The voices cannot be told.
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
    """Returns the numbers of the parts that are soprano, alto, tenor and bass; None where that cannot be told.

    Parts named after the voices are these voices. Of exactly four parts that sound, those without such a name are the
    voices that remain, the higher the earlier.

    Args:
        sequence: The music.
        names: Of its parts.
        groups: Indices of the notes of each part that sounds.
    """
    found = [parts.named(names, voice) for voice in VOICES]
    named = [number for number in found if number is not None]
    if len(named) == len(VOICES) and any(number in groups for number in named):
        return named
    if len(groups) != len(VOICES):
        return None
    height = {number: np.mean([sequence.notes[i].pitch for i in groups[number]]) for number in groups}
    others = iter(sorted(set(groups) - set(named), key=lambda number: (-height[number], number)))
    return [number if number is not None and number in groups else next(others) for number in found]


def _one_at_a_time(spans: np.ndarray, pitches: Sequence[int]) -> np.ndarray:
    """Returns first frame, end frame and pitch of the notes of a voice in order of time: int64[N, 3].

    Notes that the grid left no length are left out, and unisons become one.

    Raises:
        errors.DiscardError: Two notes sound at once.
    """
    notes = np.column_stack([spans, np.array(pitches, np.int64)])
    notes = np.unique(notes[notes[:, 1] > notes[:, 0]], axis=0)
    if (notes[1:, 0] < notes[:-1, 1]).any():
        raise errors.DiscardError("a voice is polyphonic")
    return notes


def _fermatas(sequence: "NoteSequence", soprano: np.ndarray, length: int) -> np.ndarray:
    """1 on every frame of a soprano note during which a fermata is annotated: int32[length]."""
    out = np.zeros(length, np.int32)
    times = [a.time for a in sequence.text_annotations if a.text.strip().lower() == score_annotations.FERMATA]
    frames = grid.frames(sequence, times)
    for first, last, _ in soprano:
        if ((frames >= first) & (frames < last)).any():
            out[first:last] = 1
    return out


def _keys(sequence: "NoteSequence", length: int) -> np.ndarray:
    """Sharps (-7..7 as 0..14) of the key signature at each frame, 7 before the first: int32[length]."""
    out = np.full(length, vocabulary.NO_SHARPS, np.int32)
    # Of several at one time the first listed holds: transposing instruments write their own.
    signatures = {s.time: s for s in reversed(sequence.key_signatures)}
    for time in sorted(signatures):
        signature = signatures[time]
        sharps = keys.sharps(signature.key, signature.mode == signature.MINOR)
        out[max(int(grid.frames(sequence, np.array(time))), 0) :] = vocabulary.NO_SHARPS + sharps
    return out
