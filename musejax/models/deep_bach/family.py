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
from musejax.base import Array, Batch, Family, Info, Likelihood, Metrics, Model, Params, Request, State
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
    table, streams = voice_history.tables(vocabulary), vocabulary.streams
    sizes = {n: size for n, size in vocabulary.conditions if n in config.conditions}
    told_sizes = {n: min(size, config.beats) if n == "beat" else size for n, size in sizes.items()}
    shape = networks.Shape(vocabulary, tuple(told_sizes.items()), config.embed, config.intervals)
    context = networks.Context(shape, config.num_layers, config.hidden, config.dropout, config.context)
    head = networks.Voice(shape, config.width, config.dropout)
    end = vocabulary.id("end") if vocabulary.has("end") else -1

    def told(batch: Batch, real: Array) -> dict[str, Array]:
        """The conditions as the nets read them: the id of an unknown one, and outside the piece, is their size."""
        out = {}
        for name, size in told_sizes.items():
            ids = jnp.asarray(batch[name])
            out[name] = jnp.where(real & (ids < sizes[name]), ids % size if name == "beat" else ids, size)
        return out

    def found(tokens: Array, hidden: Array | None, real: Array) -> dict[str, Array]:
        known = real[..., None] if hidden is None else real[..., None] & ~hidden
        return networks.read(table, jnp.where(known, tokens, table.size))

    def one(
        params: Params, found: Batch, told: Batch, real: Array, heard: Array | None, voice: Array, key: Array | None
    ) -> Array:
        """Logits of one voice [B, T, V]; params are its own, `heard` what shared layers heard."""
        dtype = jax.tree.leaves(params)[0].dtype
        keys = (None, None) if key is None else tuple(jax.random.split(jax.random.fold_in(key, voice)))
        mine = networks.rolled(found, voice)
        if heard is None:
            heard = context.apply({"params": params["context"]}, mine, told, real, voice, dtype, keys[0])  # type: ignore[assignment]
        return head.apply({"params": params["voices"]}, heard, mine, told, voice, dtype, keys[1])  # type: ignore[return-value]

    def listened(params: Params, found: Batch, told: Batch, real: Array, key: Array | None) -> Array | None:
        """What the layers that all voices share heard; None where each has its own."""
        if not config.shared:
            return None
        dtype = jax.tree.leaves(params)[0].dtype
        return context.apply({"params": params["context"]}, found, told, real, None, dtype, key)  # type: ignore[return-value]

    def of_voice(params: Params, voice: Array) -> Params:
        mine = {name: params[name] for name in ("voices",) + (() if config.shared else ("context",))}
        return {**params, **jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, voice, 0, False), mine)}

    def logits(params: Params, found: Batch, told: Batch, real: Array, key: Array | None) -> Array:
        """Logits of every cell given all others: [B, T, S, V]."""
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        heard = listened(params, found, told, real, keys[0])

        def voice(at: Array) -> Array:
            return one(of_voice(params, at), found, told, real, heard, at, keys[1])

        return jnp.moveaxis(jax.lax.map(voice, jnp.arange(streams)), 0, 2)

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        few = {k: jnp.asarray(v)[:1, :2] for k, v in batch.items()}
        real = jnp.ones((1, 2), bool)
        notes, conditions = found(few["tokens"], None, real), told(few, real)
        heard = jnp.zeros((1, 2, 2 * config.hidden))

        @jax.jit
        def made(key: Array) -> Params:
            keys = jax.random.split(key, 2 * streams)

            def layers(key: Array, voice: Array | None) -> Params:
                return context.init(key, notes, conditions, real, voice, jnp.float32, None)["params"]

            def heads(key: Array, voice: Array) -> Params:
                return head.init(key, heard, notes, conditions, voice, jnp.float32, None)["params"]

            each = jnp.arange(streams)
            of_context = layers(keys[0], None) if config.shared else jax.vmap(layers)(keys[:streams], each)
            return {"context": of_context, "voices": jax.vmap(heads)(keys[streams:], each)}

        return made(key), {}

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        tokens, real = jnp.asarray(batch["tokens"]), jnp.asarray(batch["pad_mask"]) > 0
        hidden, dropped = None, None
        if train:
            rows, shares, cells, unknown, dropped = jax.random.split(key, 5)
            batch = conditioning.drop(batch, config.conditions, vocabulary, config.condition_dropout, unknown)
            share = jax.random.uniform(shares, (len(tokens), 1, 1))
            share = share * jax.random.bernoulli(rows, config.hide, share.shape)
            hidden = jax.random.uniform(cells, tokens.shape) < share
        out = logits(params, found(tokens, hidden, real), told(batch, real), real, dropped)
        scored = (jnp.asarray(batch["loss_mask"])[..., None] * (tokens != end)).astype(jnp.float32)
        nats, hits = losses.categorical_nll(out, tokens), losses.hits(out, tokens)
        is_note = scored * (jnp.asarray(table.pitch)[tokens] >= 0)
        info = {}
        for s in range(streams):
            mine = scored[..., s]
            info[f"loss_{s}"] = losses.masked_mean(nats[..., s], mine)[0]
            info[f"accuracy_{s}"] = losses.masked_mean(hits[..., s], mine)[0]
            info[f"accuracy_of_notes_{s}"] = losses.masked_mean(hits[..., s], is_note[..., s])[0]
        mean, weight = losses.masked_mean(nats, scored)
        accuracy, notes = losses.masked_mean(hits, scored)[0], losses.masked_mean(hits, is_note)[0]
        info |= {"loss": mean, "accuracy": accuracy, "accuracy_of_notes": notes, "weight": weight}
        return mean, (state, info)

    def nll(params: Params, state: State, batch: Batch) -> Array:
        tokens = jnp.asarray(batch["tokens"])
        real = jnp.asarray(batch["pad_mask"]) > 0 if "pad_mask" in batch else jnp.ones(tokens.shape[:2], bool)
        out = logits(params, found(tokens, None, real), told(batch, real), real, None)
        free = jnp.asarray(batch["infill_mask"]) > 0 if "infill_mask" in batch else True
        return jnp.where((tokens != end) & real[..., None] & free, losses.categorical_nll(out, tokens), 0.0)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        asked = request.sampling or gibbs.Sampling("rounds", config.steps)
        if asked.sampler != "rounds":
            raise ValueError(f"sampler {asked.sampler} is not for a DeepBach, which has rounds")

        def conditional(
            tokens: Array, hidden: Array, step: Array, real: Array, conditions: Mapping[str, Array]
        ) -> Array:
            voice = step % streams
            notes, knows = found(tokens, hidden, real), told(conditions, real)
            heard = listened(params, notes, knows, real, None)
            return one(of_voice(params, voice), notes, knows, real, heard, voice, None)[:, :, None]

        def cost(keys: Array, batch: Batch) -> Array:
            return nll(params, state, batch).sum((1, 2))

        plan = gibbs_plans.rounds(
            streams,
            asked.steps,
            config.share,
            gibbs_plans.cooling(asked.steps, config.heat),
            from_nothing=config.hide > 0,
        )
        # A net that was never without a cell begins with notes drawn evenly.
        keys = jax.vmap(lambda k: jax.random.fold_in(k, 2))(autoregressive.piece_keys(key, request.first, request.num))
        first, number = vocabulary.start("pitch"), vocabulary.range("pitch").size
        start = jax.vmap(lambda k: jax.random.randint(k, (request.length, streams), first, first + number))(keys)
        return gibbs.answer(conditional, cost, plan, vocabulary, key, request, start)

    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        samplers=("rounds",),
        sampling_steps=config.steps,
        axes=functools.partial(shape.axes, config.shared),
    )
    return Model(info, init, loss, sample, Likelihood("pseudo", nll))


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrunk(config, hidden=12, embed=10, width=16, num_layers=2, steps=8, context=3)


FAMILY = Family("deep_bach", Config, make, PRESETS, tiny)
