"""The layout of a frame of any vocabulary as the input and output of networks over whole frames.

The input is the concatenated one-hots of all streams, or the bits or real numbers of the frame, with its conditions;
each decoder writes some of the streams.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Num
from musejax.base import Batch


class Part(NamedTuple):
    """The output of one decoder: its streams, and the size of its output at each frame."""

    streams: tuple[int, ...]
    outputs: int


@dataclasses.dataclass(frozen=True)
class Frame:
    """The layout of a frame.

    Attributes:
        vocabulary: A vocabulary of tokens, of bits or of rows of real numbers.
        conditions: Names of the conditions that the network reads.
        separate: Whether each stream has a decoder of its own, which reads that stream alone.
        nade: Hidden units of a NADE over bits; 0 for none.
    """

    vocabulary: vocabularies.Vocabulary
    conditions: tuple[str, ...] = ()
    separate: bool = False
    nade: int = 0

    @property
    def rows(self) -> bool:
        """Whether a frame is a row of bits or real numbers rather than ids."""
        return self.vocabulary.kind != "tokens"

    @property
    def field(self) -> str:
        """The field of a batch that contains the frames."""
        return "frames" if self.rows else "tokens"

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The first id of each stream and the number of its ids."""
        return tuple(self.vocabulary.span(stream) for stream in range(self.vocabulary.streams))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The decoders."""
        sizes = [size for _, size in self.spans]
        if self.separate:
            return tuple(Part((s,), size) for s, size in enumerate(sizes))
        return (Part(tuple(range(len(sizes))), sum(sizes) + self.nade),)

    def inputs(self, batch: Batch, part: Part | None = None) -> Float[Array, "B T D"]:
        """Returns frames of all streams, or of those of a part, as float32[B, T, D]; the start token is all zeros."""
        if self.rows:
            return jnp.asarray(batch["frames"], jnp.float32)
        tokens = self.add_streams(batch["tokens"])
        streams = range(tokens.shape[-1]) if part is None else part.streams
        hots = [jax.nn.one_hot(tokens[..., s] - self.spans[s][0], self.spans[s][1]) for s in streams]
        return jnp.concatenate(hots, axis=-1)

    def condition_inputs(self, batch: Batch) -> list[Float[Array, "B T _"]]:
        """Returns the conditions as one-hots."""
        sizes = dict(self.vocabulary.conditions)
        return [jax.nn.one_hot(batch[name], sizes[name]) for name in self.conditions]

    def add_streams(self, tokens: Int[AnyArray, "B T *S"]) -> Int[AnyArray, "B T S"]:
        """Adds an axis for streams to tokens without one: [B, T, S]."""
        return tokens if self.vocabulary.streams > 1 else tokens[..., None]

    def shift(self, batch: Batch) -> dict[str, AnyArray]:
        """Returns a batch whose frames are shifted right by one; conditions are not shifted."""
        x, start = jnp.asarray(batch[self.field]), 0 if self.rows else self.vocabulary.size
        wide = [(0, 0), (1, 0)] + [(0, 0)] * (x.ndim - 2)
        return {**batch, self.field: jnp.pad(x, wide, constant_values=start)[:, :-1]}

    def width(self, part: Part) -> int:
        """Returns the number of inputs of a decoder besides its context."""
        sizes = dict(self.vocabulary.conditions)
        return sum(self.spans[s][1] for s in part.streams) + sum(sizes[name] for name in self.conditions)

    def ids(self, part: Part, previous: Num[Array, "N _"], conditions: Mapping[str, AnyArray]) -> Int[Array, "N P"]:
        """Returns the indices of the inputs of a decoder that are 1, int32[N, P]; `width` stands for none.

        Args:
            part: The decoder.
            previous: The previous frame, int32[N, S] or [N, V]; real numbers have no index.
            conditions: int32[N] each.
        """
        none, at, columns = self.width(part), 0, []
        if self.rows:
            place, on = jnp.arange(previous.shape[1])[None], (previous > 0) & (self.vocabulary.kind == "bits")
            columns, at = [jnp.where(on, place, none)], previous.shape[1]
        for s in () if self.rows else part.streams:
            start, size = self.spans[s]
            token = previous[:, s : s + 1] - start
            columns.append(jnp.where((token >= 0) & (token < size), token + at, none))
            at += size
        sizes = dict(self.vocabulary.conditions)
        for name in self.conditions:
            value = conditions[name][:, None]
            columns.append(jnp.where(value < sizes[name], value + at, none))
            at += sizes[name]
        return jnp.concatenate(columns, axis=1)

    def logits(self, outs: tuple[Float[Array, "*N _"], ...], s: int) -> Float[Array, "*N V"]:
        """Returns the logits of the ids of one stream from the outputs of the decoders."""
        for part, out in zip(self.parts, outs, strict=True):
            at = 0
            for stream in part.streams:
                if stream == s:
                    return out[..., at : at + self.spans[s][1]]
                at += self.spans[stream][1]
        raise KeyError(s)
