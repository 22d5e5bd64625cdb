"""The registry of families, codecs, corpora, metrics and rewards by name.

A name is looked up first among the user's records (`use`, `register`), then among those of the package, then among the
entry points of the group `musejax.plugins`. Importing a module registers nothing, and an entry point is imported only
when its name is looked up.

A record is a NamedTuple with a `name`, whose class has the attribute `record_kind`, one of `KINDS`.
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
# Prefix of the names of modules that are loaded from plugin files.
PLUGIN_MODULE = "musejax_plugin_"
CATALOG = Path(__file__).parent / "catalog.json"


class Source(NamedTuple):
    """A record of the user and its origin.

    Attributes:
        record: The record.
        origin: Name of the plugin file; empty for a record that was registered from Python.
    """

    record: Any
    origin: str


_brought: dict[tuple[str, str], Source] = {}


@functools.cache
def catalog() -> Mapping[str, Any]:
    """Returns the records of the package from catalog.json (see `musejax.catalog`), without importing any module."""
    return json.loads(CATALOG.read_text())


def kind_of(value: Any) -> str | None:
    """Returns the kind of a record, or None for any other value."""
    kind = getattr(type(value), "record_kind", None)
    return kind if kind in KINDS else None


def records(module: ModuleType | Mapping[str, Any]) -> list[Any]:
    """Returns the records among the module-level values of a module."""
    values = module if isinstance(module, Mapping) else vars(module)
    return [value for name, value in values.items() if not name.startswith("_") and kind_of(value)]


def register(*values: Any, origin: str = "") -> None:
    """Registers records for the rest of the process; a later record replaces an earlier one of the same name.

    Args:
        *values: Records of any kind.
        origin: Name of the file that they come from, for error messages.

    Raises:
        TypeError: If a value is not a record.
        errors.UserError: If a record of the package has the same name.

    Example:
        >>> register(my_tcn.FAMILY, my_codec.CODEC)  # doctest: +SKIP
    """
    for value in values:
        kind = kind_of(value)
        if kind is None:
            raise TypeError(f"{value!r} is not a record; the kinds of records are {', '.join(KINDS)}")
        if value.name in catalog().get(kind, {}):
            raise errors.UserError(
                f"{origin or 'register'}: musejax already has a {kind} {value.name!r}; choose another name"
            )
        _brought[kind, value.name] = Source(value, origin)


def load_file(path: Path) -> ModuleType:
    """Imports a Python file under a unique module name, once for each content.

    Raises:
        errors.UserError: If the file does not exist or cannot be imported.
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
    sys.modules[name] = module  # dataclasses look up their own module
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
        errors.UserError: If the file cannot be imported or defines no record.
    """
    path = Path(path)
    values = records(load_file(path))
    if not values:
        raise errors.UserError(f"{path} defines no Family, Codec, Corpus, Metric or Reward at module level")
    register(*values, origin=path.name)
    return values


def origin(kind: str, name: str) -> str:
    """Returns the origin of a record: a plugin file or `package:NAME`; empty for a record of musejax."""
    if (kind, name) in _brought:
        return _brought[kind, name].origin
    if name in catalog().get(kind, {}):
        return ""
    return next((f"package:{e.dist.name}" for e in _entry_points(name) if e.dist is not None), "")


def get(kind: str, name: str, *, plugin: str = "") -> Any:
    """Returns a record by name.

    Args:
        kind: One of `KINDS`.
        name: Name of the record.
        plugin: Origin of the record when it was last used, for the error message.

    Raises:
        errors.UserError: If there is no such record; the message names the missing plugin or the existing records.
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
    """Returns the names of all records of a kind, except those of entry points."""
    return [*catalog().get(kind, {}), *(name for k, name in _brought if k == kind)]


def is_known(kind: str, name: str) -> bool:
    """Returns whether a record exists, without importing entry points: one may turn out to be of another kind."""
    return (kind, name) in _brought or name in catalog().get(kind, {}) or bool(_entry_points(name))


def family_of(config: Any) -> Any:
    """Returns the family of a config, or None if the value is not a config of any family."""
    for family in user_records("family"):
        if type(config) is family.config:
            return family
    module = type(config).__module__
    for name, where in catalog()["family"].items():
        if module == where or module.startswith(where + "."):
            family = _built_in("family", name)
            if type(config) is family.config:
                return family
    return None


def user_records(kind: str) -> list[Any]:
    """Returns the user's records of a kind."""
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
