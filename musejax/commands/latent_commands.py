"""`reconstruct`, `interpolate`, `humanize` and `personalize`: music through the latent vectors of a trained model."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import commands, errors, zoo
from musejax.commands import music_commands, options, outputs

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def reconstruct(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a piece as a model remembers it."""
    return _one(args, "reconstruct")


def humanize(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes drums as a model would play them."""
    return _one(args, "humanize")


def _one(args: argparse.Namespace, what: str) -> int:
    """Writes what a function of `musejax.generation.latent_verbs` makes of a file."""
    _check(args)
    target, path = outputs.target(args, "mid", [args.file]), zoo.find(args.model)
    sequence = music_commands.read(args.file, args)
    commands.begin()
    from musejax.generation import latent_verbs

    loaded = zoo.load(path, commands.say)
    paths = target.paths([f"{Path(args.file).stem}-{loaded.name}-{args.seed}"])
    piece = getattr(latent_verbs, what)(loaded, sequence, args.seed, temperature=args.temperature, say=commands.say)
    _write([piece], paths)
    return 0


def interpolate(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes pieces on the way from one to another."""
    _check(args)
    path = zoo.find(args.model)
    if args.num < 2:
        raise errors.UserError(f"--num {args.num}: it must be 2 or more, for both ends are among the pieces")
    if args.first and not args.last:
        raise errors.UserError("give FIRST and LAST, or no file for a model that draws the vectors at both ends")
    if args.first and args.latent:
        raise errors.UserError(f"--latent {args.latent}: from one file to another the whole vector moves")
    target = outputs.target(args, "mid", [args.first, args.last], pieces=music_commands.several(args))
    ends = [music_commands.read(file, args) for file in (args.first, args.last) if file]
    commands.begin()
    from musejax.generation import latent_verbs

    loaded = zoo.load(path, commands.say)
    paths = target.paths(_stems(args, loaded))
    if ends:
        pieces = latent_verbs.interpolate(loaded, *ends, num=args.num, seed=args.seed, temperature=args.temperature)
    else:
        pieces = latent_verbs.drawn(loaded, args.num, args.seed, latent=args.latent, temperature=args.temperature)
    _write(pieces, paths)
    return 0


def personalize(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes pieces like those of some files and folders."""
    _check(args)
    path = zoo.find(args.model)
    options.check_counts(args, "num", "steps")
    target = outputs.target(args, "mid", _sources(args.files), pieces=music_commands.several(args))
    pieces = _pieces(args.files)
    commands.begin()
    from musejax.generation import personalize

    loaded = zoo.load(path, commands.say)
    paths = target.paths(_stems(args, loaded))
    found = personalize.personalize(
        loaded, pieces, args.num, args.seed, temperature=args.temperature, steps=args.steps, say=commands.say
    )
    _write(found, paths)
    return 0


def _pieces(names: Sequence[str]) -> "list[NoteSequence]":
    """The pieces of files, and of folders with what is under them.

    Raises:
        errors.UserError: A file cannot be read, or nothing in a folder can.
    """
    from musejax.corpora import corpus as base
    from musejax.corpora import folder
    from musejax.music import files

    out, lines = [], []
    for name in names:
        if not Path(name).is_dir():
            out += files.read(name, commands.say, commands.say)
            continue
        corpus = folder.load(Path(name))
        out += [piece.sequence() for piece in corpus.pieces if piece.sequence is not None]
        report = corpus.report.to_json()
        lines += base.passed_over(name, report) + base.lost(name, report)
    for line in lines:
        commands.say(line)
    return out


def _sources(names: Sequence[str]) -> "list[Path]":
    """Returns the files that are read: those that are named, and those in folders that are."""
    from musejax.corpora import folder

    out = []
    for path in map(Path, names):
        out += folder.paths(path) if path.is_dir() else [path]
    return out


def _check(args: argparse.Namespace) -> None:
    """Raises for a temperature or a seed that cannot be."""
    options.check_temperature(args.temperature)
    options.check_seed(args.seed)


def _stems(args: argparse.Namespace, loaded: "zoo.Loaded") -> list[str]:
    """Returns the names of pieces that are numbered, without a suffix."""
    return [f"{loaded.name}-{args.seed}-{index:03d}" for index in range(args.num)]


def _write(pieces: "Sequence[NoteSequence]", paths: Sequence[Sequence[Path]]) -> None:
    from musejax import rendering

    def save(index: int, path: Path) -> None:
        rendering.write(pieces[index], path, commands.say)

    silent = [not piece.notes for piece in pieces]
    music_commands.write(len(pieces), paths, save, silent, lambda index, files: commands.say(files))
