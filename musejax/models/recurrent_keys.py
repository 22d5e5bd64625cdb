"""The recurrent family's net over binary frames, keys independent given the past (class A1 of the `bl` protocol)."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musejax import objectives
from musejax import vocabulary as vocabularies
from musejax.base import Array, Autoregressive, Batch, Info, Model, Params, Request, Score, State
from musejax.decoding import autoregressive
from musejax.nn import key_history, keys, recurrent


def make(config: Any, stack: recurrent.Stack, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the net to a config of the recurrent family and a vocabulary of bits."""
    size = vocabulary.size
    sizes = dict(vocabulary.conditions)
    conditions = tuple((name, sizes[name]) for name in config.conditions)
    net = keys.KeyNet(size, stack, conditions, config.head, config.input_dropout, config.head_dropout)

    def zero(num: int, params: Params = None) -> Any:
        return recurrent.initial(config.cell, config.num_layers, config.hidden, num, params)

    def features(batch: Batch) -> dict[str, Array]:
        return dict(batch) if "match" in batch else {**batch, **key_history.over(batch["frames"])}

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        params = net.init(key, features({k: v[:1, :2] for k, v in batch.items()}), zero(1), None)["params"]
        # The read-out begins at each key's frequency in the batch.
        frames = jnp.asarray(batch["frames"], jnp.float32)
        on = (frames.sum((0, 1)) + 0.2) / (frames.shape[0] * frames.shape[1] + 2.0)
        return {**params, "output": {**params["output"], "bias": jnp.log(on / (1.0 - on))}}, {}

    def logits(params: Params, batch: Batch, key: Array | None) -> Array:
        return net.apply({"params": params}, features(batch), zero(len(batch["frames"]), params), key)[0]

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Info]]:
        costs = objectives.bernoulli_nll(logits(params, batch, key if train else None), batch["frames"]).sum(-1)
        mean, weight = objectives.masked_mean(costs, batch["loss_mask"])
        return mean, (state, {"loss": mean, "weight": weight})

    def nll(params: Params, state: State, batch: Batch) -> Array:
        return objectives.bernoulli_nll(logits(params, batch, None), batch["frames"]).sum(-1)

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        return {"carry": zero(num, params), "past": key_history.start(num, length, size)}

    def step(
        params: Params, state: State, cache: Any, previous: Array, pos: Array, conditions: Mapping[str, Array]
    ) -> tuple[Array, Any]:
        pushed = key_history.push(cache["past"], previous)
        past = jax.tree.map(lambda new, old: jnp.where(pos > 0, new, old), pushed, cache["past"])
        here = {name: conditions[name] for name in config.conditions}
        row = {k: v[:, None] for k, v in {**key_history.read(past), **here}.items()}
        out, carry = net.apply({"params": params}, row, cache["carry"], None)
        return out[:, 0], {"carry": carry, "past": past}

    pair = Autoregressive(init_cache, step, 0)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        return autoregressive.sample_request(pair, vocabulary, params, state, key, request)

    return Model(config, init, loss, sample, Score("exact", nll), pair, features=features)
