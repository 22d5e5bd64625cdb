"""Nets over binary frames, of any family: the glue between a stack and the record.

Keys are independent given the past (class A1 of protocol `bl`), or each is given those below it (NADE, class A2).
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.base import (
    Array,
    Axes,
    Batch,
    Choice,
    Decoder,
    Info,
    Likelihood,
    Metrics,
    Model,
    Params,
    Request,
    Start,
    State,
)
from musejax.decoding import autoregressive, draws
from musejax.nn import key_net, losses, nade
from musejax.nn.features import axis_labels, key_history


def check(config: Any, vocabulary: vocabularies.Vocabulary) -> None:
    """Raises ValueError where a config and a vocabulary do not agree on whether there are keys.

    Args:
        config: Of a family; read are its net, nade and condition_dropout.
        vocabulary: Of any kind.
    """
    if config.nade < 0:
        raise ValueError(f"nade is {config.nade}; it must be 0 or more")
    if vocabulary.kind == "groove":
        raise ValueError(f"codec {vocabulary.name} has rows of real numbers; this family draws tokens and switches")
    if vocabulary.kind != "bits":
        if config.nade:
            raise ValueError(f"nade does not fit codec {vocabulary.name}: it draws the keys of binary frames")
        return
    if config.net == "token":
        raise ValueError(f"net = token does not fit codec {vocabulary.name}; use net = frame")
    if config.condition_dropout:
        raise ValueError(f"condition_dropout does not fit codec {vocabulary.name}; it is for nets over tokens")


def make(config: Any, stack: nn.Module, start: Start, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds a net over keys to a family's config and a vocabulary of bits.

    Args:
        config: The family's; read are its conditions, history, nade, head, input_dropout, head_dropout.
        stack: The layers over frames.
        start: Their state before the first frame.
        vocabulary: Of binary frames.
    """
    size = vocabulary.size
    sizes = dict(vocabulary.conditions)
    conditions = tuple((name, sizes[name]) for name in config.conditions)
    if config.history:
        net: Any = key_net.KeyNet(
            size, stack, conditions, config.head, config.input_dropout, config.head_dropout, config.nade
        )
    else:
        net = key_net.PlainKeyNet(size, stack, conditions, config.input_dropout, config.nade)
    joint = nade.Nade(size, config.nade, config.head if config.history else 0, config.head_dropout)

    def features(batch: Batch) -> dict[str, Array]:
        if ("match" if config.history else "last") in batch:
            return dict(batch)
        if config.history:
            return {**batch, **key_history.over(batch["frames"])}
        return {**batch, "last": jnp.pad(batch["frames"], ((0, 0), (1, 0), (0, 0)))[:, :-1]}

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        few = features({k: v[:1, :2] for k, v in batch.items()})
        params = net.init(key, few, start(1, 0, None), None)["params"]
        # The read-out begins at each key's frequency in the batch.
        frames = jnp.asarray(batch["frames"], jnp.float32)
        on = (frames.sum((0, 1)) + 0.2) / (frames.shape[0] * frames.shape[1] + 2.0)
        params = {**params, "output": {**params["output"], "bias": jnp.log(on / (1.0 - on))}}
        if config.nade:
            context, _ = net.apply({"params": params}, few, start(1, 0, None), None)
            params["nade"] = joint.init(jax.random.fold_in(key, 1), context, few["frames"])["params"]
        return params, {}

    def past(params: Params) -> Params:
        return {"params": {k: v for k, v in params.items() if k != "nade"}}

    def logits(params: Params, batch: Batch, key: Array | None) -> Array:
        batch = features(batch)
        inner = None if key is None else jax.random.fold_in(key, 1)
        out, _ = net.apply(past(params), batch, start(len(batch["frames"]), 0, params), key)
        return joint.apply({"params": params["nade"]}, out, batch["frames"], inner) if config.nade else out  # type: ignore[return-value]

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        costs = losses.bernoulli_nll(logits(params, batch, key if train else None), batch["frames"]).sum(-1)
        mean, weight = losses.masked_mean(costs, batch["loss_mask"])
        return mean, (state, {"loss": mean, "weight": weight})

    def nll(params: Params, state: State, batch: Batch) -> Array:
        return losses.bernoulli_nll(logits(params, batch, None), batch["frames"]).sum(-1)

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        cache = {"carry": start(num, length, params)}
        return {**cache, "past": key_history.start(num, length, size)} if config.history else cache

    def step(
        params: Params, state: State, cache: Any, previous: Array, pos: Array, conditions: Mapping[str, Array]
    ) -> tuple[Any, Any]:
        row: dict[str, Array] = {name: conditions[name] for name in config.conditions}
        after = {}
        if config.history:
            pushed = key_history.push(cache["past"], previous)
            after["past"] = jax.tree.map(lambda new, old: jnp.where(pos > 0, new, old), pushed, cache["past"])
            row |= key_history.read(after["past"])
        else:
            row["last"] = previous
        out, carry = net.apply(past(params), {k: v[:, None] for k, v in row.items()}, cache["carry"], None)
        return jax.tree.map(lambda x: x[:, 0], out), {**after, "carry": carry}

    def draw(params: Params, choice: Choice) -> draws.Draw:
        weights = {"params": params["nade"]}

        def logit(out: nade.Context, bits: Array, at: Array) -> Array:
            return joint.apply(weights, out, bits, at, method="one")  # type: ignore[return-value]

        def cost(out: nade.Context, bits: Array) -> Array:
            row = jax.tree.map(lambda x: x[:, None], out)
            each: Any = joint.apply(weights, row, bits[:, None])
            return losses.bernoulli_nll(each[:, 0], bits).sum(-1)

        return draws.ordered(size, choice, logit, cost)

    pair = Decoder(init_cache, step, 0, draw=draw if config.nade else None)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        return autoregressive.sample_request(pair, vocabulary, params, state, key, request)

    info = Info(config, conditions=config.conditions, axes=lambda: axes(config, vocabulary))
    return Model(info, init, loss, sample, Likelihood("exact", nll, joint=bool(config.nade)), pair, features=features)


def axes(config: Any, vocabulary: vocabularies.Vocabulary) -> Axes:
    """What stands along the axes of nets over keys, and of their NADE."""
    out = axis_labels.events(vocabulary)
    told = tuple(label for name in config.conditions for label in axis_labels.condition(vocabulary, name))
    common = axis_labels.classes(8, "common") + told
    if config.history:
        parts = ("last", "age", "memory", "longest", "order 4")
        x = tuple(label for part in parts for label in axis_labels.events(vocabulary, part)) + common
    else:
        x = axis_labels.events(vocabulary, "last") + told
    found = {f"stack/{entry}": {0: x} for entry in ("layer_0/input", "embedding/kernel")}
    found |= {"skip/kernel": {0: out, 1: out}, "output/kernel": {1: out}, "output/bias": {0: out}}
    found |= {"register": {0: out}, "common/kernel": {0: common}, "nade/reads": {0: out}, "nade/writes": {0: out}}
    return {**found, "nade/below": {0: axis_labels.classes(vocabulary.size, "below")}}
