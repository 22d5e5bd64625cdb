"""musejax: a functional model zoo for symbolic music in JAX.

`create` builds a model of the zoo, `load` reads a trained run, `sample` writes music with it, `harmonize`, `infill` and
`accompany` complete music that is there, `reconstruct`, `interpolate`, `humanize` and `personalize` go through latent
vectors, `list_models` names the models, `register` adds a family, codec, corpus, metric or reward of your own.
Everything is imported when it is first used, so `import musejax` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musejax.generation.accompaniment import accompany as accompany
    from musejax.generation.latent_verbs import humanize as humanize
    from musejax.generation.latent_verbs import interpolate as interpolate
    from musejax.generation.latent_verbs import reconstruct as reconstruct
    from musejax.generation.personalize import personalize as personalize
    from musejax.generation.sampling import sample as sample
    from musejax.generation.steering import harmonize as harmonize
    from musejax.generation.steering import infill as infill
    from musejax.registry import register as register
    from musejax.zoo import create as create
    from musejax.zoo import list_models as list_models
    from musejax.zoo import load as load

__version__ = "0.1.0"
# name -> the module that has it
_HOMES = {
    "accompany": "generation.accompaniment",
    "create": "zoo",
    "harmonize": "generation.steering",
    "humanize": "generation.latent_verbs",
    "infill": "generation.steering",
    "interpolate": "generation.latent_verbs",
    "list_models": "zoo",
    "load": "zoo",
    "personalize": "generation.personalize",
    "reconstruct": "generation.latent_verbs",
    "register": "registry",
    "sample": "generation.sampling",
}
__all__ = [
    "accompany", "create", "harmonize", "humanize", "infill", "interpolate", "list_models", "load", "personalize",
    "reconstruct", "register", "sample",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imports a public function at its first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"musejax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'musejax' has no attribute {name!r}")
