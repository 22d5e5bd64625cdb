"""The recurrent family: LSTM and GRU networks over tokens of any codec, over chorale frames, and over binary frames.

Three networks share the stack of recurrent layers. The token network reads one token per step, like Magenta's melody
and performance networks; streams are serialised frame by frame. The two frame networks read a whole frame per step:
`shared/voice_model.py` samples its streams one after the other with a small head, `shared/key_model.py` samples 88
keys.
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
from musejax.models.shared import configs, token_model, voice_model
from musejax.models.shared import key_model as key_nets
from musejax.nn import conditioning, recurrent_stack
from musejax.nn import dropout as dropouts
from musejax.nn.fast import recurrent_step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a recurrent model.

    Attributes:
        net: `token` reads one token per step, `frame` one frame per step.
        cell: `lstm` or `gru`.
        num_layers: Number of recurrent layers.
        hidden: Units in each layer.
        inputs: Input encoding of the token network: `one_hot`, `embed`, or `scalar` (the id divided by the largest id).
        embed: Width of the embedding of a token or a frame.
        tied: Whether the token network's output matrix is its embedding.
        conditions: Names of the vocabulary's conditions that the network reads.
        condition_dropout: Share of training pieces whose conditions are hidden, for classifier-free guidance.
        dropout: Dropout rate of the output of each layer.
        variational: Whether all steps of a sequence share one dropout mask.
        input_dropout: Dropout rate of the inputs.
        recurrent_dropout: Dropout rate of the recurrent weights, dropped for a whole sequence.
        residual: Whether layers from the second on add their input.
        layer_norm: Whether layers normalise their output.
        head: Width of the frame network's head for one stream.
        place: Whether the voice network reads the number of bars since the start.
        bars_left: Share of training pieces for which the voice network reads the number of bars left, so that sampling
            can be conditioned on a length; 0 for a network that never reads it.
        phase: Whether it reads the number of frames since the start modulo 48, for codecs without a beat condition.
        order: The streams in the order in which the frame network samples them; empty for the vocabulary's order.
        head_dropout: Dropout rate in the frame network's heads, and in its NADE.
        history: Whether the key network reads more of the past than the last frame (nn/features/key_history.py).
        nade: Hidden units of a NADE over the keys of a frame; 0 leaves keys independent given the past.
    """

    net: Literal["token", "frame"] = "token"
    cell: Literal["lstm", "gru"] = "lstm"
    num_layers: int = 2
    hidden: int = 128
    inputs: Literal["one_hot", "embed", "scalar"] = "one_hot"
    embed: int = 128
    tied: bool = False
    conditions: tuple[str, ...] = ()
    condition_dropout: float = 0.0
    dropout: float = 0.0
    variational: bool = False
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    residual: bool = False
    layer_norm: bool = False
    head: int = 192
    place: bool = False
    bars_left: float = 0.0
    phase: bool = False
    order: tuple[int, ...] = ()
    head_dropout: float = 0.0
    history: bool = True
    nade: int = 0


# Our own network for chorales: 1.5 million parameters.
VOICES = Config(
    net="frame",
    num_layers=1,
    hidden=256,
    embed=192,
    head=192,
    conditions=("beat",),
    order=(0, 3, 2, 1),
    dropout=0.4,
    variational=True,
    input_dropout=0.2,
    recurrent_dropout=0.4,
    head_dropout=0.4,
)

# Our own network for binary frames: 0.8 million parameters.
KEYS = Config(
    net="frame",
    num_layers=1,
    hidden=256,
    head=24,
    conditions=("beat",),
    dropout=0.3,
    variational=True,
    input_dropout=0.2,
    head_dropout=0.1,
)

# name -> (codec, config). The first six have the sizes of their sources (Magenta's model files; the pattern page).
PRESETS: Mapping[str, tuple[str, Config]] = {
    "sketch-lstm": ("melody-100", Config(inputs="scalar")),
    "basic-rnn": ("melody-basic", Config(dropout=0.5)),
    "mono-rnn": ("melody", Config(dropout=0.5)),
    "performance": ("performance-356", Config(num_layers=3, hidden=512)),
    "performance-with-dynamics": ("performance", Config(num_layers=3, hidden=512)),
    "rnn-nade": ("pianoroll-88", Config(net="frame", num_layers=3, dropout=0.5, history=False, nade=128)),
    "jsb16-voices": ("chorale-pitches", VOICES),
    "chorale-voices": ("chorale", dataclasses.replace(VOICES, conditions=("beat", "key"), place=True)),
    "pianoroll-keys": ("pianoroll-88", KEYS),
    "pianoroll-nade": ("pianoroll-88", dataclasses.replace(KEYS, nade=64)),
}


def make_stack(config: Config) -> recurrent_stack.Stack:
    """Creates the recurrent layers of a config."""
    return recurrent_stack.Stack(
        config.cell,
        config.num_layers,
        config.hidden,
        config.dropout,
        config.variational,
        config.recurrent_dropout,
        config.residual,
        config.layer_norm,
        name=None if config.net == "frame" else "stack",
    )


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
        carry: Any,
        key: Key[Array, ""] | None,
    ) -> tuple[Float[Array, "B L V"], Any]:
        """Runs the network over a sequence.

        Args:
            previous: int32[B, L], the token before each position; V at the start.
            before: int32[B, L], the token of the same stream one frame before; None for one stream.
            conditions: int32[B, L] each.
            carry: The state of the stack, whose type is that of the computation.
            key: Key for dropout, or None to drop nothing.

        Returns:
            Logits [B, L, V] and the new state of the stack.
        """
        config, size = self.config, self.vocabulary.size
        dtype = jax.tree.leaves(carry)[0].dtype
        table = None
        if config.inputs == "scalar":
            parts = [previous[..., None].astype(jnp.float32) / (size - 1)]
        elif config.inputs == "one_hot":
            parts = [jax.nn.one_hot(previous, size)]  # the start is a row of zeros, so the input stays V wide
        else:
            table = self.param("embed", nn.initializers.normal(0.1), (size + 1, config.embed)).astype(dtype)
            parts = [jax.nn.one_hot(previous, size + 1)]
        if before is not None:
            parts.append(jax.nn.one_hot(before, size))
        sizes = {**dict(self.vocabulary.conditions), "stream": self.vocabulary.streams}
        parts += [jax.nn.one_hot(conditions[name], sizes[name]) for name in sorted(conditions)]
        x = jnp.concatenate([p.astype(dtype) for p in parts], axis=-1)
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        x = dropouts.drop(x, config.input_dropout, keys[0])
        ones = len(parts) if config.inputs == "one_hot" else 0
        h, carry = make_stack(config)(x, carry, keys[1], embedding=table, input_grad=False, ones=ones)
        if config.tied and table is not None:
            h = nn.Dense(config.embed, use_bias=False, name="project")(h)
            bias = self.param("output_bias", nn.initializers.zeros, (size,))
            return h @ table[:size].T.astype(h.dtype) + jnp.broadcast_to(bias, (*h.shape[:2], size)), carry
        return nn.Dense(size, name="output")(h), carry


@struct.dataclass
class Prepared:
    """The parameters of the token network, laid out for a loop over tokens.

    Attributes:
        layers: The stack, with its inputs as rows.
        output: float[V, H].
        bias: float[V].
        offsets: The first row of each part of the input.
    """

    layers: recurrent_step.Layers
    output: Float[Array, "V H"]
    bias: Float[Array, " V"]
    offsets: tuple[int, ...] = struct.field(pytree_node=False)


def _lay_out(config: Config, vocabulary: vocabularies.Vocabulary, params: Params) -> Prepared:
    size, dtype = vocabulary.size, jax.tree.leaves(params)[0].dtype
    if config.inputs == "scalar":
        blocks = [(jnp.arange(size + 1) / (size - 1))[:, None]]
    else:
        blocks = [params["embed"] if config.inputs == "embed" else jnp.eye(size + 1, size)]
    names = {n: s for n, s in vocabulary.conditions if n in config.conditions}
    if vocabulary.streams > 1:
        blocks.append(jnp.eye(size + 1, size))  # the token one frame before
        names["stream"] = vocabulary.streams
    blocks += [jnp.eye(names[n] + 1, names[n]) for n in sorted(names)]  # an unknown condition is a row of zeros
    offsets = tuple(int(n) for n in np.cumsum([0, *(len(b) for b in blocks[:-1])]))
    rows = jax.scipy.linalg.block_diag(*(b.astype(dtype) for b in blocks))
    layers = recurrent_step.lay_out(config.cell, params["stack"], rows)
    if config.tied:
        output, bias = params["embed"][:size] @ params["project"]["kernel"].T, params["output_bias"]
    else:
        output, bias = params["output"]["kernel"].T, params["output"]["bias"]
    return Prepared(layers, output, bias, offsets)


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    configs.check_at_least(config, 1, "num_layers", "hidden", "embed", "head")
    key_nets.check(config, vocabulary)
    conditioning.check(
        config, vocabulary, ("dropout", "input_dropout", "recurrent_dropout", "head_dropout", "bars_left")
    )
    if config.tied and config.inputs != "embed":
        raise ValueError(f"tied needs inputs = embed, but inputs is {config.inputs}")

    def start(num: int, length: int, params: Params) -> Any:
        return recurrent_stack.initial(config.cell, config.num_layers, config.hidden, num, params)

    if vocabulary.kind == "bits":
        return key_nets.make(config, make_stack(config), start, vocabulary)
    if config.net == "frame":
        return voice_model.make(config, make_stack(config), start, vocabulary)
    return _make_token(config, start, vocabulary)


def _make_token(config: Config, start: Start, vocabulary: vocabularies.Vocabulary) -> Model:
    def prepare(params: Params) -> Prepared:
        return _lay_out(config, vocabulary, params)

    def advance(
        params: Any,
        previous: Int[Array, " N"],
        before: Int[Array, " N"] | None,
        conditions: Mapping[str, AnyArray],
        carry: Any,
    ) -> tuple[Float[Array, "N V"], Any]:
        prepared = params if isinstance(params, Prepared) else prepare(params)
        parts = [previous, *([] if before is None else [before]), *(conditions[n] for n in sorted(conditions))]
        ids = jnp.stack([part + offset for part, offset in zip(parts, prepared.offsets, strict=True)], axis=1)
        h, carry = recurrent_step.step(prepared.layers, ids, carry, residual=config.residual)
        logits = prepared.output @ h + jnp.broadcast_to(prepared.bias[:, None], (vocabulary.size, len(previous)))
        return logits.T, carry

    axes = functools.partial(token_model.label_axes, config.conditions, config.inputs, config.embed, vocabulary)
    net = TokenNet(config, vocabulary)
    return token_model.make(config, net, start, vocabulary, prepare=prepare, advance=advance, axes=axes)


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(config, hidden=12, embed=10, head=8, num_layers=2)


FAMILY = Family("recurrent", Config, make, PRESETS, tiny)
