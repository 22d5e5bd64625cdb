"""Conditions that a net also learns to do without, for classifier-free guidance (Ho and Salimans, 2022)."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Key


def drop(
    batch: Mapping[str, Any],
    names: Sequence[str],
    vocabulary: vocabularies.Vocabulary,
    rate: float,
    key: Key[Array, ""],
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


def check(config: Any, vocabulary: vocabularies.Vocabulary, rates: Sequence[str]) -> None:
    """Raises ValueError for a condition that the vocabulary does not have, or a rate of dropout outside [0, 1).

    Args:
        config: Of a family; read are its conditions, condition_dropout and these rates.
        vocabulary: Knows the conditions.
        rates: Fields of the config.
    """
    for name in (*rates, "condition_dropout"):
        if not 0.0 <= getattr(config, name) < 1.0:
            raise ValueError(f"{name} is {getattr(config, name)}; it must lie in [0, 1)")
    for name in config.conditions:
        if name not in dict(vocabulary.conditions):
            raise ValueError(f"conditions: {name!r} is not a condition of codec {vocabulary.name}")
