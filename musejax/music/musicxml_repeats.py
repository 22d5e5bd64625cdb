"""The order in which the measures of a MusicXML score are played."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from musejax.music.musicxml_jumps import Jump, Marks


class Played(NamedTuple):
    """A measure as it is played.

    Attributes:
        measure: Its index in the score.
        round: How many times its section has begun, from 1: the number of the ending and of the verse.
    """

    measure: int
    round: int


class _Ending(NamedTuple):
    """An ending of a repeated section.

    Attributes:
        last: The index of its last measure.
        numbers: The rounds in which it is played.
        rounds: How often the whole section is played.
        after_jump: Whether the section is repeated after a leap.
        closes: Whether no other ending follows.
    """

    last: int
    numbers: tuple[int, ...]
    rounds: int
    after_jump: bool
    closes: bool


def playing_order(
    marks: Sequence[Marks], lengths: Sequence[Fraction], most: int, sections: Sequence[range] | None = None
) -> list[Played] | None:
    """Plays out repeats, endings and leaps.

    Leaps stand at the end of a measure, wherever in it they are written. After a leap sections are not repeated and
    their last endings are played, unless the score says otherwise.

    Args:
        marks: The marks of each measure, of all parts together.
        lengths: The length of each measure in quarters.
        most: How many measures may be played.
        sections: Measures of the sections that are played one after the other, each with its repeats; None for all.

    Returns:
        The measures in the order in which they are played, or None where they are more than `most`.
    """
    marks = _at_home(marks)
    if sections is None:
        return _section_order(marks, lengths, most)
    order: list[Played] = []
    rounds: dict[range, int] = {}
    for section in sections:
        part = _section_order([marks[m] for m in section], [lengths[m] for m in section], most - len(order))
        if part is None:
            return None
        # The verses of a section go on where they ended the last time.
        before = rounds.get(section, 0)
        order += [Played(section[measure], number + before) for measure, number in part]
        rounds[section] = before + max((number for _, number in part), default=0)
    return order


def _section_order(marks: Sequence[Marks], lengths: Sequence[Fraction], most: int) -> list[Played] | None:
    """Plays out a section whose marks are at home; None where more measures are played than `most`."""
    endings = _endings(marks)
    ending_of = {m: ending for first, ending in endings.items() for m in range(first, ending.last + 1)}
    segnos, codas, leaving = _places(marks, lengths)
    order: list[Played] = []
    taken: set[int] = set()
    leap: Jump | None = None
    start, count, at, returns = 0, 1, 0, False
    while at < len(marks):
        here = marks[at]
        if here.forward and not returns:
            start, count = at, 1
        returns = False
        ending = endings.get(at)
        if ending is not None and not _is_played(ending, count, leap is not None):
            at = ending.last + 1
            if ending.closes:
                start, count = at, 1
            continue
        order.append(Played(at, count))
        if len(order) > most:
            return None
        if leap is not None:
            if here.fine and leap.until != "coda":
                break
            coda = _coda(codas, leaving[at], at) if at in leaving and leap.until != "fine" else None
            if coda is not None:
                start, count, at, leap = coda, 1, coda, None
                continue
        inside = ending_of.get(at)
        rounds = inside.rounds if inside is not None else here.backward
        if here.backward and (leap is None or here.after_jump) and count < rounds:
            at, count, returns = start, count + 1, True
            continue
        if here.backward or (inside is not None and inside.last == at and inside.closes):
            start, count = at + 1, 1
        target = _target(here.jump, segnos, at) if here.jump is not None and at not in taken else None
        if target is not None:
            taken.add(at)
            start, count, at, leap = target, 1, target, here.jump
            continue
        at += 1
    return order


def _at_home(marks: Sequence[Marks]) -> list[Marks]:
    """Returns the marks with those that belong to the measure before or after moved there."""
    out = [dataclasses.replace(m) for m in marks]
    for before, after in zip(out, out[1:]):
        after.forward |= before.forward_next
        before.backward = before.backward or after.backward_before
        before.ending_stops |= after.ending_stopped
        after.ending = after.ending if after.ending is not None else before.ending_next
    return out


def _endings(marks: Sequence[Marks]) -> dict[int, _Ending]:
    """Returns the endings by the index of their first measure."""
    firsts = [m for m, mark in enumerate(marks) if mark.ending is not None]
    spans = []
    for first, following in zip(firsts, [*firsts[1:], len(marks)]):
        stops = (m for m in range(first, following) if marks[m].ending_stops or marks[m].backward)
        spans.append((first, next(stops, first)))
    out: dict[int, _Ending] = {}
    group: list[tuple[int, int]] = []
    for span, following in zip(spans, [*spans[1:], (-1, -1)]):
        group.append(span)
        if following[0] != span[1] + 1:
            out |= _group(marks, group)
            group = []
    return out


def _group(marks: Sequence[Marks], group: list[tuple[int, int]]) -> dict[int, _Ending]:
    """Returns the endings of one section, from their first and last measures."""
    numbers: list[tuple[int, ...]] = []
    for first, _ in group:
        given = marks[first].ending or ()
        numbers.append(given or (1 + max((n for row in numbers for n in row), default=0),))
    highest = max(n for row in numbers for n in row)
    # Where only the last bracket closes with a repeat, what follows it is the ending without a bracket.
    rounds = highest + (len(group) == 1 and bool(marks[group[0][1]].backward))
    again = any(marks[last].after_jump for _, last in group)
    return {
        first: _Ending(last, row, rounds, again, (first, last) == group[-1])
        for (first, last), row in zip(group, numbers)
    }


def _is_played(ending: _Ending, count: int, after_leap: bool) -> bool:
    """Returns whether an ending is played in this round; after a leap only the last one is."""
    return (ending.rounds if after_leap and not ending.after_jump else count) in ending.numbers


def _places(
    marks: Sequence[Marks], lengths: Sequence[Fraction]
) -> tuple[dict[int, str], dict[int, str], dict[int, str]]:
    """Returns the labels of segnos and codas by the measures that begin there, and of codas by where music leaves."""
    places: dict[str, dict[int, str]] = {"segno": {}, "coda": {}, "coda sign": {}}
    written = {m for m, mark in enumerate(marks) if any(kind == "coda sign" for _, kind, _ in mark.places)}
    leaving = {m: mark.to_coda for m, mark in enumerate(marks) if mark.to_coda is not None}
    for m, mark in enumerate(marks):
        for position, kind, label in mark.places:
            places[kind].setdefault(m + (0 < lengths[m] <= position), label)
    signs = {m: label for m, label in places["coda sign"].items() if m not in leaving and m not in places["coda"]}
    if not leaving and len(signs) > 1:
        first = min(signs)
        leaving[first - (first not in written)] = signs.pop(first)
    return places["segno"], signs | places["coda"], leaving


def _coda(codas: dict[int, str], label: str, at: int) -> int | None:
    """Returns the measure with which the coda begins, for which the music leaves at a measure."""
    behind = [m for m in sorted(codas) if m > at]
    return next((m for m in behind if codas[m] == label), behind[0] if behind else None)


def _target(jump: Jump, segnos: dict[int, str], at: int) -> int | None:
    """Returns the measure to which a leap goes, or None where there is none."""
    if jump.segno is None:
        return 0
    before = [m for m in sorted(segnos) if m <= at]
    return next((m for m in before if segnos[m] == jump.segno), before[-1] if before else None)
