"""The recurrent family's frame nets: one recurrent step a frame, for chorales and for binary frames."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musejax import objectives
from musejax import vocabulary as vocabularies
from musejax.base import Array, Autoregressive, Batch, Info, Model, Params, Request, Score, State
from musejax.decoding import autoregressive
from musejax.nn import history, recurrent, voices


def make(config: Any, stack: recurrent.Stack, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds a frame net to a config of the recurrent family and a vocabulary of several streams.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    order = tuple(config.order) or tuple(range(vocabulary.streams))
    if sorted(order) != list(range(vocabulary.streams)):
        raise ValueError(f"order {config.order} is not an order of {vocabulary.streams} streams")
    net = voices.VoiceNet(
        vocabulary,
        stack,
        tuple(config.conditions),
        config.place,
        order,
        config.embed,
        config.head,
        config.input_dropout,
        config.head_dropout,
    )
    table = history.tables(vocabulary)

    def zero(num: int, params: Params = None) -> Any:
        return recurrent.initial(config.cell, config.num_layers, config.hidden, num, params)

    def features(batch: Batch) -> dict[str, Array]:
        if "match" in batch:
            return dict(batch)
        return {**batch, **history.over(table, batch["tokens"])}

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        return net.init(key, features({k: v[:1, :2] for k, v in batch.items()}), zero(1), None)["params"], {}

    def logits(params: Params, batch: Batch, key: Array | None) -> Array:
        return jnp.asarray(net.apply({"params": params}, features(batch), zero(len(batch["tokens"]), params), key))

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Info]]:
        out = logits(params, batch, key if train else None)
        tokens = batch["tokens"]
        mask = jnp.broadcast_to(batch["loss_mask"][..., None], tokens.shape)
        mean, weight = objectives.masked_mean(objectives.categorical_nll(out, tokens), mask)
        accuracy, _ = objectives.masked_mean(objectives.hits(out, tokens), mask)
        return mean, (state, {"loss": mean, "accuracy": accuracy, "weight": weight})

    def nll(params: Params, state: State, batch: Batch) -> Array:
        return objectives.categorical_nll(logits(params, batch, None), batch["tokens"])

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        return {
            "carry": zero(num, params),
            "past": history.start(table, num, length, vocabulary.streams),
            "read": history.read(table, history.start(table, num, length, vocabulary.streams)),
            "z": jnp.zeros((num, len(order), config.head), zero(1, params)[0][0].dtype),
            "frame": jnp.zeros((num, len(order)), jnp.int32),
        }

    def begin(params: Params, conditions: Mapping[str, Array], cache: Any) -> Any:
        """Reads the past and advances the recurrent state by a frame."""
        read = history.read(table, cache["past"])
        here = {k: v[:, None] for k, v in {**read, **conditions}.items()}
        z, carry = net.apply({"params": params}, here, cache["carry"], None, method="frame")
        return {**cache, "carry": carry, "read": read, "z": z[:, 0]}

    def step(
        params: Params, state: State, cache: Any, previous: Array, pos: Array, conditions: Mapping[str, Array]
    ) -> tuple[Array, Any]:
        conditions = {name: conditions[name] for name in config.conditions}
        place = pos % len(order)

        def store(cache: Any) -> Any:
            last = jnp.asarray(order)[(pos - 1) % len(order)]
            return {**cache, "frame": jax.lax.dynamic_update_index_in_dim(cache["frame"], previous, last, 1)}

        cache = jax.lax.cond(pos > 0, store, lambda cache: cache, cache)

        def push(cache: Any) -> Any:
            return {**cache, "past": history.push(table, cache["past"], cache["frame"])}

        cache = jax.lax.cond((place == 0) & (pos > 0), push, lambda cache: cache, cache)
        cache = jax.lax.cond(place == 0, functools.partial(begin, params, conditions), lambda cache: cache, cache)

        def stream(j: int) -> Array:
            here = {k: v[:, None] for k, v in {**cache["read"], **conditions}.items()}
            z, frame = cache["z"][:, None, j], cache["frame"][:, None]
            return jnp.asarray(net.apply({"params": params}, z, here, frame, j, None, method="stream"))[:, 0]

        return jax.lax.switch(place, [functools.partial(stream, j) for j in range(len(order))]), cache

    pair = Autoregressive(init_cache, step, table.size, order)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        return autoregressive.sample_request(pair, vocabulary, params, state, key, request)

    return Model(config, init, loss, sample, Score("exact", nll), pair, features=features)
