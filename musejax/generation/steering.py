"""Steering by what is kept: a voice to harmonise, bars or voices to fill, in any file that a model's codec can read.

A note belongs to the bar in which it begins. A given note keeps its pitch, onset, end and velocity, wherever they lie;
every cell in which it sounds is given, in a redrawn bar too. A redrawn note frees all its cells, beyond the last
redrawn bar too (all but binary frames, which are free by whole bars). A free cell directly after a given note begins
anew: a hold would prolong the note (`decoding.given_notes`). The piece keeps its length, and all that the sequence says
beside the redrawn notes stays as it is.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musejax import codecs, zoo
from musejax.base import Choice, Constraint
from musejax.generation import cells, joining, planning, sampling, source_writing
from musejax.music import bar_numbers

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def draw_plan(
    loaded: zoo.Loaded,
    plan: planning.Plan,
    num: int,
    seed: int,
    *,
    choice: Choice | None = None,
    constraint: Constraint | None = None,
    beams: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    width: int | None = None,
) -> list[sampling.Piece]:
    """Draws what a plan leaves free; the arguments are those of `sampling.sample`."""

    def write(arrays: codecs.Arrays) -> "NoteSequence":
        return source_writing.write(plan.source, loaded.codec, arrays, plan.given.infill_mask, plan.redrawn)

    return sampling.draw_pieces(
        loaded, num, seed, choice=choice, given=plan.given._replace(write=write), constraint=constraint,
        beams=beams, guidance=guidance, sampler=sampler, steps=steps, width=width,
    )  # fmt: skip


def harmonize(
    model: str | Path | zoo.Loaded,
    sequence: "NoteSequence",
    num: int = 1,
    seed: int = 0,
    *,
    voice: str = "soprano",
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    constraint: Constraint | None = None,
    sharps: int | None = None,
    beams: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    width: int | None = None,
    say: Callable[[str], None] = planning.to_stderr,
) -> list["NoteSequence"]:
    """Keeps one voice of a chorale, or a melody, and draws the other voices.

    The same arguments give the same music, and piece i does not change with how many are asked for.

    Args:
        model: A shipped run's name, a run directory, or what `load` returned; of four voices.
        sequence: A melody (one part sounds, one note at a time), or four voices.
        num: Number of harmonies.
        seed: Any integer.
        voice: The voice that is kept, or that the melody is: soprano, alto, tenor or bass.
        temperature: Below 1 is more cautious, above 1 bolder.
        top_k: Keeps the k likeliest tokens at each step.
        top_p: Keeps the likeliest tokens up to this probability.
        min_p: Keeps tokens at least this many times as likely as the likeliest.
        constraint: Which tokens may stand where (`musejax.decoding.constraints`); given notes are kept against it.
        sharps: Key signature, -7..7, of a sequence that has none; by default an estimate. The sequence's own holds.
        beams: Searches for the likeliest harmony with this many beams; `num` must be 1.
        guidance: As for `sample`.
        sampler: As for `sample`.
        steps: As for `sample`.
        width: As for `sample`.
        say: Is told what is assumed where the sequence says nothing; prints to standard error by default.

    Returns:
        The sequence with new notes, `num` times.

    Raises:
        errors.UserError: The model cannot be loaded or cannot harmonise, or the sequence lies outside its codec.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    plan = planning.harmony(loaded, sequence, voice, sharps=sharps, say=say)
    choice = Choice(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    how = {"sampler": sampler, "steps": steps}
    options: dict[str, Any] = {"beams": beams, "guidance": guidance, "width": width, **how}
    return [p.sequence for p in draw_plan(loaded, plan, num, seed, choice=choice, constraint=constraint, **options)]


def infill(
    model: str | Path | zoo.Loaded,
    sequence: "NoteSequence",
    num: int = 1,
    seed: int = 0,
    *,
    bars: Sequence[tuple[bar_numbers.Bar, bar_numbers.Bar]] | None = None,
    voices: Sequence[str] | None = None,
    keep: Sequence[cells.Place | int] = (),
    vary: float | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    constraint: Constraint | None = None,
    sharps: int | None = None,
    beams: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    width: int | None = None,
    say: Callable[[str], None] = planning.to_stderr,
) -> list["NoteSequence"]:
    """Draws some bars or voices anew and keeps everything else; result and errors are as for `harmonize`.

    Args:
        model: Of a codec with a grid: chorales, melodies, binary frames.
        sequence: Four voices; a melody; anything for binary frames.
        num: Number of pieces.
        seed: Any integer.
        bars: (first, last) of each range, both included, by the numbers that are printed in the score, such as 5 or
            "12a"; of music without them 1 is the first whole bar, 0 a pick-up. A bar that is played several times is
            drawn anew each time. None for all.
        voices: The voices that are drawn there; None for all.
        keep: Notes there that are kept all the same: their indices in the sequence, or places in which they sound.
        vary: Share of the other notes there that are drawn anew, at random by the seed; None for all of them.
        temperature: As for `harmonize`.
        top_k: As for `harmonize`.
        top_p: As for `harmonize`.
        min_p: As for `harmonize`.
        constraint: As for `harmonize`.
        sharps: As for `harmonize`.
        beams: As for `harmonize`.
        guidance: As for `harmonize`.
        sampler: As for `harmonize`.
        steps: As for `harmonize`.
        width: As for `harmonize`.
        say: As for `harmonize`.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    kept = {"keep": keep, "vary": vary, "seed": seed}
    plan = planning.infilling(loaded, sequence, bars, voices, **kept, sharps=sharps, say=say)
    choice = Choice(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    how = {"sampler": sampler, "steps": steps}
    options: dict[str, Any] = {"beams": beams, "guidance": guidance, "width": width, **how}
    return [p.sequence for p in draw_plan(loaded, plan, num, seed, choice=choice, constraint=constraint, **options)]


def join(
    model: str | Path | zoo.Loaded,
    first: "NoteSequence",
    second: "NoteSequence",
    num: int = 1,
    seed: int = 0,
    *,
    gap: int = 1,
    **options: Any,
) -> list["NoteSequence"]:
    """Joins two phrases by bars that are drawn between them; both are kept as they are.

    Args:
        model: As for `infill`.
        first: A phrase.
        second: Another, with the same parts.
        num: Number of pieces.
        seed: Any integer.
        gap: Bars between them.
        **options: As for `infill`.
    """
    joined = joining.join(first, second, gap)
    return infill(model, joined.sequence, num, seed, bars=[joined.bars], keep=joined.kept, **options)
