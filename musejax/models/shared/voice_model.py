"""Models over frames of voices, for any family: makes a `base.Model` of a `nn.voice_net.VoiceNet`."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Key, Shaped
from musejax.base import Batch, Decoder, Info, Likelihood, Metrics, Model, Params, Request, Start, State
from musejax.decoding import autoregressive
from musejax.models.shared import configs
from musejax.nn import conditioning, given_reader, losses, voice_net
from musejax.nn.features import voice_history


def make(
    config: configs.VoiceConfig,
    stack: nn.Module,
    start: Start,
    vocabulary: vocabularies.Vocabulary,
    reader: given_reader.Reader | None = None,
) -> Model:
    """Makes a model over frames of voices.

    Args:
        config: The family's config.
        stack: The layers over frames.
        start: Makes their state before the first frame.
        vocabulary: A vocabulary of tokens.
        reader: Reader of all given cells; None for a network that reads only the past.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    streams = vocabulary.streams
    order = tuple(config.order) or tuple(range(streams))
    if sorted(order) != list(range(streams)):
        raise ValueError(f"order is {config.order}; it must contain each of the streams 0..{streams - 1} once")
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
    model = VoiceModel(config, net, start, vocabulary, reader, order)
    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        plans_bars=config.bars_left > 0,
        reads_place=config.place,
        axes=lambda: net.axes(),
    )
    likelihood = Likelihood("exact", model.nll)
    return Model(info, model.init, model.loss, model.sample, likelihood, model.decoder, features=model.features)


@dataclasses.dataclass(frozen=True, eq=False)
class VoiceModel:
    """The functions of `base.Model` for a network over frames of voices.

    Attributes:
        config: The family's config.
        net: The network.
        start: Makes the state of its stack before the first frame.
        vocabulary: A vocabulary of tokens.
        reader: Reader of all given cells; None for a network that reads only the past.
        order: The streams of a frame in sampling order.
    """

    config: configs.VoiceConfig
    net: voice_net.VoiceNet
    start: Start
    vocabulary: vocabularies.Vocabulary
    reader: given_reader.Reader | None
    order: tuple[int, ...]

    @functools.cached_property
    def table(self) -> voice_history.Tables:
        """Properties of the vocabulary that the features need."""
        return voice_history.tables(self.vocabulary)

    def add_streams(self, tokens: Int[AnyArray, "B T *S"]) -> Int[AnyArray, "B T S"]:
        """Adds an axis for streams to tokens without one: [B, T, S]."""
        return tokens if self.vocabulary.streams > 1 else tokens[..., None]

    def features(self, batch: Batch) -> dict[str, AnyArray]:
        """Adds the features of the past of each frame (`base.Model.features`)."""
        if "match" in batch:
            return dict(batch)
        batch = {**batch, **voice_history.read_all(self.table, self.add_streams(batch["tokens"]))}
        if self.config.bars_left and "pad_mask" in batch:
            lengths = jnp.asarray(batch["pad_mask"]).sum(1)
            batch["bars_left"] = voice_history.bars_left(self.table, lengths, batch["tokens"].shape[1])
        return batch

    def hide_length(self, batch: Batch) -> dict[str, AnyArray]:
        """Adds features, with the number of bars left unknown."""
        batch = self.features(batch)
        if self.config.bars_left:
            batch["bars_left"] = jnp.full(batch["match_length"].shape, voice_history.LEFT)
        return batch

    def inputs(self, batch: Batch, infill_mask: Shaped[AnyArray, "B T S"] | None) -> dict[str, AnyArray]:
        """Returns a batch as the network reads it, with tokens [B, T, S], features and given cells."""
        batch = self.features(batch)
        batch["tokens"] = self.add_streams(batch["tokens"])
        if self.reader is not None:
            free = jnp.ones_like(batch["tokens"]) if infill_mask is None else infill_mask
            real = jnp.asarray(batch["pad_mask"])[..., None] > 0 if "pad_mask" in batch else True
            batch["given"] = jnp.where((free > 0) | ~jnp.asarray(real), self.table.size, batch["tokens"])
        return batch

    def init(self, key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        """Initialises the parameters; the batch gives the shapes."""
        few = self.inputs(self.hide_length({k: v[:1, :2] for k, v in batch.items()}), None)
        return self.net.init(key, few, self.start(1, 0, None), None)["params"], {}

    def logits(
        self,
        params: Params,
        batch: Batch,
        key: Key[Array, ""] | None,
        infill_mask: Shaped[AnyArray, "B T S"] | None = None,
    ) -> Float[Array, "B T S V"]:
        """Computes the logits of all cells, each given the true cells before it: float[B, T, S, V]."""
        batch = self.inputs(batch, infill_mask)
        start = self.start(len(batch["tokens"]), 0, params)
        return jnp.asarray(self.net.apply({"params": params}, batch, start, key))

    def loss(
        self,
        params: Params,
        state: State,
        key: Key[Array, ""],
        batch: Batch,
        *,
        step: Int[AnyArray, ""] | int,
        train: bool,
    ) -> tuple[Float[Array, ""], tuple[State, Metrics]]:
        """Computes the mean cross-entropy per free cell."""
        config, tokens = self.config, self.add_streams(batch["tokens"])
        mask = jnp.broadcast_to(batch["loss_mask"][..., None], tokens.shape)
        free = None
        if not train:
            batch = self.hide_length(batch)
        else:
            key, masks, unknown, length = (jax.random.fold_in(key, i) for i in range(4))
            if config.bars_left:
                batch = self.features(batch)
                is_known = jax.random.bernoulli(length, config.bars_left, (len(tokens), 1))
                batch["bars_left"] = jnp.where(is_known, batch["bars_left"], voice_history.LEFT)
            if self.reader is not None:
                free = given_reader.sample_masks(masks, *tokens.shape)
                mask = mask * free
            batch = conditioning.drop_conditions(
                batch, config.conditions, self.vocabulary, config.condition_dropout, unknown
            )
        logits = self.logits(params, batch, key if train else None, free)
        return losses.cross_entropy(logits, tokens, mask, state)

    def nll(self, params: Params, state: State, batch: Batch) -> Float[Array, "B T"] | Float[Array, "B T S"]:
        """Computes nats per cell (`base.Likelihood.nll`); given cells cost nothing."""
        free = batch.get("infill_mask")
        tokens = self.add_streams(batch["tokens"])
        free = None if free is None else self.add_streams(jnp.asarray(free))
        cost = losses.categorical_nll(self.logits(params, self.hide_length(batch), None, free), tokens)
        return (cost if free is None else cost * free).reshape(batch["tokens"].shape)

    def all_logits(self, params: Params, state: State, batch: Batch) -> Float[Array, "B T V"] | Float[Array, "B T S V"]:
        """Computes the logits of all cells in one pass (`base.Decoder.logits`)."""
        shape = (*batch["tokens"].shape, self.table.size)
        return self.logits(params, self.hide_length(batch), None).reshape(shape)

    @property
    def decoder(self) -> Decoder:
        """The steps of the autoregressive sampler."""
        read = None if self.reader is None else self.read_given
        return Decoder(self.init_cache, self.step, self.table.size, self.order, read=read, logits=self.all_logits)

    def sample(self, params: Params, state: State, key: Key[Array, ""], request: Request) -> dict[str, Array]:
        """Samples pieces (`base.Model.sample`)."""
        return autoregressive.sample_request(self.decoder, self.vocabulary, params, state, key, request)

    def init_cache(self, params: Params, state: State, num: int, length: int) -> Any:
        """Returns the state before the first cell."""
        streams = self.vocabulary.streams
        past = voice_history.start(self.table, num, length, streams)
        dtype = jax.tree.leaves(params)[0].dtype
        return {
            "carry": self.start(num, length, params),
            "past": past,
            "read": voice_history.read(self.table, past),
            "z": jnp.zeros((num, streams, self.config.head), dtype),
            "frame": jnp.zeros((num, streams), jnp.int32),
        }

    def read_given(
        self,
        params: Params,
        state: State,
        cache: Any,
        given: Int[AnyArray, "N T *S"],
        infill_mask: Shaped[AnyArray, "N T *S"],
        conditions: Mapping[str, AnyArray],
    ) -> Any:
        """Reads the given cells of whole pieces (`base.Decoder.read`)."""
        is_free = self.add_streams(infill_mask) > 0
        batch = {**conditions, "given": jnp.where(is_free, self.table.size, self.add_streams(given))}
        summary = self.net.apply({"params": params}, batch, cache["z"].dtype, None, method="read")
        here = jax.tree.map(lambda x: jnp.zeros_like(x[:, 0]), summary)
        return {**cache, "known": summary, "read": {**cache["read"], **here}}

    def step(
        self,
        params: Params,
        state: State,
        cache: Any,
        previous: Int[Array, " N"],
        pos: Int[Array, ""],
        conditions: Mapping[str, AnyArray],
    ) -> tuple[Float[Array, "N V"], Any]:
        """Computes the logits of one cell (`base.Decoder.step`); the stack advances at the first cell of a frame."""
        streams = self.vocabulary.streams
        here = {name: conditions[name] for name in self.config.conditions}
        if self.config.bars_left:
            here["bars_left"] = conditions.get("bars_left", jnp.full_like(previous, voice_history.LEFT))
        place = pos % streams

        def store(cache: Any) -> Any:
            last = jnp.asarray(self.order)[(pos - 1) % streams]
            return {**cache, "frame": jax.lax.dynamic_update_index_in_dim(cache["frame"], previous, last, 1)}

        def push(cache: Any) -> Any:
            return {**cache, "past": voice_history.push(self.table, cache["past"], cache["frame"])}

        cache = jax.lax.cond(pos > 0, store, lambda cache: cache, cache)
        cache = jax.lax.cond((place == 0) & (pos > 0), push, lambda cache: cache, cache)
        advance = functools.partial(self._begin_frame, params, here, conditions.get("endless"))
        cache = jax.lax.cond(place == 0, advance, lambda cache: cache, cache)
        branches = [functools.partial(self._stream_logits, params, here, cache, j) for j in range(streams)]
        return jax.lax.switch(place, branches), cache

    def _begin_frame(
        self, params: Params, conditions: Mapping[str, AnyArray], endless: Int[AnyArray, " N"] | None, cache: Any
    ) -> dict[str, Any]:
        """Reads the past and advances the stack by a frame."""
        past = voice_history.read(self.table, cache["past"])
        past = past if endless is None else voice_history.pretend_endless(past, endless)
        frame = cache["past"].length
        ahead = {
            name: jax.lax.dynamic_index_in_dim(x, frame, 1, keepdims=False)
            for name, x in cache.get("known", {}).items()
        }
        past = {**past, **ahead}
        here = {k: v[:, None] for k, v in {**past, **conditions}.items()}
        z, carry = self.net.apply({"params": params}, here, cache["carry"], None, method="frame")
        return {**cache, "carry": carry, "read": past, "z": z[:, 0]}

    def _stream_logits(
        self, params: Params, conditions: Mapping[str, AnyArray], cache: Any, place: int
    ) -> Float[Array, "N V"]:
        """Computes the logits of the stream at a position of the sampling order, float[N, V]."""
        here = {k: v[:, None] for k, v in {**cache["read"], **conditions}.items()}
        z, frame = cache["z"][:, None, place], cache["frame"][:, None]
        out = self.net.apply({"params": params}, z, here, frame, place, None, method="stream")
        return jnp.asarray(out)[:, 0]
