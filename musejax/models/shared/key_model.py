"""Models over binary frames, for any family: makes a `base.Model` of a stack of layers.

Keys are independent given the past (class A1 of protocol `bl`), or each key is conditioned on the keys below it (NADE,
class A2).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Key
from musejax.base import (
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
from musejax.models.shared import configs
from musejax.nn import key_net, losses, nade
from musejax.nn.features import axis_labels, key_history


def check(config: configs.KeyConfig, vocabulary: vocabularies.Vocabulary) -> None:
    """Checks that a config fits the kind of a vocabulary: binary frames or tokens.

    Args:
        config: The family's config.
        vocabulary: A vocabulary of any kind.

    Raises:
        ValueError: If they do not fit.
    """
    if config.nade < 0:
        raise ValueError(f"nade is {config.nade}; it must be at least 0")
    if vocabulary.kind == "groove":
        raise ValueError(f"codec {vocabulary.name} has rows of real numbers; this family needs tokens or bits")
    if vocabulary.kind != "bits":
        if config.nade:
            raise ValueError(f"nade does not fit codec {vocabulary.name}; it needs a codec of binary frames")
        return
    if config.net == "token":
        raise ValueError(f"net = token does not fit codec {vocabulary.name}; use net = frame")
    if config.condition_dropout:
        raise ValueError(f"condition_dropout does not fit codec {vocabulary.name}; it needs a codec of tokens")


def make(config: configs.KeyConfig, stack: nn.Module, start: Start, vocabulary: vocabularies.Vocabulary) -> Model:
    """Makes a model over binary frames.

    Args:
        config: The family's config.
        stack: The layers over frames.
        start: Makes their state before the first frame.
        vocabulary: A vocabulary of bits.
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
    model = KeyModel(config, net, joint, start, vocabulary)
    info = Info(config, conditions=config.conditions, axes=lambda: axes(config, vocabulary))
    likelihood = Likelihood("exact", model.nll, joint=bool(config.nade))
    return Model(info, model.init, model.loss, model.sample, likelihood, model.decoder, features=model.features)


@dataclasses.dataclass(frozen=True, eq=False)
class KeyModel:
    """The functions of `base.Model` for a network over binary frames.

    Attributes:
        config: The family's config.
        net: The network over frames.
        joint: The distribution over the keys of a frame; used if config.nade is not 0.
        start: Makes the state of the stack before the first frame.
        vocabulary: A vocabulary of bits.
    """

    config: configs.KeyConfig
    net: Any
    joint: nade.Nade
    start: Start
    vocabulary: vocabularies.Vocabulary

    def features(self, batch: Batch) -> dict[str, AnyArray]:
        """Adds the features of the past of each frame (`base.Model.features`)."""
        if ("match" if self.config.history else "last") in batch:
            return dict(batch)
        if self.config.history:
            return {**batch, **key_history.read_all(batch["frames"])}
        return {**batch, "last": jnp.pad(batch["frames"], ((0, 0), (1, 0), (0, 0)))[:, :-1]}

    def init(self, key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        """Initialises the parameters, with output biases at the frequency of each key in the batch."""
        few = self.features({k: v[:1, :2] for k, v in batch.items()})
        params = self.net.init(key, few, self.start(1, 0, None), None)["params"]
        frames = jnp.asarray(batch["frames"], jnp.float32)
        on = (frames.sum((0, 1)) + 0.2) / (frames.shape[0] * frames.shape[1] + 2.0)
        params = {**params, "output": {**params["output"], "bias": jnp.log(on / (1.0 - on))}}
        if self.config.nade:
            context, _ = self.net.apply({"params": params}, few, self.start(1, 0, None), None)
            params["nade"] = self.joint.init(jax.random.fold_in(key, 1), context, few["frames"])["params"]
        return params, {}

    def apply(self, params: Params, *args: Any) -> Any:
        """Calls the network over frames."""
        return self.net.apply({"params": {k: v for k, v in params.items() if k != "nade"}}, *args)

    def logits(self, params: Params, batch: Batch, key: Key[Array, ""] | None) -> Float[Array, "B T V"]:
        """Computes the logits of all keys, each given the frames before and, with a NADE, the keys below it."""
        batch = self.features(batch)
        nade_key = None if key is None else jax.random.fold_in(key, 1)
        out, _ = self.apply(params, batch, self.start(len(batch["frames"]), 0, params), key)
        if not self.config.nade:
            return out
        return self.joint.apply({"params": params["nade"]}, out, batch["frames"], nade_key)  # type: ignore[return-value]

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
        """Computes the mean cost of a frame in nats."""
        costs = losses.bernoulli_nll(self.logits(params, batch, key if train else None), batch["frames"]).sum(-1)
        mean, weight = losses.masked_mean(costs, batch["loss_mask"])
        return mean, (state, {"loss": mean, "weight": weight})

    def nll(self, params: Params, state: State, batch: Batch) -> Float[Array, "B T"]:
        """Computes nats per frame, float[B, T] (`base.Likelihood.nll`)."""
        return losses.bernoulli_nll(self.logits(params, batch, None), batch["frames"]).sum(-1)

    @property
    def decoder(self) -> Decoder:
        """The steps of the autoregressive sampler."""
        return Decoder(self.init_cache, self.step, 0, draw=self.draw if self.config.nade else None)

    def sample(self, params: Params, state: State, key: Key[Array, ""], request: Request) -> dict[str, Array]:
        """Samples pieces (`base.Model.sample`)."""
        return autoregressive.sample_request(self.decoder, self.vocabulary, params, state, key, request)

    def init_cache(self, params: Params, state: State, num: int, length: int) -> Any:
        """Returns the state before the first frame."""
        cache = {"carry": self.start(num, length, params)}
        if not self.config.history:
            return cache
        return {**cache, "past": key_history.start(num, length, self.vocabulary.size)}

    def step(
        self,
        params: Params,
        state: State,
        cache: Any,
        previous: Int[Array, "N V"],
        pos: Int[Array, ""],
        conditions: Mapping[str, AnyArray],
    ) -> tuple[Any, Any]:
        """Computes the logits of one frame, or the context of its NADE (`base.Decoder.step`)."""
        row: dict[str, AnyArray] = {name: conditions[name] for name in self.config.conditions}
        after = {}
        if self.config.history:
            pushed = key_history.push(cache["past"], previous)
            after["past"] = jax.tree.map(lambda new, old: jnp.where(pos > 0, new, old), pushed, cache["past"])
            row |= key_history.read(after["past"])
        else:
            row["last"] = previous
        out, carry = self.apply(params, {k: v[:, None] for k, v in row.items()}, cache["carry"], None)
        return jax.tree.map(lambda x: x[:, 0], out), {**after, "carry": carry}

    def draw(self, params: Params, choice: Choice) -> draws.Draw:
        """Returns the sampler of the keys of a frame with a NADE."""
        return draws.nade_keys(self.joint, params["nade"], choice)


def axes(config: configs.KeyConfig, vocabulary: vocabularies.Vocabulary) -> Axes:
    """Returns the axis labels of networks over keys, and of their NADE."""
    out = axis_labels.events(vocabulary)
    conditions = tuple(label for name in config.conditions for label in axis_labels.condition(vocabulary, name))
    common = axis_labels.classes(8, "common") + conditions
    if config.history:
        parts = ("last", "age", "memory", "longest", "order 4")
        x = tuple(label for part in parts for label in axis_labels.events(vocabulary, part)) + common
    else:
        x = axis_labels.events(vocabulary, "last") + conditions
    labels = {f"stack/{entry}": {0: x} for entry in ("layer_0/input", "embedding/kernel")}
    labels |= {"skip/kernel": {0: out, 1: out}, "output/kernel": {1: out}, "output/bias": {0: out}}
    labels |= {"register": {0: out}, "common/kernel": {0: common}, "nade/reads": {0: out}, "nade/writes": {0: out}}
    return {**labels, "nade/below": {0: axis_labels.classes(vocabulary.size, "below")}}
