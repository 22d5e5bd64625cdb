"""Nets over frames of voices, of any family: the glue between `nn.voice_net.VoiceNet` over a stack and the record."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.base import Array, Batch, Decoder, Info, Likelihood, Metrics, Model, Params, Request, Start, State
from musejax.decoding import autoregressive
from musejax.nn import conditioning, given_reader, losses, voice_net
from musejax.nn.features import voice_history


def make(
    config: Any,
    stack: nn.Module,
    start: Start,
    vocabulary: vocabularies.Vocabulary,
    reader: given_reader.Reader | None = None,
) -> Model:
    """Binds a net over frames to a family's config and a vocabulary.

    Args:
        config: The family's; read are its order, conditions, place, bars_left, phase, embed, head, input_dropout,
            head_dropout.
        stack: The layers over frames.
        start: Their state before the first frame.
        vocabulary: Of tokens.
        reader: What reads given cells ahead of their turn; None for a net that knows the past alone.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    streams = vocabulary.streams
    order = tuple(config.order) or tuple(range(streams))
    if sorted(order) != list(range(streams)):
        raise ValueError(f"order {config.order} is not an order of {streams} streams")
    if vocabulary.frames_per_quarter == 0 or not vocabulary.has("pitch"):
        raise ValueError(f"net = frame does not fit codec {vocabulary.name}; use net = token")
    net = voice_net.VoiceNet(
        vocabulary,
        stack,
        reader,
        tuple(config.conditions),
        config.place,
        config.bars_left > 0,
        config.phase,
        order,
        config.embed,
        config.head,
        config.input_dropout,
        config.head_dropout,
    )
    table = voice_history.tables(vocabulary)

    def framed(tokens: Array) -> Array:
        """Tokens with an axis for streams."""
        return tokens if streams > 1 else tokens[..., None]

    def features(batch: Batch) -> dict[str, Array]:
        if "match" in batch:
            return dict(batch)
        batch = {**batch, **voice_history.over(table, framed(batch["tokens"]))}
        if config.bars_left and "pad_mask" in batch:
            lengths = jnp.asarray(batch["pad_mask"]).sum(1)
            batch["bars_left"] = voice_history.bars_left(table, lengths, batch["tokens"].shape[1])
        return batch

    def untold(batch: Batch) -> dict[str, Array]:
        """A batch whose net is not told how long the pieces are."""
        batch = features(batch)
        if config.bars_left:
            batch["bars_left"] = jnp.full(batch["match_length"].shape, voice_history.LEFT)
        return batch

    def whole(batch: Batch, infill_mask: Array | None) -> dict[str, Array]:
        """A batch as the net reads it: [B, T, S], with the given cells."""
        batch = features(batch)
        batch["tokens"] = framed(batch["tokens"])
        if reader is not None:
            free = jnp.ones_like(batch["tokens"]) if infill_mask is None else infill_mask
            real = jnp.asarray(batch["pad_mask"])[..., None] > 0 if "pad_mask" in batch else True
            batch["given"] = jnp.where((free > 0) | ~jnp.asarray(real), table.size, batch["tokens"])
        return batch

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        few = whole(untold({k: v[:1, :2] for k, v in batch.items()}), None)
        return net.init(key, few, start(1, 0, None), None)["params"], {}

    def logits(params: Params, batch: Batch, key: Array | None, infill_mask: Array | None = None) -> Array:
        batch = whole(batch, infill_mask)
        return jnp.asarray(net.apply({"params": params}, batch, start(len(batch["tokens"]), 0, params), key))

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        tokens = framed(batch["tokens"])
        mask = jnp.broadcast_to(batch["loss_mask"][..., None], tokens.shape)
        free = None
        if not train:
            batch = untold(batch)
        else:
            key, masks, unknown, told = (jax.random.fold_in(key, i) for i in range(4))
            if config.bars_left:
                batch = features(batch)
                is_told = jax.random.bernoulli(told, config.bars_left, (len(tokens), 1))
                batch["bars_left"] = jnp.where(is_told, batch["bars_left"], voice_history.LEFT)
            if reader is not None:
                free = given_reader.masks(masks, *tokens.shape)
                mask = mask * free
            batch = conditioning.drop(batch, config.conditions, vocabulary, config.condition_dropout, unknown)
        out = logits(params, batch, key if train else None, free)
        return losses.cross_entropy(out, tokens, mask, state)

    def nll(params: Params, state: State, batch: Batch) -> Array:
        free = batch.get("infill_mask")
        tokens = framed(batch["tokens"])
        free = None if free is None else framed(jnp.asarray(free))
        cost = losses.categorical_nll(logits(params, untold(batch), None, free), tokens)
        return (cost if free is None else cost * free).reshape(batch["tokens"].shape)

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        past = voice_history.start(table, num, length, streams)
        dtype = jax.tree.leaves(params)[0].dtype
        return {
            "carry": start(num, length, params),
            "past": past,
            "read": voice_history.read(table, past),
            "z": jnp.zeros((num, streams, config.head), dtype),
            "frame": jnp.zeros((num, streams), jnp.int32),
        }

    def read(
        params: Params, state: State, cache: Any, given: Array, infill_mask: Array, conditions: Mapping[str, Array]
    ) -> Any:
        """Reads the given cells of whole pieces."""
        batch = {**conditions, "given": jnp.where(framed(infill_mask) > 0, table.size, framed(given))}
        known = net.apply({"params": params}, batch, cache["z"].dtype, None, method="read")
        here = jax.tree.map(lambda x: jnp.zeros_like(x[:, 0]), known)
        return {**cache, "known": known, "read": {**cache["read"], **here}}

    def begin(params: Params, conditions: Mapping[str, Array], endless: Array | None, cache: Any) -> Any:
        """Reads the past and advances the stack by a frame."""
        found = voice_history.read(table, cache["past"])
        found = found if endless is None else voice_history.endless(found, endless)
        known = {
            name: jax.lax.dynamic_index_in_dim(x, cache["past"].length, 1, keepdims=False)
            for name, x in cache.get("known", {}).items()
        }
        found = {**found, **known}
        here = {k: v[:, None] for k, v in {**found, **conditions}.items()}
        z, carry = net.apply({"params": params}, here, cache["carry"], None, method="frame")
        return {**cache, "carry": carry, "read": found, "z": z[:, 0]}

    def step(
        params: Params, state: State, cache: Any, previous: Array, pos: Array, conditions: Mapping[str, Array]
    ) -> tuple[Array, Any]:
        told = {name: conditions[name] for name in config.conditions}
        if config.bars_left:
            told["bars_left"] = conditions.get("bars_left", jnp.full_like(previous, voice_history.LEFT))
        place = pos % streams

        def store(cache: Any) -> Any:
            last = jnp.asarray(order)[(pos - 1) % streams]
            return {**cache, "frame": jax.lax.dynamic_update_index_in_dim(cache["frame"], previous, last, 1)}

        cache = jax.lax.cond(pos > 0, store, lambda cache: cache, cache)

        def push(cache: Any) -> Any:
            return {**cache, "past": voice_history.push(table, cache["past"], cache["frame"])}

        cache = jax.lax.cond((place == 0) & (pos > 0), push, lambda cache: cache, cache)
        advance = functools.partial(begin, params, told, conditions.get("endless"))
        cache = jax.lax.cond(place == 0, advance, lambda cache: cache, cache)

        def stream(j: int) -> Array:
            here = {k: v[:, None] for k, v in {**cache["read"], **told}.items()}
            z, frame = cache["z"][:, None, j], cache["frame"][:, None]
            return jnp.asarray(net.apply({"params": params}, z, here, frame, j, None, method="stream"))[:, 0]

        return jax.lax.switch(place, [functools.partial(stream, j) for j in range(streams)]), cache

    def outputs(params: Params, state: State, batch: Batch) -> Array:
        return logits(params, untold(batch), None).reshape(*batch["tokens"].shape, table.size)

    ahead = None if reader is None else read
    pair = Decoder(init_cache, step, table.size, order, read=ahead, logits=outputs)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        return autoregressive.sample_request(pair, vocabulary, params, state, key, request)

    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        plans_bars=config.bars_left > 0,
        reads_place=config.place,
        axes=lambda: net.axes(),
    )
    return Model(info, init, loss, sample, Likelihood("exact", nll), pair, features=features)
