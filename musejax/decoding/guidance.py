"""Classifier-free guidance of any left-to-right model: conditions followed more closely than they were learnt.

Ho and Salimans (2022); for autoregressive nets Sanchez et al. (2023). The net must have been trained with conditions
dropped at times (`nn.conditioning.drop`); of one that was not, the unknown half is a guess.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musejax.base import Array, Autoregressive, Params, State


def _double(x: Array) -> Array:
    return jnp.concatenate([x, x])


def _join(pair: tuple[Any, Any]) -> Any:
    """Two caches of N rows as one of 2N; what has no rows is the same in both."""
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]) if jnp.ndim(a) else a, *pair)


def _split(cache: Any, num: int) -> tuple[Any, Any]:
    """The reverse of `_join`."""
    return (
        jax.tree.map(lambda x: x[:num] if jnp.ndim(x) else x, cache),
        jax.tree.map(lambda x: x[num:] if jnp.ndim(x) else x, cache),
    )


def guided(model: Autoregressive, names: Mapping[str, int], scale: float | Array) -> Autoregressive:
    """A model whose logits are unknown + scale * (known - unknown), with and without some conditions.

    Each step is one call of the model on 2N rows, and the cache is a pair of caches of N rows, so that whatever
    rearranges rows (a beam search) rearranges both. The mix is of float32 logits; it is the same distribution as the
    mix of log-probabilities, which differ by a constant a row, and for switches it mixes their log-odds.

    The `log_prob` that a sampler reports is then under the guided distribution, not under the model's own.

    Args:
        model: The model.
        names: The conditions to guide by, with the id that stands for "unknown": the condition's size, whose one-hot
            is a row of zeros. Conditions not named are known to both halves.
        scale: 0 ignores the conditions, 1 is the model itself, more follows them more closely.

    Raises:
        ValueError: The model's output is not logits; and in a call, if a condition is missing.
    """
    if model.draw is not None:
        raise ValueError("guidance mixes logits, and this model draws in its own way from another output")

    def both(conditions: Mapping[str, Array]) -> dict[str, Array]:
        """Conditions of 2N rows, those named unknown in the second half."""
        missing = sorted(set(names) - set(conditions))
        if missing:
            raise ValueError(
                f"guidance by {', '.join(missing)}, but the conditions are {', '.join(conditions) or 'none'}"
            )
        unknown = {**conditions, **{n: jnp.full_like(conditions[n], id) for n, id in names.items()}}
        return {n: jnp.concatenate([c, unknown[n]]) for n, c in conditions.items()}

    def init_cache(params: Params, state: State, num: int, length: int) -> tuple[Any, Any]:
        cache = model.init_cache(params, state, num, length)
        return cache, cache

    def step(
        params: Params,
        state: State,
        cache: tuple[Any, Any],
        previous: Array,
        pos: Array,
        conditions: Mapping[str, Array],
    ) -> tuple[Array, tuple[Any, Any]]:
        num = len(previous)
        out, joined = model.step(params, state, _join(cache), _double(previous), pos, both(conditions))
        known, unknown = out[:num].astype(jnp.float32), out[num:].astype(jnp.float32)
        return unknown + scale * (known - unknown), _split(joined, num)

    def read(
        params: Params,
        state: State,
        cache: tuple[Any, Any],
        given: Array,
        infill_mask: Array,
        conditions: Mapping[str, Array],
    ) -> tuple[Any, Any]:
        assert model.read is not None
        halves = (_double(given), _double(infill_mask), both(conditions))
        return _split(model.read(params, state, _join(cache), *halves), len(given))

    return model._replace(init_cache=init_cache, step=step, read=None if model.read is None else read)
