"""Classifier-free guidance of any left-to-right model: conditions followed more closely than they were learnt.

Ho and Salimans (2022); for autoregressive nets Sanchez et al. (2023). The net must have been trained with conditions
dropped at times (`nn.conditioning.drop_conditions`); of one that was not, the unknown half is a guess.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Float, Int, Num, Shaped
from musejax.base import Batch, Decoder, Params, State


def _twice(x: Shaped[Array, "N *R"]) -> Shaped[Array, "2*N *R"]:
    """Each row twice, one after the other."""
    return jnp.repeat(x, 2, axis=0)


def _paired(cache: Any) -> Any:
    """A cache of 2N rows as one of N rows of two; what has no rows is the same in both."""
    return jax.tree.map(lambda x: x.reshape(-1, 2, *x.shape[1:]) if jnp.ndim(x) else x, cache)


def _rows(cache: Any) -> Any:
    """The reverse of `_paired`."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]) if jnp.ndim(x) else x, cache)


def guided(model: Decoder, names: Mapping[str, int], scale: Float[Array, ""] | float) -> Decoder:
    """A model whose logits are unknown + scale * (known - unknown), with and without some conditions.

    Each step is one call of the model on 2N rows, each piece with what it knows and then without. The cache has N rows
    of two, so that nothing is moved between steps, and what rearranges rows (a beam search) moves both. The mix is of
    float32 logits; it is the same distribution as the mix of log-probabilities, which differ by a constant a row, and
    for switches it mixes their log-odds.

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
        """Conditions of 2N rows, those named unknown in every second."""
        missing = sorted(set(names) - set(conditions))
        if missing:
            raise ValueError(
                f"guidance by {', '.join(missing)}, but the conditions are {', '.join(conditions) or 'none'}"
            )
        out = {n: _twice(c) for n, c in conditions.items()}
        return {**out, **{n: out[n].at[1::2].set(id) for n, id in names.items()}}

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        return _paired(model.init_cache(params, state, 2 * num, length))

    def step(
        params: Params,
        state: State,
        cache: Any,
        previous: Num[Array, "N ..."],
        pos: Int[Array, ""],
        conditions: Mapping[str, Array],
    ) -> tuple[Float[Array, "N V"], Any]:
        out, after = model.step(params, state, _rows(cache), _twice(previous), pos, both(conditions))
        known, unknown = (out[i::2].astype(jnp.float32) for i in range(2))
        return unknown + scale * (known - unknown), _paired(after)

    def read(
        params: Params,
        state: State,
        cache: Any,
        given: Num[Array, "N T ..."],
        infill_mask: Shaped[Array, "N T ..."],
        conditions: Mapping[str, Array],
    ) -> Any:
        assert model.read is not None
        told = (_twice(given), _twice(infill_mask), both(conditions))
        return _paired(model.read(params, state, _rows(cache), *told))

    def logits(params: Params, state: State, batch: Batch) -> Float[Array, "*B V"]:
        assert model.logits is not None
        blind = {**batch, **{n: jnp.full_like(jnp.asarray(batch[n]), id) for n, id in names.items()}}
        known, unknown = (model.logits(params, state, b).astype(jnp.float32) for b in (batch, blind))
        return unknown + scale * (known - unknown)

    return model._replace(
        init_cache=init_cache,
        step=step,
        read=None if model.read is None else read,
        logits=None if model.logits is None else logits,
    )
