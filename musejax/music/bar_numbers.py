"""Bar numbers: those printed in a score, or else the bars counted from the start.

A printed number may end with letters, such as 12a. A measure that has no number, such as the X1 of some programs, is
named after the number before it, such as 8X1. A bar that is played several times has the same number each time.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import grid, score_annotations

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# A bar in a function call: 5, or a text such as 12a.
Bar = int | str
_PARTS = re.compile(r"([0-9]{1,6})([a-z][a-z0-9]{0,7})?", re.IGNORECASE)
# Sorts after every letter of a number.
_LAST = "~"
# Largest number of ranges in a message.
_SHOWN = 12


class Number(NamedTuple):
    """The number of a bar; numbers sort in the order in which they are printed.

    Attributes:
        value: The number.
        suffix: The letters after it, in lower case.
    """

    value: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.value}{self.suffix}"


class BarNumbers(NamedTuple):
    """The number of the bar of each frame.

    Attributes:
        numbers: All distinct numbers, in order.
        frames: int64[T], the index in `numbers` of each frame.
    """

    numbers: tuple[Number, ...]
    frames: np.ndarray

    def inside(self, first: Bar, last: Bar) -> np.ndarray:
        """Returns bool[T], true for frames in the bars from one number to another.

        A number without letters includes all bars of this number: 12 includes 12, 12a and 12b.
        """
        low, high = number(first), _end(number(last))
        return np.array([low <= each <= high for each in self.numbers], bool)[self.frames]

    def has(self, bar: Bar) -> bool:
        """Returns whether there is a bar of this number."""
        return bool(self.inside(bar, bar).any())

    def __str__(self) -> str:
        """Returns the numbers for a message, such as `bars 0-8, 12a, 13`."""
        runs: list[list[Number]] = []
        for each in self.numbers:
            if runs and not each.suffix and not runs[-1][-1].suffix and each.value == runs[-1][-1].value + 1:
                runs[-1].append(each)
            else:
                runs.append([each])
        shown = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
        listed = ", ".join(shown if len(shown) <= _SHOWN else [*shown[: _SHOWN - 1], "...", shown[-1]])
        return f"{'bar' if len(self.numbers) == 1 else 'bars'} {listed}"


def number(bar: Bar) -> Number:
    """Returns the number of a bar in a function call.

    Raises:
        errors.UserError: The value is not the number of a bar.
    """
    value = _parse(str(bar))
    if value is None:
        raise errors.UserError(f"bar {bar!r} is not a number; give one such as 5 or 12a")
    return value


def parse_range(text: str) -> tuple[Bar, Bar] | None:
    """Returns the ends of a range such as `5-8`, `12a` or `0-12a`, or None if the text is not a range."""
    low, _, high = text.partition("-")
    first, last = _parse(low), _parse(high if "-" in text else low)
    return (_plain(first), _plain(last)) if first is not None and last is not None and first <= _end(last) else None


def printed(names: Sequence[str]) -> list[Number]:
    """Returns the numbers of the measures of a score, in the order of the score.

    Args:
        names: The printed name of each measure; a name that is not a number is appended to the number before it.
    """
    out: list[Number] = []
    for name in names:
        value = _parse(name)
        if value is None:
            suffix = re.sub("[^a-z0-9]", "", name.lower())
            suffix = suffix if suffix[:1].isalpha() else f"x{suffix}"
            value = Number(out[-1].value, suffix[:8]) if out else Number(0)
        out.append(value)
    return out


def count(beat: np.ndarray) -> BarNumbers:
    """Returns bar numbers by counting: 1 is the first whole bar, 0 a pickup.

    Args:
        beat: int[T], 0 at each bar line.
    """
    return _gather([Number(value) for value in np.cumsum(beat == 0).tolist()])


def read(sequence: "NoteSequence", beat: np.ndarray) -> BarNumbers:
    """Returns the printed bar numbers of a sequence, continued after the last one, or else counted numbers.

    Args:
        sequence: The music; printed numbers are annotations (`score_annotations.MEASURE`).
        beat: int[T], the position in the bar of each 16th.
    """
    marks = [a for a in sequence.text_annotations if a.text.startswith(score_annotations.MEASURE)]
    if not marks:
        return count(beat)
    marks.sort(key=lambda mark: mark.time)
    starts = np.clip(grid.frames(sequence, np.array([mark.time for mark in marks])), 0, len(beat))
    numbers = printed([mark.text.removeprefix(score_annotations.MEASURE) for mark in marks])
    each = [numbers[0]] * len(beat)
    for value, start, end in zip(numbers, starts.tolist(), [*starts[1:].tolist(), len(beat)]):
        each[start:end] = [value] * (end - start)
    # Bars that were added to a score have no printed numbers.
    last = int(starts[-1])
    more = np.cumsum(np.asarray(beat[last + 1 :]) == 0).tolist()
    each[last + 1 :] = [Number(numbers[-1].value + count) if count else numbers[-1] for count in more]
    return _gather(each)


def _parse(text: str) -> Number | None:
    """Returns the bar number in a text, or None if the text is not one."""
    match = _PARTS.fullmatch(text.strip())
    return None if match is None else Number(int(match[1]), (match[2] or "").lower())


def _gather(each: Sequence[Number]) -> BarNumbers:
    """Returns the bar numbers, given the number of each frame."""
    numbers = tuple(sorted(set(each)))
    places = {value: index for index, value in enumerate(numbers)}
    return BarNumbers(numbers, np.array([places[value] for value in each], np.int64))


def _end(last: Number) -> Number:
    """Returns the upper end of a range whose last number is given, including numbers with letters."""
    return last if last.suffix else Number(last.value, _LAST)


def _plain(value: Number) -> Bar:
    """Returns a number in the form used in function calls."""
    return str(value) if value.suffix else value.value
