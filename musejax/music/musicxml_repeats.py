"""The order in which the measures of a score are played."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from musejax.music.musicxml_jumps import Jump, Marks


class Played(NamedTuple):
    """A measure in the order of playing.

    Attributes:
        measure: Index of the measure in the score.
        round: How many times its section has begun, from 1; this is the number of the ending and of the verse.
    """

    measure: int
    round: int


class _Ending(NamedTuple):
    """An ending of a repeated section.

    Attributes:
        last: Index of the last measure.
        numbers: The rounds in which the ending is played.
        rounds: How often the whole section is played.
        after_jump: Whether the section is repeated after a jump.
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
    """Returns the order of playing that results from repeats, endings and jumps.

    Jumps take effect at the end of a measure, wherever in it they are written. After a jump, sections are not repeated
    and their last endings are played, unless the score specifies otherwise.

    Args:
        marks: The combined marks of all parts in each measure.
        lengths: Length of each measure in quarters.
        most: The largest number of measures that may be played.
        sections: Measures of the sections in the order of playing, each with its repeats; None for the whole score.

    Returns:
        The measures in the order of playing, or None if there are more than `most`.
    """
    marks = _normalise(marks)
    if sections is None:
        return _section_order(marks, lengths, most)
    order: list[Played] = []
    rounds: dict[range, int] = {}
    for section in sections:
        part = _section_order([marks[m] for m in section], [lengths[m] for m in section], most - len(order))
        if part is None:
            return None
        # The numbers of verses continue from the last time the section was played.
        before = rounds.get(section, 0)
        order += [Played(section[measure], number + before) for measure, number in part]
        rounds[section] = before + max((number for _, number in part), default=0)
    return order


def _section_order(marks: Sequence[Marks], lengths: Sequence[Fraction], most: int) -> list[Played] | None:
    """Returns the order of playing of one section with normalised marks, or None if it exceeds `most` measures."""
    endings = _endings(marks)
    ending_of = {m: ending for first, ending in endings.items() for m in range(first, ending.last + 1)}
    segnos, codas, leaving = _places(marks, lengths)
    order: list[Played] = []
    taken: set[int] = set()
    jump: Jump | None = None
    start, count, at, returns = 0, 1, 0, False
    while at < len(marks):
        here = marks[at]
        if here.forward and not returns:
            start, count = at, 1
        returns = False
        ending = endings.get(at)
        if ending is not None and not _is_played(ending, count, jump is not None):
            at = ending.last + 1
            if ending.closes:
                start, count = at, 1
            continue
        order.append(Played(at, count))
        if len(order) > most:
            return None
        if jump is not None:
            if here.fine and jump.until != "coda":
                break
            coda = _coda(codas, leaving[at], at) if at in leaving and jump.until != "fine" else None
            if coda is not None:
                start, count, at, jump = coda, 1, coda, None
                continue
        inside = ending_of.get(at)
        rounds = inside.rounds if inside is not None else here.backward
        if here.backward and (jump is None or here.after_jump) and count < rounds:
            at, count, returns = start, count + 1, True
            continue
        if here.backward or (inside is not None and inside.last == at and inside.closes):
            start, count = at + 1, 1
        target = _target(here.jump, segnos, at) if here.jump is not None and at not in taken else None
        if target is not None:
            taken.add(at)
            start, count, at, jump = target, 1, target, here.jump
            continue
        at += 1
    return order


def _normalise(marks: Sequence[Marks]) -> list[Marks]:
    """Returns the marks after moving those that concern the previous or next measure to that measure."""
    out = [dataclasses.replace(m) for m in marks]
    for before, after in zip(out, out[1:]):
        after.forward |= before.forward_next
        before.backward = before.backward or after.backward_before
        before.ending_stops |= after.ending_stopped
        after.ending = after.ending if after.ending is not None else before.ending_next
    return out


def _endings(marks: Sequence[Marks]) -> dict[int, _Ending]:
    """Returns the endings by index of their first measure."""
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
        printed = marks[first].ending or ()
        numbers.append(printed or (1 + max((n for row in numbers for n in row), default=0),))
    highest = max(n for row in numbers for n in row)
    # If there is only one bracket and it closes with a repeat, the last ending follows without a bracket.
    rounds = highest + (len(group) == 1 and bool(marks[group[0][1]].backward))
    after_jump = any(marks[last].after_jump for _, last in group)
    return {
        first: _Ending(last, row, rounds, after_jump, (first, last) == group[-1])
        for (first, last), row in zip(group, numbers)
    }


def _is_played(ending: _Ending, count: int, has_jumped: bool) -> bool:
    """Returns whether an ending is played in this round; after a jump, only the last one is."""
    return (ending.rounds if has_jumped and not ending.after_jump else count) in ending.numbers


def _places(
    marks: Sequence[Marks], lengths: Sequence[Fraction]
) -> tuple[dict[int, str], dict[int, str], dict[int, str]]:
    """Returns labels by measure: of segnos, of codas, and of codas to which the music jumps from the measure."""
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
    """Returns the first measure of the coda with a label after a measure, else of the next coda, or None."""
    later = [m for m in sorted(codas) if m > at]
    return next((m for m in later if codas[m] == label), later[0] if later else None)


def _target(jump: Jump, segnos: dict[int, str], at: int) -> int | None:
    """Returns the target measure of a jump, or None if there is none."""
    if jump.segno is None:
        return 0
    before = [m for m in sorted(segnos) if m <= at]
    return next((m for m in before if segnos[m] == jump.segno), before[-1] if before else None)
