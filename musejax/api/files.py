"""`read`, `write` and `prepare`: music files to NoteSequences, back, and to data sets."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musejax import errors
from musejax.api import messages
from musejax.options import declaration, table

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


@declaration.checked
def read(
    path: "str | os.PathLike[str]", *, as_written: table.AsWritten = False, say: messages.Say = messages.to_stderr
) -> "list[NoteSequence]":
    """Reads a MIDI, MusicXML or ABC file.

    Args:
        path: The file; its suffix says what it is.
        say: Is called with a line for each kind of thing that a NoteSequence cannot hold; prints to standard error by
            default.

    Returns:
        Its pieces, with times in seconds: one, or as many as there are tunes in an ABC file.

    Raises:
        musejax.errors.UserError: The file cannot be read.

    Example:
        >>> (song,) = read("examples/song.mid")  # doctest: +SKIP
    """
    from musejax.music import files

    return files.read(Path(path), say, say, repeats=not as_written)


def write(
    sequence: "NoteSequence",
    path: "str | os.PathLike[str]",
    *,
    overwrite: bool = False,
    say: messages.Say = messages.to_stderr,
) -> None:
    """Writes a NoteSequence as MIDI, MusicXML, ABC, WAV or PNG.

    Args:
        sequence: The music.
        path: The file; its suffix names the format.
        overwrite: Whether a file that exists is replaced.
        say: Is called with a line for each kind of thing that the format changes or leaves out; prints to standard
            error by default.

    Raises:
        musejax.errors.UserError: The suffix is unknown, the file exists, it cannot be written, or there are no notes.

    Example:
        >>> write(song, "song.musicxml")  # doctest: +SKIP
    """
    from musejax import rendering

    if not overwrite and os.path.lexists(path):
        raise errors.UserError(f"{os.fspath(path)} exists; give another path, or overwrite=True to replace it")
    rendering.write(sequence, path, say)


@declaration.checked
def prepare(
    source: "str | os.PathLike[str]",
    codec: str,
    out: "str | os.PathLike[str]",
    *,
    bars: table.WindowBars = None,
    frames_per_bar: table.FramesPerBar = None,
    overwrite: table.Overwrite = False,
    say: messages.Say = messages.to_stderr,
) -> dict[str, Any]:
    """Encodes a folder of music files, or a corpus, as a data set.

    Args:
        source: A folder of MIDI, MusicXML and ABC files, or a corpus by name.
        codec: The representation.
        out: The data set, a file that ends in .npz.
        say: Is called with a line for each kind of loss and each long stage; prints to standard error by default.

    Returns:
        The report: pieces by split, and what was discarded for which reason.

    Raises:
        musejax.errors.UserError: The source cannot be read, holds nothing that the codec can use, or the file exists.

    Example:
        >>> report = prepare("examples/tunes", "melody-90", "tunes.npz")  # doctest: +SKIP
    """
    from musejax.corpora import preparation
    from musejax.pipeline import windows

    path = Path(out)
    if path.suffix != ".npz":
        raise errors.OptionError("out", str(path), "a prepared data set ends in .npz")
    if frames_per_bar is not None and bars is None:
        raise errors.OptionError("frames_per_bar", frames_per_bar, "it needs bars, the size of the windows")
    if not overwrite and os.path.lexists(path):
        raise errors.UserError(f"{path} exists; give another path, or overwrite=True to replace it")
    data = windows.cut_windows(preparation.prepare(os.fspath(source), codec, say), bars or 0, frames_per_bar)
    data.save(path)
    discarded = [f"discarded {count}: {reason}" for reason, count in data.report.get("discarded", {}).items()]
    lines = preparation.passed_over(os.fspath(source), data) or discarded
    for line in lines + preparation.losses(data) + windows.tell(data):
        say(line)
    pieces = {split: len(items) for split, items in data.splits.items()}
    return {"out": str(path), "codec": codec, "pieces": pieces, **data.report}
