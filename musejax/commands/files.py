"""`prepare`, `convert` and `render`: music files to data sets and to other files."""

import argparse
from pathlib import Path

from musejax import commands, errors
from musejax.commands import options


def prepare(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a data set."""
    from musejax import preparation

    out = Path(args.out)
    if out.suffix != ".npz":
        raise errors.UserError(f"--out {out}: a prepared data set ends in .npz")
    data = preparation.prepare(args.source, args.codec, commands.say)
    data.save(out)
    sizes = {s: len(items) for s, items in data.splits.items()}
    if args.json:
        commands.print_json({"out": str(out), "codec": args.codec, "pieces": sizes, **data.report})
    else:
        commands.say(f"{out}: " + ", ".join(f"{n} {s}" for s, n in sizes.items()))
        for reason, count in data.report["discarded"].items():
            commands.say(f"discarded {count}: {reason}")
    return 0


def convert(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes each piece of each file in each format."""
    formats = options.formats(args.to)
    from musejax import files, rendering

    read = [(Path(f), files.read(Path(f))) for f in args.files]  # everything is read before anything is written
    for path, sequences in read:
        for index, sequence in enumerate(sequences):
            stem = path.stem if len(sequences) == 1 else f"{path.stem}-{index + 1:04d}"
            for f in formats:
                out = Path(args.out) / f"{stem}.{f}"
                options.check_not_source(out, path)
                out.parent.mkdir(parents=True, exist_ok=True)
                rendering.write(sequence, out)
                commands.say(str(out))
    return 0
