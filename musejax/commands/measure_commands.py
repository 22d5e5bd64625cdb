"""`evaluate` and `metrics`: likelihood, and music statistics."""

import argparse
from typing import Any

from musejax import commands, zoo
from musejax.api import measuring
from musejax.commands import flags


def evaluate(args: argparse.Namespace, rest: list[str]) -> int:
    """Prints the likelihood of a model on a split, the reconstruction of a VAE, or the distances of a GAN's samples."""
    chosen = flags.values(args, measuring.evaluate)
    path = zoo.find(args.model)
    commands.begin()
    result = measuring.evaluate(path, **chosen, say=commands.say)
    if args.json:
        commands.print_json(result)
    elif args.rules:
        _print_rules(result)
    else:
        for name, value in result.items():
            print(f"{name:28} {value}")
    return 0


def _print_rules(result: dict[str, Any]) -> None:
    """Prints RL Tuner's table of a tuned run and the run that it was tuned from."""
    from musejax.reports import tables

    sides = [side for side in ("prior", "tuned") if side in result]
    print(f"{'':28} " + " ".join(f"{side:>10}" for side in sides))
    for name in result["prior"]:
        print(f"{name:28} " + " ".join(f"{tables.number(result[side][name]):>10}" for side in sides))


def metrics(args: argparse.Namespace, rest: list[str]) -> int:
    """Prints music statistics of generated pieces beside those of real ones."""
    result = measuring.metrics(args.folder, **flags.values(args, measuring.metrics), say=commands.say)
    if args.json:
        commands.print_json(result)
    else:
        from musejax.reports import tables

        print(tables.metrics(result))
    return 0
