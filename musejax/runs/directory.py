"""Writes and reads run directories. Loading a run does not execute code from its directory."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import jax
import numpy as np

from musejax import errors, registry
from musejax import vocabulary as vocabularies
from musejax.base import Model
from musejax.runs import adapter_base, file_names
from musejax.training import adapters as lora
from musejax.training import checkpoints, priors
from musejax.tuning import prior_product

FORMAT = 1
# Optimiser settings that determine the structure of its state, and the function of each that must not change.
_SHAPING: Mapping[str, Callable[[Any], Any]] = {
    "name": str,
    "clip": bool,
    "ema_decay": bool,
    "freeze": lambda patterns: tuple(patterns or ()),
    "unfreeze": lambda patterns: tuple(patterns or ()),
    "restored_rate": lambda rate: 1.0 if rate is None else rate,
}


class Run(NamedTuple):
    """A trained model, loaded from a run directory.

    Attributes:
        name: Name of the run.
        path: Run directory.
        model: Model record.
        variables: `params` and `state` of the best checkpoint, in float32.
        vocabulary: Vocabulary of the model.
        config: Content of run.json.
        step: Step of the checkpoint.
        adapters: Adapters of an adapted run, which are already merged in `variables`; None for other runs.
    """

    name: str
    path: Path
    model: Model
    variables: dict[str, Any]
    vocabulary: vocabularies.Vocabulary
    config: dict[str, Any]
    step: int
    adapters: Any = None


def describe(
    *,
    name: str,
    family: str,
    model: Any,
    vocabulary: vocabularies.Vocabulary,
    data: Mapping[str, Any],
    optimizer: Any,
    training: Any,
    tuning: Any = None,
) -> dict[str, Any]:
    """Returns the content of run.json.

    Args:
        name: Name of the run.
        family: Name of the model's family.
        model: Config dataclass of the model.
        vocabulary: Vocabulary of the codec, which has the name of the codec.
        data: Description of the training data: `source`, pieces by split, report.
        optimizer: Config dataclass of the optimiser.
        training: Config dataclass of the training loop.
        tuning: Config dataclass of reinforcement learning, or None.
    """
    origins = {"family": registry.origin("family", family), "codec": registry.origin("codec", vocabulary.name)}
    plugins = {kind: origin for kind, origin in origins.items() if origin}
    return {
        "format": FORMAT,
        "name": name,
        "family": family,
        "model": dataclasses.asdict(model),
        "vocabulary": vocabulary.to_json(),
        "data": dict(data),
        "optimizer": dataclasses.asdict(optimizer),
        "training": dataclasses.asdict(training),
        **({} if tuning is None else {"tuning": json.loads(json.dumps(dataclasses.asdict(tuning)))}),
        **({"plugins": plugins} if plugins else {}),
        "versions": {"jax": jax.__version__, "numpy": np.__version__},
    }


def start(path: Path, description: Mapping[str, Any]) -> None:
    """Creates a run directory and writes run.json; checks that an existing run has the same model, codec and data.

    Raises:
        errors.UserError: The directory has a run with another model, codec, optimiser or data, or cannot be created.
    """
    file = path / "run.json"
    if file.exists():
        old = read_description(path)
        old_parts, new_parts = parts(old, path), parts(description, path)
        for field, before, now in zip(("family", "model", "vocabulary"), old_parts, new_parts, strict=True):
            if now != before:
                raise errors.UserError(
                    f"{path} holds a run with another {field} than this experiment's; give another --workdir"
                )
        if old.get("tuning") != description.get("tuning"):
            raise errors.UserError(f"{path} holds a run with another tuning; give another --workdir")
        for field, function in _SHAPING.items():
            if function(description["optimizer"][field]) != function(old["optimizer"].get(field)):
                raise errors.UserError(
                    f"{path} holds a run with optimizer.{field} {old['optimizer'].get(field)}, not "
                    f"{description['optimizer'][field]}; give another --workdir"
                )
        if old["data"]["source"] != description["data"]["source"]:
            raise errors.UserError(
                f"{path} holds a run on {old['data']['source']}, not on {description['data']['source']}; "
                "give another --workdir"
            )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UserError(f"{path} cannot be created ({error.strerror}); give another --workdir") from error
    write_text(file, json.dumps(description, indent=1) + "\n")


def record(path: Path, result: Mapping[str, Any]) -> None:
    """Adds the result of training to run.json."""
    file = path / "run.json"
    write_text(file, json.dumps({**json.loads(file.read_text()), "result": dict(result)}, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a file atomically."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_description(path: Path) -> dict[str, Any]:
    """Reads the run.json of a directory.

    Raises:
        errors.UserError: There is no run.json, it cannot be read, it has another format version, or the name of the
            run, which becomes part of file names, is not a plain file name.
    """
    try:
        description = json.loads((path / "run.json").read_text())
    except FileNotFoundError:
        raise errors.UserError(f"{path} is not a run directory: it has no run.json") from None
    except (OSError, ValueError) as error:
        raise errors.UserError(f"{path / 'run.json'} cannot be read: {error}") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        version = description.get("format") if isinstance(description, dict) else None
        raise errors.UserError(
            f"{path} has run format {version}; this musejax reads format {FORMAT}: use the musejax that wrote it"
        )
    for field in ("name", "family", "model", "vocabulary", "data", "optimizer", "training"):
        if field not in description:
            raise errors.UserError(f"{path / 'run.json'} is damaged: it has no {field!r}; train the run again")
    file_names.check(description["name"], f"{path / 'run.json'}: name")
    return description


def _config(cls: type, data: Mapping[str, Any], where: str) -> Any:
    """Returns a config dataclass from plain data."""
    hints = get_type_hints(cls)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise errors.UserError(f"{where} has unknown fields {', '.join(unknown)}: a newer musejax wrote it")
    out = {}
    for name, value in data.items():
        hint = hints[name]
        if get_origin(hint) is tuple and isinstance(value, list):
            value = tuple(value)
        elif dataclasses.is_dataclass(hint) and isinstance(value, dict):
            value = _config(hint, value, where)  # type: ignore[arg-type]
        else:
            nested = [a for a in get_args(hint) if dataclasses.is_dataclass(a)]
            if nested and isinstance(value, dict):
                value = _config(nested[0], value, where)  # type: ignore[arg-type]
        out[name] = value
    return cls(**out)


def parts(description: Mapping[str, Any], path: Path) -> tuple[str, Any, vocabularies.Vocabulary]:
    """Returns family, config and vocabulary of a run.json; fields added in later versions have their defaults.

    Raises:
        errors.UserError: The family or a field of its config is unknown, or the file is damaged.
    """
    family = description["family"]
    plugin = description.get("plugins", {}).get("family", "")
    try:
        record = registry.get("family", family, plugin=plugin)
    except errors.UserError as error:
        raise errors.UserError(f"{path}: {error}") from None
    try:
        config = _config(record.config, description["model"], str(path))
        return family, config, vocabularies.Vocabulary.from_json(description["vocabulary"])
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(f"{path / 'run.json'} does not describe a model: {error}") from None


def build(
    description: Mapping[str, Any], path: Path, adapt: Callable[[Model], Model] = lambda model: model
) -> tuple[Model, vocabularies.Vocabulary]:
    """Builds the model described by a run.json.

    Args:
        description: Content of run.json.
        path: Run directory.
        adapt: Function from the model of the family to the model whose parameters the run trains.

    Returns:
        The model and its vocabulary.

    Raises:
        errors.UserError: The file does not describe a model.
    """
    family, config, vocabulary = parts(description, path)
    try:
        model = registry.get("family", family).build(config, vocabulary)
        if description.get("tuning", {}).get("method") == "g":  # two networks; the prior is in the state of the run
            return prior_product.make(adapt(model), vocabulary, model), vocabulary
        return adapt(model), vocabulary
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(f"{path / 'run.json'} does not describe a model: {error}") from None


def load(path: Path, say: Callable[[str], None], adapted: tuple[Path, ...] = ()) -> Run:
    """Loads the best checkpoint of a run directory.

    Args:
        path: Run directory.
        say: Receives a message for each damaged checkpoint that is skipped.
        adapted: Directories of the adapted runs for which this run is loaded as the base.

    Raises:
        errors.UserError: The directory is not a run, has another format version or no intact checkpoint, or is its own
            base.
    """
    if path.resolve() in adapted:
        raise errors.UserError(f"{path / 'run.json'}: the base of these adapters is the run itself; give another base")
    description = read_description(path)
    if "adapters" in description:
        return _load_adapted(description, path, say, (*adapted, path.resolve()))
    model, vocabulary = build(description, path)
    like = jax.eval_shape(model.init, jax.random.key(0), vocabulary.example_batch())
    packed = description.get("left_out", ())
    params, state, step = checkpoints.load(path, (without(like[0], packed), without(like[1], packed)), say)
    state = _with_prior(path, state, step)
    return Run(description["name"], path, model, {"params": params, "state": state}, vocabulary, description, step)


def _with_prior(path: Path, state: Any, step: int) -> Any:
    """Returns the state of a checkpoint, with the prior that was fitted to it if there is one."""
    prior = priors.read(path, step)
    return state if prior is None else {**state, "latent_prior": prior}


def without(tree: Any, names: Collection[str]) -> Any:
    """Returns a tree without some of its top-level entries."""
    return {name: part for name, part in tree.items() if name not in names} if names else tree


def _load_adapted(
    description: dict[str, Any], path: Path, say: Callable[[str], None], adapted: tuple[Path, ...]
) -> Run:
    """Loads an adapted run, with its adapters merged into its base."""
    try:
        fields = dict(description["adapters"])
        reference = fields.pop("base")
        config, base_path = _config(lora.Config, fields, str(path)), adapter_base.find(reference, path)
        base = load(base_path, say, adapted)
        adapter_base.check(reference, path, base_path, base.variables)
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(f"{path / 'run.json'} does not describe adapters: {error}") from None
    trained = base.variables["params"], without(base.variables["state"], ("latent_prior",))
    wrapped, vocabulary = build(description, path, lambda model: lora.adapt(model, *trained, config))
    like = jax.eval_shape(wrapped.init, jax.random.key(0), vocabulary.example_batch())
    own, state, step = checkpoints.load(path, like, say)
    state = _with_prior(path, state, step)
    variables = {"params": lora.merge(base.variables["params"], own, config), "state": state}
    model, _ = build(description, path)
    return Run(description["name"], path, model, variables, vocabulary, description, step, own)


def count(model: Model, vocabulary: vocabularies.Vocabulary) -> int:
    """Returns the number of parameters, without computing them."""
    params, _ = jax.eval_shape(model.init, jax.random.key(0), vocabulary.example_batch())
    return sum(int(np.prod(p.shape)) for p in jax.tree.leaves(params))
