"""Measures of a MusicXML score in which parts have different time signatures, such as 6/8 against 2/4.

The bars of all parts begin and end together, so the notes of some parts are shorter or longer than they look.
MuseScore, which calls such a time signature local, writes the notes of these parts as long as they look, but rests,
`<forward>` and `<backup>` as long as they are. MusicXML does not say which of the time signatures counts the quarters
of the score. It is one with which the notes and rests of every part fill the measure equally.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from musejax.music import loss_counts, musicxml_losses
from musejax.music.musicxml_attributes import Metre
from musejax.music.musicxml_measures import Measure

# By how many quarters the lengths of parts may differ where tuplets are rounded to divisions.
_ROUNDING = Fraction(1, 16)

Parts = list[list[Measure]]
# For each part the factors of the lengths of its notes, by the index of the measure.
Stretches = list[Mapping[int, Fraction]]


def align(parts: Parts, read: Callable[[Stretches], Parts], losses: loss_counts.Losses) -> None:
    """Replaces the measures whose notes are not as long as they look.

    Args:
        parts: The measures of each part, as written.
        read: Reads the parts again with other lengths of notes.
        losses: Counts the measures in which no length fits; they stay as written.
    """
    mixed = {m: metres for m, metres in enumerate(_metres(parts)) if len(set(metres.values())) > 1}
    if not mixed:
        return
    lengths = {length for metres in mixed.values() for length in metres.values()}
    readings = {length: read(_stretches(len(parts), mixed, length)) for length in lengths}
    shared: Fraction | None = None
    for m, column in enumerate(itertools.zip_longest(*parts)):
        measures = [measure for measure in column if measure is not None]
        if m not in mixed:
            shared = _quarters(measures[0].metre)
            continue
        # As written first; then the time signature that all parts had before, then that of the first part.
        choices = [None, *sorted(dict.fromkeys(mixed[m].values()), key=lambda length: length != shared)]
        for counts_all, choice in itertools.product((True, False), choices):
            chosen = parts if choice is None else readings[choice]
            extent = _common_extent([part[m] for part in chosen if m < len(part)], counts_all)
            # Where a single rest does not bear witness, a time signature must.
            if extent is not None and (counts_all or extent in mixed[m].values()):
                _replace(parts, chosen, m, extent if choice is None else choice)
                break
        else:
            losses[musicxml_losses.LOCAL_METRE] += 1


def _replace(parts: Parts, chosen: Parts, m: int, length: Fraction) -> None:
    """Replaces one measure of all parts, and gives them the time signature of a length if one of them has it."""
    metres = [part[m].metre for part in parts if m < len(part)]
    metre = next((metre for metre in metres if _quarters(metre) == length), None)
    for part, reading in zip(parts, chosen):
        if m < len(part):
            part[m] = reading[m]
            part[m].metre = metre or part[m].metre


def _metres(parts: Parts) -> list[dict[int, Fraction]]:
    """Returns for each measure the lengths of its time signatures in quarters, by part."""
    out: list[dict[int, Fraction]] = [{} for _ in range(max(map(len, parts), default=0))]
    for p, part in enumerate(parts):
        for m, measure in enumerate(part):
            length = _quarters(measure.metre)
            if length is not None:
                out[m][p] = length
    return out


def _quarters(metre: Metre | None) -> Fraction | None:
    return None if metre is None else metre.quarters


def _stretches(count: int, mixed: Mapping[int, Mapping[int, Fraction]], length: Fraction) -> Stretches:
    """Returns the factors with which notes fill measures of a length, where one of the parts has that length."""
    return [
        {m: length / metres[p] for m, metres in mixed.items() if p in metres and length in metres.values()}
        for p in range(count)
    ]


def _common_extent(measures: Sequence[Measure], counts_all: bool) -> Fraction | None:
    """Returns how far all measures of one index reach, or None where they differ.

    Args:
        measures: The measures.
        counts_all: Whether a single rest counts; some programs give it another length than its bar.
    """
    decisive = [measure for measure in measures if counts_all or measure.notes or measure.rests > 1] or measures
    extents = [measure.extent for measure in decisive]
    return max(extents) if max(extents) - min(extents) < _ROUNDING else None
