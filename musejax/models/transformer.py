"""The Transformer family: decoder-only networks over tokens of any codec, frames of voices, and binary frames.

The token network is Music Transformer (Huang et al., 2019), with one token per position. The frame network reads a
whole frame per position and samples its voices, or 88 keys, one after the other with a small head; apart from the
stack, its code is that of the recurrent family. With `reader_layers` it also reads all given cells beforehand
(`nn/given_reader.py`), so that it can infill and harmonise.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Key
from musejax.base import Family, Model, Params, Start
from musejax.models.shared import configs, key_model, token_model, voice_model
from musejax.nn import conditioning, given_reader, transformer_stack
from musejax.nn import dropout as dropouts
from musejax.nn.fast import transformer_step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(transformer_stack.Shape):
    """The config of a Transformer, including the shape of its stack (`nn.transformer_stack.Shape`).

    Attributes:
        net: `token` reads one token per position, `frame` one frame per position.
        tied: Whether the token network's output matrix is its embedding.
        conditions: Names of the vocabulary's conditions that the network reads.
        condition_dropout: Share of training pieces whose conditions are hidden, for classifier-free guidance.
        input_dropout: Dropout rate of the inputs.
        head: Width of the frame network's head for one voice.
        head_dropout: Dropout rate in the frame network's heads.
        place: Whether the frame network reads the number of bars since the start.
        bars_left: Share of training pieces for which the voice network reads the number of bars left, so that sampling
            can be conditioned on a length; 0 for a network that never reads it.
        phase: Whether it reads the number of frames since the start modulo 48, for codecs without a beat condition.
        order: The voices in the order in which the frame network samples them; empty for the vocabulary's order.
        reader_layers: Blocks of the frame network's reader of given cells; 0 for a network that reads only the past.
        lookahead: Whether the heads also read the next given cells and similar passages (nn/features/lookahead.py).
        history: Whether the key network reads more of the past than the last frame (nn/features/key_history.py).
        nade: Hidden units of a NADE over the keys of a frame; 0 leaves keys independent given the past.
    """

    net: Literal["token", "frame"] = "token"
    tied: bool = False
    conditions: tuple[str, ...] = ()
    condition_dropout: float = 0.0
    input_dropout: float = 0.0
    head: int = 192
    head_dropout: float = 0.0
    place: bool = False
    bars_left: float = 0.0
    phase: bool = False
    order: tuple[int, ...] = ()
    reader_layers: int = 0
    lookahead: bool = False
    history: bool = True
    nade: int = 0

    @property
    def embed(self) -> int:
        """Width of the embedding of a position, which is the width of the stack."""
        return self.width


# Music Transformer for performances (Huang et al., 2019): 8 layers of width 384, filter 1024, relative attention.
PERFORMANCE = Config(
    num_layers=8,
    width=384,
    heads=8,
    feed_forward=1024,
    gated=False,
    positions="relative",
    max_distance=1024,
    span=2048,
    tied=True,
    dropout=0.1,
)

# Music Transformer for chorales, serialised voice by voice.
SERIAL = dataclasses.replace(
    PERFORMANCE, num_layers=4, width=128, feed_forward=512, max_distance=512, conditions=("beat",), dropout=0.2
)

# Our own networks over frames of voices, which can also infill.
VOICES = Config(
    net="frame",
    num_layers=3,
    width=256,
    heads=4,
    feed_forward=512,
    span=256,
    conditions=("beat",),
    order=(0, 3, 2, 1),
    dropout=0.4,
    variational=True,
    input_dropout=0.2,
    head_dropout=0.4,
    reader_layers=2,
)
CHORALES = dataclasses.replace(
    VOICES, width=224, feed_forward=448, conditions=("beat", "key"), condition_dropout=0.1, place=True
)
MELODIES = dataclasses.replace(
    VOICES, width=192, feed_forward=384, head=128, conditions=(), order=(), place=True, phase=True,
    dropout=0.1, input_dropout=0.05, head_dropout=0.1,
)  # fmt: skip
KEYS = Config(
    net="frame", num_layers=2, width=192, heads=4, feed_forward=384, span=256, head=24, conditions=("beat",),
    dropout=0.3, variational=True, input_dropout=0.2, head_dropout=0.1, nade=64,
)  # fmt: skip
TRACKS = Config(num_layers=4, width=192, heads=4, feed_forward=512, span=512, tied=True, dropout=0.1)

# name -> (codec, config)
PRESETS: Mapping[str, tuple[str, Config]] = {
    "music-transformer": ("performance", PERFORMANCE),
    "music-transformer-jsb16": ("chorale-pitches", SERIAL),
    "jsb16-frames": ("chorale-pitches", VOICES),
    "chorale-frames": ("chorale", CHORALES),
    "melody-frames": ("melody-basic", MELODIES),
    "pianoroll-attention": ("pianoroll-88", KEYS),
    "pop-tracks": ("tracks", TRACKS),
}


class TokenNet(nn.Module):
    """A network that maps the previous token and the conditions of a position to the logits of its token.

    With several streams it also reads the index of the stream and the token of the same stream one frame before.
    """

    config: Config
    vocabulary: vocabularies.Vocabulary

    @nn.compact
    def __call__(
        self,
        previous: Int[AnyArray, "B L"],
        before: Int[AnyArray, "B L"] | None,
        conditions: Mapping[str, AnyArray],
        carry: transformer_stack.Cache,
        key: Key[Array, ""] | None,
    ) -> tuple[Float[Array, "B L V"], transformer_stack.Cache]:
        """Runs the network over a sequence (see `models.shared.token_model`)."""
        config, size = self.config, self.vocabulary.size
        dtype = carry.keys[0][0].dtype
        keys = (None, None) if key is None else tuple(jax.random.split(key))

        def table(name: str, rows: int) -> Float[Array, "{rows} D"]:
            return self.param(name, nn.initializers.normal(0.02), (rows, config.width)).astype(dtype)

        def gather_rows(table: Float[Array, "R D"], ids: Int[AnyArray, "B L"]) -> Float[Array, "B L D"]:
            # A product, as the gradient of a gather is slow on CPUs. An id after the last row gives 0.
            if previous.shape[1] == 1:
                return table[ids]
            return transformer_stack.apply_to_rows(
                lambda ones: ones @ table, jax.nn.one_hot(ids, len(table), dtype=dtype)
            )

        embedding = table("embed", size + 1)
        x = gather_rows(embedding, previous)
        if before is not None:
            x = x + gather_rows(table("before", size + 1), before)
        sizes = {**dict(self.vocabulary.conditions), "stream": self.vocabulary.streams}
        for name in sorted(conditions):
            x = x + jax.nn.one_hot(conditions[name], sizes[name], dtype=dtype) @ table(name, sizes[name])
        x = x * jnp.asarray(config.width**0.5, dtype)
        x = dropouts.drop(x, config.input_dropout, keys[0])
        h, carry = transformer_stack.Stack(config, name="stack")(x, carry, keys[1])
        if config.tied:
            bias = self.param("output_bias", nn.initializers.zeros, (size,)).astype(dtype)
            logits = transformer_stack.apply_to_rows(lambda h: h @ embedding[:size].T, h)
            return logits + jnp.broadcast_to(bias, (*h.shape[:2], size)), carry
        return transformer_stack.apply_to_rows(nn.Dense(size, name="output", dtype=dtype), h), carry


class Bits(nn.Module):
    """A stack over frames of bits and other numbers, with an embedding layer.

    Attributes:
        shape: Shape of the stack.
    """

    shape: transformer_stack.Shape

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T F"], carry: transformer_stack.Cache, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B T D"], transformer_stack.Cache]:
        """Embeds float[B, T, F] and runs the stack."""
        # Few bits are 1 at a time, so the usual initial weights would be far too small.
        x = nn.Dense(self.shape.width, kernel_init=nn.initializers.normal(0.2), name="embedding")(x)
        return transformer_stack.Stack(self.shape, name="stack")(x, carry, key)


@struct.dataclass
class Prepared:
    """The parameters of the token network, laid out for a loop over tokens.

    Attributes:
        layers: The stack and the output, with the inputs as rows.
        offsets: The first row of each part of the input.
    """

    layers: transformer_step.Layers
    offsets: tuple[int, ...] = struct.field(pytree_node=False)


def _lay_out(config: Config, vocabulary: vocabularies.Vocabulary, params: Params) -> Prepared:
    size = vocabulary.size
    names = list(config.conditions)
    tables = [params["embed"]]
    if vocabulary.streams > 1:
        tables.append(params["before"])
        names.append("stream")
    # An unknown condition has the id after its last value, and adds nothing.
    tables += [jnp.pad(params[name], ((0, 1), (0, 0))) for name in sorted(names)]
    offsets = tuple(int(n) for n in np.cumsum([0, *(len(t) for t in tables[:-1])]))
    rows = jnp.concatenate(tables) * jnp.asarray(config.width**0.5, params["embed"].dtype)
    if config.tied:
        output, bias = params["embed"][:size].T, params["output_bias"]
    else:
        output, bias = params["output"]["kernel"], params["output"]["bias"]
    return Prepared(transformer_step.lay_out(config, params["stack"], rows, output, bias), offsets)


def _make_token(config: Config, start: Start, vocabulary: vocabularies.Vocabulary) -> Model:
    def prepare(params: Params) -> Prepared:
        return _lay_out(config, vocabulary, params)

    def advance(
        params: Any,
        previous: Int[Array, " N"],
        before: Int[Array, " N"] | None,
        conditions: Mapping[str, AnyArray],
        carry: transformer_stack.Cache,
    ) -> tuple[Float[Array, "N V"], transformer_stack.Cache]:
        prepared = params if isinstance(params, Prepared) else prepare(params)
        parts = [previous, *([] if before is None else [before]), *(conditions[n] for n in sorted(conditions))]
        ids = jnp.stack([part + offset for part, offset in zip(parts, prepared.offsets, strict=True)], axis=1)
        return transformer_step.step(config, prepared.layers, ids, carry)

    axes = functools.partial(token_model.label_axes, config.conditions, "embed", config.embed, vocabulary)
    net = TokenNet(config, vocabulary)
    return token_model.make(config, net, start, vocabulary, prepare=prepare, advance=advance, axes=axes)


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    transformer_stack.check(config)
    configs.check_at_least(config, 1, "head")
    configs.check_at_least(config, 0, "reader_layers")
    conditioning.check(config, vocabulary, ("dropout", "input_dropout", "head_dropout", "bars_left"))
    key_model.check(config, vocabulary)
    if config.reader_layers and (config.net == "token" or vocabulary.kind == "bits"):
        raise ValueError("reader_layers needs net = frame and a codec of voices")
    if config.lookahead and not config.reader_layers:
        raise ValueError("lookahead needs reader_layers of 1 or more")

    def start(num: int, length: int, params: Params) -> transformer_stack.Cache:
        return transformer_stack.initial(config, num, length, params)

    if vocabulary.kind == "bits":
        return key_model.make(config, Bits(config, name=None), start, vocabulary)
    if config.net == "token":
        return _make_token(config, start, vocabulary)
    reader = None
    if config.reader_layers:
        layers = dataclasses.replace(config, num_layers=config.reader_layers)
        reader = given_reader.Reader(vocabulary, layers, config.input_dropout, config.lookahead, name=None)
    return voice_model.make(config, transformer_stack.Stack(config, name=None), start, vocabulary, reader)


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, head=8)


FAMILY = Family("transformer", Config, make, PRESETS, tiny)
