"""Low-rank adapters (LoRA; Hu et al., 2022): a trained model stays as it is, and small matrices beside its own train.

A matrix W [m, n] becomes W + alpha / rank * A B, with A [m, rank] and B [rank, n]. B begins at 0, so that training
starts from the model as it was trained. An adapted model is an ordinary record whose parameters are the adapters.
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
    """Which matrices are adapted, and how.

    Attributes:
        rank: Of what is added; 0 for no adapters.
        alpha: Its scale times the rank.
        patterns: Of the paths of matrices, such as `stack/*`, that are adapted where adapters are smaller than they
            are. What has not two axes is passed over.
    """

    rank: int = 0
    alpha: float = 16.0
    patterns: tuple[str, ...] = ("*",)


def _matrices(params: Params, config: Config) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Keys and values of the matrices that are adapted."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        keys = tuple(str(key.key) for key in path)
        matched = any(fnmatch.fnmatchcase("/".join(keys), pattern) for pattern in config.patterns)
        if matched and leaf.ndim == 2 and config.rank * sum(leaf.shape) < leaf.size:
            yield keys, leaf


def init(key: Array, params: Params, config: Config) -> Params:
    """New adapters, a tree of the keys of their matrices with `a` and `b` at each.

    Raises:
        ValueError: A field does not fit, or no matrix is adapted.
    """
    if config.rank < 1 or not 0 < config.alpha < float("inf"):
        raise ValueError(f"rank is {config.rank} and alpha {config.alpha}; give a rank of 1 or more, an alpha above 0")
    out: dict[str, Any] = {}
    for i, (keys, w) in enumerate(_matrices(params, config)):
        here = out
        for name in keys:
            here = here.setdefault(name, {})
        a = jax.random.normal(jax.random.fold_in(key, i), (w.shape[0], config.rank)) * w.shape[0] ** -0.5
        here |= {"a": a, "b": jnp.zeros((config.rank, w.shape[1]))}
    if not out:
        raise ValueError(
            f"patterns {' '.join(config.patterns)} match no matrix that adapters of rank {config.rank} are smaller than"
        )
    return out


def merge(params: Params, adapters: Params, config: Config) -> Params:
    """The adapted model's weights, in the type of the adapters.

    Args:
        params: The trained model's.
        adapters: As `init` makes them.
        config: As they were made with.
    """
    scale = config.alpha / config.rank

    def one(base: Any, beside: Any) -> Any:
        if isinstance(base, dict):
            return {name: one(value, beside.get(name, {})) for name, value in base.items()}
        if not beside:
            return base.astype(dtype)
        return base.astype(dtype) + scale * (beside["a"] @ beside["b"])

    dtype = jax.tree.leaves(adapters)[0].dtype
    return one(params, adapters)


def adapted(model: Model, params: Params, state: State, config: Config) -> Model:
    """A model whose parameters are adapters of a trained one.

    Args:
        model: The trained model's record.
        params: Its parameters.
        state: What it keeps beside them.
        config: Of the adapters.

    Raises:
        ValueError: The model has a training step of its own, or the adapters match none of its matrices.
    """
    if model.make_step is not None:
        raise ValueError("adapters are not for a family that has a training step of its own")
    jax.eval_shape(lambda: init(jax.random.key(0), params, config))  # adapters that fit nothing are an error at once

    def whole(own: Params) -> Params:
        return merge(jax.lax.optimization_barrier(params), own, config)  # else XLA folds constants for minutes

    return parameter_map.map_params(model, lambda key, batch: (init(key, params, config), state), whole)
