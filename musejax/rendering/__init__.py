"""Writing of NoteSequences as MIDI, audio, piano-roll pictures, MusicXML and ABC."""

import importlib
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from musejax import errors
from musejax.music import atomic_files, limits

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# suffix -> the module whose `to_bytes` writes it
FORMATS: Mapping[str, str] = {
    ".mid": "musejax.music.midi_writing",
    ".midi": "musejax.music.midi_writing",
    ".wav": "musejax.rendering.audio",
    ".mp3": "musejax.rendering.mp3",
    ".png": "musejax.rendering.picture",
    ".xml": "musejax.music.musicxml_writing",
    ".musicxml": "musejax.music.musicxml_writing",
    ".abc": "musejax.music.abc_writing",
}
# Formats whose writer reports what it changes, leaves out or estimates.
_SCORES = frozenset([".xml", ".musicxml", ".abc"])


def write(sequence: "NoteSequence", path: str | os.PathLike[str], remark: Callable[[str], None] | None = None) -> None:
    """Writes a sequence in the format given by the suffix of the file; the file is complete or absent.

    Args:
        sequence: The music.
        path: A path with one of the suffixes in `FORMATS`; its folder must exist.
        remark: Called with a line for each kind of content that a score changes, leaves out or estimates.

    Raises:
        errors.UserError: The suffix is unknown, there are no notes, the music exceeds `limits`, or the file cannot be
            written.
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    module = FORMATS.get(suffix)
    remarks: list[str] = []
    if module is None:
        problem = f"the suffix {path.suffix!r} names no format" if path.suffix else "it has no suffix"
        raise errors.UserError(f"{path}: {problem}; use one of {', '.join(FORMATS)}")
    try:
        limits.check(sequence)
        to_bytes = importlib.import_module(module).to_bytes
        data = to_bytes(sequence, remarks.append) if suffix in _SCORES else to_bytes(sequence)
    except errors.UserError as error:
        raise errors.UserError(f"{path}: {error}") from error
    atomic_files.write_bytes(path, data)
    if remark is not None:
        for line in remarks:
            remark(f"{path}: {line}")
