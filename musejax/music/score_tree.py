"""The XML tree of a MusicXML file, plain or zipped, checked before it is built.

A few bytes can stand for gigabytes in a zip archive and in a document whose entities name each other. Neither is
unpacked further than `limits` allows, and internal entities, which no program writes into a score, are refused.
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
# Angle brackets that open a tag; an element takes about 100 bytes.
_MAX_TAGS = 3_000_000
_MAX_BARS = 4 * limits.MAX_BARS


class _RootError(Exception):
    """Ends a parse at the first element."""


def read(path: Path) -> ET.Element:
    """Reads a file, unzipping it if it is an archive.

    Args:
        path: The file; its content says whether it is zipped.

    Returns:
        Its root element.

    Raises:
        errors.UserError: It is larger than a score is, or not sound.
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
    # Of all parts together.
    limits.check_count(sum(1 for _ in root.iter("measure")), _MAX_BARS, "bars in its parts")
    return root


def _unzip(data: bytes) -> bytes:
    """The score of an archive: the one that its container names."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {_name(info): info for info in archive.infolist()}
            scores = _scores(_member(archive, names[_CONTAINER])) if _CONTAINER in names else []
            # Some programs write a container that is not well-formed; the one score of the archive is meant.
            scores = scores or [n for n in names if n.lower().endswith((".xml", ".musicxml")) and n != _CONTAINER]
            if len(scores) != 1 or scores[0] not in names:
                which = repr(scores[0]) if len(scores) == 1 else f"{len(scores)} scores"
                raise errors.UserError(f"it is an archive that names {which}; it must name one score that it holds")
            return _member(archive, names[scores[0]])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as e:
        raise errors.UserError(f"it is not a sound archive ({' '.join(str(e).split())[:120]})") from e


def _scores(container: bytes) -> list[str]:
    """The scores that a container names; none if it is not well-formed."""
    _check_prolog(container)
    try:
        files = [e for e in ET.fromstring(container).iter() if e.tag.rpartition("}")[2] == "rootfile"]
    except ET.ParseError:
        return []
    return [e.get("full-path", "") for e in files if e.get("media-type", _MUSICXML) == _MUSICXML]


def _name(info: zipfile.ZipInfo) -> str:
    """The name of a member; those that do not say how they are encoded are mostly UTF-8."""
    if info.flag_bits & 0x800:
        return info.filename
    return info.filename.encode("cp437").decode("utf-8", "replace")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The content of a member, unpacked no further than a score is long, whatever size it announces."""
    with archive.open(info) as file:
        data = file.read(limits.MAX_BYTES + 1)
    limits.check_bytes(max(len(data), info.file_size))
    return data


def _check_prolog(data: bytes) -> None:
    """Refuses entities, which can only be declared before the first element."""

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
        return  # What is not well-formed, the reader of the tree says better.
