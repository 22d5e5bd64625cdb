"""The type of a vocabulary: ranges of typed events, numbered in order. NumPy only.

A vocabulary is saved with every run, so that the run can be read without the code that made it. The vocabularies of all
representations are in `tables.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from musejax.theory.sixteenths import QUARTER

# Suffixes of the event types of the tracks of a roll: keys, which have pitches, and hits of drums.
KEY, HIT = "_key", "_hit"
# Event types of the streams of `trio`, for runs that were saved before vocabularies had the field `own`.
_TRIO = (("melody_hold", "melody_off", "melody"), ("bass_hold", "bass_off", "bass"), ("drums",))


@dataclasses.dataclass(frozen=True)
class EventRange:
    """Events of one type with an integer value from `min` to `max`, inclusive."""

    type: str
    min: int = 0
    max: int = 0

    @property
    def size(self) -> int:
        """Number of events in the range."""
        return self.max - self.min + 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The vocabulary of one representation.

    Attributes:
        name: Name of the codec.
        version: Increased whenever the meaning of an id changes; runs of another version cannot be loaded.
        ranges: Event ranges in the order of their ids.
        kind: `tokens`, with one id per cell; `bits`, where a frame is a set of ids; or `groove`, where a frame is a row
            of real numbers with one column per id.
        streams: Number of cells per frame: 4 for the voices of a chorale, 1 for a sequence.
        own: The event types of each stream, in the order of their ids and adjacent in `ranges`, if streams have ids of
            their own; empty if all streams share all ids.
        conditions: Names and sizes of the integer conditions of each frame (`beat`, `fermata`, `key`).
        frames_per_quarter: Number of frames in a quarter note, or 0 if tokens are not frames.
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
        """Returns the event types of a stream."""
        return self.own[stream] if self.own else tuple(r.type for r in self.ranges)

    def span(self, stream: int) -> tuple[int, int]:
        """Returns the first id of a stream and the number of its ids."""
        types = self.types(stream)
        return self.start(types[0]), sum(self.range(type).size for type in types)

    def silence(self, stream: int) -> tuple[int, int]:
        """Returns the ids of silence in a stream of tokens: the id that ends a note, and the id that continues silence.

        A stream without holds or rests, such as drums, is silent at its first id.
        """
        ids = {t.removeprefix("note_").rpartition("_")[2]: self.start(t) for t in self.types(stream)}
        if "off" in ids and "hold" in ids:
            return ids["off"], ids["hold"]
        rest = ids.get("rest", self.span(stream)[0])
        return rest, rest

    def has(self, type: str) -> bool:
        """Returns whether the vocabulary has events of this type."""
        return any(r.type == type for r in self.ranges)

    def start(self, type: str) -> int:
        """Returns the id of the first event of a type.

        Raises:
            KeyError: If the vocabulary has no such type.
        """
        offset = 0
        for r in self.ranges:
            if r.type == type:
                return offset
            offset += r.size
        raise KeyError(f"{self.name} has no events of type {type!r}")

    def range(self, type: str) -> EventRange:
        """Returns the range of a type; raises KeyError like `start`."""
        self.start(type)
        return next(r for r in self.ranges if r.type == type)

    def id(self, type: str, value: int = 0) -> int:
        """Returns the id of an event.

        Raises:
            KeyError: If the vocabulary has no such type, or the value is outside its range.
        """
        r = self.range(type)
        if not r.min <= value <= r.max:
            raise KeyError(f"{self.name}: {type} {value} is outside {r.min}..{r.max}")
        return self.start(type) + value - r.min

    def event(self, token: int) -> tuple[str, int]:
        """Returns the type and value of an id.

        Raises:
            KeyError: If there is no such id.
        """
        rest = int(token)
        if rest >= 0:
            for r in self.ranges:
                if rest < r.size:
                    return r.type, r.min + rest
                rest -= r.size
        raise KeyError(f"{self.name} has no token {token}; its ids are 0..{self.size - 1}")

    def values(self, type: str) -> np.ndarray:
        """Returns the value of each id of this type, and -1 for other ids, int32[V]."""
        out = np.full(self.size, -1, np.int32)
        r, first = self.range(type), self.start(type)
        out[first : first + r.size] = np.arange(r.min, r.max + 1)
        return out

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks of a roll, in the order of their ids; empty if this is not a vocabulary of rolls."""
        names = tuple(r.type.removesuffix(KEY).removesuffix(HIT) for r in self.ranges if r.type.endswith((KEY, HIT)))
        return names if len(names) == len(self.ranges) else ()

    @property
    def bar(self) -> int:
        """Number of frames in a 4/4 bar, or 0 if tokens are not frames."""
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
        """Returns a dictionary from which `from_json` restores the vocabulary."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Vocabulary":
        """Returns the vocabulary of a dictionary that `to_json` returned."""
        fields = dict(data)
        fields["ranges"] = tuple(EventRange(**r) for r in data["ranges"])
        fields["conditions"] = tuple((str(n), int(s)) for n, s in data["conditions"])
        # Before the field `own` existed, only the streams of `trio` had ids of their own.
        own = data.get("own", _TRIO if data["name"] == "trio" else ())
        fields["own"] = tuple(tuple(str(type) for type in types) for types in own)
        return Vocabulary(**fields)
