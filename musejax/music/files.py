"""Reading of music files, whose format is given by their suffix."""

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
_ADVICE = "; give a valid MIDI, MusicXML or ABC file"


def read(
    path: str | Path,
    say: Callable[[str], None] | None = None,
    remark: Callable[[str], None] | None = None,
    *,
    losses: loss_counts.Losses | None = None,
    repeats: bool = True,
) -> "list[NoteSequence]":
    """Reads a MIDI, MusicXML or ABC file.

    If the file has no tempo, the sequence has none either, and its times assume 120 quarters per minute.

    Args:
        path: The file; its suffix (one of `SUFFIXES`, in any case) determines the format.
        say: Called with a line for each tune that cannot be read, if others can.
        remark: Called with a line for each kind of content that a NoteSequence cannot represent.
        losses: Receives the counts of such content, by kind.
        repeats: Whether to play repeats, endings and jumps of a score; otherwise it is read as written.

    Returns:
        The pieces that have notes, with times in seconds: one, or one per tune of an ABC file.

    Raises:
        errors.UserError: The file does not exist, has another suffix, cannot be read, has no notes, or exceeds
            `limits`.
    """
    path = Path(path)
    name = file_names.shown(path)
    counts = loss_counts.Losses()
    remarks: list[str] = []
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise errors.UserError(f"{name}: the suffix {suffix!r} is not one of {', '.join(SUFFIXES)}")
    try:
        size = path.stat().st_size
        if not size:
            raise errors.UserError("the file is empty")
        limits.check_bytes(size)
        if suffix in ABC:
            sequences, lost, remarks = _read_abc(path, repeats, counts)
        elif suffix in MIDI:
            sequences, lost = [midi_reading.midi_to_sequence(path.read_bytes(), losses=counts)], []
        else:
            sequences, lost = [musicxml_reading.musicxml_to_sequence(path, repeats=repeats, losses=counts)], []
        if suffix not in ABC:
            remarks = loss_counts.remarks(counts)
        sequences = [s for s in sequences if s.notes]
        if not sequences:
            raise errors.UserError("it has no notes")
    except OSError as e:
        raise errors.UserError(f"{name}: {e.strerror or e}; give a readable file") from e
    except errors.UserError as e:
        raise errors.UserError(f"{name}: {e}{_ADVICE}") from e
    except Exception as e:  # any other failure on a damaged file
        raise errors.UserError(f"{name}: {errors.failure('could not be read', e)}{_ADVICE}") from e
    if say is not None:
        for line in lost:
            say(f"{name}: {line}")
    if remark is not None:
        for line in remarks:
            remark(f"{name}: {line}")
    if losses is not None:
        losses.update(counts)
    for sequence in sequences:
        sequence.filename = file_names.shown(path.name)
    return sequences


def reason(error: errors.UserError, path: Path) -> str:
    """Returns the reason of an error from `read`, without name and advice, so that files can be counted by reason."""
    return str(error).removeprefix(f"{file_names.shown(path)}: ").rpartition(";")[0]


def midi_to_sequence(source: str | Path | bytes) -> "NoteSequence":
    """Returns the NoteSequence of a MIDI file or of its bytes (see `musejax.music.midi_reading`).

    Raises:
        errors.UserError: The source cannot be read as MIDI.
    """
    return midi_reading.midi_to_sequence(source) if isinstance(source, bytes) else read(source)[0]


def decode(data: bytes) -> str:
    """Decodes the text of an ABC file as UTF-8, or as Latin-1 if that fails."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_abc(
    path: Path, repeats: bool, losses: loss_counts.Losses
) -> "tuple[list[NoteSequence], list[str], list[str]]":
    """Reads the tunes of a file, except those that cannot be read.

    Args:
        path: The file.
        repeats: Whether to play repeats.
        losses: Receives the counts of content that is left out, by kind.

    Returns:
        The tunes that can be read, a line for each that cannot, and remarks about those that can.

    Raises:
        errors.UserError: No tune can be read; the message names the first.
    """
    sequences: list[NoteSequence] = []
    lost: list[tuple[str, str]] = []
    remarks: list[str] = []
    tunes = abc_reading.abc_tunes(decode(path.read_bytes()))
    for number, tune in enumerate(tunes, 1):
        name = f"tune {number} ({abc_reading.abc_name(tune)})"
        own = loss_counts.Losses()
        try:
            sequence = abc_reading.abc_to_sequence(tune, repeats=repeats, losses=own)
            if not sequence.notes:
                raise errors.UserError("it has no notes")
        except errors.UserError as e:
            lost.append((name, str(e)))
            continue
        sequences.append(sequence)
        losses.update(own)
        remarks += [f"{name}: {line}" if len(tunes) > 1 else line for line in loss_counts.remarks(own)]
    if not tunes:
        raise errors.UserError("it has no tune (no line begins with X:)")
    if not sequences:
        raise errors.UserError(lost[0][1] if len(tunes) == 1 else f"{lost[0][0]}: {lost[0][1]}")
    return sequences, [f"{name} is left out: {reason}" for name, reason in lost], remarks
