"""The per-user cache of downloads and of corpora that have been read.

A corpus is one file: a line of JSON (its stamp, its report, and the name, group and size of each piece), followed by
the serialised and compressed NoteSequences of the pieces. A file with a stamp other than the expected one is ignored.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import secrets
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import errors
from musejax.corpora import corpus
from musejax.music import loss_counts, noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Must increase whenever reading or grouping changes, so that corpora cached by older code are read again.
VERSION = 5
_READERS = ("note-seq", "symusic", "music21", "protobuf")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One piece in the cache.

    Attributes:
        name: Name of the piece.
        group: Melody group of the piece.
        data: The NoteSequence, packed by `pack`.
    """

    name: str
    group: str
    data: bytes

    def piece(self, split: str | None = None) -> corpus.Piece:
        """Returns the piece; its sequence is unpacked at each access."""
        data = self.data
        return corpus.Piece(self.name, self.group, split, sequence=lambda: unpack(data))


def pack(sequence: "NoteSequence") -> bytes:
    """Returns a NoteSequence as compressed bytes."""
    return zlib.compress(sequence.SerializeToString(deterministic=True), 3)


def unpack(data: bytes) -> "NoteSequence":
    """Returns the NoteSequence that `pack` compressed."""
    return noteseq.load().NoteSequence.FromString(zlib.decompress(data))


def directory() -> Path:
    """Returns the folder of the cache: MUSEJAX_CACHE, or `musejax` in the user's cache folder.

    Creates it if necessary, readable and writable only by its owner.

    Raises:
        errors.UserError: The folder cannot be created.
    """
    variable = os.environ.get("MUSEJAX_CACHE")
    if variable:
        path = Path(variable).expanduser()
    elif sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "musejax" / "cache"
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "musejax"
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "musejax"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise errors.UserError(
            f"{path}: the cache cannot be created ({e.strerror}); set MUSEJAX_CACHE to another folder"
        ) from e
    return path


def write(path: Path, data: bytes) -> None:
    """Writes a file atomically: afterwards it is complete or absent.

    Raises:
        errors.UserError: The file cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        part.touch(mode=0o600)
        part.write_bytes(data)
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise errors.UserError(f"{path}: cannot be written ({e.strerror}); set MUSEJAX_CACHE to another folder") from e


def stamp(*source: str) -> str:
    """Returns a hash of what a cached corpus depends on: `VERSION`, the versions of the readers, and its source."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _READERS]
    return hashlib.sha256("\n".join([str(VERSION), *versions, *source]).encode()).hexdigest()


def load(name: str, mark: str) -> tuple[list[Entry], corpus.Report] | None:
    """Returns a cached corpus, or None if there is none with this stamp or it is damaged.

    Args:
        name: Name of the corpus.
        mark: The expected stamp.
    """
    try:
        head, _, body = (directory() / f"{name}.corpus").read_bytes().partition(b"\n")
        index = json.loads(head)
    except (OSError, ValueError):
        return None
    if not isinstance(index, dict) or index.get("stamp") != mark or index.get("crc") != zlib.crc32(body):
        return None
    entries, position = [], 0
    for title, group, size in index["pieces"]:
        entries.append(Entry(title, group, body[position : position + size]))
        position += size
    report = corpus.Report(index["report"]["used"])
    report.discarded.update(index["report"]["discarded"])
    report.losses = [loss_counts.Tally(**tally) for tally in index["report"].get("losses", ())]
    return entries, report


def store(name: str, mark: str, entries: Sequence[Entry], report: corpus.Report) -> None:
    """Caches a corpus with a stamp.

    Args:
        name: Name of the corpus.
        mark: The stamp.
        entries: The pieces.
        report: The report of reading them.

    Raises:
        errors.UserError: The cache cannot be written.
    """
    body = b"".join(e.data for e in entries)
    pieces = [(e.name, e.group, len(e.data)) for e in entries]
    index = {"stamp": mark, "crc": zlib.crc32(body), "report": report.to_json(), "pieces": pieces}
    write(directory() / f"{name}.corpus", json.dumps(index).encode() + b"\n" + body)
