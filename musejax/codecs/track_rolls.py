"""Several tracks as binary rolls on one grid, the form of MuseGAN (Dong et al., 2018): `rolls-...`.

Arrays: frames uint8[T, K P], for each of K tracks its P pitches side by side; beat int32[T], the frame's place in its
bar, in frames.

| codec | tracks | pitches | frames a quarter |
|---|---|---|---|
| `rolls-chorale` | soprano, alto, tenor, bass | 36..81 | 4 |
| `rolls-pop` | melody, bridge, piano | 24..107 | 4 |
| `rolls-band`, `rolls-band-12` | drums, piano, guitar, bass, strings | 24..107 | 24, 12 |

Which notes belong to which track: the voices of a chorale as `chorale` tells them, though a voice may sound several
notes; melody, bridge and piano as `ensemble` tells them; the five of a band by General MIDI program, as the five-track
Lakh pianoroll set has them: piano 0..7, guitar 24..31, bass 32..39, all others strings but synth effects, percussive
instruments and sound effects (96..103, 112..127), which are left out.

A roll cannot tell a held from a repeated note. As the field does, where a frame is short (12 or more a quarter) a note
gives up its last frame to one of the same pitch that follows at once, so that both are heard; on the grid of 16ths
this would cost too much, and both become one note. A hit of a drum lights the frame in which it begins and no other,
so each lit frame is a hit.

The grid starts anew at each time signature, for files made from audio have their bar lines anywhere; bars are counted
by `metre`. A piece of which more than a quarter of the notes begin further than a 16th of a quarter from the grid is
discarded, and so is one of which more than one note in a hundred lies outside the pitches; single ones are left out.

What is lost: repeated notes on the grid of 16ths; dynamics, tempo, keys, fermatas, programs, timing off the grid, how
long a drum rings. Bars of more than 32 sixteenths wrap. Silence at the end is kept through `total_time`, which a MIDI
file does not hold.

Arrays survive decode and encode if a note sounds and the beat is that of a piece in one metre, pick-up included.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import chorale, song_parts
from musejax.music import grid, metre, parts, timing
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> what it holds, in one line
CODECS = {
    "rolls-chorale": "rolls of the four voices of a chorale on the 16th grid, pitches 36..81",
    "rolls-pop": "rolls of melody, bridge and piano on the 16th grid, pitches 24..107",
    "rolls-band": "rolls of drums, piano, guitar, bass and strings, 24 frames a quarter, pitches 24..107",
    "rolls-band-12": "the same with 12 frames a quarter",
}
BAND = ("drums", "piano", "guitar", "bass", "strings")
# From so many frames a quarter on, a repeated note is told from a held one by a frame of silence.
PAUSES = 12
# How far from the grid, in quarters, a note still counts as on it, and the share of notes that may lie elsewhere.
_TOLERANCE = 1 / 16
_OFF_GRID = 0.25
# The share of notes that may lie outside the pitches.
_OUTSIDE = 0.01
# Longer pieces than this many quarters are damaged files, not music.
_LONGEST = 8000
# Programs of General MIDI that no track of a band plays.
_NO_BAND = (*range(96, 104), *range(112, 128))


class Table(NamedTuple):
    """One form of rolls.

    Attributes:
        tracks: Names.
        pitches: Lowest and highest.
        frames_per_quarter: The grid.
        assign: NoteSequence -> (track, index of the note) of every note that belongs to a track.
        programs: What `decode` writes for each track.
        titles: The names that `decode` writes.
        drums: Which tracks are drums.
    """

    tracks: tuple[str, ...]
    pitches: tuple[int, int]
    frames_per_quarter: int
    assign: Callable[["NoteSequence"], list[tuple[int, int]]]
    programs: tuple[int, ...]
    titles: tuple[str, ...]
    drums: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[codecs.Part, ...]:
        """The parts that `decode` writes."""
        drums = [name in self.drums for name in self.tracks]
        return tuple(map(codecs.Part, self.titles, self.programs, drums))


def _voices(sequence: "NoteSequence") -> list[tuple[int, int]]:
    return [(voice, i) for voice, found in enumerate(chorale.notes_of_voices(sequence)) for i in found]


def family(program: int, is_drum: bool) -> int | None:
    """The track of a band that plays a program; None for none."""
    if is_drum:
        return BAND.index("drums")
    if program in _NO_BAND:
        return None
    name = {0: "piano", 3: "guitar", 4: "bass"}.get(program // 8, "strings")
    return BAND.index(name)


def _band(sequence: "NoteSequence") -> list[tuple[int, int]]:
    found = [(family(n.program, n.is_drum), i) for i, n in enumerate(sequence.notes)]
    return [(track, i) for track, i in found if track is not None]


_BAND = Table(
    BAND, (24, 107), 24, _band, (0, 0, 24, 32, 48), ("Drums", "Piano", "Guitar", "Bass", "Strings"), ("drums",)
)
TABLES = {
    "rolls-chorale": Table(
        tuple(v.lower() for v in chorale.VOICES), (36, 81), 4, _voices, (chorale.PROGRAM,) * 4, chorale.VOICES
    ),
    "rolls-pop": Table(
        tuple(n.lower() for n in song_parts.NAMES), (24, 107), 4, song_parts.assign, (0, 0, 0), song_parts.NAMES
    ),
    "rolls-band": _BAND,
    "rolls-band-12": _BAND._replace(frames_per_quarter=12),
}


def make(name: str) -> codecs.Codec:
    """The codec of a name in `TABLES`."""
    table = TABLES[name]
    vocab = vocabulary.rolls(name, table.tracks, *table.pitches, table.frames_per_quarter, drums=table.drums)
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [_encode(vocab, table, sequence)],
        decode=lambda arrays, qpm: _decode(vocab, table, arrays, qpm),
        prime=lambda sequence: _encode(vocab, table, sequence),
        variants=lambda sequence: [sequence],
        voices=lambda sequence: _by_track(table, sequence),
        parts=table.parts,
        metric=True,
    )


def _by_track(table: Table, sequence: "NoteSequence") -> list[list[int]]:
    """Indices of the notes of each track."""
    assigned = table.assign(sequence)
    heard = [(track, i) for track, i in assigned if sequence.notes[i].velocity]
    if not heard:
        raise errors.DiscardError("empty")
    return [[i for track, i in heard if track == wanted] for wanted in range(len(table.tracks))]


def voices_around(vocab: vocabulary.Vocabulary, track: str, sequence: "NoteSequence") -> list[list[int]]:
    """Indices of the notes of each track where one of them counts: a single part is that track, whatever its name.

    Raises:
        errors.DiscardError: The tracks cannot be told.
    """
    table = TABLES[vocab.name]
    found = parts.split_parts(sequence).notes
    if len(found) == 1 and track not in table.drums:
        table = table._replace(assign=lambda _: [(table.tracks.index(track), i) for i in next(iter(found.values()))])
    return _by_track(table, sequence)


def _encode(vocab: vocabulary.Vocabulary, table: Table, sequence: "NoteSequence") -> codecs.Arrays:
    """The rolls of a sequence; raises `errors.DiscardError` outside the domain."""
    notes, total, beat = _on_grid(vocab, table, sequence)
    low, high = table.pitches
    inside = (notes[:, 3] >= low) & (notes[:, 3] <= high)
    if (~inside).mean() > _OUTSIDE:
        raise errors.DiscardError(f"pitch outside {low}..{high}")
    frames = np.zeros((total, len(table.tracks), high - low + 1), np.uint8)
    # A later note of the same track and pitch comes after the one that it may cut.
    for track, first, last, pitch in notes[inside].tolist():
        lit = frames[:, track, pitch - low]
        if table.tracks[track] in table.drums:
            lit[first] = 1
            continue
        if vocab.frames_per_quarter >= PAUSES and first > 1 and lit[first - 2 : first].all():
            lit[first - 1] = 0
        lit[first:last] = 1
    return {"frames": frames.reshape(total, -1), "beat": beat}


def _on_grid(
    vocab: vocabulary.Vocabulary, table: Table, sequence: "NoteSequence"
) -> tuple[np.ndarray, int, np.ndarray]:
    """Notes int64[N, 4] of track, first and end frame, pitch, by onset; frames in all; beat int32[frames]."""
    placed = [(t, sequence.notes[i]) for t, i in table.assign(sequence)]
    placed = [(t, n) for t, n in placed if n.velocity and n.end_time > n.start_time]
    if not placed:
        raise errors.DiscardError("empty")
    seconds = grid.note_seconds(n for _, n in placed)
    grid.check_start(seconds)
    if timing.to_quarters(sequence, seconds).max() > _LONGEST:
        raise errors.DiscardError(f"longer than {_LONGEST} quarters")
    restarting = grid.read(sequence)
    lines, beyond = restarting.split(seconds, vocab.frames_per_quarter)
    if grid.is_off(beyond[:, 0], _TOLERANCE * vocab.frames_per_quarter, _OFF_GRID):
        raise errors.DiscardError("notes off the grid")
    span = grid.spans(np.maximum(lines + grid.nearest(beyond), 0))
    score = metre.is_score(sequence)
    total = int(span[:, 1].max())
    if not score:  # a score may rest in its last bar
        total = max(total, restarting.total_frames(vocab.frames_per_quarter))
    step = vocab.frames_per_quarter // QUARTER
    at = np.arange(total)
    beat = metre.beats(metre.read(sequence, restarting), -(-total // step))[at // step] * step + at % step
    rows = np.column_stack([[t for t, _ in placed], span, [n.pitch for _, n in placed]])
    return rows[np.lexsort((rows[:, 2], rows[:, 1]))], total, beat.astype(np.int32)


def _decode(vocab: vocabulary.Vocabulary, table: Table, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Frames [T, K P] -> NoteSequence with a part for each track; lit neighbours of a pitch are one note."""
    frames = np.asarray(arrays["frames"]) > 0
    tick = 60.0 / qpm / vocab.frames_per_quarter
    tracks = frames.reshape(len(frames), len(table.tracks), -1)
    notes = [
        (number, first, last, table.pitches[0] + key)
        for number, part in enumerate(table.parts)
        for first, last, key in _notes(tracks[:, number], part.is_drum)
    ]
    sequence = codecs.write(
        table.parts, notes, len(frames), qpm, frames_per_quarter=vocab.frames_per_quarter, ticks_per_quarter=240
    )
    if "beat" in arrays and len(frames):
        step = vocab.frames_per_quarter // QUARTER
        metre.write(sequence, metre.signatures(np.asarray(arrays["beat"])[::step] // step), tick * step)
    return sequence


def _notes(lit: np.ndarray, is_drum: bool) -> list[tuple[int, int, int]]:
    """First frame, end frame and key of each note of one track, bool[T, P]: by onset, then from low to high."""
    if is_drum:
        return [(frame, frame + 1, key) for frame, key in np.argwhere(lit).tolist()]
    # Rises and falls of every key at once, with silence before the first frame and after the last.
    change = np.diff(np.pad(lit.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    begins, ends = (np.argwhere(sign == change.T) for sign in (1, -1))
    return sorted((int(a), int(b), int(key)) for (key, a), (_, b) in zip(begins, ends))
