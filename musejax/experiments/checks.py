"""Checks of what an experiment holds, before any data are read."""

import importlib.util
import math
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from musejax import errors, registry
from musejax.base import Model
from musejax.training import settings as configs

if TYPE_CHECKING:
    from musejax.experiments import experiment as experiments


def family(model: Any) -> str:
    """Returns the family of a model's config.

    Raises:
        errors.UserError: It is the config of no family.
    """
    found = registry.family_of(model)
    if found is None:
        kind = type(model)
        own = kind.__module__.startswith(registry.PLUGIN_MODULE)
        where = kind.__qualname__ if own else f"{kind.__module__}.{kind.__qualname__}"
        raise errors.UserError(
            f"model is a {where}, not the config of a family; the families are "
            f"{', '.join(registry.names('family'))}; a file with a Family of your own may hold the experiment, too, or "
            "be named with --plugin"
        )
    return found.name


def parts(experiment: "experiments.Experiment") -> None:
    """Checks that each field is of its class: a file may hold anything.

    Raises:
        errors.UserError: One is not.
    """
    for name, hint in get_type_hints(type(experiment)).items():
        value, classes = getattr(experiment, name), get_args(hint) or (hint,)
        if name != "model" and not isinstance(value, classes):
            wanted = " or ".join(c.__qualname__ if c is str else f"{c.__module__}.{c.__qualname__}" for c in classes)
            raise errors.UserError(f"{name} is a {type(value).__qualname__}; give a {wanted}")
    choices(experiment.optimizer, "optimizer")
    if experiment.model is not None:
        family(experiment.model)
        choices(experiment.model, "model")


def choices(config: Any, prefix: str) -> None:
    """Checks fields of few values: the command line checks its own, a config file may hold anything.

    Raises:
        errors.UserError: A value is not one of them.
    """
    for name, hint in get_type_hints(type(config)).items():
        if get_origin(hint) is Literal and getattr(config, name) not in get_args(hint):
            raise errors.UserError(
                f"--{prefix}.{name.replace('_', '-')} is {getattr(config, name)!r}; it must be one of "
                + ", ".join(map(str, get_args(hint)))
            )


def settings(training: configs.Training, optimizer: configs.Optimizer) -> None:
    """Checks the settings of the loop and of the optimiser.

    Raises:
        errors.UserError: One lies outside its range, or needs a package that is not installed.
    """
    choices(optimizer, "optimizer")
    for name in ("bars", "context", "transpose", "patience", "seed", "hold_out"):
        if getattr(training, name) < 0:
            raise errors.UserError(f"--training.{name} is {getattr(training, name)}; it must be 0 or more")
    if training.seed >= 2**32:
        raise errors.UserError(f"--training.seed is {training.seed}; it must be below {2**32}")
    for name in ("clip", "weight_decay", "warmup_steps", "final_fraction", "restored_rate"):
        if not 0 <= getattr(optimizer, name) < math.inf:
            value = getattr(optimizer, name)
            raise errors.UserError(f"--optimizer.{name.replace('_', '-')} is {value}; it must be 0 or more")
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
                f"--training.{name.replace('_', '-')} is {getattr(training, name)}; it must be 1 or more"
            )
    if optimizer.accumulate < 1 or training.batch_size % optimizer.accumulate:
        raise errors.UserError(
            f"--optimizer.accumulate {optimizer.accumulate} does not divide the batch of {training.batch_size}"
        )
    if training.context >= training.window:
        raise errors.UserError(f"--training.context {training.context} leaves nothing of a window of {training.window}")
    if training.tensorboard and importlib.util.find_spec("tensorboardX") is None:
        raise errors.UserError('--training.tensorboard needs the package tensorboardX; pip install "tensorboardX>=2.6"')


def pieces(model: Model, training: configs.Training, bar: int) -> None:
    """Checks that batches fit a model that draws whole pieces, or cuts its batches.

    Args:
        model: The record.
        training: The loop's settings.
        bar: Frames of a bar, where pieces must be whole bars, else 0.

    Raises:
        errors.UserError: They do not.
    """
    if model.info.piece_frames and training.window != model.info.piece_frames:
        raise errors.UserError(
            f"--training.window {training.window}: the model draws pieces of {model.info.piece_frames} frames; give "
            f"--training.window {model.info.piece_frames}"
            + (f" and --training.bars {model.info.piece_frames // bar}" if bar else "")
        )
    if model.info.piece_frames and bar and not training.bars:
        raise errors.UserError(
            f"--training.bars 0: the model draws whole bars; give --training.bars {model.info.piece_frames // bar}"
        )
    if training.batch_size % model.info.batch_parts:
        raise errors.UserError(
            f"--training.batch-size {training.batch_size} does not divide into {model.info.batch_parts} parts, one for "
            "each update of the critic"
        )
