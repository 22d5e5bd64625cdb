"""The grid of a piece: seconds of a sequence as quarters whose bar lines lie on whole 16ths, and back."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax.music import timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# In quarters; rounding must not move a note to the other side of a bar line.
_ROUNDING = 1e-9


class Grid(NamedTuple):
    """The map between the seconds of a sequence and its grid.

    The grid starts anew at each time signature, because files made from audio have their bar lines anywhere. Where the
    signatures lie on 16ths of the tempo map, the two are the same.

    Attributes:
        sequence: The sequence, for its tempos.
        places: Where the time signatures stand in the tempo map, in quarters; float64[M], at least one.
        lines: Where they stand on the grid, in quarters; float64[M].
    """

    sequence: "NoteSequence"
    places: np.ndarray
    lines: np.ndarray

    def quarters(self, seconds: np.ndarray) -> np.ndarray:
        """Seconds of the sequence as quarters on the grid: float64[N]."""
        places = timing.to_quarters(self.sequence, seconds)
        section = np.maximum(np.searchsorted(self.places, places + _ROUNDING, side="right") - 1, 0)
        return self.lines[section] + places - self.places[section]

    def seconds(self, quarters: np.ndarray) -> np.ndarray:
        """Quarters on the grid as seconds of the sequence: float64[N]."""
        quarters = np.asarray(quarters, np.float64)
        section = np.maximum(np.searchsorted(self.lines, quarters + _ROUNDING, side="right") - 1, 0)
        return timing.to_seconds(self.sequence, self.places[section] + quarters - self.lines[section])


def of(sequence: "NoteSequence") -> Grid:
    """The grid of a sequence."""
    marks = sorted({s.time for s in sequence.time_signatures if s.numerator > 0 and s.denominator > 0})
    places = timing.to_quarters(sequence, np.array(marks))
    if not len(places):
        return Grid(sequence, np.zeros(1), np.zeros(1))
    steps = timing.nearest(np.diff(places, prepend=0.0) * 4)
    return Grid(sequence, places, np.cumsum(steps) / 4)
