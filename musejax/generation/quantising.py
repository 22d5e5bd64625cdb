"""Quantising of given music for the eyes of a model: what it reads moves to a grid, the music itself stays as it is."""

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import grid, noteseq, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_REASON = "give GRID[,STRENGTH[,SWING]], such as 1/8, 1/16,0.5 or 1/8,1,0.66: a note value from 1/1 to 1/64, and shares"


class Quantise(NamedTuple):
    """A grid for the notes that a model reads.

    Attributes:
        grid: Grid steps in a whole note, such as 8 for eighth notes.
        strength: Share of the way to the grid that onsets and ends move, in (0, 1].
        swing: Where the second step of each pair lies in played music, as a share of the pair: .5 is straight, .66 a
            triplet swing. It is read as straight.
    """

    grid: int
    strength: float = 1.0
    swing: float = 0.5

    def spans(self, quarters: np.ndarray) -> np.ndarray:
        """Returns quantised starts and ends; a note that lasts keeps at least one grid step.

        Args:
            quarters: Starts and ends in quarters, float64[N, 2].
        """
        steps = quarters * self.grid / 4
        pair, within = np.divmod(steps, 2.0)
        within /= 2
        straight = np.where(
            within < self.swing, within / (2 * self.swing), 0.5 + (within - self.swing) / (2 * (1 - self.swing))
        )
        straight = 2 * (pair + straight)
        # Halves upwards, as everywhere.
        nearest = np.floor(straight + 0.5)
        nearest[:, 1] = np.where(steps[:, 1] > steps[:, 0], np.maximum(nearest[:, 1], nearest[:, 0] + 1), nearest[:, 1])
        return (straight + self.strength * (nearest - straight)) * 4 / self.grid


def parse(value: "str | Quantise | None") -> Quantise | None:
    """Returns the grid that an option names.

    Args:
        value: A text such as `1/8`, `1/16,0.5` or `1/8,1,0.66`; a `Quantise`; None for none.

    Raises:
        errors.OptionError: The text has another form, or a number lies outside its range.
    """
    if value is None:
        return None
    if isinstance(value, Quantise):
        number, strength, swing = value
    else:
        match = re.fullmatch(r"\s*1/(\d{1,2})(?:,([\d.]+))?(?:,([\d.]+))?\s*", value)
        try:
            parts = [float(part) for part in match.groups() if part] if match else []
        except ValueError:
            parts = []
        if not parts:
            raise errors.OptionError("quantize", value, _REASON)
        number, strength, swing = int(parts[0]), *[*parts[1:], *(1.0, 0.5)[len(parts) - 1 :]]
    if not (1 <= number <= 64 and 0 < strength <= 1 and 0.5 <= swing < 1):
        raise errors.OptionError("quantize", value, f"{_REASON}; strength lies in (0, 1] and swing in [0.5, 1)")
    return Quantise(number, strength, swing)


def refuse(quantise: Quantise | None, reader: str) -> None:
    """Checks that nothing is quantised for a model without a grid.

    Raises:
        errors.UserError: Something is.
    """
    if quantise is not None:
        raise errors.UserError(f"quantize: {reader} has no grid; leave it out")


def quantised(sequence: "NoteSequence", quantise: Quantise | None) -> "NoteSequence":
    """Returns a copy of a sequence with its notes on the grid, or the sequence itself for None."""
    if quantise is None or not sequence.notes:
        return sequence
    out = noteseq.load().NoteSequence()
    out.CopyFrom(sequence)
    spans = timing.to_seconds(sequence, quantise.spans(grid.note_positions(sequence, sequence.notes, 1)))
    for note, (start, end) in zip(out.notes, spans.tolist(), strict=True):
        note.start_time, note.end_time = start, end
    out.total_time = max(sequence.total_time, float(spans.max()))
    return out


def apply(quantise: Quantise | None, quarters: np.ndarray) -> np.ndarray:
    """Returns starts and ends in quarters, float64[N, 2], as `quantise` reads them; as they are for None."""
    return quarters if quantise is None else quantise.spans(quarters)
