"""Nets over tokens, of any family: the glue between a module that reads one token a step and the record.

Streams are serialised frame by frame. The module is called as

    (previous int32[B, L], before, conditions {name: int32[B, L]}, carry, key) -> logits [B, L, V], carry

where `previous` is the token before each position (V at the start), `before` the token of the same stream a frame
before (None for one stream), and the conditions include `stream` where there are several.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.base import Array, Axes, Batch, Decoder, Info, Likelihood, Metrics, Model, Params, Request, Start, State
from musejax.decoding import autoregressive
from musejax.nn import conditioning, losses
from musejax.nn.features import axis_labels

# (params, previous [N], before [N] or None, conditions {name: [N]}, carry) -> logits [N, V], carry
Advance = Callable[[Any, Array, Array | None, dict[str, Array], Any], tuple[Array, Any]]


def make(
    config: Any,
    net: nn.Module,
    start: Start,
    vocabulary: vocabularies.Vocabulary,
    *,
    prepare: Callable[[Params], Any] | None = None,
    advance: Advance | None = None,
) -> Model:
    """Binds a net over tokens to a family's config and a vocabulary.

    Args:
        config: The family's; read are its conditions and condition_dropout.
        net: The module.
        start: The state of its stack before the first token.
        vocabulary: Of tokens.
        prepare: Lays the parameters out for `advance`.
        advance: A faster way to take one step from what `prepare` returns; None calls the module with L = 1.
    """
    streams, size = vocabulary.streams, vocabulary.size

    def inputs(batch: Batch) -> tuple[Array, Array, Array | None, dict[str, Array]]:
        """Tokens [B, L], what stands before each, a frame before each, conditions."""
        tokens = jnp.asarray(batch["tokens"])
        tokens = tokens.reshape(tokens.shape[0], -1)
        conditions = {n: jnp.repeat(batch[n], streams, axis=1) for n in config.conditions}
        if streams == 1:
            return tokens, shift(tokens, 1, size), None, conditions
        conditions["stream"] = jnp.broadcast_to(jnp.arange(tokens.shape[1])[None] % streams, tokens.shape)
        return tokens, shift(tokens, 1, size), shift(tokens, streams, size), conditions

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        _, previous, before, conditions = inputs({k: v[:1, :2] for k, v in batch.items()})
        return net.init(key, previous, before, conditions, start(1, 0, None), None)["params"], {}

    def logits(params: Params, batch: Batch, key: Array | None) -> tuple[Array, Array]:
        tokens, previous, before, conditions = inputs(batch)
        out: Any = net.apply({"params": params}, previous, before, conditions, start(len(tokens), 0, params), key)
        return out[0], tokens

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        if train:
            key, unknown = jax.random.split(key)
            batch = conditioning.drop(batch, config.conditions, vocabulary, config.condition_dropout, unknown)
        out, tokens = logits(params, batch, key if train else None)
        return losses.cross_entropy(out, tokens, jnp.repeat(batch["loss_mask"], streams, axis=1), state)

    def nll(params: Params, state: State, batch: Batch) -> Array:
        out, tokens = logits(params, batch, None)
        return losses.categorical_nll(out, tokens).reshape(batch["tokens"].shape)

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        recent = jnp.full((num, streams), size, jnp.int32)  # the last `streams` tokens, oldest first
        return {"carry": start(num, length * streams, params), "recent": recent}

    def apply(
        params: Params, previous: Array, before: Array | None, conditions: dict[str, Array], carry: Any
    ) -> tuple[Array, Any]:
        one = {n: c[:, None] for n, c in conditions.items()}
        earlier = None if before is None else before[:, None]
        out: Any = net.apply({"params": params}, previous[:, None], earlier, one, carry, None)
        return out[0][:, 0], out[1]

    def step(
        params: Params, state: State, cache: Any, previous: Array, pos: Array, conditions: Mapping[str, Array]
    ) -> tuple[Array, Any]:
        recent = jnp.concatenate([cache["recent"][:, 1:], previous[:, None]], axis=1)
        here = {n: conditions[n] for n in config.conditions}
        if streams > 1:
            here["stream"] = jnp.broadcast_to(pos % streams, previous.shape)
        before = recent[:, 0] if streams > 1 else None
        out, carry = (advance or apply)(params, previous, before, here, cache["carry"])
        return out, {"carry": carry, "recent": recent}

    def outputs(params: Params, state: State, batch: Batch) -> Array:
        return logits(params, batch, None)[0].reshape(*batch["tokens"].shape, size)

    pair = Decoder(init_cache, step, start=size, prepare=prepare, logits=outputs)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        return autoregressive.sample_request(pair, vocabulary, params, state, key, request)

    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        axes=functools.partial(axes, config, vocabulary),
    )
    return Model(info, init, loss, sample, Likelihood("exact", nll), pair)


def axes(config: Any, vocabulary: vocabularies.Vocabulary) -> Axes:
    """What stands along the axes of both families' token nets."""
    told, out = list(config.conditions), axis_labels.events(vocabulary)
    sizes = {name: axis_labels.condition(vocabulary, name) for name in told}
    if vocabulary.streams > 1:
        sizes["stream"] = axis_labels.classes(vocabulary.streams, "stream")
    kind = getattr(config, "inputs", "embed")
    if kind == "scalar":
        x: axis_labels.Labels = (("scalar", vocabulary.ranges),)  # the same number is another event in another table
    else:
        x = (
            axis_labels.events(vocabulary, "previous")
            if kind == "one_hot"
            else axis_labels.classes(config.embed, "embed")
        )
    x += axis_labels.events(vocabulary, "before") if vocabulary.streams > 1 else ()
    x += tuple(label for name in sorted(sizes) for label in sizes[name])
    found = {name: {0: axis_labels.events(vocabulary, none=True)} for name in ("embed", "before")}
    found |= {name: {0: own} for name, own in sizes.items()}
    found |= {"output/kernel": {1: out}, "output/bias": {0: out}, "output_bias": {0: out}}
    return {**found, "stack/layer_0/input": {0: x}}


def shift(tokens: Array, by: int, start: int) -> Array:
    """Tokens moved right by `by`, `start` in front."""
    return jnp.pad(tokens, ((0, 0), (by, 0)), constant_values=start)[:, : tokens.shape[1]]
