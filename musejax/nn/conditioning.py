"""Condition dropout for classifier-free guidance (Ho and Salimans, 2022), and checks of a config's conditions."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Key


def drop_conditions(
    batch: Mapping[str, Any],
    names: Sequence[str],
    vocabulary: vocabularies.Vocabulary,
    rate: float,
    key: Key[Array, ""],
) -> dict[str, Any]:
    """Returns a batch in which all conditions of a random share of the pieces are unknown.

    An unknown condition has the id after its last class, whose one-hot is a row of zeros.

    Args:
        batch: Contains int32[B, T] for each condition.
        names: The conditions that the network reads.
        vocabulary: Gives the sizes of the conditions.
        rate: Expected share of the pieces.
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
    """Checks the conditions and dropout rates of a config.

    Args:
        config: A family's config, with `conditions`, `condition_dropout` and the fields `rates`.
        vocabulary: The vocabulary, which lists the available conditions.
        rates: Names of further fields that are dropout rates.

    Raises:
        ValueError: If the vocabulary does not have a condition, or a rate is outside [0, 1).
    """
    for name in (*rates, "condition_dropout"):
        if not 0.0 <= getattr(config, name) < 1.0:
            raise ValueError(f"{name} is {getattr(config, name)}; it must lie in [0, 1)")
    for name in config.conditions:
        if name not in dict(vocabulary.conditions):
            raise ValueError(f"conditions: {name!r} is not a condition of codec {vocabulary.name}")
