"""Music that a function is given: a path, or a NoteSequence."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import stages
from musejax.corpora import corpus as base
from musejax.corpora import folder
from musejax.generation import sources
from musejax.music import files

if TYPE_CHECKING:
    from typing import TypeAlias

    from note_seq.protobuf.music_pb2 import NoteSequence

    Music: TypeAlias = str | os.PathLike[str] | NoteSequence


def read(music: "Music", *, as_written: bool, say: sources.Say) -> "NoteSequence":
    """Returns the first piece of a file, or a NoteSequence as it is.

    Args:
        music: A path of a MIDI, MusicXML or ABC file, or a NoteSequence.
        as_written: Whether the repeats of a score stay as they are written instead of being played.
        say: Is called with a line for each thing that is lost or left out.

    Raises:
        errors.UserError: The file cannot be read.
    """
    if not isinstance(music, (str, os.PathLike)):
        return music
    with stages.stage("reading"):
        pieces = files.read(Path(music), say, say, repeats=not as_written)
    if len(pieces) > 1:
        say(f"{os.fspath(music)}: it holds {len(pieces)} pieces; the first is used")
    return pieces[0]


def read_all(music: "Music | Iterable[Music]", *, as_written: bool, say: sources.Say) -> "list[NoteSequence]":
    """Returns all pieces of files, of folders with what is in them, and of NoteSequences.

    Args:
        music: A path, a NoteSequence, or several.
        as_written: Whether the repeats of scores stay as they are written instead of being played.
        say: Is called with a line for each thing that is lost or left out.

    Raises:
        errors.UserError: A file cannot be read, or a folder holds no readable file.
    """
    is_one = isinstance(music, (str, os.PathLike)) or hasattr(music, "notes")
    out, remarks = [], []
    with stages.stage("reading"):
        for item in [music] if is_one else music:  # type: ignore[union-attr]
            if not isinstance(item, (str, os.PathLike)):
                out.append(item)
            elif not Path(item).is_dir():
                out += files.read(Path(item), say, say, repeats=not as_written)
            else:
                corpus = folder.load(Path(item))
                out += [piece.sequence() for piece in corpus.pieces if piece.sequence is not None]
                report = corpus.report.to_json()
                remarks += base.passed_over(os.fspath(item), report) + base.lost(os.fspath(item), report)
    for line in remarks:
        say(line)
    return out
