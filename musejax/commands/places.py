"""What options about cells by place mean: --allow, --forbid, --keep, --fermatas."""

import argparse
import re
from typing import TYPE_CHECKING

import numpy as np

from musejax import errors
from musejax.commands import options
from musejax.theory.sixteenths import BAR

if TYPE_CHECKING:
    from musejax import codecs, zoo
    from musejax.base import Constraint
    from musejax.generation import cells, piece_forms, planning


def rules(option: str, text: str | None) -> "list[cells.Rule]":
    """Pitches at places such as alto@5-8:60-67,3.1:62; none where the option is not given."""
    from musejax.generation import cells

    found = [(part, cells.rule(part)) for part in options.names(text)]
    for part, rule in found:
        if rule is None:
            raise errors.UserError(
                f"{option} {part}: give PLACE:PITCHES, such as bass@3-4:36-48, alto@5.2:60 or 6:72 "
                f"(voices: {', '.join(cells.VOICES)})"
            )
    return [rule for _, rule in found if rule is not None]


def places(option: str, text: str | None) -> "list[cells.Place]":
    """Places such as soprano@5.1,bass@6-7; none where the option is not given."""
    from musejax.generation import cells

    found = [(part, cells.place(part)) for part in options.names(text)]
    for part, place in found:
        if place is None:
            voices = ", ".join(cells.VOICES)
            raise errors.UserError(
                f"{option} {part}: give places such as soprano@5.1, bass@6-7 or 3 (voices: {voices})"
            )
    return [place for _, place in found if place is not None]


def fermatas(text: str | None) -> "list[piece_forms.Mark] | None":
    """Bars and beats such as 2.3,4.3; None where the option is not given."""
    if text is None:
        return None
    from musejax.music import bar_numbers

    marks: list[piece_forms.Mark] = []
    for part in options.names(text) or [""]:
        match = re.fullmatch(r"(\w+)\.(\d{1,2})", part)
        ends = bar_numbers.parse_range(match[1]) if match else None
        if match is None or ends is None:
            raise errors.UserError(f"--fermatas {text}: give BAR.BEAT,..., such as 2.3,4.3")
        marks.append((ends[0], int(match[2])))
    return marks


def refuse(args: argparse.Namespace, loaded: "zoo.Loaded") -> None:
    """Raises for options about cells of voices, where there are none."""
    for option in ("allow", "forbid", "fermatas"):
        if getattr(args, option):
            raise errors.UserError(f"--{option} {getattr(args, option)}: {loaded.name} has no cells of four voices")


def of_plan(args: argparse.Namespace, loaded: "zoo.Loaded", plan: "planning.Plan") -> "Constraint | None":
    """What --allow and --forbid say of a file's cells."""
    from musejax.generation import cells, planning

    allow, forbid = rules("--allow", args.allow), rules("--forbid", args.forbid)
    if not allow and not forbid:
        return None
    return cells.constraint(loaded, plan.source.numbers, planning.beat_of(plan.source), allow, forbid)


def of_sample(
    args: argparse.Namespace, loaded: "zoo.Loaded", length: int, primer: "codecs.Arrays | None" = None
) -> "Constraint | None":
    """What they say of a sample: of a free one, which is in 4/4 then, or in the bars of a primer's conditions."""
    from musejax import codecs
    from musejax.generation import cells
    from musejax.music import bar_numbers

    allow, forbid = rules("--allow", args.allow), rules("--forbid", args.forbid)
    if not allow and not forbid:
        return None
    told = codecs.free_conditions(loaded.codec.vocabulary, 1, length, primer)
    beat = told.get("beat", np.arange(length)[None] % BAR)[0]
    return cells.constraint(loaded, bar_numbers.count(beat), beat, allow, forbid)
