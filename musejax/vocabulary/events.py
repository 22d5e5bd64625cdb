"""What a table of events is: ranges of typed symbols, numbered one after the other. NumPy only.

A table is saved with every run, so that a run can be read without the code that made it. Those of all representations
are in `vocabulary`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from musejax.theory.sixteenths import QUARTER

# What the event type of a track of a roll ends in: keys, which have pitches, or hits of drums.
KEY, HIT = "_key", "_hit"
# The event types of the streams of `trio` in runs saved before a table said so.
_TRIO = (("melody_hold", "melody_off", "melody"), ("bass_hold", "bass_off", "bass"), ("drums",))


@dataclasses.dataclass(frozen=True)
class EventRange:
    """Events of one type with an integer value from `min` to `max`, both included."""

    type: str
    min: int = 0
    max: int = 0

    @property
    def size(self) -> int:
        """Number of events in the range."""
        return self.max - self.min + 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The token table of one representation.

    Attributes:
        name: The codec's name.
        version: Raised whenever the meaning of an id changes; a run of another version is refused.
        ranges: Event ranges in the order of their ids.
        kind: `tokens`, one id a cell; `bits`, in which every id is a switch of its own and a frame is a set of ids; or
            `groove`, in which every id is a column of its own and a frame is a row of real numbers.
        streams: Cells a frame: 4 for the voices of a chorale, 1 for a sequence.
        own: The event types of each stream, in the order of their ids and side by side in the table, where streams have
            ids of their own; empty where every stream has all.
        conditions: Names and sizes of the integer inputs that come with each frame (`beat`, `fermata`, `key`).
        frames_per_quarter: Frames in a quarter note, or 0 where tokens are not frames.
    """

    name: str
    version: int
    ranges: tuple[EventRange, ...]
    kind: Literal["tokens", "bits", "groove"] = "tokens"
    streams: int = 1
    own: tuple[tuple[str, ...], ...] = ()
    conditions: tuple[tuple[str, int], ...] = ()
    frames_per_quarter: int = QUARTER

    @property
    def size(self) -> int:
        """Number of token ids."""
        return sum(r.size for r in self.ranges)

    def types(self, stream: int) -> tuple[str, ...]:
        """The event types of a stream."""
        return self.own[stream] if self.own else tuple(r.type for r in self.ranges)

    def span(self, stream: int) -> tuple[int, int]:
        """The first id of a stream, and how many it has."""
        types = self.types(stream)
        return self.start(types[0]), sum(self.range(type).size for type in types)

    def silence(self, stream: int) -> tuple[int, int]:
        """The ids of silence in a stream of tokens: one that ends what sounds, and one with which silence goes on.

        A stream without holds, rests and the like, as of drums, is silent at its first id.
        """
        found = {t.removeprefix("note_").rpartition("_")[2]: self.start(t) for t in self.types(stream)}
        if "off" in found and "hold" in found:
            return found["off"], found["hold"]
        rest = found.get("rest", self.span(stream)[0])
        return rest, rest

    def has(self, type: str) -> bool:
        """Whether the table has events of this type."""
        return any(r.type == type for r in self.ranges)

    def start(self, type: str) -> int:
        """The id of the first event of a type.

        Raises:
            KeyError: The table has no such type.
        """
        offset = 0
        for r in self.ranges:
            if r.type == type:
                return offset
            offset += r.size
        raise KeyError(f"{self.name} has no events of type {type!r}")

    def range(self, type: str) -> EventRange:
        """The range of a type; raises KeyError as `start` does."""
        self.start(type)
        return next(r for r in self.ranges if r.type == type)

    def id(self, type: str, value: int = 0) -> int:
        """The id of one event.

        Raises:
            KeyError: The table has no such type, or the value lies outside its range.
        """
        r = self.range(type)
        if not r.min <= value <= r.max:
            raise KeyError(f"{self.name}: {type} {value} is outside {r.min}..{r.max}")
        return self.start(type) + value - r.min

    def event(self, token: int) -> tuple[str, int]:
        """The type and value of an id.

        Raises:
            KeyError: No such id.
        """
        rest = int(token)
        if rest >= 0:
            for r in self.ranges:
                if rest < r.size:
                    return r.type, r.min + rest
                rest -= r.size
        raise KeyError(f"{self.name} has no token {token}; its ids are 0..{self.size - 1}")

    def values(self, type: str) -> np.ndarray:
        """For each id its value if it is of this type, else -1: int32[V]."""
        out = np.full(self.size, -1, np.int32)
        r, first = self.range(type), self.start(type)
        out[first : first + r.size] = np.arange(r.min, r.max + 1)
        return out

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks of a roll, in the order of their ids; none where the table is not one of rolls."""
        found = tuple(r.type.removesuffix(KEY).removesuffix(HIT) for r in self.ranges if r.type.endswith((KEY, HIT)))
        return found if len(found) == len(self.ranges) else ()

    @property
    def bar(self) -> int:
        """Frames of a bar of 4/4; 0 where tokens are not frames."""
        return 4 * self.frames_per_quarter

    def example_batch(self, rows: int = 1, frames: int = 2) -> dict[str, np.ndarray]:
        """Returns a batch of zeros with the fields, shapes and types of encoded pieces.

        Args:
            rows: Number of pieces, B.
            frames: Frames (or tokens) of each, T.

        Returns:
            `tokens` int32[B, T] or [B, T, S], or `frames` int32 or float32[B, T, V]; an int32[B, T] array for each
            condition; `pad_mask` and `loss_mask`, int32[B, T], all ones.
        """
        shape = (rows, frames)
        batch: dict[str, np.ndarray]
        if self.kind == "groove":
            batch = {"frames": np.zeros((*shape, self.size), np.float32)}
        elif self.kind == "bits":
            batch = {"frames": np.zeros((*shape, self.size), np.int32)}
        else:
            batch = {"tokens": np.zeros((*shape, self.streams) if self.streams > 1 else shape, np.int32)}
        for name, _ in self.conditions:
            batch[name] = np.zeros(shape, np.int32)
        return {**batch, "pad_mask": np.ones(shape, np.int32), "loss_mask": np.ones(shape, np.int32)}

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` reads back."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Vocabulary":
        """The vocabulary of a dictionary written by `to_json`."""
        fields = dict(data)
        fields["ranges"] = tuple(EventRange(**r) for r in data["ranges"])
        fields["conditions"] = tuple((str(n), int(s)) for n, s in data["conditions"])
        # What was saved before the field was there says by its name whether streams have ids of their own.
        own = data.get("own", _TRIO if data["name"] == "trio" else ())
        fields["own"] = tuple(tuple(str(type) for type in types) for types in own)
        return Vocabulary(**fields)
