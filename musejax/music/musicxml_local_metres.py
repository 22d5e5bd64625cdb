"""Measures of a MusicXML score in which parts have different time signatures, such as 6/8 against 2/4.

The bars of all parts begin and end together, so the notes of some parts sound shorter or longer than they are notated.
MuseScore, which calls such time signatures local, writes the notated durations of notes in these parts, but the
sounding durations of rests, `<forward>` and `<backup>`. MusicXML does not specify which of the time signatures counts
the quarters of the score. It is one with which the notes and rests of every part fill the measure equally.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from musejax.music import loss_counts, musicxml_losses
from musejax.music.musicxml_attributes import Metre
from musejax.music.musicxml_measures import Measure

# Largest difference in quarters between the lengths of parts that is due to rounding of tuplets.
_ROUNDING = Fraction(1, 16)

Parts = list[list[Measure]]
# For each part, the factor of the lengths of its notes, by index of the measure.
Stretches = list[Mapping[int, Fraction]]


def align(parts: Parts, read: Callable[[Stretches], Parts], losses: loss_counts.Losses) -> None:
    """Replaces the measures whose notes do not sound as long as they are notated.

    Args:
        parts: The measures of each part, as written.
        read: Reads the parts again with other lengths of notes.
        losses: Counts the measures in which no length fits; they remain as written.
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
        # Try the measure as written, then the time signature that all parts had before, then that of the first part.
        choices = [None, *sorted(dict.fromkeys(mixed[m].values()), key=lambda length: length != shared)]
        for counts_all, choice in itertools.product((True, False), choices):
            chosen = parts if choice is None else readings[choice]
            extent = _common_extent([part[m] for part in chosen if m < len(part)], counts_all)
            # If single rests are not trusted, the extent must agree with a time signature.
            if extent is not None and (counts_all or extent in mixed[m].values()):
                _replace(parts, chosen, m, extent if choice is None else choice)
                break
        else:
            losses[musicxml_losses.LOCAL_METRE] += 1


def _replace(parts: Parts, chosen: Parts, m: int, length: Fraction) -> None:
    """Replaces one measure of all parts, and sets its time signature to the one with the given length, if any."""
    metres = [part[m].metre for part in parts if m < len(part)]
    metre = next((metre for metre in metres if _quarters(metre) == length), None)
    for part, reading in zip(parts, chosen):
        if m < len(part):
            part[m] = reading[m]
            part[m].metre = metre or part[m].metre


def _metres(parts: Parts) -> list[dict[int, Fraction]]:
    """Returns, for each measure, the lengths of its time signatures in quarters, by part."""
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
    """Returns the factors with which notes fill measures of a length, for measures where a part has that length."""
    return [
        {m: length / metres[p] for m, metres in mixed.items() if p in metres and length in metres.values()}
        for p in range(count)
    ]


def _common_extent(measures: Sequence[Measure], counts_all: bool) -> Fraction | None:
    """Returns the common extent of the measures of one index, or None if their extents differ.

    Args:
        measures: The measures.
        counts_all: Whether to include measures with a single rest, whose length may differ from that of the bar.
    """
    decisive = [measure for measure in measures if counts_all or measure.notes or measure.rests > 1] or measures
    extents = [measure.extent for measure in decisive]
    return max(extents) if max(extents) - min(extents) < _ROUNDING else None
