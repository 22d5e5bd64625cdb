"""Drums with dynamics and microtiming: `groove`, the representation of GrooVAE (Gillick et al., 2019).

The array is frames float32[T, 27] on the 16th grid, for models that humanise drums. For the nine classes of `drums` it
has columns of hits (0 or 1), then velocities (0..1, in steps of 1/127), then offsets (-.5..+.5 of a frame, negative if
early). Velocity and offset are 0 where there is no hit. The classes are those of the codec `drums`, except for three
pitches that the Roland kits of the public Groove data set use differently: 45 is the middle tom, 48 the high tom, 58
the rim of the low tom.

`encode` combines the drum notes of all instruments. It reads times through the tempo map, so that a tempo change does
not split the drums. A hit belongs to the nearest frame. If two hits of a class fall on one frame, the louder one
stays, or the earlier one if they are equally loud. A change of time signature restarts the bars and splits the drums,
as does a bar or more without a hit. A piece begins at the bar line before its first hit, ends at the bar line after
its last, has at least 2 bars and is never truncated. `prime` reads all hits from the bar line before the first hit to
the last hit, through rests and changes, under the time signature at the first hit.

Lost in encoding: hits closer together than a frame, how long a hit rings, the drum within its class, the kit, drums
outside the table, tempo, metre, rests longer than a bar, the bars before the first hit, and all other instruments.
`decode` cannot place a hit before time 0: an early hit in the first frame is moved to 0. A MIDI file rounds offsets to
ticks, 1/120 of a frame at the resolution that `decode` sets.

Frames survive decode and `prime`, up to rounding, if there is a hit in the first 16 frames and one in the last frame,
hits are 0 or 1, velocities are positive multiples of 1/127, offsets are less than +.5 and not negative in the first
frame, and both are 0 where there is no hit. They survive decode and `encode` if, in addition, they consist of two or
more whole bars of 16 frames, have a hit in the first and last bar, and never have 16 or more frames without a hit
between two hits; the last frame then needs no hit.
"""

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import drums
from musejax.music import grid, noteseq, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> description in one line
CODECS = {
    "groove": "nine classes of drums with dynamics and timing: hit, velocity, offset from the 16th grid",
}
MIN_BARS = 2
GAP_BARS = 1
_ROLAND = {45: 5, 48: 6, 58: 4}
# Ticks per quarter note of the MIDI files that are written.
_RESOLUTION = 480


class _Hits(NamedTuple):
    """The hits of a sequence, in no particular order.

    Attributes:
        frame: int64[N], the nearest 16th, counted from time 0.
        drum: int64[N], the class.
        velocity: float64[N], 0..1.
        offset: float64[N], distance from the frame, in frames; negative if early.
    """

    frame: np.ndarray
    drum: np.ndarray
    velocity: np.ndarray
    offset: np.ndarray

    def where(self, mask: np.ndarray) -> "_Hits":
        """Returns the hits for which the mask is true."""
        return _Hits(*(field[mask] for field in self))


def make(name: str) -> codecs.Codec:
    """Returns the codec `groove`."""
    vocab = vocabulary.groove()
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [{"frames": frames} for frames in _encode(vocab, sequence)],
        decode=lambda arrays, qpm: _decode(vocab, arrays, qpm),
        prime=lambda sequence: {"frames": _prime(vocab, sequence)},
        variants=lambda sequence: [sequence],
        voices=drums.voices,
    )


def _encode(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> list[np.ndarray]:
    """Returns the pieces of a sequence; raises `errors.DiscardError` with the last reason if there are none."""
    hits, reason, out = _read(vocab, sequence), "no drums", []
    signatures = _signatures(vocab, sequence)
    for (start, bar), (end, _) in itertools.pairwise([*signatures, (int(hits.frame.max()) + 1, 0)]):
        inside = hits.where((hits.frame >= start) & (hits.frame < end))
        frames = np.unique(inside.frame)
        cuts = np.flatnonzero(np.diff(frames) > GAP_BARS * bar) + 1
        for run in np.split(frames, cuts) if len(frames) else []:
            first = start + (run[0] - start) // bar * bar
            bars = (run[-1] - first) // bar + 1
            if bars >= MIN_BARS:
                own = inside.where((inside.frame >= run[0]) & (inside.frame <= run[-1]))
                out.append(_frames(own, first, bars * bar))
            else:
                reason = f"shorter than {MIN_BARS} bars"
    if not out:
        raise errors.DiscardError(reason)
    return out


def _prime(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> np.ndarray:
    """Returns the frames of all hits of a primer."""
    hits = _read(vocab, sequence)
    first, last = int(hits.frame.min()), int(hits.frame.max())
    start, bar = [s for s in _signatures(vocab, sequence) if s[0] <= first][-1]
    begin = start + (first - start) // bar * bar
    return _frames(hits, begin, last + 1 - begin)


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with one kit from frames [T, 27].

    A value of .5 or more is a hit. It lasts one frame, or until the next hit of its class. Velocities and offsets are
    clipped to their ranges.
    """
    frames = np.asarray(arrays["frames"], np.float64)
    hit, velocity, offset = np.split(frames, 3, axis=1)
    tick = 60.0 / qpm / vocab.frames_per_quarter
    total = len(frames) * tick
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=_RESOLUTION)
    sequence.tempos.add(qpm=qpm)
    notes = []
    for drum in range(vocabulary.DRUMS):
        rows = np.flatnonzero(hit[:, drum] >= 0.5)
        starts = np.maximum(rows + np.clip(offset[rows, drum], -0.5, 0.5), 0.0) * tick
        ends = np.minimum(starts + tick, [*starts[1:].tolist(), np.inf])
        velocities = np.clip(np.rint(velocity[rows, drum] * 127), 1, 127).astype(int)
        notes += zip(starts.tolist(), ends.tolist(), [drums.PITCHES[drum][0]] * len(rows), velocities.tolist())
    for start, end, pitch, loudness in sorted(notes):
        total = max(total, end)
        sequence.notes.add(start_time=start, end_time=end, pitch=pitch, velocity=loudness, instrument=9, is_drum=True)
    sequence.total_time = total
    return sequence


def _read(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> _Hits:
    """Returns the hits of a sequence.

    Raises:
        errors.DiscardError: There are no hits of the nine classes, or one starts before time 0.
    """
    notes = [n for n in sequence.notes if n.is_drum and n.velocity]
    if not notes:
        raise errors.DiscardError("no drums")
    rows = [(n.start_time, class_of(n.pitch), n.velocity) for n in notes]
    hits = np.array([row for row in rows if row[1] is not None], np.float64).reshape(-1, 3)
    if not len(hits):
        raise errors.DiscardError("no drum of the nine classes")
    grid.check_start(hits[:, 0])
    exact = timing.to_quarters(sequence, hits[:, 0]) * vocab.frames_per_quarter
    frame = grid.nearest(exact, grid.HALF_WAY)
    return _Hits(frame, hits[:, 1].astype(np.int64), hits[:, 2] / 127, np.maximum(exact - frame, -0.5))


def class_of(pitch: int) -> int | None:
    """Returns the class of a MIDI drum pitch on a Roland kit, or None if the pitch is outside the table."""
    return _ROLAND.get(pitch, drums.class_of(pitch))


def _signatures(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> list[tuple[int, int]]:
    """Returns the frame of each change of the bar length and the new length, in frames; the first is at 0.

    The metre is 4/4 before the first time signature.

    Raises:
        errors.DiscardError: A time signature is invalid, or its bar is not a whole number of 16ths.
    """
    marks = sorted(sequence.time_signatures, key=lambda s: s.time)
    for mark in marks:
        if mark.numerator <= 0 or mark.denominator <= 0 or mark.denominator & (mark.denominator - 1):
            raise errors.DiscardError("an invalid time signature")
        if vocab.bar * mark.numerator % mark.denominator:
            raise errors.DiscardError("a bar is not a whole number of 16ths")
    places = grid.frames(sequence, [m.time for m in marks], vocab.frames_per_quarter)
    lengths = {0: vocab.bar}
    for place, mark in zip(places.tolist(), marks):
        lengths[max(place, 0)] = vocab.bar * mark.numerator // mark.denominator
    out: list[tuple[int, int]] = []
    for place, length in sorted(lengths.items()):
        if not out or length != out[-1][1]:
            out.append((place, length))
    return out


def _frames(hits: _Hits, first: int, length: int) -> np.ndarray:
    """Returns hits as frames float32[length, 27], beginning with frame `first`."""
    out = np.zeros((length, 3 * vocabulary.DRUMS), np.float32)
    # The last of several hits in one cell stays.
    order = np.lexsort((-hits.offset, hits.velocity))
    row, drum = hits.frame[order] - first, hits.drum[order]
    for column, values in enumerate((np.ones(len(order)), hits.velocity[order], hits.offset[order])):
        out[row, column * vocabulary.DRUMS + drum] = values
    return out
