"""Completion of given music: a voice to harmonise, bars or voices to fill, in any file that a model's codec can read.

A note belongs to the bar in which it begins. A given note keeps its pitch, onset, end and velocity, wherever they lie;
every cell in which it sounds is given, in a filled bar too. A replaced note frees all its cells, beyond the last filled
bar too (all but binary frames, which are free by whole bars). A free cell directly after a given note starts a new
note: a hold would prolong the given one (`decoding.given_notes`). The piece keeps its length, and everything that the
sequence holds besides the replaced notes stays as it is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from musejax import codecs, errors, zoo
from musejax.generation import (
    cells,
    joining,
    option_values,
    planning,
    quantising,
    requirements,
    sampling,
    source_writing,
    sources,
)
from musejax.music import bar_numbers
from musejax.options.sampling import Sampling

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

BarRange = tuple[bar_numbers.Bar, bar_numbers.Bar]


def draw_plan(loaded: zoo.Loaded, plan: planning.Plan, num: int, seed: int, **drawing: Any) -> list[sampling.Piece]:
    """Samples the free cells of a plan; the other arguments are those of `sampling.draw_pieces`."""

    def write(arrays: codecs.Arrays) -> "NoteSequence":
        return source_writing.write(plan.source, loaded.codec, arrays, plan.given.infill_mask, plan.redrawn)

    return sampling.draw_pieces(loaded, num, seed, given=plan.given._replace(write=write), **drawing)


def harmonize(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    num: int,
    seed: int,
    *,
    voice: str,
    required: requirements.Requirements,
    quantise: quantising.Quantise | None,
    how: Sampling,
    say: sources.Say,
) -> list[sampling.Piece]:
    """Keeps one voice and samples the others; arguments and errors are those of `musejax.harmonize`."""
    _check(loaded, required, how, num)
    plan = planning.harmony(
        loaded, _marked(sequence, required), voice, sharps=required.sharps(), quantise=quantise, say=say
    )
    return _draw_required(loaded, plan, num, seed, required, how)


def infill(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    num: int,
    seed: int,
    *,
    bars: Sequence[BarRange],
    voices: Sequence[str],
    keep: Sequence[cells.Place | int],
    vary: float | None,
    required: requirements.Requirements,
    quantise: quantising.Quantise | None,
    how: Sampling,
    say: sources.Say,
) -> list[sampling.Piece]:
    """Samples some bars or voices again; arguments and errors are those of `musejax.infill`."""
    _check(loaded, required, how, num)
    plan = planning.infilling(
        loaded,
        _marked(sequence, required),
        bars,
        voices,
        keep=keep,
        vary=vary,
        seed=seed,
        sharps=required.sharps(),
        quantise=quantise,
        say=say,
    )
    return _draw_required(loaded, plan, num, seed, required, how)


def join(
    loaded: zoo.Loaded, first: "NoteSequence", second: "NoteSequence", num: int, seed: int, *, gap: int, **options: Any
) -> list[sampling.Piece]:
    """Joins two phrases by bars that are sampled between them; both stay as they are.

    Args:
        loaded: The model.
        first: A phrase.
        second: Another, with the same parts.
        num: Number of pieces.
        seed: Seed.
        gap: Bars between them.
        **options: Further arguments of `infill`.
    """
    joined = joining.join(first, second, gap)
    return infill(
        loaded, joined.sequence, num, seed, bars=[joined.bars], voices=(), keep=joined.kept, vary=None, **options
    )


def check_selection(
    bars: str | Sequence[Any] | None,
    voices: str | Sequence[str] | None,
    keep: str | Sequence[Any] | None,
    vary: float | None,
    then: Any,
) -> None:
    """Checks which notes `musejax.infill` is asked to replace.

    Raises:
        errors.UserError: None are, a voice is unknown, or bars lead to a second phrase and others are named as well.
    """
    for voice in option_values.names(voices):
        if voice not in planning.VOICES:
            raise errors.OptionError("voices", voices, f"the voices are {', '.join(planning.VOICES)}")
    is_selected = bool(bars or option_values.names(voices) or vary is not None)
    if then is not None and (is_selected or keep):
        raise errors.UserError(
            "then: only the bars that lead to the second phrase are filled; leave out bars, voices, keep and vary"
        )
    if then is None and not is_selected:
        raise errors.UserError("nothing is to be filled; give bars such as 5-8, voices such as alto,tenor, or both")


def _check(loaded: zoo.Loaded, required: requirements.Requirements, how: Sampling, num: int) -> None:
    sampling.check_search(how, num)
    required.check_key(loaded)


def _marked(sequence: "NoteSequence", required: requirements.Requirements) -> "NoteSequence":
    """Returns a sequence with the required fermatas, or as it is where none are required."""
    marks = required.marks()
    return sequence if marks is None else cells.with_fermatas(sequence, marks)


def _draw_required(
    loaded: zoo.Loaded,
    plan: planning.Plan,
    num: int,
    seed: int,
    required: requirements.Requirements,
    how: Sampling,
) -> list[sampling.Piece]:
    """Samples the free cells of a plan under the required constraints."""
    frames = len(plan.given.cells)
    parts = [
        required.constraint(loaded, frames, plan.source.bar, shift=plan.source.shift),
        required.at_places_of_plan(loaded, plan),
    ]
    required.check_notes_left(loaded, requirements.join(parts), frames)
    constraint = requirements.join([sampling.own_constraint(loaded, how, frames), *parts])
    return draw_plan(loaded, plan, num, seed, constraint=constraint, **sampling.arguments(how))
