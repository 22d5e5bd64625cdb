"""The DeepBach family (Hadjeres et al., 2017): a model of each voice's cells given all other cells, for Gibbs sampling.

The models of the voices are one set of functions over stacked parameters. A cell is conditioned on all other cells.
With `hide`, some of them are hidden in some training rows, which regularises the model and lets a Gibbs chain start
without any notes. The score is the pseudo-likelihood: each cell given all others, without dropout or sampling. The
length of a piece is given, so END is not scored.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key, Shaped
from musejax.base import Batch, Family, Info, Likelihood, Metrics, Model, Params, Request, State
from musejax.decoding import autoregressive, gibbs, gibbs_plans
from musejax.models.deep_bach import networks
from musejax.models.shared import configs
from musejax.nn import conditioning, losses
from musejax.nn.features import voice_history


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a DeepBach.

    Attributes:
        conditions: Conditions that the network reads, from `fermata`, `beat` and `key`; empty for none.
        condition_dropout: Share of training pieces whose conditions are hidden.
        beats: Number of values of the beat: 4 for the 16ths of a quarter note, 32 for those of a bar.
        embed: Width of the embedding of a note or a condition.
        num_layers: Number of LSTM layers in each direction.
        hidden: Units in each LSTM layer.
        width: Units of the other layers.
        context: Number of frames on either side of a cell that its layers read; 0 for the whole piece.
        shared: Whether all voices share the LSTM layers, which then read a piece once.
        intervals: Whether the networks read the note that sounds during a hold, and score intervals to nearby notes.
        hide: Share of training rows in which a random share of the surrounding cells is hidden.
        dropout: Dropout rate of the LSTM layers' outputs, and with `intervals` in the heads.
        share: Share of a voice's cells that are sampled in one Gibbs step.
        heat: Initial sampling temperature, relative to that of the request; it falls to 1.
        steps: Number of Gibbs steps, each of which samples one voice.
    """

    conditions: tuple[str, ...] = ("fermata", "beat", "key")
    condition_dropout: float = 0.0
    beats: int = 4
    embed: int = 20
    num_layers: int = 2
    hidden: int = 256
    width: int = 256
    context: int = 16
    shared: bool = False
    intervals: bool = False
    hide: float = 0.0
    dropout: float = 0.5
    share: float = 0.5
    heat: float = 1.5
    steps: int = 96


SMALL = Config(beats=32, hidden=128, width=160, context=0, shared=True, intervals=True, hide=0.5, condition_dropout=0.1)

# name -> (codec, config). The first has the published sizes.
PRESETS: Mapping[str, tuple[str, Config]] = {
    "deep-bach-256": ("chorale", Config()),
    "deep-bach-shared": ("chorale", SMALL),
}


def _check(config: Config, vocabulary: vocabularies.Vocabulary) -> None:
    if vocabulary.kind != "tokens" or vocabulary.streams < 2 or not vocabulary.has("pitch"):
        raise ValueError(f"codec {vocabulary.name} has no voices, which a DeepBach needs; use chorale")
    configs.check_at_least(config, 1, "embed", "num_layers", "hidden", "width", "beats", "steps")
    configs.check_at_least(config, 0, "context")
    if not 0 < config.share <= 1:
        raise ValueError(f"share is {config.share}; it must lie in (0, 1]")
    if config.heat < 1:
        raise ValueError(f"heat is {config.heat}; it must be at least 1")
    conditioning.check(config, vocabulary, ("dropout", "hide"))


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    _check(config, vocabulary)
    model = DeepBach(config, vocabulary)
    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        samplers=("rounds",),
        sampling_steps=config.steps,
        axes=functools.partial(model.shape.axes, config.shared),
    )
    return Model(info, model.init, model.loss, model.sample, Likelihood("pseudo", model.nll))


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


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, hidden=12, embed=10, width=16, num_layers=2, steps=8, context=3)


FAMILY = Family("deep_bach", Config, make, PRESETS, tiny)
