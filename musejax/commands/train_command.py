"""`train`: an experiment, its fields replaced by options."""

import argparse
from pathlib import Path

from musejax import commands
from musejax.commands import fields
from musejax.experiments import experiment as experiments
from musejax.experiments import starting_weights
from musejax.runs import file_names


def train(args: argparse.Namespace, rest: list[str]) -> int:
    """Trains an experiment."""
    commands.begin()
    experiment = experiments.read(args.config)
    if experiment.model is not None or args.init_from or not args.fields:
        experiment = starting_weights.completed(experiment, args.init_from)
    if args.fields:
        experiment = fields.override(experiment, rest) if rest else experiment
        print("\n".join(fields.listed(experiment)))
        return 0
    experiment = fields.override(experiment, rest)
    file_names.check(experiment.name, "--name")
    workdir = Path(args.workdir) if args.workdir else Path("runs") / experiment.name
    result = experiments.run(experiment, workdir, commands.say)
    best = "" if result.best is None else f"; best validation loss {result.best[0]:.4f} at step {result.best[1]}"
    if result.stopped.startswith("SIG"):
        commands.say(f"{result.stopped}: saved at step {result.step}{best}; the same command goes on from there")
        return 130 if result.stopped == "SIGINT" else 143
    how = "stopped early" if result.stopped == "early" else "done"
    commands.say(f"{workdir}: {how} at step {result.step}{best}")
    if not result.learnt:
        start = experiment.init_from or "random weights"
        commands.say(
            f"{workdir}: nothing was learnt, this is still {start}: no later weights were better on the "
            "pieces held out to validate on. Give more pieces or pieces more like each other, train more slowly "
            "(--optimizer.learning-rate) or on longer (--training.patience), each in a new --workdir"
        )
    return 0
