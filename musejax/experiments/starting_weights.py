"""Starts a run from the weights of another run, or as adapters of it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from musejax import errors, runs, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Model, Step
from musejax.runs import adapter_base
from musejax.training import adapters, checkpoints, restoring

if TYPE_CHECKING:
    from musejax.experiments import experiment as experiments

# Training settings that are taken over together with a model: how pieces are cut and transposed.
CUT = ("window", "bars", "context", "transpose")


class Start(NamedTuple):
    """The starting point of a run.

    Attributes:
        model: Model to train: that of the experiment, or adapters of it.
        begin: Function that puts the trained weights into the initial state of a training step.
        restored: Paths of the parameters that were restored unchanged.
        description: Entries for run.json.
    """

    model: Model
    begin: Callable[[Step], Step]
    restored: tuple[str, ...]
    description: dict[str, Any]


def completed(experiment: "experiments.Experiment", init_from: str | None) -> "experiments.Experiment":
    """Completes an experiment without a model by the model, codec and windows of the run from which it starts.

    Args:
        experiment: Experiment, as defined in its file.
        init_from: Name of a shipped run, or a run directory; empty for random weights; None for the experiment's own
            setting.

    Raises:
        errors.UserError: The run does not exist, or the experiment has neither a model nor a run to start from.
    """
    experiment = dataclasses.replace(experiment, init_from=experiment.init_from if init_from is None else init_from)
    if experiment.model is not None:
        return experiment
    if not experiment.init_from:
        raise errors.UserError(f"{experiment.name} takes its model from another run; give --init-from NAME or DIR")
    path = zoo.find(experiment.init_from)
    description = runs.read_description(path)
    _, model, vocabulary = runs.parts(description, path)
    cut = {name: description["training"][name] for name in CUT if name in description["training"]}
    return dataclasses.replace(
        experiment,
        name=f"{description['name']}-tuned",
        codec=vocabulary.name,
        model=model,
        training=dataclasses.replace(experiment.training, **cut),
    )


def start(
    experiment: "experiments.Experiment",
    model: Model,
    vocabulary: vocabularies.Vocabulary,
    workdir: Path,
    say: Callable[[str], None],
) -> Start:
    """Returns the starting point of an experiment's run, or of the run that is resumed.

    Args:
        experiment: Experiment, of which init_from and adapters are used.
        model: Model of the experiment.
        vocabulary: Vocabulary of its data.
        workdir: Run directory.
        say: Receives a summary of the restored weights.

    Raises:
        errors.UserError: The run to start from does not exist or does not match, or the directory has a run with
            another starting point.
    """
    source, config = experiment.init_from, experiment.adapters
    before = runs.read_description(workdir) if (workdir / "run.json").exists() else None
    if before is not None:
        _check_same(before, experiment, workdir)
    if not source:
        if config.rank:
            raise errors.UserError(f"--adapters.rank {config.rank}: give the run to adapt by --init-from")
        return Start(model, lambda step: step, (), {})
    if before is not None and not config.rank and checkpoints.Checkpoints(workdir).latest() is not None:
        # The weights are in the checkpoint, so the run from which they came is no longer needed.
        return Start(model, lambda step: step, tuple(before["init"]["restored"]), {"init": before["init"]})
    run = runs.load(zoo.find(source), say)
    _check_one_net(run, experiment)
    if before is not None and "adapters" in before:
        adapter_base.check(before["adapters"]["base"], workdir, run.path, run.variables)
    trained = restoring.Source(
        run.model, run.vocabulary, run.variables["params"], runs.without(run.variables["state"], ("latent_prior",))
    )
    like, _ = jax.eval_shape(model.init, jax.random.key(0), vocabulary.example_batch())
    init = {"from": source, "name": run.name, "digest": checkpoints.digest(run.variables), "data": _sources(run.config)}
    if config.rank:
        adapted = _adapt(experiment, model, vocabulary, trained, like)
        base = adapter_base.describe(run.name, run.path, run.variables, workdir)
        size = sum(p.size for p in jax.tree.leaves(jax.eval_shape(adapted.init, jax.random.key(0), {})[0]))
        total = sum(p.size for p in jax.tree.leaves(like))
        say(f"adapters of {source}: {size:,} parameters; the model has {total:,}")
        description = {"init": init, "adapters": {**dataclasses.asdict(config), "base": base}}
        return Start(adapted, lambda step: step, (), description)
    report = restoring.report(restoring.plan(trained, model, vocabulary, like), like)
    if not report.restored and not report.grown:
        raise errors.UserError(
            f"--init-from {source}: none of its weights match; its family is {run.config['family']} and its codec "
            f"{run.vocabulary.name}, but those of this experiment are {experiment.family} and {vocabulary.name}"
        )
    for line in report.lines():
        say(f"from {source}: {line}")
    init |= {name: list(paths) for name, paths in report._asdict().items()}
    return Start(model, lambda step: restoring.begin(step, trained, model, vocabulary), report.restored, {"init": init})


def _sources(description: dict[str, Any]) -> list[str]:
    """Returns the corpora on which a run, and those from which it started, were trained."""
    return [description["data"]["source"], *description.get("init", {}).get("data", ())]


def _check_same(before: dict[str, Any], experiment: "experiments.Experiment", workdir: Path) -> None:
    was, now = before.get("init", {}).get("from", ""), experiment.init_from
    if was != now:
        raise errors.UserError(
            f"{workdir} holds a run that started from {was or 'random weights'}, not from {now or 'random weights'}; "
            "give another --workdir"
        )
    old = {**dataclasses.asdict(adapters.Config()), **before.get("adapters", {})}
    for name, value in dataclasses.asdict(experiment.adapters).items():
        old_value = tuple(old[name]) if isinstance(value, tuple) else old[name]
        if old_value != value and (experiment.adapters.rank or "adapters" in before):
            raise errors.UserError(
                f"{workdir} holds a run with adapters.{name} {old_value}, not {value}; give another --workdir"
            )


def _check_one_net(run: runs.Run, experiment: "experiments.Experiment") -> None:
    """Raises errors.UserError if the run has two networks and the experiment would use only one of them."""
    uses_both = experiment.tuning is not None and experiment.tuning.method == "g" and not experiment.adapters.rank
    if run.config.get("tuning", {}).get("method") == "g" and not uses_both:
        raise errors.UserError(
            f"--init-from {experiment.init_from}: it was tuned by g and has two networks; start from its base, "
            f"{run.config['tuning']['base']}"
        )


def _adapt(
    experiment: "experiments.Experiment",
    model: Model,
    vocabulary: vocabularies.Vocabulary,
    trained: restoring.Source,
    like: Any,
) -> Model:
    """Returns the experiment's model with adapters as its parameters.

    Raises:
        errors.UserError: The weights belong to another model, or the model cannot be adapted.
    """
    source, config = experiment.init_from, experiment.adapters
    if not restoring.same(trained, model, vocabulary, like):
        raise errors.UserError(
            f"--adapters.rank {config.rank}: adapters need the model and codec of {source}, but this experiment has "
            "others; `musejax train fine-tune` uses those of the run"
        )
    try:
        return adapters.adapt(model, trained.params, trained.state, config)
    except ValueError as error:
        raise errors.UserError(f"--adapters: {error}") from None
