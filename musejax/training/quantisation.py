"""Weights in eight bits, for runs that are shipped: a matrix is whole numbers times a scale for each of its columns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax.base import Params

# Arrays of fewer numbers stay as they are: they weigh little, and scales would eat what is saved.
LEAST = 4096


def quantise(params: Params, dtype: Any) -> tuple[Params, dict[str, np.ndarray]]:
    """Rounds matrices to eight bits, and the rest to a type of floating point.

    Args:
        params: Of float32.
        dtype: For vectors and for small arrays.

    Returns:
        Params with int8 in place of each array of two axes or more that is large enough, and the scales of these by
        path, float32 of the last axis: the largest of a column becomes 127.
    """
    scales = {}

    def one(path: Any, p: Any) -> np.ndarray:
        p = np.asarray(p)
        if p.ndim < 2 or p.size < LEAST:
            return p.astype(dtype)
        top = np.abs(p).max(axis=tuple(range(p.ndim - 1)))
        scale = np.where(top > 0, top / 127, 1).astype(np.float32)
        scales[name(path)] = scale
        return np.round(p / scale).astype(np.int8)

    return jax.tree_util.tree_map_with_path(one, params), scales


def restore(params: Params, scales: dict[str, np.ndarray]) -> Params:
    """The params that `quantise` rounded, float32 where it was int8."""

    def one(path: Any, p: Any) -> Any:
        scale = scales.get(name(path))
        return p if scale is None else jnp.asarray(p, jnp.float32) * jnp.expand_dims(scale, tuple(range(p.ndim - 1)))

    return jax.tree_util.tree_map_with_path(one, params)


def name(path: Any) -> str:
    """A leaf's path as text."""
    return jax.tree_util.keystr(path, simple=True, separator=".")
