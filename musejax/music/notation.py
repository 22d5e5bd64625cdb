"""Notation of lengths: note values, dots, tuplets and ties.

All times are exact quarter notes. A length that no single note value expresses is split into several tied ones.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

# Note values in quarters.
_VALUES = {
    "breve": Fraction(8), "whole": Fraction(4), "half": Fraction(2), "quarter": Fraction(1), "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4), "32nd": Fraction(1, 8), "64th": Fraction(1, 16), "128th": Fraction(1, 32),
    "256th": Fraction(1, 64), "512th": Fraction(1, 128), "1024th": Fraction(1, 256),
}  # fmt: skip
# Lengths that a single note value expresses, with its name and dots; longest first.
_LENGTHS = {
    value * (3 if dots else 2) / 2: (name, dots)
    for name, value in _VALUES.items()
    for dots in (1, 0)
    if name != "breve" or not dots
}
_FLAGS = {value: flags for flags, value in enumerate(list(_VALUES)[4:], 1)}
# Lengths in quarters over which a tuplet may extend, shortest first.
_TUPLETS = tuple(Fraction(2) ** power for power in range(-3, 3))
_QUARTER = Fraction(1)


class Tuplet(NamedTuple):
    """A span of a bar in which `actual` notes take the time of `normal` ones.

    Attributes:
        start: Where it begins, in quarters from the bar line.
        end: Where it ends.
        actual: The number of notes.
        normal: A power of two.
    """

    start: Fraction
    end: Fraction
    actual: int
    normal: int


class Sign(NamedTuple):
    """One note or rest as it is written.

    Attributes:
        start: Where it begins, in quarters from the bar line.
        end: Where it ends.
        value: The note value, such as `eighth`; empty if none is short enough.
        dots: Number of dots.
        tuplet: The tuplet to which it belongs, if any.
    """

    start: Fraction
    end: Fraction
    value: str
    dots: int
    tuplet: Tuplet | None


def beat(numerator: int, denominator: int) -> Fraction:
    """Returns the quarters of a beat: three units of a compound time signature (6/8, 9/8, 12/8), else one."""
    return Fraction(4 * (3 if denominator >= 8 and numerator % 3 == 0 else 1), denominator)


def tuplets(notes: Sequence[tuple[Fraction, Fraction]], length: Fraction, missing: Fraction) -> list[Tuplet]:
    """Returns the tuplets of one voice in one bar.

    A tuplet extends over the shortest of 1/8, 1/4, 1/2, 1, 2 and 4 quarters that no note of the tuplet crosses. A note
    that continues after the tuplet in plain values is split at a quarter.

    Args:
        notes: Start and end of the notes in quarters from the bar line; they do not overlap.
        length: The length of the bar.
        missing: The part of the bar that is missing at its beginning, as in a pickup.
    """
    out: list[Tuplet] = []
    # Tuplets are determined in the whole bar, where beats lie on whole quarters.
    moved = [(start + missing, end + missing) for start, end in notes]
    edges = {point for note in moved for point in note} | {missing, missing + length}
    points = sorted(point for point in edges if not _is_plain(point))
    end = Fraction(-1)
    for point in points:
        if point <= end or point == missing:
            continue
        size = next((size for size in _TUPLETS if _holds(size, point, moved)), _QUARTER)
        start = max(point // size * size, missing, end)
        end = min(point // size * size + size, length + missing)
        inside = [p - start for p in points if start <= p <= end] + [end - start]
        actual = math.lcm(*(_odd(p.denominator) for p in inside))
        if actual > 1:
            out.append(Tuplet(start - missing, end - missing, actual, 2 ** (actual.bit_length() - 1)))
    return out


def signs(
    start: Fraction, end: Fraction, beat: Fraction, tuplets: Iterable[Tuplet], *, is_rest: bool = False
) -> list[Sign]:
    """Splits a span inside a bar into note values, at the edges of tuplets and preferably at beats.

    Args:
        start: Beginning of the span, in quarters from the bar line.
        end: End of the span.
        beat: Length of a beat in quarters.
        tuplets: The tuplets of the voice and bar, by start.
        is_rest: Whether the span is a rest; rests are split at beats even if a single value could express them.
    """
    out: list[Sign] = []
    for tuplet in tuplets:
        if tuplet.start >= end or tuplet.end <= start:
            continue
        out += _plain(start, max(start, tuplet.start), beat, is_rest)
        start = max(start, tuplet.start)
        stop = min(end, tuplet.end)
        out += _inside(start, stop, tuplet)
        start = stop
    return out + _plain(start, end, beat, is_rest)


def beams(signs: Sequence[Sign], beat: Fraction) -> list[tuple[str, ...]]:
    """Returns the beams of the notes of a voice; adjacent notes of one beat share beams.

    Args:
        signs: The notes of one voice in one bar, without rests.
        beat: The quarters of a beat.

    Returns:
        The beams of each note, from the outermost: `begin`, `continue`, `end`, or a `hook` of a single note.
    """
    flags = [_FLAGS.get(sign.value, 0) for sign in signs]
    follows = [
        before.end == after.start and before.start // beat == after.start // beat
        for before, after in itertools.pairwise(signs)
    ]
    out: list[tuple[str, ...]] = []
    for index, count in enumerate(flags):
        left = flags[index - 1] if index and follows[index - 1] else 0
        right = flags[index + 1] if index < len(follows) and follows[index] else 0
        if not left and not right:
            out.append(())
            continue
        hook = "backward hook" if left else "forward hook"
        names = {(True, True): "continue", (True, False): "end", (False, True): "begin", (False, False): hook}
        out.append(tuple(names[left >= level, right >= level] for level in range(1, count + 1)))
    return out


def _is_plain(point: Fraction) -> bool:
    """Returns whether a place needs no tuplet: its denominator is a power of two."""
    return _odd(point.denominator) == 1


@functools.cache
def _odd(number: int) -> int:
    """Returns a number without its factors of two."""
    return number // (number & -number)


def _holds(size: Fraction, point: Fraction, notes: Sequence[tuple[Fraction, Fraction]]) -> bool:
    """Returns whether no note of a tuplet crosses the edges of the given size around a point."""
    start = point // size * size
    for edge in (start, start + size):
        for first, last in notes:
            if first < edge < last:
                is_inside = [not _is_plain(first), not _is_plain(last)]
                if all(is_inside) or (size < _QUARTER and any(is_inside)):
                    return False
    return True


def _plain(start: Fraction, end: Fraction, beat: Fraction, is_rest: bool) -> list[Sign]:
    out = []
    while start < end:
        length = end - start
        to_beat = -start % beat
        if 0 < to_beat < length and (is_rest or length not in _LENGTHS):
            length = to_beat
        if length not in _LENGTHS or (is_rest and length > beat):
            fitting = [n for n in _LENGTHS if n <= length]
            aligned = [n for n in fitting if n % beat == 0 and not (is_rest and start % n)]
            length = max(aligned or fitting, default=length)
        value, dots = _LENGTHS.get(length, ("", 0))
        out.append(Sign(start, start + length, value, dots, None))
        start += length
    return out


def _inside(start: Fraction, end: Fraction, tuplet: Tuplet) -> list[Sign]:
    """Splits a span inside a tuplet into note values."""
    scale = Fraction(tuplet.actual, tuplet.normal)
    out = []
    while start < end:
        written = (end - start) * scale
        fitting = max((n for n in _LENGTHS if n <= written), default=written)
        value, dots = _LENGTHS.get(fitting, ("", 0))
        out.append(Sign(start, start + fitting / scale, value, dots, tuplet))
        start += fitting / scale
    return out
