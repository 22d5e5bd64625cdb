"""musejax: a functional model zoo for symbolic music in JAX.

`load` reads a trained model and `sample` writes music with it. `harmonize`, `infill` and `accompany` complete given
music; `reconstruct`, `interpolate`, `humanize` and `personalize` work on latent vectors; `create`, `train`, `save`,
`pack`, `evaluate` and `metrics` are for models of your own. Every function is imported when it is first used, so
`import musejax` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from musejax import errors as errors

if TYPE_CHECKING:
    from musejax.api.completion import accompany as accompany
    from musejax.api.completion import harmonize as harmonize
    from musejax.api.completion import infill as infill
    from musejax.api.files import prepare as prepare
    from musejax.api.files import read as read
    from musejax.api.files import write as write
    from musejax.api.latents import humanize as humanize
    from musejax.api.latents import interpolate as interpolate
    from musejax.api.latents import personalize as personalize
    from musejax.api.latents import reconstruct as reconstruct
    from musejax.api.measuring import evaluate as evaluate
    from musejax.api.measuring import metrics as metrics
    from musejax.api.sampling import sample as sample
    from musejax.api.trained_model import TrainedModel as TrainedModel
    from musejax.api.trained_model import load as load
    from musejax.api.training import create as create
    from musejax.api.training import pack as pack
    from musejax.api.training import save as save
    from musejax.api.training import train as train
    from musejax.base import Model as Model
    from musejax.experiments.experiment import Experiment as Experiment
    from musejax.generation.pieces import Piece as Piece
    from musejax.options.sampling import Sampling as Sampling
    from musejax.registry import register as register
    from musejax.zoo import list_models as list_models

__version__ = "0.2.0"
# name -> the module that defines it
_MODULES = {
    "Experiment": "experiments.experiment",
    "Model": "base",
    "Piece": "generation.pieces",
    "Sampling": "options.sampling",
    "TrainedModel": "api.trained_model",
    "accompany": "api.completion",
    "create": "api.training",
    "evaluate": "api.measuring",
    "harmonize": "api.completion",
    "humanize": "api.latents",
    "infill": "api.completion",
    "interpolate": "api.latents",
    "list_models": "zoo",
    "load": "api.trained_model",
    "metrics": "api.measuring",
    "pack": "api.training",
    "personalize": "api.latents",
    "prepare": "api.files",
    "read": "api.files",
    "reconstruct": "api.latents",
    "register": "registry",
    "sample": "api.sampling",
    "save": "api.training",
    "train": "api.training",
    "write": "api.files",
}
__all__ = [  # noqa: RUF022
    "Experiment", "Model", "Piece", "Sampling", "TrainedModel", "accompany", "create", "evaluate", "harmonize",
    "humanize", "infill", "interpolate", "list_models", "load", "metrics", "pack", "personalize", "prepare", "read",
    "reconstruct", "register", "sample", "save", "train", "write",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"musejax.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'musejax' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Lists the public names."""
    return [*__all__, "__version__"]
