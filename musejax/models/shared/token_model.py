"""Models over tokens, for any family: makes a `base.Model` of a module that reads one token per step.

Streams are serialised frame by frame. The module is called as

    (previous int32[B, L], before, conditions {name: int32[B, L]}, carry, key) -> logits [B, L, V], carry

where `previous` is the token before each position (V at the start) and `before` the token of the same stream one frame
before (None for one stream). With several streams the conditions include `stream`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Key
from musejax.base import Axes, Batch, Decoder, Info, Likelihood, Metrics, Model, Params, Request, Start, State
from musejax.decoding import autoregressive
from musejax.models.shared import configs
from musejax.nn import conditioning, losses
from musejax.nn.features import axis_labels

# (params, previous [N], before [N] or None, conditions {name: [N]}, carry) -> logits [N, V], carry
Advance = Callable[[Any, Array, Array | None, Mapping[str, AnyArray], Any], tuple[Array, Any]]


def make(
    config: configs.TokenConfig,
    net: nn.Module,
    start: Start,
    vocabulary: vocabularies.Vocabulary,
    *,
    prepare: Callable[[Params], Any] | None = None,
    advance: Advance | None = None,
    axes: Callable[[], Axes] | None = None,
) -> Model:
    """Makes a model over tokens.

    Args:
        config: The family's config.
        net: The module.
        start: Makes the state of its stack before the first token.
        vocabulary: A vocabulary of tokens.
        prepare: Rearranges the parameters for `advance`.
        advance: A faster function for one step with the output of `prepare`; None calls the module with L = 1.
        axes: Returns the labels of its axes (`base.Info.axes`).
    """
    model = TokenModel(config, net, start, vocabulary, prepare, advance)
    info = Info(
        config,
        conditions=config.conditions,
        drops_conditions=config.condition_dropout > 0,
        axes=axes,
    )
    return Model(info, model.init, model.loss, model.sample, Likelihood("exact", model.nll), model.decoder)


@dataclasses.dataclass(frozen=True, eq=False)
class TokenModel:
    """The functions of `base.Model` for a network over tokens; the attributes are the arguments of `make`."""

    config: configs.TokenConfig
    net: nn.Module
    start: Start
    vocabulary: vocabularies.Vocabulary
    prepare: Callable[[Params], Any] | None
    advance: Advance | None

    def inputs(
        self, batch: Batch
    ) -> tuple[Int[AnyArray, "B L"], Int[AnyArray, "B L"], Int[AnyArray, "B L"] | None, dict[str, Array]]:
        """Returns tokens [B, L], the token before each, the token one frame before each, and conditions."""
        streams, size = self.vocabulary.streams, self.vocabulary.size
        tokens = jnp.asarray(batch["tokens"])
        tokens = tokens.reshape(tokens.shape[0], -1)
        conditions = {n: jnp.repeat(batch[n], streams, axis=1) for n in self.config.conditions}
        if streams == 1:
            return tokens, shift(tokens, 1, size), None, conditions
        conditions["stream"] = jnp.broadcast_to(jnp.arange(tokens.shape[1])[None] % streams, tokens.shape)
        return tokens, shift(tokens, 1, size), shift(tokens, streams, size), conditions

    def init(self, key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        """Initialises the parameters; the batch gives the shapes."""
        _, previous, before, conditions = self.inputs({k: v[:1, :2] for k, v in batch.items()})
        return self.net.init(key, previous, before, conditions, self.start(1, 0, None), None)["params"], {}

    def logits(
        self, params: Params, batch: Batch, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B L V"], Int[AnyArray, "B L"]]:
        """Computes the logits of all tokens, float[B, L, V], and returns them with the tokens, int32[B, L]."""
        tokens, previous, before, conditions = self.inputs(batch)
        start = self.start(len(tokens), 0, params)
        out: Any = self.net.apply({"params": params}, previous, before, conditions, start, key)
        return out[0], tokens

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
        """Computes the mean cross-entropy per token."""
        if train:
            key, unknown = jax.random.split(key)
            rate = self.config.condition_dropout
            batch = conditioning.drop_conditions(batch, self.config.conditions, self.vocabulary, rate, unknown)
        logits, tokens = self.logits(params, batch, key if train else None)
        mask = jnp.repeat(batch["loss_mask"], self.vocabulary.streams, axis=1)
        return losses.cross_entropy(logits, tokens, mask, state)

    def nll(self, params: Params, state: State, batch: Batch) -> Float[Array, "B L"] | Float[Array, "B T S"]:
        """Computes nats per token (`base.Likelihood.nll`)."""
        logits, tokens = self.logits(params, batch, None)
        return losses.categorical_nll(logits, tokens).reshape(batch["tokens"].shape)

    def all_logits(self, params: Params, state: State, batch: Batch) -> Float[Array, "B L V"] | Float[Array, "B T S V"]:
        """Computes the logits of all tokens in one pass (`base.Decoder.logits`)."""
        return self.logits(params, batch, None)[0].reshape(*batch["tokens"].shape, self.vocabulary.size)

    @property
    def decoder(self) -> Decoder:
        """The steps of the autoregressive sampler."""
        start = self.vocabulary.size
        return Decoder(self.init_cache, self.step, start, prepare=self.prepare, logits=self.all_logits)

    def sample(self, params: Params, state: State, key: Key[Array, ""], request: Request) -> dict[str, Array]:
        """Samples pieces (`base.Model.sample`)."""
        return autoregressive.sample_request(self.decoder, self.vocabulary, params, state, key, request)

    def init_cache(self, params: Params, state: State, num: int, length: int) -> Any:
        """Returns the state before the first token; `recent` contains the last S tokens, the oldest first."""
        streams = self.vocabulary.streams
        recent = jnp.full((num, streams), self.vocabulary.size, jnp.int32)
        return {"carry": self.start(num, length * streams, params), "recent": recent}

    def step(
        self,
        params: Params,
        state: State,
        cache: Any,
        previous: Int[Array, " N"],
        pos: Int[Array, ""],
        conditions: Mapping[str, AnyArray],
    ) -> tuple[Float[Array, "N V"], Any]:
        """Computes the logits of one token (`base.Decoder.step`)."""
        streams = self.vocabulary.streams
        recent = jnp.concatenate([cache["recent"][:, 1:], previous[:, None]], axis=1)
        here = {n: conditions[n] for n in self.config.conditions}
        if streams > 1:
            here["stream"] = jnp.broadcast_to(pos % streams, previous.shape)
        before = recent[:, 0] if streams > 1 else None
        logits, carry = (self.advance or self._advance)(params, previous, before, here, cache["carry"])
        return logits, {"carry": carry, "recent": recent}

    def _advance(
        self,
        params: Params,
        previous: Int[Array, " N"],
        before: Int[Array, " N"] | None,
        conditions: Mapping[str, AnyArray],
        carry: Any,
    ) -> tuple[Float[Array, "N V"], Any]:
        """Calls the module with L = 1."""
        here = {n: c[:, None] for n, c in conditions.items()}
        earlier = None if before is None else before[:, None]
        out: Any = self.net.apply({"params": params}, previous[:, None], earlier, here, carry, None)
        return out[0][:, 0], out[1]


def label_axes(conditions: Sequence[str], inputs: str, embed: int, vocabulary: vocabularies.Vocabulary) -> Axes:
    """Returns the axis labels of the token network of the recurrent and the Transformer family.

    Args:
        conditions: Names of the conditions that the network reads.
        inputs: Encoding of its input tokens: `one_hot`, `embed` or `scalar`.
        embed: Width of its embedding.
        vocabulary: A vocabulary of tokens.
    """
    out = axis_labels.events(vocabulary)
    sizes = {name: axis_labels.condition(vocabulary, name) for name in conditions}
    if vocabulary.streams > 1:
        sizes["stream"] = axis_labels.classes(vocabulary.streams, "stream")
    if inputs == "scalar":
        x: axis_labels.Labels = (
            ("scalar", vocabulary.ranges),
        )  # the same number is another event in another vocabulary
    elif inputs == "one_hot":
        x = axis_labels.events(vocabulary, "previous")
    else:
        x = axis_labels.classes(embed, "embed")
    x += axis_labels.events(vocabulary, "before") if vocabulary.streams > 1 else ()
    x += tuple(label for name in sorted(sizes) for label in sizes[name])
    labels = {name: {0: axis_labels.events(vocabulary, none=True)} for name in ("embed", "before")}
    labels |= {name: {0: values} for name, values in sizes.items()}
    labels |= {"output/kernel": {1: out}, "output/bias": {0: out}, "output_bias": {0: out}}
    return {**labels, "stack/layer_0/input": {0: x}}


def shift(tokens: Int[AnyArray, "B L"], by: int, start: int) -> Int[Array, "B L"]:
    """Shifts tokens [B, L] right by `by` positions and fills the front with `start`."""
    return jnp.pad(tokens, ((0, 0), (by, 0)), constant_values=start)[:, : tokens.shape[1]]
