"""Drums as they were played: `groove`, GrooVAE's representation (Gillick et al., 2019), for models that humanise.

Arrays: frames float32[T, 27] on the 16th grid. For the nine classes of `drums` come columns of hits (0 or 1), then of
velocities (0..1, in steps of 1/127), then of offsets (-.5..+.5 of a frame, negative is early); velocity and offset
are 0 where nothing is hit. Classes are those of the codec `drums` but for three pitches that the Roland kits of the
public groove set use otherwise: 45 is the middle tom, 48 the high one, 58 the rim of the low one.

`encode` takes the drum notes of all instruments together, through the tempo map, so that a change of tempo does not
split them. A hit belongs to the nearest frame; where two of a class fall on one frame the louder stays, of two
equally loud the earlier. The grid of bars starts anew at each change of time signature, which parts the drums, as a
bar or more without a hit does. A piece begins at the bar line before its first hit, ends at the one after its last,
has at least 2 bars, and is not cut. `prime` reads all hits from the bar line before the first to the last, through
rests and changes, under the signature that holds where the first hit stands.

What is lost: hits closer together than a frame, how long they ring, which drum of a class it is and which kit, drums
outside the table, tempo, metre, longer rests and what stands before the first bar; all other instruments. `decode`
cannot begin before time 0: an early hit of the first frame comes at 0. A MIDI file rounds offsets to its ticks,
1/120 of a frame as `decode` sets them.

Frames survive decode and `prime`, up to rounding, if there is a hit in the first 16 frames and in the last, each is
0 or 1, velocities are whole 127ths and not 0, offsets are less than +.5 and not negative in the first frame,
and both are 0 where nothing is hit. They survive decode and `encode` if besides they are whole bars of 16 frames, at
least two, with a hit in the first bar and in the last, and nowhere have 16 frames or more without one between two
hits; a hit in the last frame is then not needed.
"""

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import drums
from musejax.music import grid, noteseq, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> what it holds, in one line
CODECS = {
    "groove": "nine classes of drums as they were played: hit, velocity, offset from the 16th grid",
}
MIN_BARS = 2
GAP_BARS = 1
_ROLAND = {45: 5, 48: 6, 58: 4}
# Ticks of a quarter that a MIDI file of it has.
_RESOLUTION = 480


class _Hits(NamedTuple):
    """The hits of a sequence, in no order.

    Attributes:
        frame: int64[N], the nearest 16th from time 0.
        drum: int64[N], its class.
        velocity: float64[N], 0..1.
        offset: float64[N], how far from the frame it is, in frames.
    """

    frame: np.ndarray
    drum: np.ndarray
    velocity: np.ndarray
    offset: np.ndarray

    def where(self, mask: np.ndarray) -> "_Hits":
        """Those of a mask."""
        return _Hits(*(field[mask] for field in self))


def make(name: str) -> codecs.Codec:
    """The codec `groove`."""
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
    """The pieces of a sequence; raises `errors.DiscardError` with the last reason if there is none."""
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
    """All hits of a primer."""
    hits = _read(vocab, sequence)
    first, last = int(hits.frame.min()), int(hits.frame.max())
    start, bar = [s for s in _signatures(vocab, sequence) if s[0] <= first][-1]
    begin = start + (first - start) // bar * bar
    return _frames(hits, begin, last + 1 - begin)


def _decode(vocab: vocabulary.Vocabulary, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Frames [T, 27] -> NoteSequence with one kit; a hit is .5 or more and lasts a frame, or to the next of its class.

    Velocities and offsets outside their ranges are moved into them.
    """
    frames = np.asarray(arrays["frames"], np.float64)
    hit, velocity, offset = np.split(frames, 3, axis=1)
    tick = 60.0 / qpm / vocab.frames_per_quarter
    total = len(frames) * tick
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=_RESOLUTION)
    sequence.tempos.add(qpm=qpm)
    notes = []
    for drum in range(vocabulary.DRUMS):
        at = np.flatnonzero(hit[:, drum] >= 0.5)
        starts = np.maximum(at + np.clip(offset[at, drum], -0.5, 0.5), 0.0) * tick
        ends = np.minimum(starts + tick, [*starts[1:].tolist(), np.inf])
        loud = np.clip(np.rint(velocity[at, drum] * 127), 1, 127).astype(int)
        notes += zip(starts.tolist(), ends.tolist(), [drums.PITCHES[drum][0]] * len(at), loud.tolist())
    for start, end, pitch, loud in sorted(notes):
        total = max(total, end)
        sequence.notes.add(start_time=start, end_time=end, pitch=pitch, velocity=loud, instrument=9, is_drum=True)
    sequence.total_time = total
    return sequence


def _read(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> _Hits:
    """The hits of a sequence.

    Raises:
        errors.DiscardError: It has none in the table, or one before time 0.
    """
    notes = [n for n in sequence.notes if n.is_drum and n.velocity]
    if not notes:
        raise errors.DiscardError("no drums")
    found = [(n.start_time, class_of(n.pitch), n.velocity) for n in notes]
    known = np.array([row for row in found if row[1] is not None], np.float64).reshape(-1, 3)
    if not len(known):
        raise errors.DiscardError("no drum of the nine classes")
    grid.check_start(known[:, 0])
    exact = timing.to_quarters(sequence, known[:, 0]) * vocab.frames_per_quarter
    frame = grid.nearest(exact, grid.HALF_WAY)
    return _Hits(frame, known[:, 1].astype(np.int64), known[:, 2] / 127, np.maximum(exact - frame, -0.5))


def class_of(pitch: int) -> int | None:
    """The class of a MIDI drum on a Roland kit; None where the table has none."""
    return _ROLAND.get(pitch, drums.class_of(pitch))


def _signatures(vocab: vocabulary.Vocabulary, sequence: "NoteSequence") -> list[tuple[int, int]]:
    """Where the bar changes its length, in frames, and the new length; the first is at 0, 4/4 where nothing says.

    Raises:
        errors.DiscardError: A time signature is none, or its bar no whole number of 16ths.
    """
    marks = sorted(sequence.time_signatures, key=lambda s: s.time)
    for mark in marks:
        if mark.numerator <= 0 or mark.denominator <= 0 or mark.denominator & (mark.denominator - 1):
            raise errors.DiscardError("a time signature that is none")
        if vocab.bar * mark.numerator % mark.denominator:
            raise errors.DiscardError("bars are no whole number of 16ths")
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
    """Hits as frames float32[length, 27] from a frame on."""
    out = np.zeros((length, 3 * vocabulary.DRUMS), np.float32)
    # Of several hits in one place the last written stays.
    order = np.lexsort((-hits.offset, hits.velocity))
    row, drum = hits.frame[order] - first, hits.drum[order]
    for column, values in enumerate((np.ones(len(order)), hits.velocity[order], hits.offset[order])):
        out[row, column * vocabulary.DRUMS + drum] = values
    return out
