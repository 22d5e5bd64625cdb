"""The parts of a corpus: pieces, the groups that must stay in one split, and a report of what was left out."""

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
        name: A stable name, unique within the corpus, such as `bach/bwv66.6`.
        group: Name of the melody group. Pieces of one group stay in one split.
        split: `train`, `valid` or `test` if the corpus fixes the split; None if a hash of the group decides.
        sequence: Reads the piece as a NoteSequence; None if the corpus consists of arrays of one codec.
        arrays: The arrays of the piece, as that codec's `encode` returns them; None if there is a NoteSequence.
    """

    name: str
    group: str
    split: str | None = None
    sequence: Callable[[], "NoteSequence"] | None = None
    arrays: dict[str, np.ndarray] | None = None


@dataclasses.dataclass
class Report:
    """Counts of what was used, discarded and lost while a corpus was read.

    Attributes:
        used: Number of pieces used.
        discarded: Number of files and pieces discarded, by reason.
        files: Name and reason of each discarded file or piece, if the source consists of named files.
        losses: Contents of the files that a NoteSequence cannot represent.
    """

    used: int = 0
    discarded: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    files: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    losses: list[loss_counts.Tally] = dataclasses.field(default_factory=list)

    def discard(self, file: str, reason: str) -> None:
        """Counts and lists a file or piece that is not used."""
        self.discarded[reason] += 1
        self.files.append((file, reason))

    def to_json(self) -> dict:
        """Returns the report as a dictionary for JSON."""
        return {
            "used": self.used,
            "discarded": dict(sorted(self.discarded.items())),
            "files": [{"file": file, "reason": reason} for file, reason in self.files],
            "losses": [tally._asdict() for tally in self.losses],
        }


def passed_over(where: str, report: Mapping[str, Any], files: int | None = None) -> list[str]:
    """Returns readable lines: how many files of a folder were not used and why, then one line for each of them.

    Args:
        where: The folder.
        report: The report of the folder, from `Report.to_json`.
        files: Number of files in the folder, if known.
    """
    counts = collections.Counter(report.get("discarded", {}))
    if not counts:
        return []
    unit = "file" if (files or counts.total()) == 1 else "files"
    total = f"{counts.total()} of {files} {unit}" if files else f"{counts.total()} {unit}"
    reasons = "; ".join(f"{count} x {reason}" for reason, count in counts.most_common())
    lines = [f"{f['file']}: {f['reason']}" for f in report.get("files", ())]
    return [f"{where}: passed over {total}: {reasons}", *lines]


def lost(where: str, report: Mapping[str, Any]) -> list[str]:
    """Returns a readable line for each kind of content that was left out of the files that were read.

    Args:
        where: The folder or corpus.
        report: The report of the folder or corpus, from `Report.to_json`.
    """
    return [
        f"{where}: in {tally['files']:,} {'file' if tally['files'] == 1 else 'files'} {tally['remark']}"
        for tally in report.get("losses", ())
    ]


class Collection(NamedTuple):
    """A corpus that has been read.

    Attributes:
        name: Name of the corpus.
        codec: Name of the codec if pieces are arrays; None if they are NoteSequences.
        pieces: The pieces, in a fixed order.
        report: What was left out in reading.
        terms: Source and licence in one line.
    """

    name: str
    codec: str | None
    pieces: list[Piece]
    report: Report
    terms: str


class Corpus(NamedTuple):
    """The registry's description of a corpus that has not been read.

    Attributes:
        name: Name of the corpus.
        load: Reads the pieces.
        summary: Description in one line.
        terms: Source and licence in one line.
        codec: Name of the codec if pieces are arrays; None if they are NoteSequences.
        overlaps: Corpora that contain some of the same music. A model trained on one is not scored on the other, except
            on a split without the overlap (`bach-chorales:test` against `jsb16`) or a published split.
        reading: The codec that selects the notes when other music is compared with this corpus, for example to ignore
            instruments that accompany a chorale or chords that accompany a melody; None for all notes.
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
            errors.UserError: The corpus cannot be read.
        """
        pieces = self.load()
        if isinstance(pieces, Collection):
            return pieces
        return Collection(self.name, self.codec, list(pieces), Report(used=len(pieces)), self.terms)
