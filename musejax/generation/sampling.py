"""Sampling of pieces: every verb that writes music from left to right or cell by cell ends here.

`draw_pieces` samples blocks of a fixed number of rows. What is fixed beforehand, a primer or the kept part of a piece
(`steering`), reaches it as `primers.Given`.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, zoo
from musejax.base import Choice, Constraint, Request
from musejax.decoding import constraints
from musejax.decoding import given_notes as givens
from musejax.generation import piece_forms, piece_lengths, primers, restrictions, samplers
from musejax.generation.pieces import Piece, opening_key, piece
from musejax.options.sampling import Sampling
from musejax.theory.sixteenths import BAR

# Pieces drawn together by default. Matrix products of another number of rows round differently, so the width is part
# of what a seed stands for; within it, piece i is the same however many are asked for. A net that is asked for all of a
# piece at once is not faster by the piece for more of them.
WIDTH, WHOLE = 8, 1
# Quarter notes a minute of a free sample.
QPM = 100.0
# A piece that its model does not end within the length is drawn again, so often in all.
TRIES = 8


def choice_of(how: Sampling) -> Choice:
    """Returns how a token is chosen from logits, of how a piece is sampled."""
    return Choice(temperature=how.temperature, top_k=how.top_k, top_p=how.top_p, min_p=how.min_p)


def arguments(how: Sampling) -> dict[str, Any]:
    """Returns how pieces are sampled as arguments of `draw_pieces`, all but the constraint."""
    names = ("beams", "guidance", "sampler", "steps", "width")
    return {"choice": choice_of(how), **{name: getattr(how, name) for name in names}}


def own_constraint(loaded: zoo.Loaded, how: Sampling, length: int) -> Constraint | None:
    """Returns the constraint of `how` in the form in which the compiled loop takes it; None where there is none.

    Args:
        loaded: The model.
        how: How values are sampled.
        length: Frames of a piece.

    Raises:
        errors.UserError: It is not a function that returns which tokens are allowed.
    """
    if how.constraint is None:
        return None
    width = 1 if how.beams is not None else how.width or default_width(loaded)
    return restrictions.check(how.constraint, loaded.codec.vocabulary, width, length)


def default_width(loaded: zoo.Loaded) -> int:
    """Returns how many pieces are sampled together by default."""
    return WHOLE if loaded.model.info.samplers else WIDTH


def check_search(how: Sampling, num: int) -> None:
    """Checks that a beam search is asked for one piece.

    Raises:
        errors.OptionError: It is asked for several.
    """
    if how.beams is not None and num > 1:
        raise errors.OptionError("beams", how.beams, f"a beam search returns one piece, and num is {num}; use 1")


def draw_pieces(
    loaded: zoo.Loaded,
    num: int,
    seed: int,
    *,
    length: int | None = None,
    min_length: int | None = None,
    bars: int | None = None,
    choice: Choice | None = None,
    given: primers.Given | None = None,
    constraint: Constraint | None = None,
    conditions: codecs.Arrays | None = None,
    sharps: int | None = None,
    beams: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    fermatas: Sequence[piece_forms.Mark] | None = None,
    width: int | None = None,
    qpm: float = QPM,
    rules: Sequence[Constraint] = (),
    drawn_tracks: Sequence[int] | None = None,
    may_be_silent: bool = False,
) -> list[Piece]:
    """Samples pieces; the arguments that `musejax.sample` and `musejax.Sampling` have are explained there.

    `given` is what is fixed; it has the length of the pieces, and takes its place. `rules` are constraints that yield
    where nothing else is left, `drawn_tracks` the tracks of codec `tracks` that no constraint fixes, and
    `may_be_silent` says whether pieces of silence alone are a result.

    Raises:
        errors.UserError: What is asked for does not fit the model, the constraint leaves nothing at some place, or all
            pieces are silent.
    """
    vocabulary = loaded.codec.vocabulary
    check_whole(loaded, choice, constraint)
    sampling = restrictions.sampling(loaded, sampler, steps)
    # A model that is told of a whole piece before it draws it is told what a piece of its training data was.
    of_form = bool(loaded.model.info.samplers) and given is None
    if fermatas is not None and not of_form:
        raise errors.UserError(f"fermatas: {loaded.name} is not told beforehand where they stand")
    if of_form and min_length is not None:
        raise errors.UserError(
            f"min_length is {min_length}; {loaded.name} is told how long a piece is: give length or bars"
        )
    if bars is not None and not of_form:
        length, min_length = piece_lengths.around(loaded, bars)
    if given is not None:
        length = len(given.cells)
    elif length is None and not of_form:
        length = piece_lengths.default(loaded)
    for name, value in (("num", num), ("length", length), ("bars", bars), ("width", width)):
        if value is not None and value < 1:
            raise errors.UserError(f"{name} is {value}; it must be at least 1")
    if length is not None and loaded.model.info.piece_frames and length > loaded.model.info.piece_frames:
        raise errors.UserError(
            f"length is {length}; {loaded.name} draws pieces of {loaded.model.info.piece_frames} frames"
        )
    track = loaded.model.info.given_track
    if track and given is None:
        raise errors.UserError(f"{loaded.name} accompanies the {track}; give it with `musejax accompany`")
    if sharps is not None and not -7 <= sharps <= 7:
        raise errors.UserError(f"sharps is {sharps}; it must lie in -7..7")
    width = width or default_width(loaded)
    if beams is not None:
        if beams < 1 or num > 1:
            raise errors.UserError(
                f"beams is {beams} and num {num}; beams must be at least 1, and a search finds one piece"
            )
        width = 1
    choice = choice or Choice()
    sharp = beams is not None or choice.sharp
    kept, required = [*rules], [] if loaded.codec.grammar is None else [loaded.codec.grammar()]
    if given is not None:
        required += [] if given.constraint is None else [given.constraint]
        if vocabulary.kind == "tokens":
            attacks = givens.attacks(vocabulary, given.cells, given.infill_mask)
            kept += [] if attacks is None else [attacks]
    on_grid = vocabulary.frames_per_quarter > 0
    left = unending = None
    if length is not None and vocabulary.has("end") and on_grid and not loaded.model.info.samplers:
        shortest = min(8 * BAR, length // 2) if min_length is None else min_length
        kept.append(constraints.no_end_before(vocabulary, shortest))
        left = piece_lengths.left(loaded, length, bars, never=shortest >= length)
        unending = piece_lengths.endless(loaded, length, shortest) if given is None else None
    if sharp:
        kept += restrictions.lively(loaded, given, drawn_tracks)
    if constraint is not None:
        constraint = restrictions.check(constraint, vocabulary, width, length or piece_forms.LONGEST)
    request = Request(
        num=width,
        length=length or 0,
        choice=choice,
        constraint=constraint,
        grammar=constraints.all_of(*required) if required else None,
        rules=tuple(kept),
        sampling=sampling,
    )
    known = None
    if given is not None:
        cells, mask = (jnp.tile(jnp.asarray(a), (width,) + (1,) * a.ndim) for a in given[:2])
        request = request.replace(given=cells, infill_mask=mask)  # type: ignore[attr-defined]
        known = given.conditions
    run = samplers.sampler_for(loaded, beams, guidance)
    # A search finds the same again.
    keys = jax.random.split(jax.random.key(seed), TRIES if beams is None else 1)
    pieces: list[Piece] = []
    for first in range(0, num, width):
        signatures = np.array([opening_key(loaded, seed, first + row, sharps) for row in range(width)])
        frames, form = length or 0, {}
        if of_form:
            rows = range(first, first + width)
            frames, form = piece_forms.draw_forms(loaded, seed, rows, length=length, bars=bars, fermatas=fermatas)
        told = codecs.free_conditions(vocabulary, width, frames, known, signatures) | form
        told |= {name: np.tile(row, (width, 1)) for name, row in (conditions or {}).items()}
        for name, row in (("bars_left", left), ("endless", unending)):
            if row is not None:
                told[name] = np.tile(row, (width, 1))
        block = request.replace(  # type: ignore[attr-defined]
            length=frames, first=jnp.asarray(first), conditions={n: jnp.asarray(c) for n, c in told.items()}
        )
        pieces += _tries(run, loaded, keys, block, range(min(width, num - first)), qpm, given, drawn_tracks)
    if all(piece.silent for piece in pieces) and not may_be_silent:
        raise restrictions.silence(loaded, beams=beams, sharp=sharp, constrained=constraint is not None)
    return pieces


def _tries(
    run: samplers.Sampler,
    loaded: zoo.Loaded,
    keys: jax.Array,
    block: Request,
    wanted: range,
    qpm: float,
    given: primers.Given | None,
    drawn_tracks: Sequence[int] | None,
) -> list[Piece]:
    """Draws some rows of a block again, once for each key, until all have ended and sound.

    Raises:
        errors.UserError: A piece stopped each time at a place where nothing could be drawn.
    """
    best: dict[int, tuple[int, Piece, np.ndarray]] = {}
    # A sequence of events may be cut anywhere.
    may_be_cut = loaded.codec.vocabulary.frames_per_quarter == 0
    for key in keys:
        out = run(loaded.variables["params"], loaded.variables["state"], key, block)
        arrays = {name: np.asarray(x) for name, x in out.items()}
        stops = arrays.pop("blocked", np.full((block.num, 3), -1))
        for row in wanted:
            if row in best and best[row][0] == 3:
                continue
            new = piece(loaded.codec, arrays, row, qpm, write=given.write if given else None)
            new = new._replace(silent=restrictions.is_silent(loaded.codec, new.arrays, given, drawn_tracks))
            stopped = stops[row, 0] >= 0
            merit = 0 if stopped else 1 if new.silent else 3 if new.ended or may_be_cut else 2
            if row not in best or merit >= best[row][0]:
                best[row] = merit, new, stops[row]
        if all(merit == 3 for merit, _, _ in best.values()):
            break
    for merit, _, place in best.values():
        if not merit:
            raise restrictions.blocked(loaded, place)
    return [best[row][1] for row in wanted]


def check_whole(loaded: zoo.Loaded, choice: Choice | None, constraint: Constraint | None = None) -> None:
    """Raises where cells are to be chosen one by one of a model that draws all of a piece at once.

    Raises:
        errors.UserError: One line.
    """
    if loaded.model.info.piece_frames and (choice not in (None, Choice()) or constraint is not None):
        raise errors.UserError(
            f"{loaded.name} samples all cells of a piece at once; temperature, top_k, top_p, min_p and constraints "
            "need a model that samples one after the other"
        )
