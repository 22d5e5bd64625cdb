"""musejax: a functional model zoo for symbolic music in JAX.

`create` builds a model of the zoo, `load` reads a trained run, `sample` writes music with it, `harmonize`, `infill` and
`accompany` complete music that is there, `reconstruct`, `interpolate`, `humanize` and `personalize` go through latent
vectors, `list_models` tells what there is. Everything is imported when it is first used, so `import musejax` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musejax.generation import sample as sample
    from musejax.latents import humanize as humanize
    from musejax.latents import interpolate as interpolate
    from musejax.latents import reconstruct as reconstruct
    from musejax.personal import personalize as personalize
    from musejax.steering import harmonize as harmonize
    from musejax.steering import infill as infill
    from musejax.steering.band import accompany as accompany
    from musejax.zoo import create as create
    from musejax.zoo import list_models as list_models
    from musejax.zoo import load as load

__version__ = "0.1.0"
# name -> the module that has it
_HOMES = {
    "accompany": "steering.band",
    "create": "zoo",
    "harmonize": "steering",
    "humanize": "latents",
    "infill": "steering",
    "interpolate": "latents",
    "list_models": "zoo",
    "load": "zoo",
    "personalize": "personal",
    "reconstruct": "latents",
    "sample": "generation",
}
__all__ = [
    "accompany", "create", "harmonize", "humanize", "infill", "interpolate", "list_models", "load", "personalize",
    "reconstruct", "sample",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imports a public function at its first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"musejax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'musejax' has no attribute {name!r}")
