"""Bar lines of ABC: repeats, endings, and the beginnings of repeated sections without an opening sign."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from musejax.music.musicxml_jumps import Marks

# Endings beyond which a number is a mistake.
_MOST_TIMES = 100


class BarLine(NamedTuple):
    """A bar line.

    Attributes:
        backward: How often the section that ends here is played; 0 if no section ends.
        forward: Whether a repeated section begins here.
        is_double: Whether it is a double bar line of any kind.
        ending: Numbers of the ending that begins here; None if no ending begins.
    """

    backward: int
    forward: bool
    is_double: bool
    ending: tuple[int, ...] | None


def read_bar_line(text: str) -> BarLine:
    """Reads a bar line such as `:|2`."""
    signs, numbers = re.fullmatch(r"\.?([:|\[\]]*)(.*)", text).groups()  # type: ignore[union-attr]
    signs = signs.replace("[|]", "") or "|"  # An invisible bar line next to another one has no meaning.
    plain = signs.replace("[", "").replace("]", "")
    if "|" in plain:
        first = plain.lstrip(":")
        before, forward = len(plain) - len(first), ":" in first
    else:
        before, forward = len(plain) // 2, True
    is_double = any(pair in signs for pair in ("||", "|]", "[|"))
    backward = min(before + 1, _MOST_TIMES) if before else 0
    return BarLine(backward, forward, is_double, read_ending(numbers) if numbers else None)


def read_ending(text: str) -> tuple[int, ...]:
    """Reads the numbers of an ending, such as `1,3` or `1-3`."""
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d{1,3})(?:-(\d{1,3}))?", text):
        numbers.update(range(int(first), min(int(last or first), _MOST_TIMES) + 1))
    return tuple(sorted(numbers))


def open_sections(marks: Sequence[Marks], doubles: Collection[int]) -> None:
    """Adds the beginning of each section that is repeated without a sign for its beginning.

    According to the standard, it begins at the most recent double bar line or end of a repeat.

    Args:
        marks: The marks of all measures.
        doubles: The measures that begin with a double bar line.
    """
    is_open, start = False, 0
    for m, mark in enumerate(marks):
        if mark.forward:
            is_open = True
        elif m in doubles and not is_open:
            start = m
        if (mark.backward or mark.ending_stops) and not (m + 1 < len(marks) and marks[m + 1].ending is not None):
            if mark.backward and not is_open and start:
                marks[start].forward = True
            is_open, start = False, m + 1
