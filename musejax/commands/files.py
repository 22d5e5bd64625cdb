"""`prepare`, `convert` and `render`: music files to data sets and to other files."""

import argparse
from pathlib import Path

from musejax import commands, errors
from musejax.commands import options


def prepare(args: argparse.Namespace, rest: list[str]) -> int:
    """Writes a data set."""
    from musejax import preparation
    from musejax.pipeline import windows

    out = Path(args.out)
    if out.suffix != ".npz":
        raise errors.UserError(f"--out {out}: a prepared data set ends in .npz")
    options.check_counts(args, "bars", "frames-per-bar")
    if args.frames_per_bar is not None and args.bars is None:
        raise errors.UserError(f"--frames-per-bar {args.frames_per_bar} needs --bars")
    data = preparation.prepare(args.source, args.codec, commands.say)
    data = windows.of(data, args.bars or 0, args.frames_per_bar)
    data.save(out)
    sizes = {s: len(items) for s, items in data.splits.items()}
    if args.json:
        commands.print_json({"out": str(out), "codec": args.codec, "pieces": sizes, **data.report})
    else:
        commands.say(f"{out}: " + ", ".join(f"{n} {s}" for s, n in sizes.items()))
        for reason, count in data.report["discarded"].items():
            commands.say(f"discarded {count}: {reason}")
        for line in windows.tell(data):
            commands.say(line)
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
