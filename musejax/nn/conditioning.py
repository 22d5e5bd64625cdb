"""Conditions that a net also learns to do without, for classifier-free guidance (Ho and Salimans, 2022)."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.base import Array


def drop(
    batch: Mapping[str, Any], names: Sequence[str], vocabulary: vocabularies.Vocabulary, rate: float, key: Array
) -> dict[str, Any]:
    """A batch in which a share of the pieces have all their conditions unknown.

    An unknown condition has the id one beyond its last, whose one-hot is a row of zeros.

    Args:
        batch: With int32[B, T] for each condition.
        names: The conditions that the net reads.
        vocabulary: Knows their sizes.
        rate: Share of pieces.
        key: A random key.
    """
    out = dict(batch)
    if rate == 0.0 or not names:
        return out
    sizes = dict(vocabulary.conditions)
    unknown = jax.random.bernoulli(key, rate, (len(batch[names[0]]), 1))
    for name in names:
        out[name] = jnp.where(unknown, sizes[name], batch[name])
    return out
