"""Checks of the settings of an experiment, before any data are read."""

import importlib.util
import math
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from musejax import errors, registry
from musejax.base import Model
from musejax.training import settings as configs

if TYPE_CHECKING:
    from musejax.experiments import experiment as experiments


def family(model: Any) -> str:
    """Returns the name of the family to which a config belongs.

    Raises:
        errors.UserError: It is not the config of a family.
    """
    record = registry.family_of(model)
    if record is None:
        kind = type(model)
        own = kind.__module__.startswith(registry.PLUGIN_MODULE)
        where = kind.__qualname__ if own else f"{kind.__module__}.{kind.__qualname__}"
        raise errors.UserError(
            f"model is a {where}, not the config of a family; the families are "
            f"{', '.join(registry.names('family'))}; to use your own Family, define it in the experiment's file, or "
            "give its file by --plugin"
        )
    return record.name


def parts(experiment: "experiments.Experiment") -> None:
    """Checks the types of all fields, because a config file may contain any values.

    Raises:
        errors.UserError: A field has a wrong type.
    """
    for name, hint in get_type_hints(type(experiment)).items():
        value, classes = getattr(experiment, name), get_args(hint) or (hint,)
        if name != "model" and not isinstance(value, classes):
            names = " or ".join(c.__qualname__ if c is str else f"{c.__module__}.{c.__qualname__}" for c in classes)
            raise errors.UserError(f"{name} is a {type(value).__qualname__}; give a {names}")
    choices(experiment.optimizer, "optimizer")
    if experiment.model is not None:
        family(experiment.model)
        choices(experiment.model, "model")


def choices(config: Any, prefix: str) -> None:
    """Checks fields with a fixed set of values, which config files, unlike the command line, may violate.

    Raises:
        errors.UserError: A field has another value.
    """
    for name, hint in get_type_hints(type(config)).items():
        if get_origin(hint) is Literal and getattr(config, name) not in get_args(hint):
            raise errors.UserError(
                f"--{prefix}.{name.replace('_', '-')} is {getattr(config, name)!r}; it must be one of "
                + ", ".join(map(str, get_args(hint)))
            )


def settings(training: configs.Training, optimizer: configs.Optimizer) -> None:
    """Checks the settings of the training loop and of the optimiser.

    Raises:
        errors.UserError: A setting is out of range, or needs a package that is not installed.
    """
    choices(optimizer, "optimizer")
    for name in ("bars", "context", "transpose", "patience", "seed", "hold_out"):
        if getattr(training, name) < 0:
            raise errors.UserError(f"--training.{name} is {getattr(training, name)}; it must be at least 0")
    if training.seed >= 2**32:
        raise errors.UserError(f"--training.seed is {training.seed}; it must be below {2**32}")
    for name in ("clip", "weight_decay", "warmup_steps", "final_fraction", "restored_rate"):
        if not 0 <= getattr(optimizer, name) < math.inf:
            value = getattr(optimizer, name)
            raise errors.UserError(f"--optimizer.{name.replace('_', '-')} is {value}; it must be at least 0")
    if not 0 < optimizer.learning_rate < math.inf:
        raise errors.UserError(f"--optimizer.learning-rate is {optimizer.learning_rate}; it must be above 0")
    for name in ("b1", "b2", "ema_decay"):
        if not 0 <= getattr(optimizer, name) < 1:
            raise errors.UserError(
                f"--optimizer.{name.replace('_', '-')} is {getattr(optimizer, name)}; it must lie in [0, 1)"
            )
    positive = ("steps", "batch_size", "window", "eval_every", "eval_batch_size", "log_every", "save_every")
    for name in positive:
        if getattr(training, name) < 1:
            raise errors.UserError(
                f"--training.{name.replace('_', '-')} is {getattr(training, name)}; it must be at least 1"
            )
    if optimizer.accumulate < 1 or training.batch_size % optimizer.accumulate:
        raise errors.UserError(
            f"--optimizer.accumulate is {optimizer.accumulate}; it must divide the batch size {training.batch_size}"
        )
    if training.context >= training.window:
        raise errors.UserError(
            f"--training.context is {training.context}; it must be less than --training.window {training.window}"
        )
    if training.tensorboard and importlib.util.find_spec("tensorboardX") is None:
        raise errors.UserError('--training.tensorboard needs the package tensorboardX; pip install "tensorboardX>=2.6"')


def pieces(model: Model, training: configs.Training, bar: int) -> None:
    """Checks that batches fit a model that generates whole pieces, or divides its batches.

    Args:
        model: Model record.
        training: Settings of the training loop.
        bar: Number of frames in a bar if pieces must consist of whole bars, else 0.

    Raises:
        errors.UserError: The window, the number of bars or the batch size does not fit the model.
    """
    if model.info.piece_frames and training.window != model.info.piece_frames:
        raise errors.UserError(
            f"--training.window {training.window}: the model generates pieces of {model.info.piece_frames} frames; "
            f"give --training.window {model.info.piece_frames}"
            + (f" and --training.bars {model.info.piece_frames // bar}" if bar else "")
        )
    if model.info.piece_frames and bar and not training.bars:
        raise errors.UserError(
            f"--training.bars 0: the model generates whole bars; give --training.bars {model.info.piece_frames // bar}"
        )
    if training.batch_size % model.info.batch_parts:
        raise errors.UserError(
            f"--training.batch-size is {training.batch_size}; it must be a multiple of {model.info.batch_parts}, the "
            "number of updates of the critic per step"
        )
