"""`evaluate` and `metrics`: likelihood, and music statistics."""

import argparse
from pathlib import Path

from musejax import commands, errors, zoo
from musejax.commands import options

# Melodies drawn for RL Tuner's table.
RULES = 2000


def evaluate(args: argparse.Namespace, rest: list[str]) -> int:
    """Prints a model's likelihood on a split, what a VAE rebuilds of it, or how near a GAN's samples are to it."""
    path = zoo.find(args.model)
    if args.rules:
        return _rules(args, path)
    from musejax.reports import evaluate

    commands.begin()
    if args.samples < 1:
        raise errors.UserError(f"--samples {args.samples}: it must be 1 or more")
    options.check_seed(args.seed)
    options.check_counts(args, "frames-per-bar", "num")
    result = evaluate.evaluate(
        path,
        args.model,
        args.data,
        args.split,
        commands.say,
        samples=args.samples,
        seed=args.seed,
        given=options.names(args.given),
        frames_per_bar=args.frames_per_bar,
        num=args.num,
    )
    if args.json:
        commands.print_json(result)
    else:
        for name, value in result.items():
            print(f"{name:28} {value}")
    return 0


def _rules(args: argparse.Namespace, path: Path) -> int:
    """Prints RL Tuner's table of a tuned run and its prior."""
    from musejax.experiments import reinforcement
    from musejax.reports import tables

    commands.begin()
    options.check_seed(args.seed)
    options.check_counts(args, "num")
    result = reinforcement.table(path, args.model, args.num or RULES, args.seed, commands.say)
    if args.json:
        commands.print_json(result)
        return 0
    sides = [side for side in ("prior", "tuned") if side in result]
    print(f"{'':28} " + " ".join(f"{side:>10}" for side in sides))
    for name in result["prior"]:
        print(f"{name:28} " + " ".join(f"{tables.number(result[side][name]):>10}" for side in sides))
    return 0


def metrics(args: argparse.Namespace, rest: list[str]) -> int:
    """Prints music statistics of generated pieces beside those of real ones."""
    if not 1 <= args.grid <= 96:
        raise errors.UserError(f"--grid {args.grid}: it must lie in 1..96")
    from musejax.reports import metrics, tables

    result = metrics.metrics(
        args.folder, args.reference, codec=args.codec, training=args.training, grid=args.grid, say=commands.say
    )
    if args.json:
        commands.print_json(result)
    else:
        print(tables.metrics(result))
    return 0
