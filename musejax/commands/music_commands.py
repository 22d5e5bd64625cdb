"""`sample`, `harmonize`, `infill` and `accompany`: music files by a trained model."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musejax import commands, errors, zoo
from musejax.commands import options, outputs, places
from musejax.theory.sixteenths import BAR, QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

    from musejax.generation import planning, sampling


def sample(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes sampled pieces."""
    choice, how = options.choice(args), options.steering(args)
    if args.qpm is not None and not 0 < args.qpm < math.inf:
        raise errors.UserError(f"--qpm {args.qpm}: it must be above 0")
    options.check_counts(args, "num", "length", "width", "bars")
    options.check_seed(args.seed)
    sharps = options.sharps(args)
    target = outputs.target(args, "mid", [args.primer], pieces=several(args), arrays=True)
    path = zoo.find(args.model)
    primer = read(args.primer, args) if args.primer else None
    commands.begin()
    from musejax.decoding import track_grammar
    from musejax.generation import accompaniment, piece_forms, piece_lengths, primers, sampling

    loaded = zoo.load(path, commands.say)
    target = target if loaded.codec.is_music else target.as_arrays(loaded.name)
    paths = target.paths([f"{loaded.name}-{args.seed}-{index:03d}" for index in range(args.num)])
    options.check_key(args, loaded)
    vocabulary = loaded.codec.vocabulary
    any_order = bool(loaded.model.info.samplers) and primer is None
    marks = places.fermatas(args.fermatas)
    told = args.bars if any_order or piece_lengths.can_be_told(loaded) else None
    if any_order:
        # Places are those of a piece in 4/4.
        marks = [] if marks is None and (args.allow or args.forbid) else marks
        length = args.length or (BAR * told if told else None)
    else:
        length = (
            piece_lengths.around(loaded, told)[0] if told is not None else args.length or piece_lengths.default(loaded)
        )
    asked = options.attributes(args.attributes)
    has_tracks = track_grammar.fits(vocabulary)
    if has_tracks and args.length is None and args.bars is not None:
        length = accompaniment.ROOM * args.bars
    given = None
    if primer is not None:
        given = primers.prime(loaded, primer, length, sharps=sharps, qpm=args.qpm, say=commands.say)
    bar, shift = (BAR, 0) if given is None else (given.bar, given.shift)
    longest = length or piece_forms.LONGEST
    frames = bar * vocabulary.frames_per_quarter // QUARTER
    parts = [options.constraint(args, loaded, longest, frames or None, shift=shift)]
    parts.append(places.of_sample(args, loaded, longest, None if given is None else given.conditions))
    options.check_left(args, loaded, options.join(parts), longest)
    if (args.bars is not None and told is None) or asked or (has_tracks and primer is None):
        bars = args.bars or (16 if args.length is None and primer is None else None)
        plan = accompaniment.plan(loaded, bars=bars, attributes=asked, bar=bar)
        parts.append(plan.constraint)
        length = args.length or plan.length
    pieces = sampling.draw_pieces(
        loaded,
        args.num,
        args.seed,
        length=length,
        min_length=args.min_length,
        bars=told,
        choice=choice,
        given=given,
        constraint=options.join(parts),
        conditions=options.told(args, loaded, longest),
        sharps=sharps,
        fermatas=marks,
        width=args.width,
        qpm=args.qpm or sampling.QPM,
        **how,
    )
    _write(pieces, paths, args, loaded)
    return 0


def harmonize(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a melody or a chorale with new voices around one that is kept."""
    from musejax.generation import planning

    if args.voice not in planning.VOICES:
        raise errors.UserError(f"--voice {args.voice}: the voices are {', '.join(planning.VOICES)}")
    return _steer(args, lambda loaded, sequence, **told: planning.harmony(loaded, sequence, args.voice, **told))


def infill(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a piece with some bars or voices drawn anew."""
    from musejax.generation import planning

    bars, voices = options.ranges(args.bars), options.names(args.voices)
    for voice in voices:
        if voice not in planning.VOICES:
            raise errors.UserError(f"--voices {args.voices}: the voices are {', '.join(planning.VOICES)}")
    if args.then and (bars or voices or args.keep or args.vary is not None):
        raise errors.UserError(f"--then {args.then}: the bars that lead there are drawn, and no others; leave them out")
    if not bars and not voices and not args.then and args.vary is None:
        raise errors.UserError("nothing is to be filled; give --bars such as 5-8, --voices such as alto,tenor, or both")
    keep, second = places.places("--keep", args.keep), read(args.then, args) if args.then else None

    def plan(loaded: "zoo.Loaded", sequence: "NoteSequence", **told: Any) -> "planning.Plan":
        if second is not None:
            from musejax.generation import joining

            joined = joining.join(sequence, second, args.gap)
            return planning.infilling(loaded, joined.sequence, [joined.bars], None, keep=joined.kept, **told)
        return planning.infilling(loaded, sequence, bars, voices, keep=keep, vary=args.vary, seed=args.seed, **told)

    return _steer(args, plan)


def accompany(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a piece around tracks that are given."""
    choice, how = options.choice(args), options.steering(args)
    options.check_counts(args, "num", "width")
    options.check_seed(args.seed)
    path, target = zoo.find(args.model), _target(args)
    asked, tracks = options.attributes(args.attributes), options.names(args.tracks)
    sequence = read(args.file, args)
    commands.begin()
    from musejax.generation import accompaniment, roll_accompaniment, sampling

    loaded = zoo.load(path, commands.say)
    paths = target.paths(_stems(args, loaded))
    options.check_key(args, loaded)
    places.refuse(args, loaded)
    if loaded.codec.vocabulary.tracks:
        if asked:
            raise errors.UserError(f"--attributes {args.attributes}: {loaded.name} reads none; codec tracks has them")
        options.constraint(args, loaded, 0, None)
        sampling.check_whole(loaded, choice)
        pieces = roll_accompaniment.draw_roll_accompaniments(
            loaded, sequence, args.num, args.seed, tracks=tracks, width=args.width, say=commands.say, **how
        )
        _write(pieces, paths, args, loaded)
        return 0
    plan = accompaniment.plan(
        loaded, sequence=sequence, tracks=tracks or ("melody",), attributes=asked, say=commands.say
    )
    limits = options.constraint(args, loaded, plan.length, None)
    options.check_left(args, loaded, limits, plan.length)
    pieces = accompaniment.draw_accompaniments(
        loaded,
        plan,
        args.num,
        args.seed,
        choice=choice,
        constraint=plan.constraint,
        rules=() if limits is None else (limits,),  # they yield to what is given
        width=args.width,
        **how,
    )
    _write(pieces, paths, args, loaded)
    return 0


def _steer(args: argparse.Namespace, plan: Callable[..., "planning.Plan"]) -> int:
    """Draws what a plan of a file leaves free, and writes the results."""
    choice, how = options.choice(args), options.steering(args)
    options.check_counts(args, "num", "width")
    options.check_seed(args.seed)
    sharps, path = options.sharps(args), zoo.find(args.model)
    target, marks = _target(args), places.fermatas(args.fermatas)
    sequence = read(args.file, args)
    commands.begin()
    from musejax.generation import steering

    loaded = zoo.load(path, commands.say)
    paths = target.paths(_stems(args, loaded))
    options.check_key(args, loaded)
    if marks is not None:
        from musejax.generation import cells

        sequence = cells.with_fermatas(sequence, marks)
    planned = plan(loaded, sequence, sharps=sharps, say=commands.say)
    frames = len(planned.given.cells)
    asked = options.join(
        [
            options.constraint(args, loaded, frames, planned.source.bar, shift=planned.source.shift),
            places.of_plan(args, loaded, planned),
        ]
    )
    options.check_left(args, loaded, asked, frames)
    pieces = steering.draw_plan(
        loaded,
        planned,
        args.num,
        args.seed,
        choice=choice,
        constraint=asked,
        width=args.width,
        **how,
    )
    _write(pieces, paths, args, loaded)
    return 0


def read(path: str, args: argparse.Namespace) -> "NoteSequence":
    """Reads the first piece of a file, with its repeats played out unless the options say otherwise."""
    from musejax.music import files

    found = files.read(path, commands.say, commands.say, repeats=not args.as_written)
    if len(found) > 1:
        commands.say(f"{path}: it holds {len(found)} pieces; the first is taken")
    return found[0]


def several(args: argparse.Namespace) -> str | None:
    """Returns what there are several of, where `--num` asks for more than one piece."""
    return f"--num {args.num} pieces" if args.num > 1 else None


def _target(args: argparse.Namespace) -> outputs.Target:
    """Returns where pieces made from a file go: as scores if it is one, unless `--formats` says otherwise.

    Raises:
        errors.UserError: They cannot go there.
    """
    from musejax.music import files

    default = "musicxml" if Path(args.file).suffix.lower() in files.MUSICXML else "mid"
    given = [args.file, getattr(args, "then", None)]
    return outputs.target(args, default, given, pieces=several(args), arrays=True)


def _stems(args: argparse.Namespace, loaded: "zoo.Loaded") -> list[str]:
    """Returns the names of pieces made from a file, without a suffix."""
    return [f"{Path(args.file).stem}-{loaded.name}-{args.seed}-{index:03d}" for index in range(args.num)]


def write(
    count: int,
    paths: Sequence[Sequence[Path]],
    save: Callable[[int, Path], None],
    silent: Sequence[bool],
    tell: Callable[[int, str], None],
) -> list[list[str]]:
    """Writes each piece to its files.

    Args:
        count: Number of pieces.
        paths: The files of each.
        save: Writes one file: (index of the piece, path).
        silent: Whether nothing sounds of each piece.
        tell: Reports the index of a piece and its files, once they are written.

    Returns:
        The files of each; none for a silent piece, which is reported.
    """
    out: list[list[str]] = []
    for index in range(count):
        if silent[index]:
            commands.say(f"piece {index} is silent: nothing is written")
            out.append([])
            continue
        for path in paths[index]:
            path.parent.mkdir(parents=True, exist_ok=True)
            save(index, path)
        out.append([str(path) for path in paths[index]])
        tell(index, ", ".join(out[-1]))
    return out


def _write(
    pieces: "list[sampling.Piece]", paths: list[list[Path]], args: argparse.Namespace, loaded: "zoo.Loaded"
) -> None:
    """Writes drawn pieces to their files, and tells how likely each is, where the model knows."""
    from musejax import rendering
    from musejax.generation import pieces as piece_files

    kind = loaded.model.likelihood.kind if loaded.model.likelihood else "exact"
    likelihood = {"orderless": "orderless log-likelihood", "pseudo": "pseudo-log-likelihood"}.get(
        kind, "log-likelihood"
    )

    def tell(index: int, files: str) -> None:
        log_prob, ended = pieces[index].log_prob, pieces[index].ended
        said = [] if log_prob is None else [f"{likelihood} {log_prob:.1f} nats"]
        said += [] if ended else ["cut at its length"]
        if not args.json:
            commands.say(f"{files}: {', '.join(said)}" if said else files)

    def save(index: int, path: Path) -> None:
        if path.suffix.lower() == outputs.ARRAYS:
            piece_files.write_arrays(pieces[index], path)
        else:
            rendering.write(pieces[index].sequence, path, commands.say)

    written = write(len(pieces), paths, save, [p.silent for p in pieces], tell)
    if args.json:
        told = zip(written, pieces, strict=True)
        commands.print_json(
            [{"files": f, "log_prob": p.log_prob, "ended": p.ended, "silent": p.silent} for f, p in told]
        )
