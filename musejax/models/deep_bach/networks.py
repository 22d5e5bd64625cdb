"""DeepBach's nets (Hadjeres et al., 2017): a cell of a voice given all other cells of the piece.

The cell's past and future are read by two stacks of LSTM layers, one in each direction, and what is known of its own
frame by a net in the middle. The published net reads 16 frames on either side, from a start of its own for every cell.
Here one pass in each direction serves all cells: the state before a frame has read all that comes before it, so every
cell sees the piece from end to end, at a sixteenth of the work. With `context` the layers read so many frames as
published. No way leads from a cell to the logits of it; a test changes each cell and looks.

`Voice` is the published head, or with `intervals` one that also hears which note sounds where a hold stands, and scores
intervals to the notes around, so that what is learnt at one pitch serves at all.
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
def reordered(x: Float[Array, "B T D"], order: Int[Array, "B T"]) -> Float[Array, "B T D"]:
    """Frames [B, T, D] in an order int32[B, T] that is its own inverse; autodiff's scatter is slow on a CPU."""
    return jnp.take_along_axis(x, order[..., None], axis=1)


def _reordered_forward(
    x: Float[Array, "B T D"], order: Int[Array, "B T"]
) -> tuple[Float[Array, "B T D"], Int[Array, "B T"]]:
    return reordered(x, order), order


def _reordered_backward(
    order: Int[Array, "B T"], cotangent: Float[Array, "B T D"]
) -> tuple[Float[Array, "B T D"], None]:
    return jnp.take_along_axis(cotangent, order[..., None], axis=1), None


reordered.defvjp(_reordered_forward, _reordered_backward)


def backwards(real: Bool[Array, "B T"]) -> Int[Array, "B T"]:
    """The order that turns the frames of each piece round and leaves those behind it: int32[B, T] of bool[B, T]."""
    place, length = jnp.arange(real.shape[1])[None], real.sum(1, keepdims=True)
    return jnp.where(place < length, length - 1 - place, place)


def read(t: voice_history.Tables, tokens: Int[Array, "B T S"]) -> dict[str, Array]:
    """What is known around every cell.

    Args:
        t: The vocabulary's tables.
        tokens: int32[B, T, S], V where a cell is hidden or outside the piece.

    Returns:
        int32[B, T, S] each: `tokens`; `before` and `after`, those of the neighbouring frames; `now`, the token that
        sounds in the cell; `last` and `next`, the nearest that is no hold on either side, with the classes of their
        distances `since` and `away`.
    """
    struck = jnp.where(tokens == t.hold, t.size, tokens) if t.hold >= 0 else tokens
    after, back = lookahead.upcoming(t, struck), lookahead.upcoming(t, jnp.flip(struck, 1))
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


def rolled(found: Mapping[str, AnyArray], voice: Int[Array, ""] | int) -> dict[str, Array]:
    """What `read` found with one voice first, then those that follow it."""
    return {name: jnp.roll(x, -voice, axis=-1) for name, x in found.items()}


class Table(nn.Module):
    """Vectors of ids, as a product with one-hots; an id beyond the rows has a vector of zeros.

    Attributes:
        rows: Ids.
        width: Of a vector.
    """

    rows: int
    width: int

    @nn.compact
    def __call__(self, ids: Int[AnyArray, " *N"], dtype: Any) -> Float[Array, "*N W"]:
        """int32[...] -> [..., width]."""
        table = self.param("table", nn.initializers.normal(0.5), (self.rows, self.width))
        return jax.nn.one_hot(ids, self.rows, dtype=dtype) @ table.astype(dtype)


class Inputs(nn.Module):
    """Vectors of notes, of conditions and of the voice in question, side by side.

    Attributes:
        shape: The net's.
        fields: Which of what `read` finds.
    """

    shape: Shape
    fields: tuple[str, ...]

    @nn.compact
    def __call__(self, found: Batch, told: Batch, voice: Int[Array, ""] | None, dtype: Any) -> Float[Array, "B T E"]:
        """Of every frame: int32[B, T, S'] in each field, int32[B, T] for each condition -> float[B, T, E]."""
        size, width = self.shape.vocabulary.size + 1, self.shape.embed
        parts = [
            Table(size, width, name=f"{field}_{s}")(found[field][..., s], dtype)
            for field in self.fields
            for s in range(found[field].shape[-1])
        ]
        parts += [Table(n + 1, width, name=name)(told[name], dtype) for name, n in self.shape.sizes]
        if voice is not None:
            like = jnp.full(parts[0].shape[:-1], voice)
            parts.append(Table(self.shape.vocabulary.streams, width, name="voice")(like, dtype))
        return jnp.concatenate(parts, -1)


class Context(nn.Module):
    """The layers that read the past and the future of every frame.

    Attributes:
        shape: The net's.
        layers: Of each direction.
        hidden: Their units, H.
        dropout: On the output of each.
        context: Frames that they read; 0 for all.
    """

    shape: Shape
    layers: int
    hidden: int
    dropout: float
    context: int

    @nn.compact
    def __call__(
        self,
        found: Batch,
        told: Batch,
        real: Bool[Array, "B T"],
        voice: Int[Array, ""] | None,
        dtype: Any,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T D"]:
        """Runs over pieces.

        Args:
            found: What `read` finds; with a voice in question that one first.
            told: int32[B, T] for each condition.
            real: bool[B, T], the frames of the piece.
            voice: Which voice is in question; None for layers that serve them all.
            dtype: Type of the computation.
            key: For dropout; None when nothing is to be dropped.

        Returns:
            float[B, T, 2 H]: of every frame what lies before it, then what lies after it.
        """
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        # What sounds in a frame that lies ahead may have begun in the cell in question.
        past = Inputs(self.shape, ("tokens", "now") if self.shape.intervals else ("tokens",), name="past")
        future = Inputs(self.shape, ("tokens",), name="future")
        left = recurrent_stack.Stack("lstm", self.layers, self.hidden, self.dropout, name="left")
        right = recurrent_stack.Stack("lstm", self.layers, self.hidden, self.dropout, name="right")

        def over(stack: nn.Module, x: Float[Array, "M L E"], key: Key[Array, ""] | None) -> Float[Array, "M L H"]:
            zero = jnp.zeros((), dtype)
            return stack(x, recurrent_stack.initial("lstm", self.layers, self.hidden, len(x), zero), key)[0]

        if self.context:
            found, told = self._surrounded(found, told)
            before, after = (inputs(found, told, voice, dtype) for inputs in (past, future))
            rows, frames, reach = *real.shape, self.context
            early = jnp.stack([before[:, i : i + frames] for i in range(reach)], 2)
            late = jnp.stack([after[:, 2 * reach - i : 2 * reach - i + frames] for i in range(reach)], 2)
            ends = [
                over(stack, x.reshape(rows * frames, reach, -1), k)[:, -1].reshape(rows, frames, -1)
                for stack, x, k in ((left, early, keys[0]), (right, late, keys[1]))
            ]
            return jnp.concatenate(ends, -1)
        order = backwards(real)

        def turned(ids: Batch) -> dict[str, Array]:
            places = {n: order.reshape(order.shape + (1,) * (x.ndim - 2)) for n, x in ids.items()}
            return {n: jnp.take_along_axis(x, places[n], 1) for n, x in ids.items()}

        read_on = over(left, past(found, told, voice, dtype), keys[0])
        read_back = reordered(over(right, future(turned(found), turned(told), voice, dtype), keys[1]), order)
        before = jnp.pad(read_on, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        after = jnp.pad(read_back, ((0, 0), (0, 1), (0, 0)))[:, 1:]
        # Behind the end of a piece stand states that have read all of it.
        goes_on = jnp.pad(real, ((0, 0), (0, 1)))[:, 1:, None]
        return jnp.concatenate([before, jnp.where(goes_on, after, 0.0)], -1)

    def _surrounded(self, found: Batch, told: Batch) -> tuple[dict[str, Array], dict[str, Array]]:
        """The same with so many frames on either side as are read, of which nothing is known."""
        sizes, reach = dict(self.shape.sizes), self.context
        notes = {
            name: jnp.pad(x, ((0, 0), (reach, reach), (0, 0)), constant_values=self.shape.vocabulary.size)
            for name, x in found.items()
        }
        return notes, {n: jnp.pad(told[n], ((0, 0), (reach, reach)), constant_values=sizes[n]) for n in sizes}


class Voice(nn.Module):
    """What a cell of one voice may be, from its past and future and what is known of its frame.

    Attributes:
        shape: The net's.
        width: Units of its hidden layers.
        dropout: On them, with `intervals`.
    """

    shape: Shape
    width: int
    dropout: float

    @nn.compact
    def __call__(
        self,
        context: Float[Array, "B T D"],
        found: Batch,
        told: Batch,
        voice: Int[Array, ""],
        dtype: Any,
        key: Key[Array, ""] | None,
    ) -> Float[Array, "B T V"]:
        """Logits of every cell of the voice.

        Args:
            context: float[B, T, 2 H].
            found: What `read` finds, the voice in question first.
            told: int32[B, T] for each condition.
            voice: Which it is.
            dtype: Type of the computation.
            key: For dropout.

        Returns:
            float[B, T, V].
        """
        if self.shape.intervals:
            return self._by_intervals(context, found, told, dtype, key)
        others = {"tokens": found["tokens"][..., 1:]}
        centre = Inputs(self.shape, ("tokens",), name="centre")(others, told, voice, dtype)
        for i in range(2):
            centre = nn.relu(nn.Dense(self.width, name=f"centre_{i}")(centre))
        half = context.shape[-1] // 2
        x = jnp.concatenate([context[..., :half], centre, context[..., half:]], -1)
        x = nn.relu(nn.Dense(self.width, name="hidden")(x))
        return nn.Dense(self.shape.vocabulary.size, name="output")(x)

    def _by_intervals(
        self, context: Float[Array, "B T D"], found: Batch, told: Batch, dtype: Any, key: Key[Array, ""] | None
    ) -> Float[Array, "B T V"]:
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        present = inputs.one_hots(self.shape.features(), {**found, **told}, 0.0, None, dtype)
        y = nn.Dense(self.width, name="context")(context)
        start = nn.initializers.normal(0.2)
        y = y + nn.Dense(self.width, use_bias=False, kernel_init=start, name="present")(present)
        y = dropouts.drop(nn.silu(nn.LayerNorm(name="norm")(y)), self.dropout, keys[0])
        y = nn.silu(nn.Dense(self.width, name="hidden")(y))
        y = dropouts.drop(y, self.dropout, keys[1])
        small, layout = nn.initializers.variance_scaling(0.01, "fan_in", "normal"), self.shape.scores()
        scores = nn.Dense(layout.size, kernel_init=small, name="output")(y).astype(jnp.float32)
        now = found["now"]
        anchors = [found["last"][..., 0], found["next"][..., 0], *(now[..., u] for u in range(1, now.shape[-1]))]
        return layout.logits(scores, anchors, signature=told["key"] if self.shape.by_degree else None)
