"""Array types with shapes, for annotations such as `Float[Array, "B T V"]`.

A name stands for an axis, and equal names in one signature have equal sizes. The letters are B batch, L tokens, T
frames, P pitches, S voices or streams, K tracks, V vocabulary, D width, H heads, Z latent, N pieces sampled. `...`
stands for any axes, `*N` for any axes with one name, and `_` for an axis of any size. Tests check the annotations of
`nn`, `models` and `decoding` in every call; outside of tests they cost nothing.
"""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

Array = jax.Array
# Batches come as NumPy arrays from the pipeline.
AnyArray = jax.Array | np.ndarray

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Integer, Key, Num, Shaped
else:
    try:
        from jaxtyping import Bool, Float, Int, Integer, Key, Num, Shaped
    except ModuleNotFoundError:

        class _Plain:
            """The plain array type, in place of the jaxtyping annotations if jaxtyping is not installed."""

            def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
                return item[0]

        Bool = Float = Int = Integer = Key = Num = Shaped = _Plain

__all__ = ["AnyArray", "Array", "Bool", "Float", "Int", "Integer", "Key", "Num", "Shaped"]
