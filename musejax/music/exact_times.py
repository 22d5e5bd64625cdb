"""Conversion of the times of a sequence to whole divisions of a quarter note, for notated formats.

A NoteSequence has times in seconds. Times from a score are fractions of a quarter and are restored exactly. Times of
played music may lie anywhere; they are moved to a grid of 24ths of a quarter, which contains 32nds and triplet 16ths.
"""

import collections
import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import limits, metre, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Parts of a quarter to which played music is moved.
GRID = 24
# The smallest parts of a quarter that are written, by the number of notes in a tuplet; 1 stands for no tuplet.
_SMALLEST = {1: 64, 3: 48, 5: 20, 7: 28, 9: 36, 11: 22, 13: 26, 15: 30}
# Largest denominator of a single time in a score, and of all its times together.
_MAX_DENOMINATOR = 1024
_MAX_DIVISIONS = 2**20
# Distance in quarters at which two times are equal, up to rounding of seconds in double precision.
_EQUAL = 1e-6
# Largest distance of a time from its fraction in MIDI ticks, if the resolution is not divisible by 3, 5 or 7.
_TICKS = 0.51
# A piece counts as notated if at most this share of its times are not fractions; those times are moved to the grid.
_ELSEWHERE = 0.05


class ExactTimes(NamedTuple):
    """The times of a sequence.

    Attributes:
        divisions: Divisions of a quarter note.
        notes: Start and end of each note in divisions, at least one apart, in the order of the sequence; int64[N, 2].
        moved: Number of notes that were moved to the grid.
        shift: The largest distance by which a note was moved, in quarters.
        tempos: The tempo map of the sequence.
    """

    divisions: int
    notes: np.ndarray
    moved: int
    shift: float
    tempos: timing.TempoMap

    def place(self, seconds: float) -> int:
        """Returns the division nearest to a time in seconds; 0 for times before the start."""
        return max(0, round(float(self.tempos.quarters(seconds)) * self.divisions))

    def quarters(self, seconds: float) -> Fraction:
        """Converts a time in seconds to quarters, on the nearest division."""
        return Fraction(self.place(seconds), self.divisions)

    def remark(self) -> str | None:
        """Returns a line about notes that were moved, or None."""
        if not self.moved:
            return None
        notes = "1 note moves" if self.moved == 1 else f"{self.moved:,} notes move"
        return (
            f"{notes} to a grid of 1/{GRID} quarter note, by at most {self.shift:.3f} quarter notes; "
            "MIDI keeps played timing"
        )


def read(sequence: "NoteSequence") -> ExactTimes:
    """Returns the times of a sequence, in divisions fine enough for its notes, bar lines and signatures.

    Raises:
        errors.UserError: A note begins before time 0, or the last one ends too late.
    """
    tempos = timing.tempo_map(sequence)
    seconds = np.array([(n.start_time, n.end_time) for n in sequence.notes], np.float64).reshape(-1, 2)
    if len(seconds) and seconds.min() < 0:
        raise errors.UserError("a note begins before time 0")
    marks = [s.time for s in sequence.time_signatures] + [k.time for k in sequence.key_signatures]
    marks += [a.time for a in sequence.text_annotations]
    quarters = tempos.quarters(np.concatenate([seconds.ravel(), marks]))
    signatures = [s for s in sequence.time_signatures if s.numerator > 0 and s.denominator > 0]
    bars = [4 * beats / s.denominator for s in signatures for beats in (1, s.numerator)]
    if len(quarters) and quarters.max() > limits.MAX_QUARTERS:
        raise errors.UserError(
            f"it lasts {quarters.max():,.0f} quarter notes; at most {limits.MAX_QUARTERS:,} can be written"
        )
    notes = quarters[: seconds.size]
    fractions = _fractions(sequence, notes)
    divisions, places = _on_one_grid(fractions, notes, np.append(quarters[seconds.size :], bars))
    if (places[::2] >= places[1::2]).any():
        finer = math.lcm(divisions, GRID)
        divisions, places = finer, places * (finer // divisions)
        places[1::2] = np.where(places[1::2] > places[::2], places[1::2], places[::2] + divisions // GRID)
    pairs = places.reshape(-1, 2)
    shifts = np.abs(pairs / divisions - notes.reshape(-1, 2)).max(axis=1, initial=0.0)
    moved = shifts > max(_EQUAL, _tick(sequence))
    return ExactTimes(divisions, pairs, int(moved.sum()), float(shifts.max(initial=0.0)), tempos)


def _tick(sequence: "NoteSequence") -> float:
    """Returns the largest distance of a time from its fraction in a MIDI file, in quarters."""
    resolution = sequence.ticks_per_quarter
    return _TICKS / resolution if resolution >= GRID and not metre.is_score(sequence) else 0.0


def _fractions(sequence: "NoteSequence", quarters: np.ndarray) -> list[Fraction | None]:
    """Returns the fractional part of each time in quarters; None for a time that is moved to the grid."""
    parts, index = np.unique(np.round(quarters % 1.0, 7), return_inverse=True)
    tolerance = max(_EQUAL, _tick(sequence))
    if metre.is_score(sequence):
        simple = [_within(Fraction(part).limit_denominator(_MAX_DENOMINATOR), part, _EQUAL) for part in parts.tolist()]
    else:
        simple = [_simplest(part, tolerance) for part in parts.tolist()]
    out = [simple[i] for i in index.tolist()]
    if not metre.is_score(sequence) and out.count(None) > _ELSEWHERE * len(out):
        return [None] * len(out)
    return out


def _within(fraction: Fraction, value: float, tolerance: float) -> Fraction | None:
    return fraction if abs(float(fraction) - value) <= tolerance else None


def _simplest(part: float, tolerance: float) -> Fraction | None:
    """Returns the simplest notated fraction near a part of a quarter, or None."""
    for denominator in _denominators():
        numerator = round(part * denominator)
        if abs(numerator / denominator - part) <= tolerance:
            return Fraction(numerator, denominator)
    return None


@functools.cache
def _denominators() -> tuple[int, ...]:
    """Returns the denominators of notated fractions of a quarter, in ascending order."""
    out = {count << power for count, most in _SMALLEST.items() for power in range(7) if count << power <= most}
    return tuple(sorted(out))


def _on_one_grid(
    fractions: Sequence[Fraction | None], quarters: np.ndarray, marks: np.ndarray
) -> tuple[int, np.ndarray]:
    """Returns a number of divisions that represents most fractions, and each time in divisions, int64[N].

    Args:
        fractions: The fractional part of each time; None for a time that is moved to the grid.
        quarters: The times in quarters.
        marks: Times of other events, and lengths of bars and beats; they are represented if they are simple.
    """
    counts = collections.Counter(0 if f is None else f.denominator for f in fractions)
    marked = {_simplest(part, _EQUAL) for part in np.unique(np.round(marks % 1.0, 7)).tolist()}
    counts.update(f.denominator for f in marked if f is not None)
    divisions = GRID if 0 in counts else 1
    for denominator, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if denominator and math.lcm(divisions, denominator) <= _MAX_DIVISIONS:
            divisions = math.lcm(divisions, denominator)
    if any(f is not None and divisions % f.denominator for f in fractions):
        divisions = math.lcm(divisions, GRID)
    places = []
    for fraction, quarter in zip(fractions, quarters.tolist()):
        if fraction is not None and not divisions % fraction.denominator:
            places.append(round(quarter - float(fraction)) * divisions + int(fraction * divisions))
        else:
            places.append(math.floor(quarter * GRID + 0.5) * (divisions // GRID))
    return divisions, np.array(places, np.int64)
