"""Where a run begins: from another run's weights, or as adapters beside them."""

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

# Fields of the loop that go with a model: how the pieces that it reads are cut and moved.
CUT = ("window", "bars", "context", "transpose")


class Start(NamedTuple):
    """How a run begins.

    Attributes:
        model: What trains: the experiment's model, or adapters of it.
        begin: Puts trained weights into the first state of a step.
        restored: Paths of the parameters that are as they were trained.
        told: What run.json says of it.
    """

    model: Model
    begin: Callable[[Step], Step]
    restored: tuple[str, ...]
    told: dict[str, Any]


def completed(experiment: "experiments.Experiment", init_from: str | None) -> "experiments.Experiment":
    """An experiment that starts from a run, with what it leaves to that run: model, codec and how pieces are cut.

    Args:
        experiment: As its file has it.
        init_from: A shipped run's name or a run directory, empty for random weights; None for the experiment's own.

    Raises:
        errors.UserError: There is no such run, or none is given and the experiment leaves its model to one.
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
    """How an experiment's run begins, or began where it only goes on.

    Args:
        experiment: Read are init_from and adapters.
        model: Its model.
        vocabulary: Of its data.
        workdir: The run directory.
        say: Is told what fits.

    Raises:
        errors.UserError: There is no such run, nothing of it fits, or the directory holds a run that began otherwise.
    """
    source, config = experiment.init_from, experiment.adapters
    before = runs.read_description(workdir) if (workdir / "run.json").exists() else None
    if before is not None:
        _check_same(before, experiment, workdir)
    if not source:
        if config.rank:
            raise errors.UserError(f"--adapters.rank {config.rank}: give the run that is adapted as --init-from")
        return Start(model, lambda step: step, (), {})
    if before is not None and not config.rank and checkpoints.Checkpoints(workdir).latest() is not None:
        # The weights are in its checkpoint: the run that they once came from may be gone.
        return Start(model, lambda step: step, tuple(before["init"]["restored"]), {"init": before["init"]})
    run = runs.load(zoo.find(source), say)
    _check_one_net(run, experiment)
    if before is not None and "adapters" in before:
        adapter_base.check(before["adapters"]["base"], workdir, run.path, run.variables)
    trained = restoring.Source(
        run.model, run.vocabulary, run.variables["params"], runs.without(run.variables["state"], ("latent_prior",))
    )
    like, _ = jax.eval_shape(model.init, jax.random.key(0), vocabulary.example_batch())
    told = {"from": source, "name": run.name, "digest": checkpoints.digest(run.variables), "data": _heard(run.config)}
    if config.rank:
        adapted = _adapted(experiment, model, vocabulary, trained, like)
        base = adapter_base.describe(run.name, run.path, run.variables, workdir)
        size = sum(p.size for p in jax.tree.leaves(jax.eval_shape(adapted.init, jax.random.key(0), {})[0]))
        say(f"adapters of {source}: {size:,} numbers beside {sum(p.size for p in jax.tree.leaves(like)):,}")
        return Start(
            adapted, lambda step: step, (), {"init": told, "adapters": {**dataclasses.asdict(config), "base": base}}
        )
    report = restoring.report(restoring.plan(trained, model, vocabulary, like), like)
    if not report.restored and not report.grown:
        raise errors.UserError(
            f"--init-from {source}: nothing of it fits; it is of family {run.config['family']} over codec "
            f"{run.vocabulary.name}, this experiment of family {experiment.family} over codec {vocabulary.name}"
        )
    for line in report.lines():
        say(f"from {source}: {line}")
    told |= {name: list(paths) for name, paths in report._asdict().items()}
    return Start(model, lambda step: restoring.begin(step, trained, model, vocabulary), report.restored, {"init": told})


def _heard(description: dict[str, Any]) -> list[str]:
    """What a run was trained on, and what those before it were."""
    return [description["data"]["source"], *description.get("init", {}).get("data", ())]


def _check_same(before: dict[str, Any], experiment: "experiments.Experiment", workdir: Path) -> None:
    was, now = before.get("init", {}).get("from", ""), experiment.init_from
    if was != now:
        raise errors.UserError(
            f"{workdir} holds a run that began from {was or 'random weights'}, not from {now or 'random weights'}; "
            "give another --workdir"
        )
    old = {**dataclasses.asdict(adapters.Config()), **before.get("adapters", {})}
    for name, value in dataclasses.asdict(experiment.adapters).items():
        kept = tuple(old[name]) if isinstance(value, tuple) else old[name]
        if kept != value and (experiment.adapters.rank or "adapters" in before):
            raise errors.UserError(
                f"{workdir} holds a run with adapters.{name} {kept}, not {value}; give another --workdir"
            )


def _check_one_net(run: runs.Run, experiment: "experiments.Experiment") -> None:
    """Raises errors.UserError for a run of two nets, half of which would be left behind."""
    kept = experiment.tuning is not None and experiment.tuning.method == "g" and not experiment.adapters.rank
    if run.config.get("tuning", {}).get("method") == "g" and not kept:
        raise errors.UserError(
            f"--init-from {experiment.init_from}: it was tuned by g, and is two nets; start from its base, "
            f"{run.config['tuning']['base']}"
        )


def _adapted(
    experiment: "experiments.Experiment",
    model: Model,
    vocabulary: vocabularies.Vocabulary,
    trained: restoring.Source,
    like: Any,
) -> Model:
    """The experiment's model as adapters.

    Raises:
        errors.UserError: The weights are those of another model, or adapters do not fit it.
    """
    source, config = experiment.init_from, experiment.adapters
    if not restoring.same(trained, model, vocabulary, like):
        raise errors.UserError(
            f"--adapters.rank {config.rank}: adapters serve the model and codec that {source} has, and this experiment "
            "has others; `musejax train fine-tune` takes them from there"
        )
    try:
        return adapters.adapt(model, trained.params, trained.state, config)
    except ValueError as error:
        raise errors.UserError(f"--adapters: {error}") from None
