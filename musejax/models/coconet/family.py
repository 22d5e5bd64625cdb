"""The Coconet family (Huang et al., 2017): an orderless model of cells, sampled by blocked Gibbs sampling.

The network reads some cells of four voices and returns the logits of all other cells at once. Training hides sets of
cells as they occur in random orders, and weights the cost of the hidden cells so that the loss is the chain rule's cost
averaged over all orders (`models/coconet/orders.py`). The score is an unbiased estimate of this orderless likelihood.
The model can be conditioned on any given cells and sampled in any order (`decoding/gibbs.py`).
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key
from musejax.base import Batch, Family, Info, Likelihood, Metrics, Model, Params, Request, State
from musejax.decoding import gibbs, gibbs_plans
from musejax.models.coconet import networks, orders
from musejax.models.shared import configs
from musejax.nn import conditioning, given_reader, losses

# Number of sets of hidden cells per piece over which an estimate of its cost is averaged, each of a different size.
STRATA = 4
SAMPLERS = ("gibbs", "span", "contiguous", "ancestral", "upsampling")
# For each sampler of annealed blocks, the function that chooses the blocks.
MASKERS = {"gibbs": gibbs_plans.bernoulli, "span": gibbs_plans.span, "contiguous": gibbs_plans.contiguous}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a Coconet.

    Attributes:
        net: `grid` has convolutions over frames x pitches, as published; `frame` has convolutions over frames, with
            pitches in its heads.
        num_layers: Number of convolutions.
        width: Number of filters of each convolution.
        attention: Number of residual units of the frame network between layers of attention; 0 for no attention.
        head: Width of the frame network's head for one voice.
        conditions: Names of the vocabulary's conditions that the frame network reads.
        condition_dropout: Share of training pieces whose conditions are hidden.
        input_dropout: Dropout rate of the frame network's input features.
        dropout: Dropout rate in its residual units.
        head_dropout: Dropout rate in its heads.
        structured: Share of training rows in which whole voices or stretches are hidden, as in users' requests, rather
            than scattered cells.
        sampler: Default sampler (`decoding.gibbs`).
        steps: Default number of network evaluations; 0 for one cell at a time.
    """

    net: Literal["grid", "frame"] = "grid"
    num_layers: int = 64
    width: int = 128
    attention: int = 0
    head: int = 160
    conditions: tuple[str, ...] = ()
    condition_dropout: float = 0.0
    input_dropout: float = 0.0
    dropout: float = 0.0
    head_dropout: float = 0.0
    structured: float = 0.0
    sampler: Literal["gibbs", "span", "contiguous", "ancestral", "upsampling"] = "gibbs"
    steps: int = 64


# Our own network for small data sets and CPUs.
FRAMES = Config(
    net="frame", num_layers=16, width=208, head=144, conditions=("beat",), input_dropout=0.1, dropout=0.2,
    head_dropout=0.2,
)  # fmt: skip
# name -> (codec, config). The first is the published network.
PRESETS: Mapping[str, tuple[str, Config]] = {
    "coconet-64": ("chorale-pitches", Config()),
    "coconet-16": ("chorale-pitches", Config(num_layers=16, width=32)),
    "coconet-frames": ("chorale-pitches", FRAMES),
}


def _check(config: Config, vocabulary: vocabularies.Vocabulary) -> None:
    if vocabulary.kind != "tokens" or vocabulary.streams < 2 or not vocabulary.has("pitch") or vocabulary.has("hold"):
        raise ValueError(
            f"codec {vocabulary.name} has no voices of sounding pitches, which a Coconet needs; use chorale-pitches"
        )
    configs.check_at_least(config, 1, "num_layers", "width", "head")
    if config.steps < 0 or (config.steps == 0 and config.sampler != "ancestral"):
        raise ValueError(f"steps is {config.steps}; it must be at least 1, or 0 with sampler = ancestral")
    if config.num_layers % 2:
        raise ValueError(f"num_layers is {config.num_layers}; it must be even, as residual units have two layers")
    if config.attention < 0 or (config.attention and config.width % (2 * networks.HEADS)):
        raise ValueError(
            f"attention is {config.attention}, width {config.width}; attention must be at least 0, and width a multiple"
            f" of {2 * networks.HEADS} with it"
        )
    rates = ("dropout", "input_dropout", "head_dropout", "structured")
    conditioning.check(config, vocabulary, rates)
    if config.net == "grid" and (config.conditions or any(getattr(config, x) for x in ("attention", *rates[:3]))):
        raise ValueError("net = grid has no conditions, attention or dropout; use net = frame")


def plan(sampling: gibbs.Sampling) -> gibbs_plans.Plan:
    """Returns the sampling plan of a sampler.

    Raises:
        ValueError: If it is not a sampler of this family.
    """
    if sampling.sampler in MASKERS:
        return gibbs_plans.annealed(MASKERS[sampling.sampler], gibbs_plans.yao(sampling.steps), sampling.steps)
    if sampling.sampler == "ancestral":
        return gibbs_plans.ancestral(sampling.steps)
    if sampling.sampler == "upsampling":
        return gibbs_plans.upsampling(sampling.steps)
    raise ValueError(f"sampler is {sampling.sampler}; a Coconet has the samplers {', '.join(SAMPLERS)}")


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    _check(config, vocabulary)
    model = Coconet(config, vocabulary)
    net = model.net(train=False)
    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        samplers=tuple(sorted(SAMPLERS, key=lambda name: name != config.sampler)),
        sampling_steps=config.steps,
        axes=lambda: net.axes(),
    )
    return Model(info, model.init, model.loss, model.sample, Likelihood("orderless", estimate=model.estimate))


@dataclasses.dataclass(frozen=True, eq=False)
class Coconet:
    """The functions of `base.Model` for a network over partly hidden pieces.

    Attributes:
        config: The family's config.
        vocabulary: A vocabulary of voices.
    """

    config: Config
    vocabulary: vocabularies.Vocabulary

    def net(self, train: bool) -> networks.Grid | networks.Frames:
        """Returns the network; with net = grid it uses batch statistics in training."""
        config = self.config
        if config.net == "grid":
            return networks.Grid(self.vocabulary, config.num_layers, config.width, train)
        return networks.Frames(
            self.vocabulary,
            config.num_layers,
            config.width,
            config.attention,
            config.head,
            config.conditions,
            config.input_dropout,
            config.dropout,
            config.head_dropout,
        )

    def conditions(self, batch: Batch) -> dict[str, Array]:
        """Returns the conditions of a batch that the network reads."""
        return {name: jnp.asarray(batch[name]) for name in self.config.conditions}

    def init(self, key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        """Initialises the parameters; the batch gives the shapes."""
        few = {k: jnp.asarray(v)[:1, :2] for k, v in batch.items()}
        shape = few["tokens"].shape
        args = (few["tokens"], jnp.ones(shape, bool), jnp.ones(shape[:2], bool), self.conditions(few))
        variables = jax.jit(lambda key: self.net(True).init(key, *args, jnp.float32, None))(key)
        return variables["params"], {k: v for k, v in variables.items() if k != "params"}

    def logits(
        self,
        params: Params,
        state: State,
        tokens: Int[AnyArray, "B T S"],
        hidden: Bool[Array, "B T S"],
        real: Bool[Array, "B T"],
        conditions: Mapping[str, AnyArray],
    ) -> Float[Array, "B T S V"]:
        """Computes the logits of each cell given the cells that are not hidden, [B, T, S, V]."""
        dtype = jax.tree.leaves(params)[0].dtype
        own = self.conditions(conditions)
        out = self.net(False).apply({"params": params, **state}, tokens, hidden, real, own, dtype, None)
        return jnp.asarray(out)

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
        """Computes the orderless cost per cell from one set of hidden cells per piece in training, else from STRATA.

        The weight of a hidden cell is the number of cells of the piece divided by the number of its hidden cells.
        """
        config = self.config
        numbers, sets, structure, rows, unknown, dropout = jax.random.split(key, 6)
        if not train:
            batch = {name: jnp.concatenate([jnp.asarray(x)] * STRATA) for name, x in batch.items()}
        tokens, real = jnp.asarray(batch["tokens"]), jnp.asarray(batch["pad_mask"]) > 0
        cells = jnp.broadcast_to(real[..., None], tokens.shape)
        totals = cells.sum((1, 2))
        hidden = orders.sample_hidden(sets, cells, orders.sample_sizes(numbers, totals))
        if train and config.structured:
            whole = jax.random.bernoulli(rows, config.structured, (len(tokens), 1, 1))
            hidden = jnp.where(whole, (given_reader.sample_masks(structure, *tokens.shape) > 0) & cells, hidden)
        if train:
            batch = conditioning.drop_conditions(
                batch, config.conditions, self.vocabulary, config.condition_dropout, unknown
            )
        logits, after = self.net(train).apply(
            {"params": params, **state},
            tokens,
            hidden,
            real,
            self.conditions(batch),
            jax.tree.leaves(params)[0].dtype,
            dropout if train else None,
            mutable=list(state) if train else [],
        )
        scored = jnp.broadcast_to(jnp.asarray(batch["loss_mask"])[..., None], tokens.shape).astype(jnp.float32)
        weights = scored * hidden * (totals / jnp.maximum(hidden.sum((1, 2)), 1))[:, None, None]
        weight = scored.sum()
        mean, accuracy = (
            (values * weights).sum() / jnp.maximum(weight, 1.0)
            for values in (losses.categorical_nll(logits, tokens), losses.hits(logits, tokens))
        )
        return mean, ({**state, **after}, {"loss": mean, "accuracy": accuracy, "weight": weight})

    def cost(self, params: Params, state: State, keys: Key[Array, " B"], batch: Batch) -> Float[Array, " B"]:
        """Estimates the cost of each piece's free cells in nats from STRATA sets of hidden cells, float[B].

        Args:
            params: The parameters.
            state: State that is not trained by gradient.
            keys: One key per piece.
            batch: Whole pieces; only cells where `infill_mask` is 1 count.
        """
        tokens, real = jnp.asarray(batch["tokens"]), jnp.asarray(batch["pad_mask"]) > 0
        cells = jnp.broadcast_to(real[..., None], tokens.shape)
        cells = cells & (jnp.asarray(batch["infill_mask"]) > 0) if "infill_mask" in batch else cells
        totals = cells.sum((1, 2))
        numbers = jax.vmap(lambda k, n: orders.sample_sizes(k, jnp.full(STRATA, n)))(keys, totals)

        def stratum(at: Array) -> Array:
            def hide(key: Array, cells: Array, number: Array) -> Array:
                return orders.sample_hidden(jax.random.fold_in(key, at), cells[None], number[None])[0]

            hidden = jax.vmap(hide)(keys, cells, numbers[:, at])
            nats = losses.categorical_nll(self.logits(params, state, tokens, hidden, real, batch), tokens)
            return (nats * hidden).sum((1, 2)) * totals / jnp.maximum(hidden.sum((1, 2)), 1)

        return jax.lax.map(stratum, jnp.arange(STRATA)).mean(0)

    def estimate(self, params: Params, state: State, key: Key[Array, ""], batch: Batch) -> Float[Array, " B"]:
        """Estimates nats per piece (`base.Likelihood.estimate`)."""
        return self.cost(params, state, jax.random.split(key, len(batch["tokens"])), batch)

    def sample(self, params: Params, state: State, key: Key[Array, ""], request: Request) -> dict[str, Array]:
        """Samples pieces by blocked Gibbs sampling (`base.Model.sample`)."""
        sampling = request.sampling or gibbs.Sampling(self.config.sampler, self.config.steps)
        if sampling.steps == 0:
            sampling = sampling._replace(steps=request.length * self.vocabulary.streams)

        def conditional(
            tokens: Array, hidden: Array, step: Array, real: Array, conditions: Mapping[str, AnyArray]
        ) -> Array:
            return self.logits(params, state, tokens, hidden, real, conditions)

        cost = functools.partial(self.cost, params, state)
        return gibbs.answer(conditional, cost, plan(sampling), self.vocabulary, key, request)


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, head=8, width=16, num_layers=2, steps=8)


FAMILY = Family("coconet", Config, make, PRESETS, tiny)
