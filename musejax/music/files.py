"""Music files to NoteSequences, told apart by their suffix."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import errors
from musejax.music import abc_reading, limits, loss_counts, midi_reading, musicxml_reading
from musejax.runs import file_names

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

MIDI = (".mid", ".midi", ".kar", ".rmi")
MUSICXML = (".xml", ".musicxml", ".mxl")
ABC = (".abc",)
SUFFIXES = MIDI + MUSICXML + ABC
_ADVICE = "; give a sound file of MIDI, MusicXML or ABC"


def read(
    path: str | Path,
    say: Callable[[str], None] | None = None,
    remark: Callable[[str], None] | None = None,
    *,
    losses: loss_counts.Losses | None = None,
    repeats: bool = True,
) -> "list[NoteSequence]":
    """Reads a MIDI, MusicXML or ABC file, times in seconds.

    A piece of a file that says no tempo has none; its times are those at 120 quarters a minute.

    Args:
        path: The file; its suffix (one of `SUFFIXES`, in any case) says what it is.
        say: Is called with a line for each tune of the file that cannot be read while others can.
        remark: Is called with a line for each kind of thing in a file that a NoteSequence cannot hold.
        losses: Is given how many things of each of these kinds there are.
        repeats: Whether repeats, endings and leaps of a score are played out; otherwise it is read as written.

    Returns:
        The pieces in it that hold notes: one, or as many as there are tunes in an ABC file.

    Raises:
        errors.UserError: There is no such file, its suffix is none of ours, it cannot be read, it holds no notes, or
            it exceeds `limits`.
    """
    path = Path(path)
    name = file_names.shown(path)
    counts = loss_counts.Losses()
    remarks: list[str] = []
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise errors.UserError(f"{name}: the suffix {suffix!r} is none of {', '.join(SUFFIXES)}")
    try:
        size = path.stat().st_size
        if not size:
            raise errors.UserError("the file is empty")
        limits.check_bytes(size)
        if suffix in ABC:
            found, lost, remarks = _read_abc(path, repeats, counts)
        elif suffix in MIDI:
            found, lost = [midi_reading.midi_to_sequence(path.read_bytes(), losses=counts)], []
        else:
            found, lost = [musicxml_reading.musicxml_to_sequence(path, repeats=repeats, losses=counts)], []
        if suffix not in ABC:
            remarks = loss_counts.remarks(counts)
        found = [s for s in found if s.notes]
        if not found:
            raise errors.UserError("it holds no notes")
    except OSError as e:
        raise errors.UserError(f"{name}: {e.strerror or e}; give a readable file") from e
    except errors.UserError as e:
        raise errors.UserError(f"{name}: {e}{_ADVICE}") from e
    except Exception as e:  # a file that its reader did not foresee
        raise errors.UserError(f"{name}: {errors.failure('could not be read', e)}{_ADVICE}") from e
    if say is not None:
        for line in lost:
            say(f"{name}: {line}")
    if remark is not None:
        for line in remarks:
            remark(f"{name}: {line}")
    if losses is not None:
        losses.update(counts)
    for sequence in found:
        sequence.filename = file_names.shown(path.name)
    return found


def reason(error: errors.UserError, path: Path) -> str:
    """Returns why `read` refused a file, without the name and the advice: what files of a folder are counted by."""
    return str(error).removeprefix(f"{file_names.shown(path)}: ").rpartition(";")[0]


def midi_to_sequence(source: str | Path | bytes) -> "NoteSequence":
    """Returns the NoteSequence of a MIDI file or of its bytes (see `musejax.music.midi_reading`).

    Raises:
        errors.UserError: It cannot be read as MIDI.
    """
    return midi_reading.midi_to_sequence(source) if isinstance(source, bytes) else read(source)[0]


def decode(data: bytes) -> str:
    """The text of an ABC file: UTF-8, or Latin-1 where it is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_abc(
    path: Path, repeats: bool, losses: loss_counts.Losses
) -> "tuple[list[NoteSequence], list[str], list[str]]":
    """Reads the tunes of a file; one that cannot be read does not cost the others.

    Args:
        path: The file.
        repeats: Whether repeats are played out.
        losses: Is given how many things of each kind are left out of the tunes.

    Returns:
        The tunes that can be read, a line for each that cannot, and remarks about those that can.

    Raises:
        errors.UserError: None can be read; the message names the first.
    """
    found: list[NoteSequence] = []
    lost: list[tuple[str, str]] = []
    remarks: list[str] = []
    tunes = abc_reading.abc_tunes(decode(path.read_bytes()))
    for number, tune in enumerate(tunes, 1):
        name = f"tune {number} ({abc_reading.abc_name(tune)})"
        own = loss_counts.Losses()
        try:
            sequence = abc_reading.abc_to_sequence(tune, repeats=repeats, losses=own)
            if not sequence.notes:
                raise errors.UserError("it holds no notes")
        except errors.UserError as e:
            lost.append((name, str(e)))
            continue
        found.append(sequence)
        losses.update(own)
        remarks += [f"{name}: {line}" if len(tunes) > 1 else line for line in loss_counts.remarks(own)]
    if not tunes:
        raise errors.UserError("it holds no tune (no line begins with X:)")
    if not found:
        raise errors.UserError(lost[0][1] if len(tunes) == 1 else f"{lost[0][0]}: {lost[0][1]}")
    return found, [f"{name} is left out: {reason}" for name, reason in lost], remarks
