"""The models of the zoo by name: presets and shipped runs. Nothing heavy is imported until a model is asked for."""

import fnmatch
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from musejax import codecs, errors, registry, stages

if TYPE_CHECKING:
    from musejax.base import Model
    from musejax.vocabulary import Vocabulary

SHIPPED = Path(__file__).parent / "shipped"


class Entry(NamedTuple):
    """One model of the zoo.

    Attributes:
        name: A preset, or a shipped run.
        family: Its family.
        codec: Its representation.
        parameters: How many.
        shipped: Whether trained weights come with the package.
    """

    name: str
    family: str
    codec: str
    parameters: int
    shipped: bool


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Returns all presets and shipped runs."""
    return tuple(Entry(**entry) for entry in registry.catalog()["models"])


class Loaded(NamedTuple):
    """A trained model, ready to use.

    Attributes:
        model: The record of pure functions.
        variables: `params` and `state`.
        codec: How its arrays are read from and written to NoteSequences.
        config: The whole of its run.json.
        name: The run's name.
    """

    model: "Model"
    variables: dict[str, Any]
    codec: codecs.Codec
    config: dict[str, Any]
    name: str

    @property
    def vocabulary(self) -> "Vocabulary":
        """The table of the token ids."""
        return self.codec.vocabulary


def list_models(pattern: str = "*", *, family: str | None = None, shipped: bool | None = None) -> list[str]:
    """Returns the names of presets and shipped runs.

    Args:
        pattern: A glob, such as `chorale-*`.
        family: Only those of this family.
        shipped: Whether trained weights come with the package; None for both.

    Returns:
        The names, presets first.

    Example:
        >>> list_models("melody-*", family="recurrent", shipped=True)
        ['melody-lstm', 'melody-rl']
    """
    return [e.name for e in select(pattern, family=family, shipped=shipped)]


def select(pattern: str = "*", *, family: str | None = None, shipped: bool | None = None) -> list[Entry]:
    """Returns the entries that `list_models` names."""
    return [
        e
        for e in entries()
        if fnmatch.fnmatchcase(e.name, pattern) and family in (None, e.family) and shipped in (None, e.shipped)
    ]


def entry(name: str) -> Entry:
    """Returns the entry of a name.

    Raises:
        errors.UserError: There is none.
    """
    for e in entries():
        if e.name == name:
            return e
    raise errors.UserError(f"no model {name!r}; the models are {', '.join(list_models())}")


def create(name: str, **overrides: Any) -> "Model":
    """Returns the model of a preset, without weights.

    Args:
        name: A preset.
        **overrides: Fields of the family's config to change.

    Raises:
        errors.UserError: There is no such preset, or the fields do not fit it.
    """
    import dataclasses

    family = registry.get("family", entry(name).family)
    if name not in family.presets:
        raise errors.UserError(f"{name} is a shipped run; read it with load, or give a preset")
    codec, config = family.presets[name]
    try:
        return family.build(dataclasses.replace(config, **overrides), codecs.get(codec).vocabulary)
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"{name}: {error}") from error


def find(model: str | Path) -> Path:
    """The run directory of a shipped run's name, or of a path.

    Raises:
        errors.UserError: It is neither; nothing is made.
    """
    path = Path(model)
    if isinstance(model, str) and (SHIPPED / model / "run.json").is_file() and not (path / "run.json").is_file():
        return SHIPPED / model
    if path.is_dir():
        return path
    shipped = ", ".join(list_models(shipped=True))
    if isinstance(model, str) and model in list_models():
        raise errors.UserError(f"{model} is a preset without trained weights; train it, or use one of {shipped}")
    raise errors.UserError(f"no run directory or shipped model {str(model)!r}; shipped are {shipped}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def load(model: str | Path, say: Callable[[str], None] = _say) -> Loaded:
    """The best checkpoint of a run directory or a shipped run; works from any working directory.

    Args:
        model: A path or a name.
        say: Is told of damaged checkpoints that were passed over; prints to standard error by default.

    Raises:
        errors.UserError: There is no such run, it is of another format, or it has no good checkpoint.
    """
    from musejax import runs

    with stages.stage("loading"):
        run = runs.load(find(model), say)
    try:
        codec = codecs.for_vocabulary(run.vocabulary, plugin=run.config.get("plugins", {}).get("codec", ""))
    except errors.UserError as error:
        raise errors.UserError(f"{run.path}: {error}") from None
    return Loaded(run.model, run.variables, codec, run.config, run.name)


def loaded(model: "str | os.PathLike[str] | Loaded", say: Callable[[str], None] = _say) -> Loaded:
    """Returns a loaded model as it is, and loads any other.

    Args:
        model: A path, a name or a loaded model.
        say: Is called with a line for each damaged checkpoint that is passed over.

    Raises:
        errors.UserError: As for `load`.
    """
    if isinstance(model, Loaded):
        return model
    return load(model if isinstance(model, str) else Path(model), say)
