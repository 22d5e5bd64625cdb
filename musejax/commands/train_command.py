"""`train`: an experiment, its fields replaced by options."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from musejax import commands
from musejax.api import training
from musejax.commands import outputs
from musejax.experiments import experiment as experiments
from musejax.experiments import fields, starting_weights


def train(args: argparse.Namespace, rest: list[str]) -> int:
    """Trains an experiment."""
    commands.begin()
    experiment = experiments.read(args.config)
    if experiment.model is not None or args.init_from or not args.fields:
        experiment = starting_weights.completed(experiment, args.init_from)
    if args.fields:
        experiment = fields.override(experiment, rest) if rest else experiment
        print("\n".join(fields.describe(experiment)))
        return 0
    experiment = fields.override(experiment, rest)
    workdir = Path(args.workdir) if args.workdir else Path("runs") / experiment.name
    result = training.train(experiment, workdir, say=commands.say)
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


def plot(args: argparse.Namespace, rest: list[str]) -> int:
    """Draws the learning curves of runs."""
    from musejax.rendering import learning_curves

    runs = [Path(run) for run in args.runs]
    alone = runs[0] / learning_curves.FILE if len(runs) == 1 else Path("learning-curves.png")
    out = Path(args.out) if args.out else alone
    if out.suffix.lower() not in learning_curves.SUFFIXES:
        out = out / learning_curves.FILE
    # The picture in a run directory is made anew; any other file is somebody's.
    outputs.check([out], overwrite=args.overwrite or (not args.out and out.parent in runs))
    curves = {_shortest(run, runs): learning_curves.read(run) for run in runs}
    out.parent.mkdir(parents=True, exist_ok=True)
    learning_curves.write(curves, out)
    commands.say(str(out))
    return 0


def _shortest(run: Path, runs: Sequence[Path]) -> str:
    """Returns the name of a run directory, or its whole path where another has the same name."""
    return run.name if sum(other.name == run.name for other in runs) == 1 else str(run)
