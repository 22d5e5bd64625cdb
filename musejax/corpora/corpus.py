"""What a corpus is: pieces, the groups that must stay in one split, and a report of what was left out."""

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musejax.music import loss_counts

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
    """What was used and what was discarded.

    Attributes:
        used: Number of pieces that were used.
        discarded: Number of files and pieces that were not, by reason.
        files: Each of them with its reason, where the source is one of files with names.
        losses: What of the files that were read could not be held.
    """

    used: int = 0
    discarded: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    files: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    losses: list[loss_counts.Tally] = dataclasses.field(default_factory=list)

    def discard(self, file: str, reason: str) -> None:
        """Counts a file or piece that is not used, and lists it."""
        self.discarded[reason] += 1
        self.files.append((file, reason))

    def to_json(self) -> dict:
        """Returns a plain dictionary."""
        return {
            "used": self.used,
            "discarded": dict(sorted(self.discarded.items())),
            "files": [{"file": file, "reason": reason} for file, reason in self.files],
            "losses": [tally._asdict() for tally in self.losses],
        }


def passed_over(where: str, report: Mapping[str, Any], files: int | None = None) -> list[str]:
    """Returns lines for people: how many files of a folder were not used and why, then each of them.

    Args:
        where: The folder.
        report: Its report, as `Report.to_json` gives it.
        files: How many files it has, where that is known.
    """
    counts = collections.Counter(report.get("discarded", {}))
    if not counts:
        return []
    total = (
        f"{counts.total()} of {files} files"
        if files
        else "1 file"
        if counts.total() == 1
        else f"{counts.total()} files"
    )
    why = "; ".join(f"{count} x {reason}" for reason, count in counts.most_common())
    return [f"{where}: passed over {total}: {why}"] + [f"{f['file']}: {f['reason']}" for f in report.get("files", ())]


def lost(where: str, report: Mapping[str, Any]) -> list[str]:
    """Returns a line for people for each kind of thing that was left out of files that were read.

    Args:
        where: The folder or corpus.
        report: Its report, as `Report.to_json` gives it.
    """
    return [
        f"{where}: in {tally['files']:,} {'file' if tally['files'] == 1 else 'files'} {tally['remark']}"
        for tally in report.get("losses", ())
    ]


class Collection(NamedTuple):
    """The pieces of a corpus, once it was read.

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


class Corpus(NamedTuple):
    """A corpus: what the registry knows of it before it is read.

    Attributes:
        name: Its name.
        load: Reads its pieces.
        summary: One line about it.
        terms: Its source and licence in one line.
        codec: The codec to which its arrays are native, or None where pieces are NoteSequences.
        overlaps: Corpora that hold some of the same music: a model trained on one is not scored on the other, except on
            a split from which the overlap was taken out (`bach-chorales:test` against `jsb16`) or a published split.
        reading: The codec through which its pieces are read where music is compared with them, so that instruments
            beside a chorale or chords beside a melody do not count; None for all that sounds.
    """

    name: str
    load: Callable[[], list[Piece] | Collection]
    summary: str = ""
    terms: str = ""
    codec: str | None = None
    overlaps: tuple[str, ...] = ()
    reading: str | None = None

    record_kind = "corpus"

    def collection(self) -> Collection:
        """Reads the corpus.

        Raises:
            errors.UserError: It cannot be read.
        """
        found = self.load()
        if isinstance(found, Collection):
            return found
        return Collection(self.name, self.codec, list(found), Report(used=len(found)), self.terms)
