"""The families, one a file: name -> module with `Config`, `PRESETS` and `make(config, vocabulary)`."""

import importlib
from types import ModuleType

FAMILIES = {
    "recurrent": "musejax.models.recurrent",
    "transformer": "musejax.models.transformer",
    "music_vae": "musejax.models.music_vae",
    "dense_vae": "musejax.models.dense_vae",
    "musegan": "musejax.models.musegan",
    "dense_gan": "musejax.models.dense_gan",
    "coconet": "musejax.models.coconet",
    "deep_bach": "musejax.models.deep_bach",
}


def family(name: str) -> ModuleType:
    """The module of a family; raises KeyError for an unknown name."""
    return importlib.import_module(FAMILIES[name])
