"""Bars of a score: the lengths of measures, and the bars in the order of playing."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from musejax.music.musicxml_attributes import Metre
from musejax.music.musicxml_measures import Measure

# Largest difference in quarters between a measure and its time signature that is due to rounding of tuplets.
_ROUNDING = Fraction(1, 16)
# The smallest beat unit of a signature made for an irregular bar.
_SMALLEST = 64


class Span(NamedTuple):
    """A measure shared by all parts.

    Attributes:
        length: Length in quarters.
        metre: The current time signature; None before the first.
        is_implicit: Whether the score does not count the measure.
    """

    length: Fraction
    metre: Metre | None
    is_implicit: bool


class Bar(NamedTuple):
    """A bar in the order of playing: a measure, or several consecutive short measures that make up one bar.

    Attributes:
        start: Where the bar begins, in quarters.
        length: Length in quarters.
        metre: The current time signature; None before the first.
    """

    start: Fraction
    length: Fraction
    metre: Metre | None


def spans(parts: Sequence[Sequence[Measure]]) -> list[Span]:
    """Returns the measures of a score in which all parts share their bar lines."""
    out = []
    for measures in itertools.zip_longest(*parts):
        here = [measure for measure in measures if measure is not None]
        # A rest that fills a bar is as long as the bar, whatever length a program writes: an incomplete bar may have a
        # whole rest, and a bar of three quarters may have a rest of four.
        decisive = [measure for measure in here if measure.notes or measure.rests > 1] or here
        length = max(_length(measure) for measure in decisive)
        metre = next((measure.metre for measure in here if measure.metre is not None), None)
        if not any(measure.advances for measure in here) and metre is not None:
            length = metre.quarters or length
        out.append(Span(length, metre, any(measure.is_implicit for measure in here)))
    return out


def own_spans(measures: Sequence[Measure]) -> list[Span]:
    """Returns the measures of a part with independent bar lines."""
    return [Span(_rounded(measure), measure.metre, measure.is_implicit) for measure in measures]


def _length(measure: Measure) -> Fraction:
    length = _rounded(measure)
    full = measure.metre.quarters if measure.metre is not None else None
    return length if measure.notes or full is None else min(length, full)


def _rounded(measure: Measure) -> Fraction:
    """Returns the extent of a measure, or the length of its time signature if they are nearly equal."""
    full = measure.metre.quarters if measure.metre is not None else None
    return full if full is not None and abs(measure.extent - full) < _ROUNDING else measure.extent


def bars(measures: Sequence[Span]) -> list[Bar]:
    """Joins consecutive short measures that make up one bar, such as the halves of a bar around a repeat.

    Args:
        measures: The measures in the order of playing.
    """
    out: list[Bar] = []
    start = Fraction(0)
    at = 0
    while at < len(measures):
        count = _joined(measures, at)
        length = sum((measure.length for measure in measures[at : at + count]), Fraction(0))
        if length:
            out.append(Bar(start, length, measures[at].metre))
        start += length
        at += count
    return out


def _joined(measures: Sequence[Span], first: int) -> int:
    """Returns the number of measures in the bar at `first`: 1, unless several short ones are exactly one bar."""
    metre = measures[first].metre
    full = None if metre is None else metre.quarters
    if full is None or (first == 0 and measures[0].is_implicit):
        return 1
    total = Fraction(0)
    for count, measure in enumerate(itertools.islice(measures, first, None), 1):
        total += measure.length
        if measure.metre != metre or not measure.length or total > full:
            return 1
        if total == full:
            return count
    return 1


def signatures(bars: Sequence[Bar]) -> list[tuple[Fraction, Metre]]:
    """Returns place, in quarters, and time signature of each change, from which the bars can be restored.

    An irregular bar gets its own signature, such as 1/4 for a pickup, except for a short last bar.
    """
    out: list[tuple[Fraction, Metre]] = []
    current: Metre | None = None
    for bar in bars:
        is_last_and_short = bar is bars[-1] and current is not None and _is_shorter(bar, current)
        metre = bar.metre if is_regular(bar) or is_last_and_short else metre_of(bar.length, bar.metre)
        if is_last_and_short and bar.metre is None:
            metre = current
        if metre is None:
            current = None  # the next bar needs a signature again
        elif metre != current and metre.numerator:
            out.append((bar.start, metre))
            current = metre
    return out


def is_regular(bar: Bar) -> bool:
    """Returns whether a bar has the length of its time signature."""
    return bar.metre is not None and bar.metre.quarters == bar.length


def _is_shorter(bar: Bar, current: Metre) -> bool:
    full = bar.metre.quarters if bar.metre is not None else current.quarters
    return full is not None and bar.length < full


def metre_of(length: Fraction, metre: Metre | None) -> Metre | None:
    """Returns a time signature for an irregular bar, or None if its length is not a multiple of a 64th.

    Args:
        length: Length of the bar in quarters.
        metre: The current time signature; None before the first.
    """
    denominator = metre.denominator if metre is not None else 4
    while denominator <= _SMALLEST:
        beats = length * denominator / 4
        if beats.denominator == 1:
            return Metre(int(beats), denominator)
        denominator *= 2
    return None
