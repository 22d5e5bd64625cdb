"""The XML tree of a MusicXML file, plain or zipped, with checks before it is built.

A few bytes can expand to gigabytes in a zip archive or in a document with nested entities. Archives are unpacked only
up to `limits`, and internal entities, which no program writes into a score, are rejected.
"""

import io
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from xml.parsers import expat

from musejax import errors
from musejax.music import limits

_CONTAINER = "META-INF/container.xml"
_MUSICXML = "application/vnd.recordare.musicxml+xml"
# Largest number of opening angle brackets; an element takes about 100 bytes.
_MAX_TAGS = 3_000_000
_MAX_BARS = 4 * limits.MAX_BARS


class _RootError(Exception):
    """Stops the parser at the first element."""


def read(path: Path) -> ET.Element:
    """Reads a file, and unzips it if it is an archive.

    Args:
        path: The file; its content determines whether it is zipped.

    Returns:
        The root element.

    Raises:
        errors.UserError: The file is too large for a score, or damaged.
    """
    limits.check_bytes(path.stat().st_size)
    data = path.read_bytes()
    if data[:2] == b"PK" or path.suffix.lower() == ".mxl":
        data = _unzip(data)
    limits.check_bytes(len(data))
    limits.check_count(data.count(b"<"), _MAX_TAGS, "tags")
    _check_prolog(data)
    root = ET.fromstring(data)
    limits.check_count(sum(1 for _ in root.iter("note")), limits.MAX_NOTES, "notes")
    # In all parts together.
    limits.check_count(sum(1 for _ in root.iter("measure")), _MAX_BARS, "bars in its parts")
    return root


def _unzip(data: bytes) -> bytes:
    """Returns the score that the container of an archive names."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {_name(info): info for info in archive.infolist()}
            scores = _scores(_member(archive, names[_CONTAINER])) if _CONTAINER in names else []
            # Some programs write a malformed container; then the archive must contain exactly one score.
            scores = scores or [n for n in names if n.lower().endswith((".xml", ".musicxml")) and n != _CONTAINER]
            if len(scores) != 1 or scores[0] not in names:
                which = repr(scores[0]) if len(scores) == 1 else f"{len(scores)} scores"
                raise errors.UserError(f"it is an archive that names {which}; it must name one score that it contains")
            return _member(archive, names[scores[0]])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as e:
        raise errors.UserError(f"it is not a valid archive ({' '.join(str(e).split())[:120]})") from e


def _scores(container: bytes) -> list[str]:
    """Returns the scores that a container names; empty if the container is malformed."""
    _check_prolog(container)
    try:
        files = [e for e in ET.fromstring(container).iter() if e.tag.rpartition("}")[2] == "rootfile"]
    except ET.ParseError:
        return []
    return [e.get("full-path", "") for e in files if e.get("media-type", _MUSICXML) == _MUSICXML]


def _name(info: zipfile.ZipInfo) -> str:
    """Returns the name of a member, assuming UTF-8 if no encoding is specified."""
    if info.flag_bits & 0x800:
        return info.filename
    return info.filename.encode("cp437").decode("utf-8", "replace")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Returns the content of a member, unpacked up to `limits`, whatever size it announces."""
    with archive.open(info) as file:
        data = file.read(limits.MAX_BYTES + 1)
    limits.check_bytes(max(len(data), info.file_size))
    return data


def _check_prolog(data: bytes) -> None:
    """Rejects entities, which can only be declared before the first element."""

    def entity(name: str, *_: object) -> None:
        raise errors.UserError(f"it declares the entity {name!r}; a score without entities can be read")

    def stop(*_: object) -> None:
        raise _RootError

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = entity
    parser.StartElementHandler = stop
    try:
        parser.Parse(data, True)
    except (_RootError, expat.ExpatError):
        return  # the parser of the whole document reports errors better
