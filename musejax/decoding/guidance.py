"""Classifier-free guidance of left-to-right models, which makes samples follow their conditions more closely.

See Ho and Salimans (2022), and Sanchez et al. (2023) for autoregressive models. The model should have been trained with
conditions dropped at random (`nn.conditioning.drop_conditions`); otherwise its output without conditions is unreliable.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Float, Int, Num, Shaped
from musejax.base import Batch, Decoder, Params, State


def _twice(x: Shaped[Array, "N *R"]) -> Shaped[Array, "2*N *R"]:
    """Repeats each row twice in succession."""
    return jnp.repeat(x, 2, axis=0)


def _pair_rows(cache: Any) -> Any:
    """Reshapes the arrays of a cache from [2N, ...] to [N, 2, ...]; scalars are unchanged."""
    return jax.tree.map(lambda x: x.reshape(-1, 2, *x.shape[1:]) if jnp.ndim(x) else x, cache)


def _unpair_rows(cache: Any) -> Any:
    """Reverses `_pair_rows`."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]) if jnp.ndim(x) else x, cache)


def guided(model: Decoder, names: Mapping[str, int], scale: Float[Array, ""] | float) -> Decoder:
    """Returns a decoder whose logits are unconditional + scale * (conditional - unconditional).

    Each step is one call of the model on 2N rows: each piece with its conditions, followed by the same piece without
    those in `names`. The arrays of the cache are [N, 2, ...], so that a beam search reorders both together. The logits
    are combined in float32. For tokens, this gives the same distribution as combining log-probabilities, which differ
    from logits by a constant per row; for binary values, it combines log-odds.

    The `log_prob` that a sampler reports is that of the guided distribution, not that of the model.

    Args:
        model: Decoder of the model.
        names: The conditions to guide by, each with the id that means "unknown": the size of the condition, whose
            one-hot encoding is a row of zeros. All other conditions are known in both rows.
        scale: Guidance scale; 0 ignores the conditions, 1 is the model itself, and larger values follow the conditions
            more closely.

    Raises:
        ValueError: The output of the model is not logits, or (when the decoder is called) a condition is missing.
    """
    if model.draw is not None:
        raise ValueError("guidance combines logits, but this model has another output")

    def mask_conditions(conditions: Mapping[str, Array]) -> dict[str, Array]:
        """Returns conditions of 2N rows, with the conditions to guide by unknown in every second row."""
        missing = sorted(set(names) - set(conditions))
        if missing:
            raise ValueError(
                f"guidance needs conditions {', '.join(missing)}; the given conditions are "
                f"{', '.join(conditions) or 'none'}"
            )
        out = {n: _twice(c) for n, c in conditions.items()}
        return {**out, **{n: out[n].at[1::2].set(id) for n, id in names.items()}}

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        return _pair_rows(model.init_cache(params, state, 2 * num, length))

    def step(
        params: Params,
        state: State,
        cache: Any,
        previous: Num[Array, "N ..."],
        pos: Int[Array, ""],
        conditions: Mapping[str, Array],
    ) -> tuple[Float[Array, "N V"], Any]:
        rows = _unpair_rows(cache)
        out, rows = model.step(params, state, rows, _twice(previous), pos, mask_conditions(conditions))
        conditional, unconditional = (out[i::2].astype(jnp.float32) for i in range(2))
        return unconditional + scale * (conditional - unconditional), _pair_rows(rows)

    def read(
        params: Params,
        state: State,
        cache: Any,
        given: Num[Array, "N T ..."],
        infill_mask: Shaped[Array, "N T ..."],
        conditions: Mapping[str, Array],
    ) -> Any:
        assert model.read is not None
        inputs = (_twice(given), _twice(infill_mask), mask_conditions(conditions))
        return _pair_rows(model.read(params, state, _unpair_rows(cache), *inputs))

    def logits(params: Params, state: State, batch: Batch) -> Float[Array, "*B V"]:
        assert model.logits is not None
        masked = {**batch, **{n: jnp.full_like(jnp.asarray(batch[n]), id) for n, id in names.items()}}
        conditional, unconditional = (model.logits(params, state, b).astype(jnp.float32) for b in (batch, masked))
        return unconditional + scale * (conditional - unconditional)

    return model._replace(
        init_cache=init_cache,
        step=step,
        read=None if model.read is None else read,
        logits=None if model.logits is None else logits,
    )
