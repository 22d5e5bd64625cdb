"""The bars of ABC with the time signatures under which they are written."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from musejax.music import exact_times, limits, musicxml_bars, score_annotations
from musejax.music.musicxml_attributes import Metre

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_COMMON_TIME = Metre(4, 4)


class Bar(NamedTuple):
    """A bar as it is written.

    Attributes:
        start: Where the bar begins, in quarters.
        length: Length in quarters.
        metre: The time signature under which it is written.
    """

    start: Fraction
    length: Fraction
    metre: Metre


def read_bars(sequence: "NoteSequence", times: exact_times.ExactTimes, end: Fraction) -> list[Bar]:
    """Returns the bars of a sequence up to its end.

    An incomplete bar is written under the surrounding time signature, so that a reader infers the same signatures
    again: a pickup has 3/4 and not 1/4. If the time signatures come from bars in free metre, the bars are written in
    free metre.

    Args:
        sequence: The sequence; 4/4 holds before its first time signature.
        times: The times of the sequence.
        end: Where the sequence ends, in quarters.

    Raises:
        errors.UserError: There are more bars than a piece may have.
    """
    signatures: dict[Fraction, Metre] = {Fraction(0): _COMMON_TIME}
    for mark in sorted(sequence.time_signatures, key=lambda mark: mark.time):
        if mark.numerator > 0 and mark.denominator > 0:
            signatures[times.quarters(mark.time)] = Metre(mark.numerator, mark.denominator)
    lines = {times.quarters(a.time) for a in sequence.text_annotations if a.text == score_annotations.BAR_LINE}
    signatures = {place: metre for place, metre in signatures.items() if place < end or not place}
    shown = _shown_bars(signatures, lines, end)
    if not lines:
        # A short first signature for one bar is a pickup.
        return _under_neighbours(shown, first_only=True)
    changes = _changes(shown)
    metres = dict.fromkeys(bar.metre for bar in shown)
    # If all bars are irregular, the metre is not among the signatures: it is free, or has another length.
    hidden = [Metre(0, 4), *(Metre(1, metre.denominator) for metre in metres)]
    choices = [_under_neighbours(shown), *(_under_one(shown, metre) for metre in (*metres, *hidden))]
    return next((choice for choice in choices if _is_read_as(choice, changes)), choices[0])


def _is_read_as(bars: Sequence[Bar], changes: Sequence[tuple[Fraction, Metre]]) -> bool:
    """Returns whether a reader of the bars infers the given changes of time signature, and marks the bar lines."""
    spans = [
        musicxml_bars.Span(bar.length, bar.metre, not i and bar.length < (bar.metre.quarters or 0))
        for i, bar in enumerate(bars)
    ]
    joined = musicxml_bars.bars(spans)
    is_marked = not all(map(musicxml_bars.is_regular, joined[:-1]))
    return is_marked and len(joined) == len(bars) and musicxml_bars.signatures(joined) == changes


def _shown_bars(signatures: dict[Fraction, Metre], lines: set[Fraction], end: Fraction) -> list[Bar]:
    """Returns the bars with the time signatures of the sequence."""
    places = sorted(signatures)
    out: list[Bar] = []
    for place, stop in zip(places, [*places[1:], end]):
        metre = signatures[place]
        full = metre.quarters or Fraction(4)
        marked = sorted(line for line in lines if place < line < stop)
        limits.check_count(float((stop - place) / full), limits.MAX_BARS, "bars")
        if lines:
            edges = [place, *marked, stop]
        else:
            odd = (stop - place) % full if stop != end else Fraction(0)
            # The odd part of the first signature's span is a pickup.
            first = [place, place + odd] if odd and not place and stop - place > full else [place]
            edges = [*first, *_multiples(first[-1] + full, stop, full), stop]
        out += [Bar(a, b - a, metre) for a, b in itertools.pairwise(edges) if a < b]
    return out


def _multiples(first: Fraction, stop: Fraction, step: Fraction) -> list[Fraction]:
    return [first + i * step for i in range(max(0, -((first - stop) // step)))]


def _changes(bars: Sequence[Bar]) -> list[tuple[Fraction, Metre]]:
    """Returns place and time signature of each change."""
    out: list[tuple[Fraction, Metre]] = []
    for bar in bars:
        if not out or out[-1][1] != bar.metre:
            out.append((bar.start, bar.metre))
    return out


def _under_neighbours(bars: Sequence[Bar], *, first_only: bool = False) -> list[Bar]:
    """Rewrites a bar that is alone in its time signature as an irregular bar under its neighbour's signature.

    Args:
        bars: The bars with the time signatures of the sequence.
        first_only: Whether to rewrite only a pickup.
    """
    out: list[Bar] = []
    for i, bar in enumerate(bars):
        before = out[-1].metre if out else None
        after = bars[i + 1].metre if i + 1 < len(bars) else None
        neighbour = after if before is None else before
        is_alone = (not i or bars[i - 1].metre != bar.metre) and after is not None and after != bar.metre
        if is_alone and neighbour is not None and not (first_only and i):
            full = neighbour.quarters
            is_irregular = not first_only or (full is not None and bar.length < full)
            if is_irregular and musicxml_bars.metre_of(bar.length, neighbour) == bar.metre:
                out.append(bar._replace(metre=neighbour))
                continue
        out.append(bar)
    return out


def _under_one(bars: Sequence[Bar], metre: Metre) -> list[Bar]:
    """Rewrites bars as irregular bars of one metre where a reader would infer their signatures again."""
    return [
        bar._replace(metre=metre) if musicxml_bars.metre_of(bar.length, metre) == bar.metre else bar for bar in bars
    ]
