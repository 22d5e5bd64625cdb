"""What a corpus is: pieces, the groups that must stay in one split, and a report of what was left out."""

import collections
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

SPLITS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Piece:
    """One piece of a corpus.

    Attributes:
        name: Unique within the corpus and stable, such as `bach/bwv66.6`.
        group: Pieces of one melody group carry the same text and stay in one split.
        split: `train`, `valid` or `test` where the corpus fixes it, else None: a hash of the group decides.
        sequence: Reads the piece as a NoteSequence; None where the corpus is native to one codec.
        arrays: The piece in the corpus's own codec (as that codec's `encode` returns); None otherwise.
    """

    name: str
    group: str
    split: str | None = None
    sequence: Callable[[], "NoteSequence"] | None = None
    arrays: dict[str, np.ndarray] | None = None


@dataclasses.dataclass
class Report:
    """Counts of what was used and what was discarded, by reason."""

    used: int = 0
    discarded: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def to_json(self) -> dict:
        """A plain dictionary."""
        return {"used": self.used, "discarded": dict(sorted(self.discarded.items()))}


class Corpus(NamedTuple):
    """A named collection of pieces.

    Attributes:
        name: The corpus's name.
        codec: The codec to which its arrays are native, or None when pieces are NoteSequences.
        pieces: Its pieces, in a fixed order.
        report: What reading it left out.
        terms: The corpus's source and licence in one line.
    """

    name: str
    codec: str | None
    pieces: list[Piece]
    report: Report
    terms: str
