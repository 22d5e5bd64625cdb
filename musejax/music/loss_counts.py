"""Counts of content of a file that a NoteSequence cannot represent, by kind, and remarks about it."""

import collections
from collections.abc import Iterable
from typing import NamedTuple


class Loss(NamedTuple):
    """A kind of loss.

    Attributes:
        one: The remark about a single loss.
        many: The remark about several losses; `{}` stands for their number.
    """

    one: str
    many: str


Losses = collections.Counter[Loss]


class Tally(NamedTuple):
    """A kind of loss, counted over files.

    Attributes:
        remark: The remark about all losses of this kind.
        number: Number of losses.
        files: Number of files with such losses.
    """

    remark: str
    number: int
    files: int


def remarks(losses: Losses) -> list[str]:
    """Returns one line for each kind of loss, in alphabetical order."""
    return sorted(_remark(loss, count) for loss, count in losses.items() if count)


def tally(losses: Iterable[Losses]) -> list[Tally]:
    """Counts losses over files.

    Args:
        losses: The losses of each file.

    Returns:
        A tally for each kind of loss, the one in most files first.
    """
    numbers, files = Losses(), Losses()
    for of_file in losses:
        numbers.update(of_file)
        files.update(loss for loss, count in of_file.items() if count)
    return [Tally(_remark(loss, numbers[loss]), numbers[loss], count) for loss, count in files.most_common()]


def _remark(loss: Loss, count: int) -> str:
    """Returns the remark about the given number of losses of a kind."""
    return loss.one if count == 1 else loss.many.format(f"{count:,}")
