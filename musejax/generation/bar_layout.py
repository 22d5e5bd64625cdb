"""How a piece is laid out in the windows of a model whose bars are longer than the piece's: bar by bar.

A model of two bars of 4/4 reads two bars of 3/4 as two bars of its own, each with a fourth quarter in which nothing
happens: its last note goes on. What the model writes there is no part of the piece.
"""

from typing import NamedTuple

import numpy as np

from musejax import vocabulary as vocabularies
from musejax.generation import primers, sources
from musejax.music import grid, metre
from musejax.theory.sixteenths import QUARTER


class BarLayout(NamedTuple):
    """Where the frames of a piece lie in windows.

    Attributes:
        slots: int64[T], the frame of the windows for each frame of the piece, ascending.
        window: Frames of a window.
        bar: Frames of the piece's bars where they are shorter than the model's; 0 where the piece runs on from window
            to window.
    """

    slots: np.ndarray
    window: int
    bar: int

    @property
    def total(self) -> int:
        """The frames of all windows together."""
        return -(-(int(self.slots[-1]) + 1) // self.window) * self.window

    def spread(self, vocabulary: vocabularies.Vocabulary, cells: np.ndarray) -> np.ndarray:
        """Returns the cells of a piece, [T, ...], in windows: [total, ...]."""
        out = np.zeros((self.total, *cells.shape[1:]), cells.dtype)
        if vocabulary.kind == "tokens":
            out[:] = primers.silence(vocabulary, cells, 2)[1]
        out[self.slots] = cells
        end = int(self.slots[-1]) + 1
        out[end:] = primers.silence(vocabulary, cells, len(out) - end)
        return out

    def gather(self, vocabulary: vocabularies.Vocabulary, cells: np.ndarray) -> tuple[np.ndarray, int]:
        """Takes the cells of the piece out of windows.

        Args:
            vocabulary: The model's.
            cells: The windows one after the other, [total, ...].

        Returns:
            Cells [T, ...], and the number of notes that begin where the piece has no frame.
        """
        out = cells[self.slots]
        holes = np.setdiff1d(np.arange(int(self.slots[-1]) + 1), self.slots)
        if vocabulary.kind != "tokens":
            lit = cells[..., : vocabularies.DRUMS] if vocabulary.kind == "groove" else cells
            begins = np.diff((lit > 0).astype(int), axis=0, prepend=0) > 0
            return out, int(begins[holes].sum())
        is_onset = vocabulary.values("pitch") >= 0
        ends, continues = primers.silence(vocabulary, cells, 2)
        # A note of a gap is gone, and so a note before the gap must not go on in its place.
        for index in np.flatnonzero(np.diff(self.slots) > 1) + 1:
            gap = cells[self.slots[index - 1] + 1 : self.slots[index]]
            changed = (gap != continues).any(axis=0)
            out[index] = np.where(changed & (out[index] == continues), ends, out[index])
        return out, int(is_onset[cells[holes]].sum())


def read(vocabulary: vocabularies.Vocabulary, source: sources.Source, window: int) -> BarLayout:
    """Returns how a piece is laid out.

    Args:
        vocabulary: The model's.
        source: The piece as the codec reads it.
        window: Frames of a window.
    """
    frames = len(source.arrays["frames" if "frames" in source.arrays else "tokens"])
    running = BarLayout(np.arange(frames), window, 0)
    if vocabulary.frames_per_quarter != QUARTER or window % max(vocabulary.bar, 1):
        return running
    first = int(grid.nearest(source.start * QUARTER))
    beat = metre.read_beats(source.copy, first + frames)[max(first, 0) : first + frames]
    beat = np.concatenate([np.full(frames - len(beat), -1), beat])
    lines = np.flatnonzero(beat == 0)
    sizes = np.diff(lines)
    signatures = metre.read(source.copy)
    usual = metre.usual_bar(np.maximum(beat, 0)) or (signatures[-1][1] if signatures else vocabulary.bar)
    if not len(lines) or usual >= vocabulary.bar or (len(sizes) and sizes.max() > vocabulary.bar):
        return running
    bars = np.cumsum(beat == 0)
    pickup = int(lines[0])
    if pickup > vocabulary.bar:
        return running
    place = np.arange(frames) - np.concatenate([[0], lines])[bars]
    # A pickup stands at the end of a bar of its own.
    place[:pickup] += max(usual - pickup, 0)
    return BarLayout((bars - (pickup == 0)) * vocabulary.bar + place, window, usual)
