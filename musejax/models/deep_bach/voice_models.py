"""The functions of a DeepBach: the models of all voices as one set of functions over stacked parameters."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key, Shaped
from musejax.base import Batch, Metrics, Params, Request, State
from musejax.decoding import autoregressive, gibbs, gibbs_plans
from musejax.models.deep_bach import networks
from musejax.models.deep_bach.config import Config
from musejax.nn import conditioning, losses
from musejax.nn.features import voice_history


@dataclasses.dataclass(frozen=True, eq=False)
class DeepBach:
    """The functions of `base.Model` for the models of all voices.

    Attributes:
        config: The family's config.
        vocabulary: A vocabulary of voices.
    """

    config: Config
    vocabulary: vocabularies.Vocabulary

    @functools.cached_property
    def table(self) -> voice_history.Tables:
        """Properties of the vocabulary that the features need."""
        return voice_history.tables(self.vocabulary)

    @functools.cached_property
    def sizes(self) -> dict[str, int]:
        """The number of values of each condition in the data."""
        return {n: size for n, size in self.vocabulary.conditions if n in self.config.conditions}

    @functools.cached_property
    def input_sizes(self) -> dict[str, int]:
        """The number of values of each condition as the networks read it."""
        return {n: min(size, self.config.beats) if n == "beat" else size for n, size in self.sizes.items()}

    @functools.cached_property
    def shape(self) -> networks.Shape:
        """The inputs and outputs of a cell."""
        inputs = tuple(self.input_sizes.items())
        return networks.Shape(self.vocabulary, inputs, self.config.embed, self.config.intervals)

    @functools.cached_property
    def context(self) -> networks.Context:
        """The LSTM layers that read the past and the future of a cell."""
        config = self.config
        return networks.Context(self.shape, config.num_layers, config.hidden, config.dropout, config.context)

    @functools.cached_property
    def head(self) -> networks.Voice:
        """The layers that score one cell."""
        return networks.Voice(self.shape, self.config.width, self.config.dropout)

    @property
    def end(self) -> int:
        """The id of END, or -1 for a vocabulary without END."""
        return self.vocabulary.id("end") if self.vocabulary.has("end") else -1

    def conditions(self, batch: Batch, real: Bool[Array, "B T"]) -> dict[str, Array]:
        """Returns the conditions as the networks read them; values that are unknown or outside the piece are `size`."""
        out = {}
        for name, size in self.input_sizes.items():
            ids = jnp.asarray(batch[name])
            out[name] = jnp.where(real & (ids < self.sizes[name]), ids % size if name == "beat" else ids, size)
        return out

    def neighbours(
        self, tokens: Int[AnyArray, "B T S"], hidden: Bool[Array, "B T S"] | None, real: Bool[Array, "B T"]
    ) -> dict[str, Array]:
        """Returns the features around every cell (`networks.read`) without the `hidden` cells."""
        visible = real[..., None] if hidden is None else real[..., None] & ~hidden
        return networks.read(self.table, jnp.where(visible, tokens, self.table.size))

    def read_shared(
        self, params: Params, notes: Batch, conditions: Batch, real: Bool[Array, "B T"], key: Key[Array, ""] | None
    ) -> Float[Array, "B T D"] | None:
        """Runs the layers that all voices share; returns None if each voice has its own."""
        if not self.config.shared:
            return None
        dtype = jax.tree.leaves(params)[0].dtype
        return self.context.apply({"params": params["context"]}, notes, conditions, real, None, dtype, key)  # type: ignore[return-value]

    def voice_logits(
        self,
        params: Params,
        notes: Batch,
        conditions: Batch,
        real: Bool[Array, "B T"],
        shared: Float[Array, "B T D"] | None,
        voice: Int[Array, ""],
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T V"]:
        """Computes the logits of one voice given all other cells, float[B, T, V].

        Args:
            params: The parameters of all voices.
            notes: The features around every cell.
            conditions: The conditions.
            real: bool[B, T], True in the frames of each piece.
            shared: The output of `read_shared`.
            voice: int32[], index of the voice.
            key: Key for dropout, or None to drop nothing.
        """
        dtype = jax.tree.leaves(params)[0].dtype
        params = self._voice_params(params, voice)
        keys = (None, None) if key is None else tuple(jax.random.split(jax.random.fold_in(key, voice)))
        own = networks.rotate_voices(notes, voice)
        if shared is None:
            shared = self.context.apply({"params": params["context"]}, own, conditions, real, voice, dtype, keys[0])  # type: ignore[assignment]
        return self.head.apply({"params": params["voices"]}, shared, own, conditions, voice, dtype, keys[1])  # type: ignore[return-value]

    def _voice_params(self, params: Params, voice: Int[Array, ""]) -> Params:
        """Returns the parameters of one voice."""
        stacked = ("voices",) if self.config.shared else ("voices", "context")
        own = {name: params[name] for name in stacked}
        return {**params, **jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, voice, 0, False), own)}

    def logits(
        self, params: Params, notes: Batch, conditions: Batch, real: Bool[Array, "B T"], key: Key[Array, ""] | None
    ) -> Float[Array, "B T S V"]:
        """Computes the logits of every cell given all others, [B, T, S, V]."""
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        shared = self.read_shared(params, notes, conditions, real, keys[0])

        def voice(at: Int[Array, ""]) -> Float[Array, "B T V"]:
            return self.voice_logits(params, notes, conditions, real, shared, at, keys[1])

        return jnp.moveaxis(jax.lax.map(voice, jnp.arange(self.vocabulary.streams)), 0, 2)

    def init(self, key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        """Initialises the parameters; the batch gives the shapes."""
        few = {k: jnp.asarray(v)[:1, :2] for k, v in batch.items()}
        real, streams = jnp.ones((1, 2), bool), self.vocabulary.streams
        notes, conditions = self.neighbours(few["tokens"], None, real), self.conditions(few, real)
        shared = jnp.zeros((1, 2, 2 * self.config.hidden))

        def init_context(key: Array, voice: Array | None) -> Params:
            return self.context.init(key, notes, conditions, real, voice, jnp.float32, None)["params"]

        def init_head(key: Array, voice: Array) -> Params:
            return self.head.init(key, shared, notes, conditions, voice, jnp.float32, None)["params"]

        @jax.jit
        def init_all(key: Array) -> Params:
            keys, voices = jax.random.split(key, 2 * streams), jnp.arange(streams)
            if self.config.shared:
                context = init_context(keys[0], None)
            else:
                context = jax.vmap(init_context)(keys[:streams], voices)
            return {"context": context, "voices": jax.vmap(init_head)(keys[streams:], voices)}

        return init_all(key), {}

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
        """Computes the mean cross-entropy per cell given all other cells, some of which are hidden in training."""
        tokens, real = jnp.asarray(batch["tokens"]), jnp.asarray(batch["pad_mask"]) > 0
        hidden, dropout = None, None
        if train:
            rows, shares, cells, unknown, dropout = jax.random.split(key, 5)
            rate = self.config.condition_dropout
            batch = conditioning.drop_conditions(batch, self.config.conditions, self.vocabulary, rate, unknown)
            share = jax.random.uniform(shares, (len(tokens), 1, 1))
            share = share * jax.random.bernoulli(rows, self.config.hide, share.shape)
            hidden = jax.random.uniform(cells, tokens.shape) < share
        conditions = self.conditions(batch, real)
        logits = self.logits(params, self.neighbours(tokens, hidden, real), conditions, real, dropout)
        scored = (jnp.asarray(batch["loss_mask"])[..., None] * (tokens != self.end)).astype(jnp.float32)
        nats, hits = losses.categorical_nll(logits, tokens), losses.hits(logits, tokens)
        mean, weight = losses.masked_mean(nats, scored)
        return mean, (state, {"loss": mean, "weight": weight, **self._metrics(tokens, nats, hits, scored)})

    def _metrics(
        self,
        tokens: Int[AnyArray, "B T S"],
        nats: Float[Array, "B T S"],
        hits: Float[Array, "B T S"],
        scored: Shaped[AnyArray, "B T S"],
    ) -> Metrics:
        """Returns the loss of each voice, and the accuracy of all cells and of cells with a note."""
        is_note = scored * (jnp.asarray(self.table.pitch)[tokens] >= 0)
        metrics = {"accuracy": losses.masked_mean(hits, scored)[0]}
        metrics["accuracy_of_notes"] = losses.masked_mean(hits, is_note)[0]
        for s in range(self.vocabulary.streams):
            metrics[f"loss_{s}"] = losses.masked_mean(nats[..., s], scored[..., s])[0]
            metrics[f"accuracy_{s}"] = losses.masked_mean(hits[..., s], scored[..., s])[0]
            metrics[f"accuracy_of_notes_{s}"] = losses.masked_mean(hits[..., s], is_note[..., s])[0]
        return metrics

    def nll(self, params: Params, state: State, batch: Batch) -> Float[Array, "B T S"]:
        """Computes nats per cell, each given all others (`base.Likelihood.nll`); given cells and END cost nothing."""
        tokens = jnp.asarray(batch["tokens"])
        real = jnp.asarray(batch["pad_mask"]) > 0 if "pad_mask" in batch else jnp.ones(tokens.shape[:2], bool)
        logits = self.logits(params, self.neighbours(tokens, None, real), self.conditions(batch, real), real, None)
        free = jnp.asarray(batch["infill_mask"]) > 0 if "infill_mask" in batch else True
        return jnp.where((tokens != self.end) & real[..., None] & free, losses.categorical_nll(logits, tokens), 0.0)

    def sample(self, params: Params, state: State, key: Key[Array, ""], request: Request) -> dict[str, Array]:
        """Samples pieces by Gibbs sampling, one voice per step (`base.Model.sample`).

        Raises:
            ValueError: If the request names a sampler of another family.
        """
        streams = self.vocabulary.streams
        sampling = request.sampling or gibbs.Sampling("rounds", self.config.steps)
        if sampling.sampler != "rounds":
            raise ValueError(f"sampler is {sampling.sampler}; a DeepBach has the sampler rounds")

        def conditional(
            tokens: Array, hidden: Array, step: Array, real: Array, conditions: Mapping[str, AnyArray]
        ) -> Array:
            notes, own = self.neighbours(tokens, hidden, real), self.conditions(conditions, real)
            shared = self.read_shared(params, notes, own, real, None)
            return self.voice_logits(params, notes, own, real, shared, step % streams, None)[:, :, None]

        def cost(keys: Array, batch: Batch) -> Array:
            return self.nll(params, state, batch).sum((1, 2))

        plan = gibbs_plans.rounds(
            streams,
            sampling.steps,
            self.config.share,
            gibbs_plans.cooling(sampling.steps, self.config.heat),
            from_nothing=self.config.hide > 0,
        )
        # A network that was trained without hidden cells starts from uniformly random notes.
        keys = jax.vmap(lambda k: jax.random.fold_in(k, 2))(autoregressive.piece_keys(key, request.first, request.num))
        first, number = self.vocabulary.start("pitch"), self.vocabulary.range("pitch").size
        start = jax.vmap(lambda k: jax.random.randint(k, (request.length, streams), first, first + number))(keys)
        return gibbs.answer(conditional, cost, plan, self.vocabulary, key, request, start)
