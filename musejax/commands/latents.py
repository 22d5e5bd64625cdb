"""`reconstruct` and `interpolate`: music through the latent vectors of a trained model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import commands, errors, zoo
from musejax.commands import music, options

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def reconstruct(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a piece as a model remembers it."""
    formats, path = _check(args), zoo.find(args.model)
    sequence = music.read(args.file)
    commands.compile_cache()
    from musejax import latents

    loaded = zoo.load(path, commands.say)
    piece = latents.reconstruct(loaded, sequence, args.seed, temperature=args.temperature)
    _write([piece], [f"{Path(args.file).stem}-{loaded.name}-{args.seed}"], formats, args)
    return 0


def interpolate(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes pieces on the way from one to another."""
    formats, path = _check(args), zoo.find(args.model)
    if args.num < 2:
        raise errors.UserError(f"--num {args.num}: it must be 2 or more, for both ends are among the pieces")
    first, last = music.read(args.first), music.read(args.last)
    commands.compile_cache()
    from musejax import latents

    loaded = zoo.load(path, commands.say)
    pieces = latents.interpolate(loaded, first, last, args.num, args.seed, temperature=args.temperature)
    stems = [f"{loaded.name}-{args.seed}-{index:03d}" for index in range(len(pieces))]
    _write(pieces, stems, formats, args)
    return 0


def _check(args: argparse.Namespace) -> list[str]:
    options.check_temperature(args.temperature)
    options.check_seed(args.seed)
    return options.formats(args.formats)


def _write(pieces: "list[NoteSequence]", stems: list[str], formats: list[str], args: argparse.Namespace) -> None:
    from musejax import rendering

    out = Path(args.out)
    for piece, stem in zip(pieces, stems, strict=True):
        if not piece.notes:
            commands.say(f"{stem} is silent: nothing is written")
            continue
        for suffix in formats:
            path = out / f"{stem}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            rendering.write(piece, path)
            commands.say(str(path))
