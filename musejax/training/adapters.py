"""Low-rank adapters (LoRA; Hu et al., 2022): small matrices that are trained while a model's weights stay fixed.

A matrix W [m, n] becomes W + alpha / rank * A B, with A [m, rank] and B [rank, n]. B is initialised to 0, so that the
adapted model first equals the original one. An adapted model is an ordinary record whose parameters are the adapters.
"""

import dataclasses
import fnmatch
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from musejax.base import Array, Model, Params, State
from musejax.models.shared import parameter_map


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of low-rank adapters.

    Attributes:
        rank: Rank of the added matrix product; 0 for no adapters.
        alpha: Scale of the added matrix product, times the rank.
        patterns: Patterns, such as `stack/*`, of the paths of matrices to adapt. Arrays that do not have two axes, and
            matrices no larger than their adapters would be, are skipped.
    """

    rank: int = 0
    alpha: float = 16.0
    patterns: tuple[str, ...] = ("*",)


def _matrices(params: Params, config: Config) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the keys and values of the matrices to adapt."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        keys = tuple(str(key.key) for key in path)
        matched = any(fnmatch.fnmatchcase("/".join(keys), pattern) for pattern in config.patterns)
        if matched and leaf.ndim == 2 and config.rank * sum(leaf.shape) < leaf.size:
            yield keys, leaf


def init(key: Array, params: Params, config: Config) -> Params:
    """Returns new adapters: a tree with the same keys as the adapted matrices and `a` and `b` at each leaf.

    Raises:
        ValueError: A setting is out of range, or no matrix can be adapted.
    """
    if config.rank < 1 or not 0 < config.alpha < float("inf"):
        raise ValueError(
            f"rank is {config.rank} and alpha is {config.alpha}; rank must be at least 1, and alpha positive and finite"
        )
    out: dict[str, Any] = {}
    for i, (keys, w) in enumerate(_matrices(params, config)):
        node = out
        for name in keys:
            node = node.setdefault(name, {})
        a = jax.random.normal(jax.random.fold_in(key, i), (w.shape[0], config.rank)) * w.shape[0] ** -0.5
        node |= {"a": a, "b": jnp.zeros((config.rank, w.shape[1]))}
    if not out:
        raise ValueError(
            f"patterns {' '.join(config.patterns)} match no matrix larger than its adapters of rank {config.rank}"
        )
    return out


def merge(params: Params, adapters: Params, config: Config) -> Params:
    """Returns the weights of the adapted model, in the dtype of the adapters.

    Args:
        params: Parameters of the trained model.
        adapters: Adapters as returned by `init`.
        config: Settings with which the adapters were created.
    """
    scale = config.alpha / config.rank

    def add(base: Any, adapter: Any) -> Any:
        if isinstance(base, dict):
            return {name: add(value, adapter.get(name, {})) for name, value in base.items()}
        if not adapter:
            return base.astype(dtype)
        return base.astype(dtype) + scale * (adapter["a"] @ adapter["b"])

    dtype = jax.tree.leaves(adapters)[0].dtype
    return add(params, adapters)


def adapt(model: Model, params: Params, state: State, config: Config) -> Model:
    """Returns a model whose parameters are adapters of a trained model.

    Args:
        model: Record of the trained model.
        params: Its parameters.
        state: Its state.
        config: Settings of the adapters.

    Raises:
        ValueError: The model has its own training step, a setting is out of range, or no matrix can be adapted.
    """
    if model.make_step is not None:
        raise ValueError("adapters do not apply to a family with its own training step")
    jax.eval_shape(lambda: init(jax.random.key(0), params, config))  # raises at once if the settings are invalid

    def merge_own(own: Params) -> Params:
        # Without the barrier, XLA folds constants for minutes.
        return merge(jax.lax.optimization_barrier(params), own, config)

    return parameter_map.map_params(model, lambda key, batch: (init(key, params, config), state), merge_own)
