"""`sample`, `harmonize`, `infill` and `accompany`: music files by a trained model."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musejax import commands, stages, zoo
from musejax.api import completion
from musejax.api import sampling as samples
from musejax.commands import flags, outputs

if TYPE_CHECKING:
    from musejax.api.trained_model import TrainedModel
    from musejax.generation.pieces import Piece


def sample(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes new pieces."""
    chosen, how = flags.values(args, samples.sample, ("primer",)), flags.sampling(args)
    target = outputs.target(args, "mid", [args.primer], pieces=several(args), arrays=True)
    path = zoo.find(args.model)
    primer = read(args, args.primer) if args.primer else None
    model, paths = _begin(path, target, args)
    pieces = model.sample(**chosen, primer=primer, how=how, say=commands.say)
    _write(pieces, paths, args, model)
    return 0


def harmonize(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a melody, or a voice of a chorale, with new voices around it."""
    return _complete(args, completion.harmonize)


def infill(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a piece with some bars or voices sampled again."""
    from musejax.generation import steering

    steering.check_selection(args.bars, args.voices, args.keep, args.vary, args.then)
    return _complete(args, completion.infill, then=read(args, args.then) if args.then else None)


def accompany(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a piece with new tracks around those that are kept."""
    return _complete(args, completion.accompany)


def _complete(args: argparse.Namespace, function: Callable[..., "list[Piece]"], **music: Any) -> int:
    """Writes what a function makes of a file."""
    from musejax.music import files

    chosen, how = flags.values(args, function, music), flags.sampling(args)
    path = zoo.find(args.model)
    default = "musicxml" if Path(args.file).suffix.lower() in files.MUSICXML else "mid"
    given = [args.file, getattr(args, "then", None)]
    target = outputs.target(args, default, given, pieces=several(args), arrays=True)
    sequence = read(args, args.file)
    model, paths = _begin(path, target, args, prefix=f"{Path(args.file).stem}-")
    pieces = function(model, sequence, **chosen, **music, how=how, say=commands.say)
    _write(pieces, paths, args, model)
    return 0


def _begin(
    path: Path, target: outputs.Target, args: argparse.Namespace, prefix: str = ""
) -> "tuple[TrainedModel, list[list[Path]]]":
    """Loads a model and names the files of its pieces, before anything is sampled.

    Raises:
        errors.UserError: The model cannot be loaded, or a file cannot be written.
    """
    with stages.stage("starting"):
        commands.begin()
        from musejax.api import trained_model
        from musejax.generation import requested_samples  # noqa: F401  imports JAX and note-seq

    model = trained_model.load(path, say=commands.say)
    target = target if model.codec.is_music else target.as_arrays(model.name)
    return model, target.paths([f"{prefix}{stem}" for stem in stems(args, model.name)])


def read(args: argparse.Namespace, path: str) -> Any:
    """Returns the first piece of a file, with its repeats played unless the options say otherwise."""
    from musejax.generation import inputs

    return inputs.read(path, as_written=args.as_written, say=commands.say)


def several(args: argparse.Namespace) -> str | None:
    """Returns what several pieces are called in messages; None where the command writes one."""
    return f"--num {args.num} pieces" if args.num > 1 else None


def stems(args: argparse.Namespace, name: str) -> list[str]:
    """Returns the names of pieces without a suffix: model, seed and number."""
    return [f"{name}-{args.seed}-{index:03d}" for index in range(args.num)]


def write(
    pieces: "Sequence[Piece]", paths: Sequence[Sequence[Path]], tell: Callable[[int, str], None]
) -> list[list[str]]:
    """Writes each piece to its files.

    Args:
        pieces: The pieces.
        paths: The files of each.
        tell: Is called with the index of a piece and its files, once they are written.

    Returns:
        The files of each; none for a silent piece, which is reported.
    """
    from musejax import rendering
    from musejax.generation import pieces as piece_files

    out: list[list[str]] = []
    for index, piece in enumerate(pieces):
        if piece.silent:
            commands.say(f"piece {index} is silent: nothing is written")
            out.append([])
            continue
        for path in paths[index]:
            path.parent.mkdir(parents=True, exist_ok=True)
            with stages.stage("writing"):
                if path.suffix.lower() == outputs.ARRAYS:
                    piece_files.write_arrays(piece, path)
                else:
                    rendering.write(piece.sequence, path, commands.say)
        out.append([str(path) for path in paths[index]])
        tell(index, ", ".join(out[-1]))
    return out


def _write(pieces: "list[Piece]", paths: list[list[Path]], args: argparse.Namespace, model: "TrainedModel") -> None:
    """Writes sampled pieces to their files, and reports the likelihood of each, where the model has one."""
    kind = model.model.likelihood.kind if model.model.likelihood else "exact"
    names = {"orderless": "orderless log-likelihood", "pseudo": "pseudo-log-likelihood"}
    likelihood = names.get(kind, "log-likelihood")

    def tell(index: int, files: str) -> None:
        log_prob, ended = pieces[index].log_prob, pieces[index].ended
        remarks = [] if log_prob is None else [f"{likelihood} {log_prob:.1f} nats"]
        remarks += [] if ended else ["cut at its length"]
        if not args.json:
            commands.say(f"{files}: {', '.join(remarks)}" if remarks else files)

    written = write(pieces, paths, tell)
    if args.json:
        commands.print_json(
            [
                {"files": files, "log_prob": p.log_prob, "ended": p.ended, "silent": p.silent}
                for files, p in zip(written, pieces, strict=True)
            ]
        )
