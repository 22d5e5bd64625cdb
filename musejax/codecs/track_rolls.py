"""Several tracks as binary rolls on one grid, the form of MuseGAN (Dong et al., 2018): `rolls-...`.

The arrays are frames uint8[T, K P], the P pitches of each of K tracks side by side, and beat int32[T], the position in
the bar in frames.

| codec | tracks | pitches | frames per quarter |
|---|---|---|---|
| `rolls-chorale` | soprano, alto, tenor, bass | 36..81 | 4 |
| `rolls-pop` | melody, bridge, piano | 24..107 | 4 |
| `rolls-band`, `rolls-band-12` | drums, piano, guitar, bass, strings | 24..107 | 24, 12 |

Chorale voices are assigned as in `chorale`, except that a voice may be polyphonic; melody, bridge and piano as in
`song_parts`. The tracks of a band follow General MIDI programs, as in the five-track Lakh Pianoroll Dataset: piano
0..7, guitar 24..31, bass 32..39, and strings for all others, except for synth effects, percussive instruments and sound
effects (96..103, 112..127), which are left out.

A roll does not distinguish a held note from a repeated one. On a fine grid (12 or more frames per quarter) a note
therefore gives up its last frame if another note of the same pitch follows immediately, as is usual in the
literature. On the 16th grid this would shorten notes too much, and the two notes are merged. A drum hit sets only the
frame in which it begins, so every set frame is a hit.

The grid restarts at each time signature, because files made from audio may have their bar lines anywhere; `metre`
counts the bars. A piece is discarded if more than a quarter of its notes begin further than a 16th of a quarter from
the grid, or if more than one note in a hundred lies outside the pitch range. Fewer such notes are left out.

Lost in encoding: repeated notes on the 16th grid; dynamics, tempo, keys, fermatas, programs, timing off the grid and
how long a drum rings. The beat wraps in bars of more than 32 sixteenths. Silence at the end is kept through
`total_time`, which a MIDI file does not store.

Arrays survive decode and encode if a note sounds and the beat is that of a piece in one metre, with or without a
pickup bar.
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

# name -> description in one line
CODECS = {
    "rolls-chorale": "rolls of the four voices of a chorale on the 16th grid, pitches 36..81",
    "rolls-pop": "rolls of melody, bridge and piano on the 16th grid, pitches 24..107",
    "rolls-band": "rolls of drums, piano, guitar, bass and strings, 24 frames per quarter, pitches 24..107",
    "rolls-band-12": "the same with 12 frames per quarter",
}
BAND = ("drums", "piano", "guitar", "bass", "strings")
# Frames per quarter from which a frame of silence separates repeated notes.
PAUSES = 12
# Largest distance in quarters at which a note counts as on the grid, and the share of notes that may lie off it.
_TOLERANCE = 1 / 16
_OFF_GRID = 0.25
# The share of notes that may lie outside the pitch range.
_OUTSIDE = 0.01
# Quarters beyond which a file is taken to be damaged.
_LONGEST = 8000
# General MIDI programs that belong to no track of a band.
_NO_BAND = (*range(96, 104), *range(112, 128))


class Table(NamedTuple):
    """The definition of one `rolls-...` codec.

    Attributes:
        tracks: Names of the tracks.
        pitches: Lowest and highest pitch.
        frames_per_quarter: Frames per quarter note.
        assign: NoteSequence -> (track, index of the note) for every note that belongs to a track.
        programs: The program that `decode` writes for each track.
        titles: The part name that `decode` writes for each track.
        drums: Names of the tracks that are drums.
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
    return [(voice, i) for voice, indices in enumerate(chorale.notes_of_voices(sequence)) for i in indices]


def family(program: int, is_drum: bool) -> int | None:
    """Returns the track of a band that plays a program, or None if the program is left out."""
    if is_drum:
        return BAND.index("drums")
    if program in _NO_BAND:
        return None
    name = {0: "piano", 3: "guitar", 4: "bass"}.get(program // 8, "strings")
    return BAND.index(name)


def _band(sequence: "NoteSequence") -> list[tuple[int, int]]:
    assigned = [(family(n.program, n.is_drum), i) for i, n in enumerate(sequence.notes)]
    return [(track, i) for track, i in assigned if track is not None]


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
    """Returns the codec with a name from `TABLES`."""
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
    """Returns the indices of the audible notes of each track; raises `errors.DiscardError` if there are none."""
    assigned = [(track, i) for track, i in table.assign(sequence) if sequence.notes[i].velocity]
    if not assigned:
        raise errors.DiscardError("empty")
    return [[i for track, i in assigned if track == number] for number in range(len(table.tracks))]


def voices_around(vocab: vocabulary.Vocabulary, track: str, sequence: "NoteSequence") -> list[list[int]]:
    """Returns the indices of the notes of each track, for accompanying one of them.

    Args:
        vocab: The vocabulary of a codec in `TABLES`.
        track: The track to accompany. If the sequence has only one part, that part is this track, whatever its name.
        sequence: The music.

    Raises:
        errors.DiscardError: The tracks cannot be identified.
    """
    table = TABLES[vocab.name]
    notes = parts.split_parts(sequence).notes
    if len(notes) == 1 and track not in table.drums:
        table = table._replace(assign=lambda _: [(table.tracks.index(track), i) for i in next(iter(notes.values()))])
    return _by_track(table, sequence)


def _encode(vocab: vocabulary.Vocabulary, table: Table, sequence: "NoteSequence") -> codecs.Arrays:
    """Returns the rolls of a sequence; raises `errors.DiscardError` if it is outside the domain."""
    notes, total, beat = _on_grid(vocab, table, sequence)
    low, high = table.pitches
    inside = (notes[:, 3] >= low) & (notes[:, 3] <= high)
    if (~inside).mean() > _OUTSIDE:
        raise errors.DiscardError(f"pitch outside {low}..{high}")
    frames = np.zeros((total, len(table.tracks), high - low + 1), np.uint8)
    # Notes are in temporal order, so a note can shorten the previous one of its track and pitch.
    for track, first, last, pitch in notes[inside].tolist():
        key = frames[:, track, pitch - low]
        if table.tracks[track] in table.drums:
            key[first] = 1
            continue
        if vocab.frames_per_quarter >= PAUSES and first > 1 and key[first - 2 : first].all():
            key[first - 1] = 0
        key[first:last] = 1
    return {"frames": frames.reshape(total, -1), "beat": beat}


def _on_grid(
    vocab: vocabulary.Vocabulary, table: Table, sequence: "NoteSequence"
) -> tuple[np.ndarray, int, np.ndarray]:
    """Moves notes onto the grid that restarts at each time signature.

    Returns:
        Track, first frame, end frame and pitch of each note in the order of onsets, int64[N, 4]; the total number of
        frames; and beat, int32[frames].
    """
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
    if not score:  # a score may have rests in its last bar
        total = max(total, restarting.total_frames(vocab.frames_per_quarter))
    step = vocab.frames_per_quarter // QUARTER
    frame = np.arange(total)
    beat = metre.beats(metre.read(sequence, restarting), -(-total // step))[frame // step] * step + frame % step
    rows = np.column_stack([[t for t, _ in placed], span, [n.pitch for _, n in placed]])
    return rows[np.lexsort((rows[:, 2], rows[:, 1]))], total, beat.astype(np.int32)


def _decode(vocab: vocabulary.Vocabulary, table: Table, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with a part for each track from frames [T, K P]; consecutive frames are one note."""
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


def _notes(roll: np.ndarray, is_drum: bool) -> list[tuple[int, int, int]]:
    """Returns first frame, end frame and key of each note of a roll bool[T, P], by onset, then from low to high."""
    if is_drum:
        return [(frame, frame + 1, key) for frame, key in np.argwhere(roll).tolist()]
    # Rises and falls of all keys, with silence before the first frame and after the last.
    change = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    begins, ends = (np.argwhere(sign == change.T) for sign in (1, -1))
    return sorted((int(a), int(b), int(key)) for (key, a), (_, b) in zip(begins, ends))
