"""The registry: families, codecs, corpora, metrics and rewards by name.

A name is looked up among the records that the user brought (`use`, `register`), then among those of the package, then
among the entry points of the group `musejax.plugins`. Importing a module registers nothing, and an entry point is
imported only when its name is asked for.

A record is a NamedTuple with a `name` whose class has the attribute `record_kind`, one of `KINDS`.
"""

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from musejax import errors

KINDS = ("family", "codec", "corpus", "metric", "reward")
PLURALS = {"family": "families", "corpus": "corpora"}
GROUP = "musejax.plugins"
# What the names of modules that are read from plugin files begin with.
PLUGIN_MODULE = "musejax_plugin_"
CATALOG = Path(__file__).parent / "catalog.json"


class Source(NamedTuple):
    """A record that the user brought, and where it came from.

    Attributes:
        record: The record.
        origin: Name of the plugin file, or empty for one that was registered from Python.
    """

    record: Any
    origin: str


_brought: dict[tuple[str, str], Source] = {}


@functools.cache
def catalog() -> Mapping[str, Any]:
    """What comes with the package, as `musejax.catalog` wrote it: no module is imported to read it."""
    return json.loads(CATALOG.read_text())


def kind_of(value: Any) -> str | None:
    """The kind of a record; None for any other value."""
    kind = getattr(type(value), "record_kind", None)
    return kind if kind in KINDS else None


def records(module: ModuleType | Mapping[str, Any]) -> list[Any]:
    """Returns the records among the module-level values of a module."""
    values = module if isinstance(module, Mapping) else vars(module)
    return [value for name, value in values.items() if not name.startswith("_") and kind_of(value)]


def register(*values: Any, origin: str = "") -> None:
    """Adds records for the rest of the process; a later record of the same name takes the place of an earlier one.

    Args:
        *values: Records of any kind.
        origin: Name of the file that they come from, for error messages.

    Raises:
        TypeError: A value is not a record.
        errors.UserError: A name belongs to a record of the package.
    """
    for value in values:
        kind = kind_of(value)
        if kind is None:
            raise TypeError(f"{value!r} is not a record of the kinds {', '.join(KINDS)}")
        if value.name in catalog().get(kind, {}):
            raise errors.UserError(f"{origin or 'register'}: musejax has a {kind} {value.name!r}; choose another name")
        _brought[kind, value.name] = Source(value, origin)


def load_file(path: Path) -> ModuleType:
    """Imports a Python file under a name of its own, once for each content.

    Raises:
        errors.UserError: The file does not exist or cannot be imported.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.UserError(f"{path} cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(str(path.resolve()).encode() + content).hexdigest()[:8]
    name = f"{PLUGIN_MODULE}{path.stem.replace('-', '_')}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise errors.UserError(f"{path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise errors.UserError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def use(path: str | Path) -> list[Any]:
    """Registers the records that a plugin file defines at module level.

    Args:
        path: A Python file.

    Returns:
        The records.

    Raises:
        errors.UserError: The file cannot be imported, or defines no record.
    """
    path = Path(path)
    found = records(load_file(path))
    if not found:
        raise errors.UserError(f"{path} defines no Family, Codec, Corpus, Metric or Reward at module level")
    register(*found, origin=path.name)
    return found


def origin(kind: str, name: str) -> str:
    """Where a record comes from: a plugin file or `package:NAME`; empty for the package's own."""
    if (kind, name) in _brought:
        return _brought[kind, name].origin
    if name in catalog().get(kind, {}):
        return ""
    return next((f"package:{e.dist.name}" for e in _entry_points(name) if e.dist is not None), "")


def get(kind: str, name: str, *, plugin: str = "") -> Any:
    """Returns the record of a name.

    Args:
        kind: One of `KINDS`.
        name: The record's name.
        plugin: Where the record came from when it was last used, for the error message.

    Raises:
        errors.UserError: No such record; the message names the plugin that is missing, or the names that exist.
    """
    if (kind, name) in _brought:
        return _brought[kind, name].record
    if name in catalog().get(kind, {}):
        return _built_in(kind, name)
    for point in _entry_points(name):
        value = point.load()
        if kind_of(value) == kind:
            return value
    if plugin.startswith("package:"):
        raise errors.UserError(f"{kind} {name!r} comes from the package {plugin.partition(':')[2]}; install it")
    if plugin:
        raise errors.UserError(f"{kind} {name!r} comes from {plugin}; name that file with --plugin")
    raise errors.UserError(
        f"{kind} {name!r} is unknown; the {PLURALS.get(kind, kind + 's')} are {', '.join(names(kind))}; one of your "
        "own needs --plugin FILE"
    )


def names(kind: str) -> list[str]:
    """Names of all records of a kind, those of entry points left out."""
    return [*catalog().get(kind, {}), *(name for k, name in _brought if k == kind)]


def is_known(kind: str, name: str) -> bool:
    """Whether `get` would find a record, as far as that is known without importing an entry point."""
    return (kind, name) in _brought or name in catalog().get(kind, {}) or bool(_entry_points(name))


def family_of(config: Any) -> Any:
    """The family whose config class a value is of; None where there is none."""
    for family in brought("family"):
        if type(config) is family.config:
            return family
    module = type(config).__module__
    for name, where in catalog()["family"].items():
        if module == where or module.startswith(where + "."):
            family = _built_in("family", name)
            if type(config) is family.config:
                return family
    return None


def brought(kind: str) -> list[Any]:
    """Records of a kind that the user brought."""
    return [source.record for (k, _), source in _brought.items() if k == kind]


@functools.cache
def _built_in(kind: str, name: str) -> Any:
    module = importlib.import_module(catalog()[kind][name])
    if kind == "codec":
        return module.make(name)
    if kind == "corpus":
        return module.CORPORA[name]
    return next(record for record in records(module) if record.name == name and kind_of(record) == kind)


@functools.cache
def _entry_points(name: str) -> Iterable[importlib.metadata.EntryPoint]:
    return tuple(importlib.metadata.entry_points(group=GROUP, name=name))
