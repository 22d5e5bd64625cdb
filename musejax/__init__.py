"""musejax: a functional model zoo for symbolic music in JAX.

`create` builds a model of the zoo, `load` reads a trained run, `sample` writes music with it, `list_models` tells what
there is. Everything is imported when it is first used, so `import musejax` is quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musejax.generation import sample as sample
    from musejax.zoo import create as create
    from musejax.zoo import list_models as list_models
    from musejax.zoo import load as load

__version__ = "0.1.0"
__all__ = ["create", "list_models", "load", "sample"]


def __getattr__(name: str) -> Any:
    """Imports a public function at its first use."""
    if name == "sample":
        from musejax import generation

        return generation.sample
    if name in __all__:
        from musejax import zoo

        return getattr(zoo, name)
    raise AttributeError(f"module 'musejax' has no attribute {name!r}")
