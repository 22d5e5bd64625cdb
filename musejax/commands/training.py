"""`train`: an experiment, its fields replaced by options."""

import argparse
import contextlib
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

from musejax import commands, errors, experiments, file_names, transfer


def train(args: argparse.Namespace, rest: list[str]) -> int:
    """Trains an experiment."""
    commands.begin()
    experiment = experiments.read(args.config)
    if experiment.model is not None or args.init_from or not args.fields:
        experiment = transfer.completed(experiment, args.init_from)
    if args.fields:
        print("\n".join(_fields(experiment)))
        return 0
    experiment = _override(experiment, rest)
    file_names.check(experiment.name, "--name")
    workdir = Path(args.workdir) if args.workdir else Path("runs") / experiment.name
    result = experiments.run(experiment, workdir, commands.say)
    best = "" if result.best is None else f"; best validation loss {result.best[0]:.4f} at step {result.best[1]}"
    if result.stopped.startswith("SIG"):
        commands.say(f"{result.stopped}: saved at step {result.step}{best}; the same command goes on from there")
        return 130 if result.stopped == "SIGINT" else 143
    how = "stopped early" if result.stopped == "early" else "done"
    commands.say(f"{workdir}: {how} at step {result.step}{best}")
    return 0


def _override(experiment: experiments.Experiment, options: list[str]) -> experiments.Experiment:
    """An experiment with fields replaced by command-line options.

    Raises:
        errors.UserError: An option names no field, or its value does not fit; one line.
    """
    import tyro

    # The model is a config of one family: the union of all families' would become subcommands.
    cls = type(experiment)
    model = ("model", type(experiment.model), dataclasses.field(default=experiment.model))
    tuned: Any = tyro.conf.Suppress[None] if experiment.tuning is None else type(experiment.tuning)
    fields = [model, ("tuning", tuned, dataclasses.field(default=experiment.tuning))]
    narrow: Any = dataclasses.make_dataclass(cls.__name__, fields, bases=(cls,), frozen=True, kw_only=True)
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught), contextlib.redirect_stdout(caught):
            found = tyro.cli(narrow, default=narrow(**vars(experiment)), args=options)
    except SystemExit:
        raise errors.UserError(f"{_flat(caught.getvalue())}; `--fields` lists what can be set") from None
    return cls(**vars(found))


def _flat(text: str) -> str:
    """One line of a framed message of tyro's: what is wrong, and the options that it may have meant."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    parts = [" ".join(p.split()) for p in re.split(r"[-\u2500]{5,}|[\u2500-\u257f]", text) if p.strip()]
    meant = [m for p in parts if p.startswith("Perhaps") for m in re.findall(r"--[\w.-]+", p)]
    message = parts[1] if len(parts) > 1 else " ".join(parts)
    return message.rstrip(".") + (f" (perhaps {' or '.join(meant)})" if meant else "")


def _fields(value: Any, prefix: str = "--") -> list[str]:
    lines = []
    for field in dataclasses.fields(value):
        name, inner = prefix + field.name.replace("_", "-"), getattr(value, field.name)
        lines += _fields(inner, name + ".") if dataclasses.is_dataclass(inner) else [f"{name} {inner}"]
    return lines
