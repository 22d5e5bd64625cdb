"""The per-user cache: what was downloaded, and corpora once they have been read.

A corpus is one file: a line of JSON (its stamp, its report, and name, group and length of each piece), then the
pieces' NoteSequences, serialised and compressed. A file whose stamp is not the one asked for counts as absent.
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

# Raised whenever reading or grouping changes, so that what older code cached is read anew.
VERSION = 5
_READERS = ("note-seq", "symusic", "music21", "protobuf")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One piece as it is cached.

    Attributes:
        name: The piece's name.
        group: Its melody group.
        data: Its NoteSequence, from `pack`.
    """

    name: str
    group: str
    data: bytes

    def piece(self, split: str | None = None) -> corpus.Piece:
        """The piece, its sequence unpacked whenever it is asked for."""
        data = self.data
        return corpus.Piece(self.name, self.group, split, sequence=lambda: unpack(data))


def pack(sequence: "NoteSequence") -> bytes:
    """A NoteSequence as compressed bytes."""
    return zlib.compress(sequence.SerializeToString(deterministic=True), 3)


def unpack(data: bytes) -> "NoteSequence":
    """The NoteSequence of `pack`'s bytes."""
    return noteseq.load().NoteSequence.FromString(zlib.decompress(data))


def directory() -> Path:
    """The cache's folder, made if it is absent: MUSEJAX_CACHE, or `musejax` in the user's cache folder.

    Only its owner may read and write it.

    Raises:
        errors.UserError: It cannot be made.
    """
    given = os.environ.get("MUSEJAX_CACHE")
    if given:
        path = Path(given).expanduser()
    elif sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "musejax" / "cache"
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "musejax"
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "musejax"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise errors.UserError(f"{path}: no cache can be kept there ({e.strerror}); set MUSEJAX_CACHE") from e
    return path


def write(path: Path, data: bytes) -> None:
    """Writes a file that is complete or absent.

    Raises:
        errors.UserError: It cannot be written.
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
    """What a cached corpus depends on: this code's version, the readers' versions, and what it was read from."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _READERS]
    return hashlib.sha256("\n".join([str(VERSION), *versions, *source]).encode()).hexdigest()


def load(name: str, wanted: str) -> tuple[list[Entry], corpus.Report] | None:
    """A cached corpus, or None where there is none of this stamp, or a damaged one.

    Args:
        name: The corpus's name.
        wanted: The stamp it must bear.
    """
    try:
        head, _, body = (directory() / f"{name}.corpus").read_bytes().partition(b"\n")
        index = json.loads(head)
    except (OSError, ValueError):
        return None
    if not isinstance(index, dict) or index.get("stamp") != wanted or index.get("crc") != zlib.crc32(body):
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
    """Caches a corpus under a stamp.

    Raises:
        errors.UserError: The cache cannot be written.
    """
    body = b"".join(e.data for e in entries)
    pieces = [(e.name, e.group, len(e.data)) for e in entries]
    index = {"stamp": mark, "crc": zlib.crc32(body), "report": report.to_json(), "pieces": pieces}
    write(directory() / f"{name}.corpus", json.dumps(index).encode() + b"\n" + body)
