"""Run directories of weights that were trained by a loop of one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from musejax import errors, registry
from musejax.base import Model
from musejax.runs import directory, file_names
from musejax.training import checkpoints, settings


def write(model: Model, variables: Mapping[str, Any], path: Path, *, name: str, data: str = "", step: int = 0) -> None:
    """Writes a run directory with one checkpoint.

    Args:
        model: A model with `info.family` and `info.vocabulary`.
        variables: `params` and `state`.
        path: The directory; it must not exist.
        name: Name of the run.
        data: The corpus on which the weights were trained, if it has a name.
        step: Number of updates.

    Raises:
        errors.UserError: The directory exists or cannot be written, the name is not a file name, the family is not
            registered, or the weights are missing or do not have the model's shapes.
    """
    file_names.check(name, "name")
    if path.exists():
        raise errors.UserError(f"{path} exists; give a new directory")
    family, vocabulary = model.info.family, model.info.vocabulary
    if not registry.is_known("family", family):
        raise errors.UserError(f"family {family!r} is not registered; register it with musejax.register")
    if "params" not in variables:
        raise errors.UserError("variables has no 'params'; give {'params': params, 'state': state} from model.init")
    params, state = variables["params"], variables.get("state", {})
    _check_shapes(model, params, state)
    description = directory.describe(
        name=name, family=family, model=model.info.config, vocabulary=vocabulary,
        data={"source": data, "report": {}}, optimizer=settings.Optimizer(), training=settings.Training(),
    )  # fmt: skip
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise errors.UserError(f"{path} cannot be made ({error.strerror}); give another directory") from None
    checkpoints.write_model(path / "checkpoints" / "best" / str(step), params, state)
    directory.start(path, description)


def _check_shapes(model: Model, params: Any, state: Any) -> None:
    """Checks that weights have the shapes of a model.

    Raises:
        errors.UserError: They do not; the first difference is named.
    """
    like = jax.eval_shape(model.init, jax.random.key(0), model.example_batch(rows=1))
    for what, own, expected in (("params", params, like[0]), ("state", state, like[1])):
        mine, theirs = (
            {jax.tree_util.keystr(where, simple=True, separator="/"): np.shape(leaf) for where, leaf in leaves}
            for leaves in (jax.tree_util.tree_leaves_with_path(tree) for tree in (own, expected))
        )
        for where in sorted({*mine, *theirs}):
            if mine.get(where) != theirs.get(where):
                raise errors.UserError(
                    f"{what}: {where} has shape {mine.get(where)}, and the model has {theirs.get(where)} there"
                )
