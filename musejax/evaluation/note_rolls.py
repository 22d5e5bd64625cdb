"""Pieces on a grid as one batch of binary rolls: what every music statistic reads. NumPy only.

Within a track and a pitch notes never overlap: one that begins while another still sounds ends that one and lasts until
both are over. Velocities are not kept.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musejax import errors

PITCHES = 128
# The largest batch, in bytes of each of its two rolls.
MAX_CELLS = 2**33


class Note(NamedTuple):
    """One note on the grid.

    Attributes:
        track: Index of its track, 0..K-1.
        pitch: MIDI pitch.
        start: Frame in which it begins.
        end: First frame in which it no longer sounds.
    """

    track: int
    pitch: int
    start: int
    end: int


# No NamedTuple: with a length of its own one of those could not be replaced in part.
@dataclasses.dataclass(frozen=True, eq=False)
class Rolls:
    """N pieces of K tracks, padded with silence to T frames.

    Attributes:
        sounding: bool[N, K, T, 128].
        onset: bool[N, K, T, 128], 1 where a note begins; it sounds there too.
        frames: int64[N], frames of each piece.
        bar: int64[N], frames in a bar of each piece.
        beat: Frames in a quarter note.
        drums: bool[K], which tracks are drums.
    """

    sounding: np.ndarray
    onset: np.ndarray
    frames: np.ndarray
    bar: np.ndarray
    beat: int
    drums: np.ndarray

    def __len__(self) -> int:
        """Number of pieces, N."""
        return len(self.sounding)

    def pitched(self) -> "Rolls":
        """The same without drum tracks."""
        keep = ~self.drums
        return dataclasses.replace(
            self, sounding=self.sounding[:, keep], onset=self.onset[:, keep], drums=self.drums[keep]
        )

    def take(self, indices: Sequence[int] | np.ndarray) -> "Rolls":
        """Some of the pieces."""
        at = np.asarray(indices, int)
        return dataclasses.replace(
            self, sounding=self.sounding[at], onset=self.onset[at], frames=self.frames[at], bar=self.bar[at]
        )


def from_notes(
    pieces: Sequence[Sequence[Note]],
    *,
    tracks: int,
    beat: int,
    bar: int | Sequence[int],
    frames: Sequence[int] | None = None,
    drums: Sequence[int] = (),
) -> Rolls:
    """Rolls of lists of notes.

    Args:
        pieces: The notes of each piece, in any order.
        tracks: Number of tracks, K.
        beat: Frames in a quarter note.
        bar: Frames in a bar: one for all, or one a piece.
        frames: Frames of each piece; by default up to the end of its last note.
        drums: Which tracks are drums.

    Raises:
        errors.UserError: They are too large.
    """
    ends = [max((n.end for n in notes), default=1) for notes in pieces] if frames is None else list(frames)
    shape = (len(pieces), tracks, max(ends, default=1), PITCHES)
    if math.prod(shape) > MAX_CELLS:
        raise errors.UserError(
            f"the rolls of {shape[0]:,} pieces in {shape[1]:,} tracks, the longest of {shape[2]:,} frames, do not fit "
            "into memory; leave out the longest pieces"
        )
    sounding, onset = np.zeros(shape, bool), np.zeros(shape, bool)
    for piece, notes in enumerate(pieces):
        for note in notes:
            if note.start < ends[piece] and note.end > note.start:
                sounding[piece, note.track, note.start : min(note.end, ends[piece]), note.pitch] = True
                onset[piece, note.track, note.start, note.pitch] = True
    is_drum = np.isin(np.arange(tracks), list(drums))
    bars = np.full(len(pieces), bar) if isinstance(bar, int) else np.asarray(bar)
    return Rolls(sounding, onset, np.asarray(ends, int), bars.astype(int), beat, is_drum)


def durations(rolls: Rolls) -> np.ndarray:
    """For each onset the frames that its note lasts, 0 elsewhere: int32[N, K, T, 128]."""
    out = np.zeros(rolls.sounding.shape, np.int32)
    left = np.zeros(rolls.sounding.shape[:2] + rolls.sounding.shape[3:], np.int32)
    for t in range(rolls.sounding.shape[2] - 1, -1, -1):
        left = np.where(rolls.sounding[:, :, t], left + 1, 0)
        out[:, :, t] = np.where(rolls.onset[:, :, t], left, 0)
        left[rolls.onset[:, :, t]] = 0
    return out


def cut(rolls: Rolls, bars: int) -> Rolls:
    """Every piece cut into consecutive stretches of `bars` of its bars, as pieces of their own.

    What does not fill a stretch at the end of a piece is left out, and so are pieces that are shorter. A note that
    sounds across a cut begins anew behind it.
    """
    places = [
        (piece, start, int(bar) * bars)
        for piece, (size, bar) in enumerate(zip(rolls.frames, rolls.bar, strict=True))
        for start in range(0, int(size) - int(bar) * bars + 1, int(bar) * bars)
    ]
    longest = max((size for _, _, size in places), default=1)
    shape = (len(places), rolls.sounding.shape[1], longest, PITCHES)
    sounding, onset = np.zeros(shape, bool), np.zeros(shape, bool)
    for row, (piece, start, size) in enumerate(places):
        sounding[row, :, :size] = rolls.sounding[piece, :, start : start + size]
        onset[row, :, :size] = rolls.onset[piece, :, start : start + size]
        onset[row, :, 0] |= sounding[row, :, 0]
    pieces = np.array([piece for piece, _, _ in places], int)
    frames = np.array([size for _, _, size in places], int)
    return dataclasses.replace(rolls, sounding=sounding, onset=onset, frames=frames, bar=rolls.bar[pieces])
