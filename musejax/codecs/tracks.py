"""Melody, bridge and piano bar by bar, with controls at the beginning of each bar of a track: `tracks`.

The array is tokens int32[L]. The representation combines the tracks and attribute controls of MMM (Ens and Pasquier,
2020) with the positions within bars of REMI (Huang and Yang, 2020). A bar is a `bar` token (its length in 16ths, 1..32)
followed by the three tracks 0 melody, 1 bridge and 2 piano. A track is `track`, `density`, `polyphony`, `duration` and
its notes, by position and from low to high. `position` (16ths from the bar line) comes once before all notes that begin
there; a note is `pitch` and `length` (1..32 sixteenths). `end` follows the last bar. The controls describe the notes
that begin in the bar of the track, in bins chosen from POP909; 0 is a silent track.

| bin | density: notes | polyphony: mean number of sounding notes, without rests | duration: median length in 16ths |
|---|---|---|---|
| 1 | 1-2 | up to 1.25 | 1 |
| 2 | 3-4 | up to 2.25 | up to 2 |
| 3 | 5-6 | up to 2.75 | up to 3 |
| 4 | 7-8 | up to 3.25 | up to 6 |
| 5 | 9-11 | more | more |
| 6, 7, 8, 9 | 12-14, 15-17, 18-21, more | | |

`song_parts` assigns the parts to the tracks: by POP909's names, by other names, or by how the parts play.

The grid restarts at each time signature, which need not lie on a 16th of the tempo map: in files made from audio the
first bar line may lie anywhere. The first time signature also holds for the notes before it; without any, the metre is
4/4 from time 0. Bars of more than 32 sixteenths are split. A piece is discarded if more than a quarter of its notes
begin further than a quarter of a 16th from the grid. A primer is read in whole bars.

Lost in encoding: drums; tempo, dynamics, instruments, pedals; timing off the grid, including triplets; length beyond 32
sixteenths; the overlap of notes of one pitch and track (the later note ends the earlier); silence before the first time
signature and after the last bar in which a note begins; and the key.

Tokens survive decode and encode if they are well-formed, the controls agree with the notes, notes of one pitch and
track do not overlap and a note begins in the last bar.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import song_parts
from musejax.music import grid, metre
from musejax.theory.sixteenths import BAR, QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

    from musejax.base import Constraint

# name -> description in one line
CODECS = {
    "tracks": "melody, bridge and piano bar by bar, with controls of density, polyphony and duration",
}
CONTROLS = ("density", "polyphony", "duration")
# The largest value of each bin but the last.
DENSITY = (0, 2, 4, 6, 8, 11, 14, 17, 21)
POLYPHONY = (0, 1.25, 2.25, 2.75, 3.25)
DURATION = (0, 1, 2, 3, 6)
# Largest distance in 16ths at which a note counts as on the grid, and the share of notes that may lie off it.
_TOLERANCE = 0.25
_OFF_GRID = 0.25
# Bars beyond which a file is taken to be damaged.
_MAX_BARS = 2000


class Music(NamedTuple):
    """A piece on the grid.

    Attributes:
        sizes: int64[B], the length of each bar in 16ths.
        notes: int64[N, 4]: track, onset in 16ths from the first bar line, pitch, length in 16ths. They are ordered by
            track, onset and pitch, and notes of one pitch and track do not overlap.
    """

    sizes: np.ndarray
    notes: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """The bar lines, including the end of the last bar: int64[B + 1]."""
        return np.concatenate([[0], np.cumsum(self.sizes)])


def make(name: str) -> codecs.Codec:
    """Returns the codec `tracks`."""
    vocab = vocabulary.tracks()
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [{"tokens": _write(vocab, read(sequence), end=True)}],
        decode=lambda arrays, qpm: _decode(vocab, arrays, qpm),
        prime=lambda sequence: {"tokens": _write(vocab, read(sequence), end=False)},
        variants=lambda sequence: [sequence],
        grammar=_grammar,
        voices=song_parts.voices,
        parts=song_parts.PARTS,
    )


def _grammar() -> "Constraint":
    from musejax.decoding import track_grammar  # a codec alone does not need JAX

    return track_grammar.grammar(vocabulary.tracks())


def attributes(vocab: vocabulary.Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Returns the controls computed from the notes of a piece, regardless of its control tokens.

    Args:
        vocab: The vocabulary of the codec.
        tokens: int[L], one piece; tokens after `end` and an unfinished note are ignored.

    Returns:
        int32[bars, 3, 3]: for each bar and track the bins of density, polyphony and duration.
    """
    return _bins(_parse(vocab, tokens)[0])


def requested(vocab: vocabulary.Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Returns the controls in a piece's control tokens, int32[bars, 3, 3] as in `attributes`; -1 if missing."""
    return _parse(vocab, tokens)[1]


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with three parts from tokens int[L], up to `end`; ignores tokens that are out of place."""
    music, _ = _parse(vocab, arrays["tokens"])
    starts = music.starts
    ends = music.notes[:, 1] + music.notes[:, 3]
    total = max(int(starts[-1]), int(ends.max(initial=0)))
    notes = [(track, onset, onset + length, pitch) for track, onset, pitch, length in music.notes.tolist()]
    sequence = codecs.write(song_parts.PARTS, notes, total, qpm)
    changes = np.flatnonzero(np.diff(music.sizes, prepend=0))
    metre.write(sequence, [(int(starts[bar]), int(music.sizes[bar])) for bar in changes], 60.0 / qpm / QUARTER)
    return sequence


def read(sequence: "NoteSequence") -> Music:
    """Returns a sequence on the grid.

    Raises:
        errors.DiscardError: The sequence is outside the codec's domain.
    """
    vocab = vocabulary.tracks()
    names, notes = song_parts.parts(sequence)
    if not len(notes):
        raise errors.DiscardError("empty")
    grid.check_start(notes[:, 1])
    pitches = vocab.range("pitch")
    if notes[:, 3].min() < pitches.min or notes[:, 3].max() > pitches.max:
        raise errors.DiscardError(f"pitch outside {pitches.min}..{pitches.max}")
    onset, length, bars = _on_grid(sequence, notes[:, 1:3])
    part, pitch = notes[:, 0].astype(np.int64), notes[:, 3].astype(np.int64)
    tracks = song_parts.tracks(names, np.column_stack([part, onset, pitch, length]))
    track = np.array([tracks[p] for p in part.tolist()])
    rows = np.column_stack([track, onset, pitch, length])
    return Music(bars, _normal(rows, vocab.range("length").max))


def _on_grid(sequence: "NoteSequence", seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moves notes onto the grid that restarts at each time signature.

    Args:
        sequence: The music.
        seconds: float64[N, 2], onset and end of each note.

    Returns:
        Onsets from the first bar line, int64[N], and lengths, int64[N], in 16ths; and the length in 16ths of each bar
        up to the last in which a note begins, int64[B].

    Raises:
        errors.DiscardError: Too many notes lie off the grid, or there are too many bars.
    """
    restarting = grid.read(sequence)
    lines, beyond = restarting.split(seconds)
    if grid.is_off(beyond[:, 0], _TOLERANCE, _OFF_GRID):
        raise errors.DiscardError("notes off the 16th grid")
    placed = grid.spans(lines + grid.nearest(beyond))
    first, last = int(placed[:, 0].min()), int(placed[:, 0].max())
    # The last of several signatures at one place holds.
    signatures = dict(metre.read(sequence, restarting)) or {0: BAR}
    opening, size = next(iter(signatures.items()))
    # The first signature also holds for the notes before it.
    begin = min(opening, opening + (first - opening) // size * size)
    starts = [begin, *list(signatures)[1:]]
    bars: list[int] = []
    for start, end, size in zip(starts, [*starts[1:], None], signatures.values()):
        while start <= last and (end is None or start < end):
            whole = size if end is None else min(size, end - start)
            full, rest = divmod(whole, vocabulary.BEATS)
            bars += [vocabulary.BEATS] * full + [rest] * (rest > 0)
            start += whole
            if len(bars) > _MAX_BARS:
                raise errors.DiscardError(f"more than {_MAX_BARS} bars")
    sizes = np.array(bars, np.int64)
    sizes = sizes[np.cumsum(sizes) - sizes <= last - begin]
    return placed[:, 0] - begin, placed[:, 1] - placed[:, 0], sizes


def _normal(rows: np.ndarray, longest: int) -> np.ndarray:
    """Sorts rows of track, onset, pitch and length as in `Music`; a note ends where its pitch and track begin again."""
    rows = rows[np.lexsort((-rows[:, 3], rows[:, 1], rows[:, 2], rows[:, 0]))]
    same = (rows[1:, [0, 2]] == rows[:-1, [0, 2]]).all(axis=1)
    keep = np.ones(len(rows), bool)
    keep[1:] = ~(same & (rows[1:, 1] == rows[:-1, 1]))
    rows = rows[keep]
    rows[:, 3] = np.minimum(rows[:, 3], longest)
    same = (rows[1:, [0, 2]] == rows[:-1, [0, 2]]).all(axis=1)
    room = np.where(same, rows[1:, 1] - rows[:-1, 1], longest)
    rows[:-1, 3] = np.minimum(rows[:-1, 3], room)
    return rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]


def _segments(music: Music) -> list[list[np.ndarray]]:
    """Returns the notes that begin in each bar and track, [bar][track] int64[n, 4], with onsets from the bar line."""
    starts = music.starts
    out = [[np.zeros((0, 4), np.int64)] * len(song_parts.NAMES) for _ in music.sizes]
    if not len(music.notes):
        return out
    bar = np.searchsorted(starts, music.notes[:, 1], side="right") - 1
    place = music.notes[:, 0] * len(music.sizes) + bar
    notes = music.notes - np.outer(starts[bar], [0, 1, 0, 0])
    bounds = np.flatnonzero(np.diff(place, prepend=-1, append=-1))
    for first, last in zip(bounds[:-1], bounds[1:]):
        out[bar[first]][notes[first, 0]] = notes[first:last]
    return out


def _bins(music: Music) -> np.ndarray:
    """Returns the controls of each bar and track, int32[B, 3, 3]."""
    return np.array([[_controls(notes) for notes in bar] for bar in _segments(music)], np.int32).reshape(-1, 3, 3)


def _controls(notes: np.ndarray) -> tuple[int, int, int]:
    """Returns the bins of density, polyphony and duration of notes int64[n, 4] in the order of their onsets."""
    if not len(notes):
        return 0, 0, 0
    ends = notes[:, 1] + notes[:, 3]
    # A note adds to the time in which anything sounds only once all notes before it have ended.
    before = np.concatenate([[0], np.maximum.accumulate(ends)[:-1]])
    sounding = np.maximum(ends - np.maximum(notes[:, 1], before), 0).sum()
    values = ((DENSITY, len(notes)), (POLYPHONY, notes[:, 3].sum() / sounding), (DURATION, np.median(notes[:, 3])))
    density, polyphony, duration = (int(np.searchsorted(bins, value)) for bins, value in values)
    return density, polyphony, duration


def _write(vocab: vocabulary.Vocabulary, music: Music, *, end: bool) -> np.ndarray:
    """Returns tokens int32[L], with an `end` token if `end`."""
    position, pitch, length = (vocab.start(t) - vocab.range(t).min for t in ("position", "pitch", "length"))
    out: list[int] = []
    for size, bar in zip(music.sizes.tolist(), _segments(music)):
        out.append(vocab.id("bar", size))
        for track, notes in enumerate(bar):
            out.append(vocab.id("track", track))
            out += [vocab.id(t, value) for t, value in zip(CONTROLS, _controls(notes))]
            previous = -1
            for _, onset, height, duration in notes.tolist():
                if onset != previous:
                    out.append(position + onset)
                    previous = onset
                out += [pitch + height, length + duration]
    return np.array(out + [vocab.id("end")] * end, np.int32)


def _parse(vocab: vocabulary.Vocabulary, tokens: Iterable[int] | np.ndarray) -> tuple[Music, np.ndarray]:
    """Returns the music of tokens and the controls in the control tokens, int32[B, 3, 3], -1 if missing.

    Whatever the order of the tokens, a note is a pitch followed immediately by a length. Its bar, track and position
    are the most recent ones, and the position must lie in the bar.
    """
    sizes: list[int] = []
    controls: list[np.ndarray] = []
    rows = []
    start, track, position, pitch = 0, -1, -1, -1
    for token in np.asarray(tokens).tolist():
        kind, value = vocab.event(token)
        if kind == "end":
            break
        if kind == "bar":
            start += sizes[-1] if sizes else 0
            sizes.append(value)
            controls.append(np.full((len(song_parts.NAMES), len(CONTROLS)), -1, np.int32))
            track = position = -1
        elif kind == "track":
            track, position = value if sizes else -1, -1
        elif kind in CONTROLS and track >= 0:
            controls[-1][track, CONTROLS.index(kind)] = value
        elif kind == "position":
            position = value if track >= 0 and value < sizes[-1] else -1
        elif kind == "length" and pitch >= 0 and position >= 0:
            rows.append((track, start + position, pitch, value))
        pitch = value if kind == "pitch" else -1
    notes = _normal(np.array(rows, np.int64).reshape(-1, 4), vocab.range("length").max)
    stacked = np.array(controls, np.int32).reshape(-1, len(song_parts.NAMES), len(CONTROLS))
    return Music(np.array(sizes, np.int64), notes), stacked
