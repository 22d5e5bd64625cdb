"""Integer features of nets over notes, as one-hots side by side."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.base import Array


def one_hots(parts: list[tuple[Array, int]], rate: float, key: Array | None, dtype: Any) -> Array:
    """Integer features side by side as one-hots; with a key, whole features are dropped at `rate`."""
    columns = [jax.nn.one_hot(index, size, dtype=dtype) for index, size in parts]
    if key is not None and rate > 0.0:
        shape = (*columns[0].shape[:-1], len(columns))
        keep = jax.random.bernoulli(key, 1.0 - rate, shape).astype(dtype) / (1.0 - rate)
        columns = [c * keep[..., i : i + 1] for i, c in enumerate(columns)]
    # XLA would otherwise compare and multiply inside the product's loop.
    return jax.lax.optimization_barrier(jnp.concatenate(columns, axis=-1))


def degrees(vocabulary: vocabularies.Vocabulary) -> np.ndarray:
    """Semitones of each id's pitch above the tonic of the major key of each signature, modulo 12.

    Returns:
        int32[16, V + 1], a row for each signature from 7 flats to 7 sharps, and one for an unknown key; 12 for what
        has no degree.
    """
    pitch = np.append(vocabulary.values("pitch"), -1)
    tonic = 7 * (np.arange(vocabularies.KEYS)[:, None] - vocabularies.KEYS // 2)
    rows = np.where(pitch >= 0, (pitch - tonic) % 12, 12)
    return np.pad(rows, ((0, 1), (0, 0)), constant_values=12).astype(np.int32)
