"""`prepare`, `convert` and `render`: music files to data sets and to other files."""

import argparse
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import commands, errors, stages
from musejax.api import files as api
from musejax.commands import flags, outputs

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def prepare(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a data set."""
    chosen, out = flags.values(args, api.prepare), Path(args.out)
    outputs.check([out], [Path(args.source)], overwrite=args.overwrite)
    lines: list[str] = []
    report = api.prepare(args.source, args.codec, out, **chosen, say=lines.append if args.json else commands.say)
    if args.json:
        commands.print_json(report)
    else:
        commands.say(f"{out}: " + ", ".join(f"{n} {split}" for split, n in report["pieces"].items()))
    return 0


def convert(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes each piece of each file in each format."""
    sources = [Path(f) for f in args.files]
    pieces = f"{len(sources)} files" if len(sources) > 1 else None
    default = "wav,png" if args.command == "render" else "mid"
    target = outputs.target(args, default, sources, option="to", pieces=pieces)
    from musejax import rendering
    from musejax.music import files

    if not target.is_file:  # All but ABC hold one piece, so that what they become is known before anything is read.
        target.paths([path.stem for path in sources if path.suffix.lower() not in files.ABC])
    # Everything is read before anything is written.
    with stages.stage("reading"):
        read = [(path, files.read(path, commands.say, commands.say, repeats=not args.as_written)) for path in sources]
    if target.is_file and len(read[0][1]) > 1:
        raise errors.UserError(f"{sources[0]} holds {len(read[0][1])} pieces; give a folder as --out, not {target.out}")
    named = [(stem, sequence) for path, found in read for stem, sequence in zip(_stems(path, len(found)), found)]
    for (_, sequence), paths in zip(named, target.paths([stem for stem, _ in named]), strict=True):
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            with stages.stage("writing"):
                rendering.write(sequence, path, commands.say)
            commands.say(str(path))
    return 0


def examples(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes the files that the documentation uses into a folder."""
    from musejax.music import atomic_files

    package, folder = resources.files("musejax") / "examples", Path(args.folder)
    # A checkout keeps the plugin files beside the page that explains them.
    checkout = Path(__file__).parents[2] / "docs" / "extending"
    plugins = package / "extending" if (package / "extending").is_dir() else checkout
    sources = {name: package / name for name in [*_files_below(package), *_files_below(package / "tunes", "tunes/")]}
    sources |= {f"extending/{name}": plugins / name for name in _files_below(plugins)}
    contents = {folder / name: source.read_bytes() for name, source in sources.items()}
    # A second call is no mistake: files that are there already stay.
    missing = [path for path, data in contents.items() if not (path.is_file() and path.read_bytes() == data)]
    outputs.check(missing, overwrite=args.overwrite)
    for path in missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.write_bytes(path, contents[path])
    for path in contents:
        commands.say(str(path))
    return 0


def _files_below(folder: "Traversable", prefix: str = "") -> list[str]:
    """Returns the names of the files in a folder, each after a prefix."""
    return sorted(prefix + item.name for item in folder.iterdir() if item.is_file() and item.name[0] != ".")


def _stems(path: Path, pieces: int) -> list[str]:
    """Returns the names of the pieces of a file: its own, or numbered where there are several."""
    return [path.stem] if pieces == 1 else [f"{path.stem}-{number + 1:04d}" for number in range(pieces)]
