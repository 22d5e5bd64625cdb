"""Music from a function call: a model, a seed, and NoteSequences come back.

`draw_pieces` draws everything, in blocks of a fixed number of rows. What is fixed beforehand, a primer or the kept part
of a piece (`steering`), reaches it as `primers.Given`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, zoo
from musejax.base import Choice, Constraint, Request
from musejax.decoding import constraints
from musejax.decoding import given_notes as givens
from musejax.generation import piece_forms, piece_lengths, primers, restrictions, samplers, sources
from musejax.generation.pieces import Piece, opening_key, piece
from musejax.theory.sixteenths import BAR

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Pieces drawn together by default. Matrix products of another number of rows round differently, so the width is part
# of what a seed stands for; within it, piece i is the same however many are asked for. A net that is asked for all of a
# piece at once is not faster by the piece for more of them.
WIDTH, WHOLE = 8, 1
# Quarter notes a minute of a free sample.
QPM = 100.0
# A piece that its model does not end within the length is drawn again, so often in all.
TRIES = 8


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
    """Samples pieces; see `sample` for the arguments that it has, too.

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
            raise errors.UserError(f"{name} is {value}; it must be 1 or more")
    if length is not None and loaded.model.info.piece_frames and length > loaded.model.info.piece_frames:
        raise errors.UserError(
            f"length is {length}; {loaded.name} draws pieces of {loaded.model.info.piece_frames} frames"
        )
    track = loaded.model.info.given_track
    if track and given is None:
        raise errors.UserError(f"{loaded.name} accompanies the {track}; give it with `musejax accompany`")
    if sharps is not None and not -7 <= sharps <= 7:
        raise errors.UserError(f"sharps is {sharps}; it must lie in -7..7")
    width = width or (WHOLE if loaded.model.info.samplers else WIDTH)
    if beams is not None:
        if beams < 1 or num > 1:
            raise errors.UserError(
                f"beams is {beams} and num {num}; beams must be 1 or more, and a search finds one piece"
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
            f"{loaded.name} draws all cells of a piece at once; temperature, top-k, top-p, min-p and constraints need "
            "a model that draws one after the other"
        )


def sample(
    model: str | Path | zoo.Loaded,
    num: int = 1,
    seed: int = 0,
    *,
    length: int | None = None,
    min_length: int | None = None,
    bars: int | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    primer: "NoteSequence | None" = None,
    constraint: Constraint | None = None,
    conditions: codecs.Arrays | None = None,
    sharps: int | None = None,
    beams: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    fermatas: Sequence[piece_forms.Mark] | None = None,
    width: int | None = None,
    qpm: float | None = None,
    say: sources.Say = sources.to_stderr,
) -> list["NoteSequence"]:
    """Music from a trained model.

    The same arguments give the same music, and piece i does not change with how many are asked for.

    Args:
        model: A shipped run's name, a run directory, or what `load` returned.
        num: Number of pieces.
        seed: Any integer.
        length: Most frames of a piece (16ths; events for performances). Where the model ends pieces (32 bars by
            default), one that has not ended by then is drawn again, seven times at most, as is one that is silent. A
            model that draws cells in any order draws just so many, by default as many as a piece of its training data
            has.
        min_length: Frames before which a piece may not end, where the model ends it (default: eight bars).
        bars: About how many bars of 4/4 a piece has, in place of both, for a model that can be told (`bars_left`,
            or one that draws cells in any order).
        temperature: Below 1 is more cautious, above 1 bolder. Where likely tokens are preferred, by this, by one of the
            next three or by beams, long silences and endless notes are forbidden (`musejax.decoding.gaps`).
        top_k: Keeps the k likeliest tokens at each step.
        top_p: Keeps the likeliest tokens up to this probability.
        min_p: Keeps tokens at least this many times as likely as the likeliest.
        primer: Music to continue. It opens every piece as it is, with its notes, tempos, signatures and parts, and what
            is drawn goes on in its metre, tempo and key.
        constraint: Which tokens may stand where: a function of `musejax.decoding.constraints`, or any function (frame,
            stream, values so far) -> bool[V] or bool[N, V] of `jax.numpy`, which is compiled once.
        conditions: What the model is told in place of a free sample's conditions: int32[length] for each, such as
            `{"chord": theory.chords.classes("C G Am F", 16, 64)}`.
        sharps: Key signature, -7..7 (negative: flats), where the model reads it; by default as in the training data. A
            primer's own holds.
        beams: Searches for the likeliest piece with this many beams, and draws none; `num` must be 1.
        guidance: Scale of classifier-free guidance, above 1 to follow conditions more than the model does; it needs one
            that was trained with `condition_dropout`.
        sampler: Of a model that draws cells in any order (`decoding.gibbs.Sampling`): `rounds` for a DeepBach, any
            other for a Coconet; None for the model's own.
        steps: How often its net is asked; more take longer, and are better up to a point.
        fermatas: Bar and beat of each fermata, for such a model that reads them; None as in its training data.
        width: Pieces drawn together (8; 1 of a model that draws cells in any order): larger is faster for many pieces,
            and draws other pieces.
        qpm: Quarter notes a minute of the result (100); a primer's own tempos hold.
        say: Is told what is assumed of a primer and what the model does not read of it; prints to standard error by
            default.

    Returns:
        NoteSequences.

    Raises:
        errors.UserError: The model cannot be loaded, the primer does not fit its vocabulary, the constraint leaves
            nothing somewhere, or all pieces are silent.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    given = None if primer is None else primers.prime(loaded, primer, length, sharps=sharps, qpm=qpm, say=say)
    choice = Choice(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    pieces = draw_pieces(
        loaded, num, seed, length=length, min_length=min_length, bars=bars, choice=choice, given=given,
        constraint=constraint, conditions=conditions, sharps=sharps, beams=beams, guidance=guidance, sampler=sampler,
        steps=steps, fermatas=fermatas, width=width, qpm=QPM if qpm is None else qpm,
    )  # fmt: skip
    return [p.sequence for p in pieces]
