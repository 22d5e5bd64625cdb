"""The networks of DeepBach (Hadjeres et al., 2017): a cell of a voice conditioned on all other cells of the piece.

Two stacks of LSTM layers read the past and the future of the cell, and a network in the middle reads its own frame. The
published network reads 16 frames on either side, starting again for every cell. Here one pass in each direction serves
all cells: the state before a frame summarises everything before it, so that every cell is conditioned on the whole
piece, at a sixteenth of the cost. With `context` the layers read that number of frames, as published. The logits of a
cell do not depend on the cell itself; a test changes each cell to check this.

`Voice` is the published head. With `intervals` it also reads the note that sounds during a hold, and scores intervals
to nearby notes, so that what it learns at one pitch generalises to all.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import AnyArray, Array, Bool, Float, Int, Key
from musejax.models.deep_bach.cell_shape import Shape
from musejax.nn import dropout as dropouts
from musejax.nn import given_reader, recurrent_stack
from musejax.nn.features import inputs, lookahead, voice_history

Batch = Mapping[str, AnyArray]


@jax.custom_vjp
def reorder(x: Float[Array, "B T D"], order: Int[Array, "B T"]) -> Float[Array, "B T D"]:
    """Reorders frames [B, T, D] by a self-inverse order int32[B, T]; the gradient by autodiff is slow on a CPU."""
    return jnp.take_along_axis(x, order[..., None], axis=1)


def _reorder_forward(
    x: Float[Array, "B T D"], order: Int[Array, "B T"]
) -> tuple[Float[Array, "B T D"], Int[Array, "B T"]]:
    return reorder(x, order), order


def _reorder_backward(order: Int[Array, "B T"], cotangent: Float[Array, "B T D"]) -> tuple[Float[Array, "B T D"], None]:
    return jnp.take_along_axis(cotangent, order[..., None], axis=1), None


reorder.defvjp(_reorder_forward, _reorder_backward)


def reverse_order(real: Bool[Array, "B T"]) -> Int[Array, "B T"]:
    """Returns the order that reverses the frames of each piece and keeps those after it, int32[B, T] for bool[B, T]."""
    place, length = jnp.arange(real.shape[1])[None], real.sum(1, keepdims=True)
    return jnp.where(place < length, length - 1 - place, place)


def read(t: voice_history.Tables, tokens: Int[Array, "B T S"]) -> dict[str, Array]:
    """Returns the features of the neighbourhood of every cell.

    Args:
        t: The vocabulary's tables.
        tokens: int32[B, T, S], V where a cell is hidden or outside the piece.

    Returns:
        int32[B, T, S] each: `tokens`; `before` and `after`, the tokens of the neighbouring frames; `now`, the token
        that sounds in the cell; `last` and `next`, the nearest tokens on either side that are not holds, and `since`
        and `away`, the classes of their distances.
    """
    onsets = jnp.where(tokens == t.hold, t.size, tokens) if t.hold >= 0 else tokens
    after, back = lookahead.upcoming(t, onsets), lookahead.upcoming(t, jnp.flip(onsets, 1))
    edge = jnp.full_like(tokens[:, :1], t.size)
    return {
        "tokens": tokens,
        "before": jnp.concatenate([edge, tokens[:, :-1]], 1),
        "after": jnp.concatenate([tokens[:, 1:], edge], 1),
        "now": given_reader.sounding_tokens(t, tokens),
        "last": jnp.flip(back["next"], 1),
        "since": jnp.flip(back["away"], 1),
        **after,
    }


def rotate_voices(notes: Mapping[str, AnyArray], voice: Int[Array, ""] | int) -> dict[str, Array]:
    """Rotates the voices in the output of `read` so that `voice` comes first."""
    return {name: jnp.roll(x, -voice, axis=-1) for name, x in notes.items()}


class Table(nn.Module):
    """An embedding of ids, as a product with one-hots; the embedding of an id after the last row is 0.

    Attributes:
        rows: Number of ids.
        width: Width of the embedding.
    """

    rows: int
    width: int

    @nn.compact
    def __call__(self, ids: Int[AnyArray, " *N"], dtype: Any) -> Float[Array, "*N W"]:
        """Embeds int32[...] as [..., width]."""
        table = self.param("table", nn.initializers.normal(0.5), (self.rows, self.width))
        return jax.nn.one_hot(ids, self.rows, dtype=dtype) @ table.astype(dtype)


class Inputs(nn.Module):
    """Concatenated embeddings of notes, of conditions and of the current voice.

    Attributes:
        shape: Inputs and outputs of the network.
        fields: The fields of `read` to embed.
    """

    shape: Shape
    fields: tuple[str, ...]

    @nn.compact
    def __call__(
        self, notes: Batch, conditions: Batch, voice: Int[Array, ""] | None, dtype: Any
    ) -> Float[Array, "B T E"]:
        """Embeds fields int32[B, T, S'] and conditions int32[B, T] as float[B, T, E]."""
        size, width = self.shape.vocabulary.size + 1, self.shape.embed
        parts = [
            Table(size, width, name=f"{field}_{s}")(notes[field][..., s], dtype)
            for field in self.fields
            for s in range(notes[field].shape[-1])
        ]
        parts += [Table(n + 1, width, name=name)(conditions[name], dtype) for name, n in self.shape.sizes]
        if voice is not None:
            voices = jnp.full(parts[0].shape[:-1], voice)
            parts.append(Table(self.shape.vocabulary.streams, width, name="voice")(voices, dtype))
        return jnp.concatenate(parts, -1)


class Context(nn.Module):
    """The layers that read the past and the future of every frame.

    Attributes:
        shape: Inputs and outputs of the network.
        layers: Number of layers in each direction.
        hidden: Units in each layer, H.
        dropout: Dropout rate of the output of each layer.
        context: Number of frames that they read on either side; 0 for all.
    """

    shape: Shape
    layers: int
    hidden: int
    dropout: float
    context: int

    @nn.compact
    def __call__(
        self,
        notes: Batch,
        conditions: Batch,
        real: Bool[Array, "B T"],
        voice: Int[Array, ""] | None,
        dtype: Any,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T D"]:
        """Runs the layers over pieces.

        Args:
            notes: The output of `read`, with the current voice first if there is one.
            conditions: int32[B, T] for each condition.
            real: bool[B, T], True in the frames of the piece.
            voice: Index of the current voice; None for layers that all voices share.
            dtype: Type of the computation.
            key: Key for dropout, or None to drop nothing.

        Returns:
            float[B, T, 2 H], for every frame a summary of its past and one of its future.
        """
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        # The future must not include sounding notes, which may have begun in the current cell.
        past = Inputs(self.shape, ("tokens", "now") if self.shape.intervals else ("tokens",), name="past")
        future = Inputs(self.shape, ("tokens",), name="future")
        left = recurrent_stack.Stack("lstm", self.layers, self.hidden, self.dropout, name="left")
        right = recurrent_stack.Stack("lstm", self.layers, self.hidden, self.dropout, name="right")

        def run(stack: nn.Module, x: Float[Array, "M L E"], key: Key[Array, ""] | None) -> Float[Array, "M L H"]:
            zero = jnp.zeros((), dtype)
            return stack(x, recurrent_stack.initial("lstm", self.layers, self.hidden, len(x), zero), key)[0]

        if self.context:
            notes, conditions = self._pad(notes, conditions)
            before, after = (inputs(notes, conditions, voice, dtype) for inputs in (past, future))
            rows, frames, reach = *real.shape, self.context
            early = jnp.stack([before[:, i : i + frames] for i in range(reach)], 2)
            late = jnp.stack([after[:, 2 * reach - i : 2 * reach - i + frames] for i in range(reach)], 2)
            ends = [
                run(stack, x.reshape(rows * frames, reach, -1), k)[:, -1].reshape(rows, frames, -1)
                for stack, x, k in ((left, early, keys[0]), (right, late, keys[1]))
            ]
            return jnp.concatenate(ends, -1)
        order = reverse_order(real)

        def reverse(ids: Batch) -> dict[str, Array]:
            places = {n: order.reshape(order.shape + (1,) * (x.ndim - 2)) for n, x in ids.items()}
            return {n: jnp.take_along_axis(x, places[n], 1) for n, x in ids.items()}

        forward = run(left, past(notes, conditions, voice, dtype), keys[0])
        backward = reorder(run(right, future(reverse(notes), reverse(conditions), voice, dtype), keys[1]), order)
        before = jnp.pad(forward, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        after = jnp.pad(backward, ((0, 0), (0, 1), (0, 0)))[:, 1:]
        # The last frame of a piece has no future, although the next state has read the whole piece.
        has_future = jnp.pad(real, ((0, 0), (0, 1)))[:, 1:, None]
        return jnp.concatenate([before, jnp.where(has_future, after, 0.0)], -1)

    def _pad(self, notes: Batch, conditions: Batch) -> tuple[dict[str, Array], dict[str, Array]]:
        """Pads notes and conditions with `context` unknown frames on either side."""
        sizes, width = dict(self.shape.sizes), ((0, 0), (self.context, self.context))
        size = self.shape.vocabulary.size
        padded = {name: jnp.pad(x, (*width, (0, 0)), constant_values=size) for name, x in notes.items()}
        return padded, {n: jnp.pad(conditions[n], width, constant_values=sizes[n]) for n in sizes}


class Voice(nn.Module):
    """The head of one voice: the logits of a cell from its past, its future and its frame.

    Attributes:
        shape: Inputs and outputs of the network.
        width: Units of the hidden layers.
        dropout: Dropout rate of the hidden layers; used with `intervals`.
    """

    shape: Shape
    width: int
    dropout: float

    @nn.compact
    def __call__(
        self,
        context: Float[Array, "B T D"],
        notes: Batch,
        conditions: Batch,
        voice: Int[Array, ""],
        dtype: Any,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T V"]:
        """Returns the logits of all cells of the voice.

        Args:
            context: float[B, T, 2 H], the output of `Context`.
            notes: The output of `read`, with this voice first.
            conditions: int32[B, T] for each condition.
            voice: Index of the voice.
            dtype: Type of the computation.
            key: Key for dropout, or None to drop nothing.

        Returns:
            float[B, T, V].
        """
        if self.shape.intervals:
            return self._score_intervals(context, notes, conditions, dtype, key)
        others = {"tokens": notes["tokens"][..., 1:]}
        centre = Inputs(self.shape, ("tokens",), name="centre")(others, conditions, voice, dtype)
        for i in range(2):
            centre = nn.relu(nn.Dense(self.width, name=f"centre_{i}")(centre))
        half = context.shape[-1] // 2
        x = jnp.concatenate([context[..., :half], centre, context[..., half:]], -1)
        x = nn.relu(nn.Dense(self.width, name="hidden")(x))
        return nn.Dense(self.shape.vocabulary.size, name="output")(x)

    def _score_intervals(
        self, context: Float[Array, "B T D"], notes: Batch, conditions: Batch, dtype: Any, key: Key[Array, ""] | None
    ) -> Float[Array, "B T V"]:
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        present = inputs.one_hots(self.shape.features(), {**notes, **conditions}, 0.0, None, dtype)
        y = nn.Dense(self.width, name="context")(context)
        start = nn.initializers.normal(0.2)
        y = y + nn.Dense(self.width, use_bias=False, kernel_init=start, name="present")(present)
        y = dropouts.drop(nn.silu(nn.LayerNorm(name="norm")(y)), self.dropout, keys[0])
        y = nn.silu(nn.Dense(self.width, name="hidden")(y))
        y = dropouts.drop(y, self.dropout, keys[1])
        small, layout = nn.initializers.variance_scaling(0.01, "fan_in", "normal"), self.shape.scores()
        scores = nn.Dense(layout.size, kernel_init=small, name="output")(y).astype(jnp.float32)
        now = notes["now"]
        anchors = [notes["last"][..., 0], notes["next"][..., 0], *(now[..., u] for u in range(1, now.shape[-1]))]
        return layout.logits(scores, anchors, signature=conditions["key"] if self.shape.by_degree else None)
