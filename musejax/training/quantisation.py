"""Eight-bit weights for shipped runs: each matrix is stored as integers and one scale per column."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax.base import Params

# Smaller arrays are not quantised: they take little space, and their scales would use up what is saved.
MIN_SIZE = 4096


def quantise(params: Params, dtype: Any) -> tuple[Params, dict[str, np.ndarray]]:
    """Rounds large matrices to eight bits and all other arrays to a floating-point type.

    Args:
        params: Parameters, float32.
        dtype: Type in which vectors and small arrays are stored.

    Returns:
        A tuple (params, scales). In `params`, each array with at least two axes and `MIN_SIZE` elements is int8.
        `scales` has the float32 scales of these arrays by path, one per element of the last axis; the largest
        magnitude of a column becomes 127.
    """
    scales = {}

    def quantise_leaf(path: Any, p: Any) -> np.ndarray:
        p = np.asarray(p)
        if p.ndim < 2 or p.size < MIN_SIZE:
            return p.astype(dtype)
        maximum = np.abs(p).max(axis=tuple(range(p.ndim - 1)))
        scale = np.where(maximum > 0, maximum / 127, 1).astype(np.float32)
        scales[_name(path)] = scale
        return np.round(p / scale).astype(np.int8)

    return jax.tree_util.tree_map_with_path(quantise_leaf, params), scales


def restore(params: Params, scales: dict[str, np.ndarray]) -> Params:
    """Returns the parameters that `quantise` rounded, with int8 arrays converted back to float32."""

    def restore_leaf(path: Any, p: Any) -> Any:
        scale = scales.get(_name(path))
        return p if scale is None else jnp.asarray(p, jnp.float32) * jnp.expand_dims(scale, tuple(range(p.ndim - 1)))

    return jax.tree_util.tree_map_with_path(restore_leaf, params)


def _name(path: Any) -> str:
    """Returns the path of a leaf as text."""
    return jax.tree_util.keystr(path, simple=True, separator=".")
