"""A batch of pieces as binary piano-rolls, the input of all music statistics. NumPy only.

Notes of the same track and pitch never overlap: a note that begins while another sounds ends that note, and lasts until
both would have ended. Velocities are not stored.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musejax import errors

PITCHES = 128
# Largest size of a batch, in bytes of each of its two rolls.
MAX_CELLS = 2**33


class Note(NamedTuple):
    """A note on the grid.

    Attributes:
        track: Index of the track, 0..K-1.
        pitch: MIDI pitch.
        start: First frame of the note.
        end: First frame after the note.
    """

    track: int
    pitch: int
    start: int
    end: int


# Not a NamedTuple, because one with its own `__len__` does not support `_replace`.
@dataclasses.dataclass(frozen=True, eq=False)
class Rolls:
    """N pieces of K tracks, padded with silence to T frames.

    Attributes:
        sounding: True where a note sounds, bool[N, K, T, 128].
        onset: True where a note begins, bool[N, K, T, 128]; the note also sounds there.
        frames: Number of frames of each piece, int64[N].
        bar: Number of frames in a bar of each piece, int64[N].
        beat: Number of frames in a quarter note.
        drums: True for drum tracks, bool[K].
    """

    sounding: np.ndarray
    onset: np.ndarray
    frames: np.ndarray
    bar: np.ndarray
    beat: int
    drums: np.ndarray

    def __len__(self) -> int:
        """Returns the number of pieces, N."""
        return len(self.sounding)

    def pitched(self) -> "Rolls":
        """Returns the rolls without drum tracks."""
        keep = ~self.drums
        return dataclasses.replace(
            self, sounding=self.sounding[:, keep], onset=self.onset[:, keep], drums=self.drums[keep]
        )

    def take(self, indices: Sequence[int] | np.ndarray) -> "Rolls":
        """Returns the pieces at some indices."""
        rows = np.asarray(indices, int)
        return dataclasses.replace(
            self, sounding=self.sounding[rows], onset=self.onset[rows], frames=self.frames[rows], bar=self.bar[rows]
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
    """Converts lists of notes to rolls.

    Args:
        pieces: Notes of each piece, in any order.
        tracks: Number of tracks, K.
        beat: Number of frames in a quarter note.
        bar: Number of frames in a bar, of all pieces or of each.
        frames: Number of frames of each piece; by default up to the end of its last note.
        drums: Indices of the drum tracks.

    Raises:
        errors.UserError: The rolls would be too large.
    """
    ends = [max((n.end for n in notes), default=1) for notes in pieces] if frames is None else list(frames)
    shape = (len(pieces), tracks, max(ends, default=1), PITCHES)
    if math.prod(shape) > MAX_CELLS:
        raise errors.UserError(
            f"the rolls of {shape[0]:,} pieces of {shape[1]:,} tracks and up to {shape[2]:,} frames do not fit into "
            "memory; leave out the longest pieces"
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
    """Returns the duration of each note in frames at its onset, 0 elsewhere: int32[N, K, T, 128]."""
    out = np.zeros(rolls.sounding.shape, np.int32)
    remaining = np.zeros(rolls.sounding.shape[:2] + rolls.sounding.shape[3:], np.int32)
    for t in range(rolls.sounding.shape[2] - 1, -1, -1):
        remaining = np.where(rolls.sounding[:, :, t], remaining + 1, 0)
        out[:, :, t] = np.where(rolls.onset[:, :, t], remaining, 0)
        remaining[rolls.onset[:, :, t]] = 0
    return out


def cut(rolls: Rolls, bars: int) -> Rolls:
    """Cuts each piece into consecutive excerpts of `bars` bars, which become pieces of their own.

    An incomplete excerpt at the end of a piece is dropped. A note that sounds across a cut begins again after it.
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
