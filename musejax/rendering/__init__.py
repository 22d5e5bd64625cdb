"""NoteSequence to files people hear and see: MIDI, audio, piano-roll pictures, MusicXML and ABC."""

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
# Formats whose writer says what it changes, leaves out or estimates.
_SCORES = frozenset([".xml", ".musicxml", ".abc"])


def write(sequence: "NoteSequence", path: str | os.PathLike[str], remark: Callable[[str], None] | None = None) -> None:
    """Writes a sequence in the format that the file's suffix names; the file is complete or absent.

    Args:
        sequence: The music.
        path: A path that ends in one of `FORMATS`; its folder must exist.
        remark: Is called with a line for each kind of thing that a score changes, leaves out or estimates.

    Raises:
        errors.UserError: The suffix is unknown, there are no notes, the music exceeds `limits`, or the file cannot be
            written.
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    module = FORMATS.get(suffix)
    remarks: list[str] = []
    if module is None:
        found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise errors.UserError(f"{path}: {found} names no format; use one of {', '.join(FORMATS)}")
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
