"""The DeepBach family (Hadjeres et al., 2017): each voice has a model of its cells given all others; sampled by Gibbs.

The models of the voices are one set of functions over stacked parameters. A cell sees all others; with `hide` some
rows lack a part of them, which regularises, and lets a chain begin from nothing. The score is the pseudo-likelihood:
each cell given all others, without dropout or any draw. A piece ends where it is told to: END is given, not scored.
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
    """What a DeepBach can be.

    Attributes:
        conditions: What is read beside the notes, of `fermata`, `beat` and `key`; empty for notes alone.
        condition_dropout: Share of training pieces whose conditions are unknown.
        beats: Positions that the beat tells apart: 4 for the 16ths of a quarter, 32 for those of a bar.
        embed: Width of the vector of a note or a condition.
        num_layers: LSTM layers in each direction.
        hidden: Their units.
        width: Units of the other layers.
        context: Frames on either side that a cell's layers read; 0 for the whole piece.
        shared: Whether all voices share the LSTM layers, which then read a piece once for all.
        intervals: Whether the nets read which note sounds where a hold stands, and score intervals to those around.
        hide: Share of training rows in which cells around are hidden, a random share of them each.
        dropout: On the LSTM layers' outputs, and with `intervals` in the heads.
        share: Of a voice's cells, how many are drawn in its turn of sampling.
        heat: Temperature at which sampling begins, over that of a request; it falls to 1.
        steps: Turns of voices in all.
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

# name -> (codec, config). The first has the published shapes.
PRESETS: Mapping[str, tuple[str, Config]] = {
    "deep-bach-256": ("chorale", Config()),
    "deep-bach-shared": ("chorale", SMALL),
}


def _check(config: Config, vocabulary: vocabularies.Vocabulary) -> None:
    if vocabulary.kind != "tokens" or vocabulary.streams < 2 or not vocabulary.has("pitch"):
        raise ValueError(f"a DeepBach needs voices, as of codec chorale, not {vocabulary.name}")
    configs.at_least(config, 1, "embed", "num_layers", "hidden", "width", "beats", "steps")
    if config.context < 0:
        raise ValueError(f"context is {config.context}; it must be 0 or more")
    if not 0 < config.share <= 1:
        raise ValueError(f"share is {config.share}; it must lie in (0, 1]")
    if config.heat < 1:
        raise ValueError(f"heat is {config.heat}; it must be 1 or more")
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
    """The models of all voices as the functions of the record.

    Attributes:
        config: The family's config.
        vocabulary: Of voices.
    """

    config: Config
    vocabulary: vocabularies.Vocabulary

    @functools.cached_property
    def table(self) -> voice_history.Tables:
        """What the events of the vocabulary mean."""
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
        """The id of END; -1 where there is none."""
        return self.vocabulary.id("end") if self.vocabulary.has("end") else -1

    def conditions(self, batch: Batch, real: Bool[Array, "B T"]) -> dict[str, Array]:
        """Returns the conditions as the networks read them; an unknown id, or one outside the piece, is their size."""
        out = {}
        for name, size in self.input_sizes.items():
            ids = jnp.asarray(batch[name])
            out[name] = jnp.where(real & (ids < self.sizes[name]), ids % size if name == "beat" else ids, size)
        return out

    def neighbours(
        self, tokens: Int[AnyArray, "B T S"], hidden: Bool[Array, "B T S"] | None, real: Bool[Array, "B T"]
    ) -> dict[str, Array]:
        """Returns what is known around every cell (`networks.read`) where `hidden` cells are not known."""
        known = real[..., None] if hidden is None else real[..., None] & ~hidden
        return networks.read(self.table, jnp.where(known, tokens, self.table.size))

    def read_shared(
        self, params: Params, notes: Batch, known: Batch, real: Bool[Array, "B T"], key: Key[Array, ""] | None
    ) -> Float[Array, "B T D"] | None:
        """Runs the layers that all voices share; None where each voice has its own."""
        if not self.config.shared:
            return None
        dtype = jax.tree.leaves(params)[0].dtype
        return self.context.apply({"params": params["context"]}, notes, known, real, None, dtype, key)  # type: ignore[return-value]

    def voice_logits(
        self,
        params: Params,
        notes: Batch,
        known: Batch,
        real: Bool[Array, "B T"],
        shared: Float[Array, "B T D"] | None,
        voice: Int[Array, ""],
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T V"]:
        """Computes the logits of one voice given all other cells, float[B, T, V].

        Args:
            params: The parameters of all voices.
            notes: What is known around every cell.
            known: The conditions.
            real: bool[B, T], the frames of each piece.
            shared: The output of `read_shared`.
            voice: int32[], its index.
            key: For dropout; None for none.
        """
        dtype = jax.tree.leaves(params)[0].dtype
        params = self._voice_params(params, voice)
        keys = (None, None) if key is None else tuple(jax.random.split(jax.random.fold_in(key, voice)))
        own = networks.rolled(notes, voice)
        if shared is None:
            shared = self.context.apply({"params": params["context"]}, own, known, real, voice, dtype, keys[0])  # type: ignore[assignment]
        return self.head.apply({"params": params["voices"]}, shared, own, known, voice, dtype, keys[1])  # type: ignore[return-value]

    def _voice_params(self, params: Params, voice: Int[Array, ""]) -> Params:
        """Takes one voice's parameters from those of all."""
        stacked = ("voices",) if self.config.shared else ("voices", "context")
        own = {name: params[name] for name in stacked}
        return {**params, **jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, voice, 0, False), own)}

    def logits(
        self, params: Params, notes: Batch, known: Batch, real: Bool[Array, "B T"], key: Key[Array, ""] | None
    ) -> Float[Array, "B T S V"]:
        """Computes the logits of every cell given all others: [B, T, S, V]."""
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        shared = self.read_shared(params, notes, known, real, keys[0])

        def voice(at: Int[Array, ""]) -> Float[Array, "B T V"]:
            return self.voice_logits(params, notes, known, real, shared, at, keys[1])

        return jnp.moveaxis(jax.lax.map(voice, jnp.arange(self.vocabulary.streams)), 0, 2)

    def init(self, key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        """Draws parameters; a batch gives the shapes."""
        few = {k: jnp.asarray(v)[:1, :2] for k, v in batch.items()}
        real, streams = jnp.ones((1, 2), bool), self.vocabulary.streams
        notes, known = self.neighbours(few["tokens"], None, real), self.conditions(few, real)
        shared = jnp.zeros((1, 2, 2 * self.config.hidden))

        def layers(key: Array, voice: Array | None) -> Params:
            return self.context.init(key, notes, known, real, voice, jnp.float32, None)["params"]

        def heads(key: Array, voice: Array) -> Params:
            return self.head.init(key, shared, notes, known, voice, jnp.float32, None)["params"]

        @jax.jit
        def init_all(key: Array) -> Params:
            keys, voices = jax.random.split(key, 2 * streams), jnp.arange(streams)
            context = layers(keys[0], None) if self.config.shared else jax.vmap(layers)(keys[:streams], voices)
            return {"context": context, "voices": jax.vmap(heads)(keys[streams:], voices)}

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
        """Computes the mean cross-entropy of a cell given all others; training hides some of these."""
        tokens, real = jnp.asarray(batch["tokens"]), jnp.asarray(batch["pad_mask"]) > 0
        hidden, dropout = None, None
        if train:
            rows, shares, cells, unknown, dropout = jax.random.split(key, 5)
            rate = self.config.condition_dropout
            batch = conditioning.drop_conditions(batch, self.config.conditions, self.vocabulary, rate, unknown)
            share = jax.random.uniform(shares, (len(tokens), 1, 1))
            share = share * jax.random.bernoulli(rows, self.config.hide, share.shape)
            hidden = jax.random.uniform(cells, tokens.shape) < share
        known = self.conditions(batch, real)
        logits = self.logits(params, self.neighbours(tokens, hidden, real), known, real, dropout)
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
        """Reports the loss of each voice, and the accuracy of all cells and of those with a note."""
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
        """Draws pieces by Gibbs sampling, one voice a turn (`base.Model.sample`).

        Raises:
            ValueError: The request names a sampler of another family.
        """
        streams = self.vocabulary.streams
        sampling = request.sampling or gibbs.Sampling("rounds", self.config.steps)
        if sampling.sampler != "rounds":
            raise ValueError(f"sampler {sampling.sampler} is not for a DeepBach, which has rounds")

        def conditional(
            tokens: Array, hidden: Array, step: Array, real: Array, conditions: Mapping[str, AnyArray]
        ) -> Array:
            notes, known = self.neighbours(tokens, hidden, real), self.conditions(conditions, real)
            shared = self.read_shared(params, notes, known, real, None)
            return self.voice_logits(params, notes, known, real, shared, step % streams, None)[:, :, None]

        def cost(keys: Array, batch: Batch) -> Array:
            return self.nll(params, state, batch).sum((1, 2))

        plan = gibbs_plans.rounds(
            streams,
            sampling.steps,
            self.config.share,
            gibbs_plans.cooling(sampling.steps, self.config.heat),
            from_nothing=self.config.hide > 0,
        )
        # A network that was never trained with hidden cells begins with notes drawn evenly.
        keys = jax.vmap(lambda k: jax.random.fold_in(k, 2))(autoregressive.piece_keys(key, request.first, request.num))
        first, number = self.vocabulary.start("pitch"), self.vocabulary.range("pitch").size
        start = jax.vmap(lambda k: jax.random.randint(k, (request.length, streams), first, first + number))(keys)
        return gibbs.answer(conditional, cost, plan, self.vocabulary, key, request, start)


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrunk(config, hidden=12, embed=10, width=16, num_layers=2, steps=8, context=3)


FAMILY = Family("deep_bach", Config, make, PRESETS, tiny)
