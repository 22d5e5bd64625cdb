"""How a frame of any vocabulary is read and written by nets that see frames whole.

Its streams are one-hots side by side, or its switches or real numbers, with its conditions; each decoder writes some of
the streams.
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
    """What one decoder writes: its streams, and how many numbers a frame come out of it."""

    streams: tuple[int, ...]
    outputs: int


@dataclasses.dataclass(frozen=True)
class Frame:
    """How frames are read and written.

    Attributes:
        vocabulary: Of one-hot streams, of switches or of rows of real numbers.
        conditions: Names of the conditions that are read.
        separate: Whether each stream has a decoder of its own, which sees that stream alone.
        nade: Hidden units of a NADE over switches; 0 for none.
    """

    vocabulary: vocabularies.Vocabulary
    conditions: tuple[str, ...] = ()
    separate: bool = False
    nade: int = 0

    @property
    def rows(self) -> bool:
        """Whether a frame is one row, of switches or of real numbers, and not ids."""
        return self.vocabulary.kind != "tokens"

    @property
    def field(self) -> str:
        """The field of a batch that has the frames."""
        return "frames" if self.rows else "tokens"

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """For each stream its first id and the number of its ids."""
        return tuple(self.vocabulary.span(stream) for stream in range(self.vocabulary.streams))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The decoders."""
        sizes = [size for _, size in self.spans]
        if self.separate:
            return tuple(Part((s,), size) for s, size in enumerate(sizes))
        return (Part(tuple(range(len(sizes))), sum(sizes) + self.nade),)

    def inputs(self, batch: Batch, part: Part | None = None) -> Float[Array, "B T D"]:
        """The frames of all streams, or of a part's, as float32[B, T, D]; what stands before the first is zeros."""
        if self.rows:
            return jnp.asarray(batch["frames"], jnp.float32)
        tokens = self.framed(batch["tokens"])
        streams = range(tokens.shape[-1]) if part is None else part.streams
        hots = [jax.nn.one_hot(tokens[..., s] - self.spans[s][0], self.spans[s][1]) for s in streams]
        return jnp.concatenate(hots, axis=-1)

    def told(self, batch: Batch) -> list[Float[Array, "B T _"]]:
        """The conditions as one-hots."""
        sizes = dict(self.vocabulary.conditions)
        return [jax.nn.one_hot(batch[name], sizes[name]) for name in self.conditions]

    def framed(self, tokens: Int[AnyArray, "B T *S"]) -> Int[AnyArray, "B T S"]:
        """Tokens with an axis for streams."""
        return tokens if self.vocabulary.streams > 1 else tokens[..., None]

    def before(self, batch: Batch) -> dict[str, AnyArray]:
        """A batch whose frames are those before each; conditions stay."""
        x, start = jnp.asarray(batch[self.field]), 0 if self.rows else self.vocabulary.size
        wide = [(0, 0), (1, 0)] + [(0, 0)] * (x.ndim - 2)
        return {**batch, self.field: jnp.pad(x, wide, constant_values=start)[:, :-1]}

    def width(self, part: Part) -> int:
        """How many inputs a decoder has beside its context."""
        sizes = dict(self.vocabulary.conditions)
        return sum(self.spans[s][1] for s in part.streams) + sum(sizes[name] for name in self.conditions)

    def ids(self, part: Part, previous: Num[Array, "N _"], conditions: Mapping[str, AnyArray]) -> Int[Array, "N P"]:
        """Which inputs of a decoder are 1, int32[N, P]: of the frame before (int32[N, S] or [N, V]) and conditions.

        Real numbers are none of these.
        """
        none, at, found = self.width(part), 0, []
        if self.rows:
            place, on = jnp.arange(previous.shape[1])[None], (previous > 0) & (self.vocabulary.kind == "bits")
            found, at = [jnp.where(on, place, none)], previous.shape[1]
        for s in () if self.rows else part.streams:
            start, size = self.spans[s]
            token = previous[:, s : s + 1] - start
            found.append(jnp.where((token >= 0) & (token < size), token + at, none))
            at += size
        sizes = dict(self.vocabulary.conditions)
        for name in self.conditions:
            value = conditions[name][:, None]
            found.append(jnp.where(value < sizes[name], value + at, none))
            at += sizes[name]
        return jnp.concatenate(found, axis=1)

    def logits(self, outs: tuple[Float[Array, "*N _"], ...], s: int) -> Float[Array, "*N V"]:
        """Logits of one stream's own ids, from what the decoders gave."""
        for part, out in zip(self.parts, outs, strict=True):
            at = 0
            for stream in part.streams:
                if stream == s:
                    return out[..., at : at + self.spans[s][1]]
                at += self.spans[stream][1]
        raise KeyError(s)
