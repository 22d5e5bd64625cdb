"""`reconstruct`, `interpolate`, `humanize` and `personalize`: music through the latent vectors of a trained model."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import commands, errors, stages, zoo
from musejax.api import latents
from musejax.commands import flags, music_commands, outputs

if TYPE_CHECKING:
    from musejax.api.trained_model import TrainedModel
    from musejax.generation.pieces import Piece


def reconstruct(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a piece as a model decodes it."""
    return _one(args, latents.reconstruct)


def humanize(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes drums as a model would play them."""
    return _one(args, latents.humanize)


def _one(args: argparse.Namespace, function: "Callable[..., Piece]") -> int:
    """Writes what a function makes of a file."""
    chosen = flags.values(args, function)
    target, path = outputs.target(args, "mid", [args.file]), zoo.find(args.model)
    sequence = music_commands.read(args, args.file)
    model = _load(path)
    paths = target.paths([f"{Path(args.file).stem}-{model.name}-{args.seed}"])
    _write([function(model, sequence, **chosen, say=commands.say)], paths)
    return 0


def interpolate(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes pieces on the way from one to another."""
    chosen = flags.values(args, latents.interpolate)
    path = zoo.find(args.model)
    if args.first and not args.last:
        raise errors.UserError("give FIRST and LAST, or no file for a path between random vectors")
    if args.first and args.latent:
        raise errors.OptionError("latent", args.latent, "from one file to another the whole vector moves")
    target = outputs.target(args, "mid", [args.first, args.last], pieces=music_commands.several(args))
    ends = [music_commands.read(args, file) for file in (args.first, args.last) if file]
    model = _load(path)
    paths = target.paths(music_commands.stems(args, model.name))
    _write(latents.interpolate(model, *ends, **chosen, say=commands.say), paths)
    return 0


def personalize(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes pieces like those of some files and folders."""
    from musejax.generation import inputs

    chosen = flags.values(args, latents.personalize)
    path = zoo.find(args.model)
    target = outputs.target(args, "mid", _sources(args.files), pieces=music_commands.several(args))
    sequences = inputs.read_all(args.files, as_written=args.as_written, say=commands.say)
    model = _load(path)
    paths = target.paths(music_commands.stems(args, model.name))
    _write(latents.personalize(model, sequences, **chosen, say=commands.say), paths)
    return 0


def _load(path: Path) -> "TrainedModel":
    with stages.stage("starting"):
        commands.begin()
        from musejax.api import trained_model
        from musejax.generation import latent_music  # noqa: F401  imports JAX and note-seq

    return trained_model.load(path, say=commands.say)


def _sources(names: Sequence[str]) -> list[Path]:
    """Returns the files that are read: those that are named, and those in named folders."""
    from musejax.corpora import folder

    out = []
    for path in map(Path, names):
        out += folder.paths(path) if path.is_dir() else [path]
    return out


def _write(pieces: "Sequence[Piece]", paths: Sequence[Sequence[Path]]) -> None:
    music_commands.write(pieces, paths, lambda index, files: commands.say(files))
