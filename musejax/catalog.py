"""Writes catalog.json, the names of the package's records, which can then be listed without importing their modules.

    python -m musejax.catalog

A test fails if the file differs from the output of this module.
"""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from musejax import codecs, corpora, models, registry, runs, zoo

# Packages in musejax/models that do not contain a family.
_NO_FAMILY = ("shared",)


def build() -> dict[str, Any]:
    """Returns the content of catalog.json: the modules of families, codecs and corpora, presets and shipped runs."""
    families = {f.name: (module.__name__, f) for module in _modules(models, _NO_FAMILY) for f in _families(module)}
    codec_modules = {name: module.__name__ for module in _modules(codecs) for name in getattr(module, "CODECS", ())}
    return {
        "family": {name: module for name, (module, _) in families.items()},
        "codec": codec_modules,
        "corpus": dict.fromkeys(corpora.CORPORA, corpora.__name__),
        "models": [e._asdict() for e in (*_presets([family for _, family in families.values()]), *_shipped())],
    }


def _modules(package: ModuleType, without: tuple[str, ...] = ()) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__):
        if info.name not in without:
            yield importlib.import_module(f"{package.__name__}.{info.name}")


def _families(module: ModuleType) -> list[Any]:
    return [record for record in registry.records(module) if registry.kind_of(record) == "family"]


def _presets(families: list[Any]) -> Iterator[zoo.Entry]:
    for family in families:
        for name, (codec, config) in family.presets.items():
            vocabulary = importlib.import_module(_home(codec)).make(codec).vocabulary
            yield zoo.Entry(name, family.name, codec, runs.count(family.build(config, vocabulary), vocabulary), False)


def _home(codec: str) -> str:
    return next(module.__name__ for module in _modules(codecs) if codec in getattr(module, "CODECS", ()))


def _shipped() -> Iterator[zoo.Entry]:
    for path in sorted(zoo.SHIPPED.iterdir()):
        description = runs.read_description(path)
        run = runs.load(path, lambda text: None)
        size = sum(p.size for p in _leaves(run.variables["params"]))
        yield zoo.Entry(path.name, description["family"], run.vocabulary.name, size, True)


def _leaves(tree: Any) -> list[Any]:
    import jax

    return jax.tree.leaves(tree)


def text() -> str:
    """Returns the text of catalog.json."""
    return json.dumps(build(), indent=1) + "\n"


if __name__ == "__main__":
    registry.CATALOG.write_text(text())
