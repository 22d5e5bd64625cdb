"""`create`, `train`, `save` and `pack`: from an untrained model to a run directory."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musejax import errors
from musejax.api import messages
from musejax.options import declaration, table

if TYPE_CHECKING:
    from musejax.api.trained_model import TrainedModel
    from musejax.base import Model
    from musejax.experiments.experiment import Experiment
    from musejax.training.loop import Result


def create(name: str, **overrides: Any) -> "Model":
    """Returns the model of a preset, without weights.

    Args:
        name: A preset; `list_models()` names them.
        **overrides: Fields of the family's config, such as `hidden=64`.

    Returns:
        The record of pure functions: `init`, `loss`, `sample` and others. `model.info` says what the model is, and
        `model.example_batch()` what it trains on.

    Raises:
        musejax.errors.UserError: There is no such preset, or a field does not fit it.

    Example:
        >>> model = create("basic-rnn", hidden=64)
        >>> model.example_batch(rows=2, frames=16)["tokens"].shape
        (2, 16)
    """
    from musejax import zoo

    return zoo.create(name, **overrides)


def train(
    experiment: "str | os.PathLike[str] | Experiment",
    workdir: "str | os.PathLike[str] | None" = None,
    *,
    init_from: str | None = None,
    fields: Mapping[str, Any] | None = None,
    say: messages.Say = messages.to_stderr,
) -> "Result":
    """Trains an experiment in a run directory, and continues a run that was stopped.

    Args:
        experiment: An experiment that ships with the package, by name; a Python file that defines `config`; or an
            `Experiment`.
        workdir: The run directory (default: `runs/NAME`).
        init_from: A shipped run or a run directory whose weights training starts from.
        fields: Fields of the experiment to replace, such as `{"training.steps": 100, "data": "my_midis"}`.
        say: Is called with a line for each stage and each evaluation; prints to standard error by default.

    Returns:
        The last step, the best validation loss and how training ended.

    Raises:
        musejax.errors.UserError: The experiment cannot be read, or something in it does not fit.
        musejax.errors.TrainingError: The loss is not finite, or a write failed.

    Example:
        >>> train("quickstart", "runs/quickstart", fields={"training.steps": 20})  # doctest: +SKIP
    """
    from musejax.experiments import experiment as experiments
    from musejax.experiments import fields as options
    from musejax.experiments import starting_weights
    from musejax.runs import file_names

    if isinstance(experiment, (str, os.PathLike)):
        experiment = experiments.read(os.fspath(experiment))
    experiment = starting_weights.completed(experiment, init_from)
    experiment = options.override(experiment, options.flags(fields or {}))
    file_names.check(experiment.name, "--name")
    folder = Path("runs") / experiment.name if workdir is None else Path(workdir)
    result = experiments.run(experiment, folder, say)
    _draw_learning_curve(experiment.name, folder)
    return result


def save(
    model: "Model",
    variables: Mapping[str, Any],
    path: "str | os.PathLike[str]",
    *,
    name: str | None = None,
    data: str = "",
    step: int = 0,
) -> "TrainedModel":
    """Writes the weights of a model as a run directory, for weights that were trained by a loop of your own.

    Every command and function works with the directory: sampling, evaluation, fine-tuning, packing.

    Args:
        model: A model of a registered family, from `create` or `Family.build`.
        variables: `params` and `state`, as `model.init` returns them.
        path: The run directory; it must not exist.
        name: Name of the run (default: the directory's name).
        data: The corpus on which the weights were trained, if it has a name; `evaluate` uses it by default.
        step: Number of updates.

    Returns:
        The model, loaded from the directory.

    Raises:
        musejax.errors.UserError: The directory exists or cannot be written, the name is not a file name, the model's
            family is not registered, or the weights are not the model's.

    Example:
        >>> model = create("basic-rnn")
        >>> params, state = model.init(jax.random.key(0), model.example_batch())  # doctest: +SKIP
        >>> trained = save(model, {"params": params, "state": state}, "runs/own")  # doctest: +SKIP
    """
    from musejax.api import trained_model
    from musejax.runs import own_weights

    folder = Path(path)
    own_weights.write(model, variables, folder, name=name or folder.name, data=data, step=step)
    return trained_model.load(folder)


@declaration.checked
def pack(
    model: "str | os.PathLike[str]",
    out: "str | os.PathLike[str]",
    *,
    bits: table.Bits = 16,
    merge: table.Merge = False,
    say: messages.Say = messages.to_stderr,
) -> None:
    """Writes a run as it is shipped: the best checkpoint alone, with rounded weights.

    Args:
        model: A run directory.
        out: The new directory; it must not exist.
        say: Is called with a line for each damaged checkpoint that is passed over.

    Raises:
        musejax.errors.UserError: There is no such run, the directory exists, or `bits` is neither 8 nor 16.

    Example:
        >>> pack("runs/quickstart", "packed/quickstart", bits=8)  # doctest: +SKIP
    """
    from musejax import runs, zoo
    from musejax.runs import packing

    if bits not in (8, 16):
        raise errors.OptionError("bits", bits, "choose from 8 and 16")
    source = model if isinstance(model, str) else Path(model)
    packing.pack(runs.load(zoo.find(source), say), Path(out), bits, merge=merge)


def _draw_learning_curve(name: str, folder: Path) -> None:
    """Draws the learning curve of a run; one that was stopped at once has none, and training needs no matplotlib."""
    try:
        from musejax.rendering import learning_curves

        learning_curves.write({name: learning_curves.read(folder)}, folder / learning_curves.FILE)
    except (ImportError, errors.UserError):
        pass
