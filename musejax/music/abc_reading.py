"""Tunes in ABC to NoteSequences, through symusic."""

import contextlib
import os
import re
import secrets
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from musejax import errors
from musejax.music import limits, midi_reading, score_annotations, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Guitar chords would become an accompaniment of notes of their own.
_NO_ACCOMPANIMENT = "%%MIDI gchordoff"
# The reader keeps no bar lines, but it begins its drum pattern anew at each: one stroke a bar on a track of its own.
_STROKE = 127
_STROKES = f"{_NO_ACCOMPANIMENT}\\n%%MIDI drum dz {_STROKE} 1\\n%%MIDI drumon"
_ATTEMPTS = 20
# Words under notes and after a tune (the reader takes a tune with `w:` for none), and remarks (it reads them as notes),
# each with the lines that continue it.
_WORDS = re.compile(r"(?m)^[wWr]:.*\n?(?:^\+:.*\n?)*|\[[wr]:[^\]\n]*\]")
# Rests of whole bars.
_RESTS = re.compile(r"[ZX](\d+)")
_stdout = threading.RLock()


def abc_tunes(text: str) -> list[str]:
    """The tunes of an ABC text, each from its `X:` field on."""
    return re.split(r"(?m)^(?=X:)", text)[1:]


def abc_name(tune: str) -> str:
    """What a message calls a tune: its number, and its title if it has one."""
    number, title = (re.search(rf"(?m)^{field}:\s*(.*?)\s*$", tune) for field in "XT")
    parts = [f"X:{number.group(1)}" if number else "no number", repr(title.group(1)[:40]) if title else ""]
    return ", ".join(filter(None, parts))


def abc_to_sequence(tune: str) -> "NoteSequence":
    """Reads one tune in ABC, repeats played out, times in seconds; chord symbols, lyrics and remarks are left out.

    Bar lines, which need not be where the time signature has them (pick-ups, and bars in two halves around a repeat),
    stand as text annotations `bar line`, unless the tune has a drum pattern of its own.

    symusic's reader writes warnings to standard output from C: call this within `quiet_stdout`, or in a process that
    has called `close_stdout`.

    Args:
        tune: The text of one tune.

    Raises:
        errors.UserError: It cannot be read; the message is the reason.
    """
    tune = _WORDS.sub("", tune)
    limits.check_bytes(len(tune))
    limits.check_count(sum(float(bars) for bars in _RESTS.findall(tune)), limits.MAX_BARS, "bars of rest")
    score = _score(tune, _NO_ACCOMPANIMENT)
    limits.check_count(score.note_num(), limits.MAX_NOTES, "notes")
    for track in score.tracks:
        track.name = ""
    for track in score.tracks:
        for note in track.notes:
            # The reader starts each note one tick late, so that it ends before it begins again.
            note.time -= 1
            note.duration += 1
    sequence = midi_reading.score_to_sequence(score, [t for t in score.tracks if len(t.notes)])
    if sequence is None:
        raise errors.UserError("it holds notes without length")
    limits.check(sequence)
    for time in timing.to_seconds(sequence, _bar_lines(tune)).tolist():
        sequence.text_annotations.add(time=time, text=score_annotations.BAR_LINE)
    info = sequence.source_info
    info.parser, info.encoding_type, info.source_type = info.UNKNOWN_PARSER, info.ABC, info.SCORE_BASED
    title = re.search(r"(?m)^T:\s*(.*?)\s*$", tune)
    if title:
        sequence.sequence_metadata.title = title.group(1)
    return sequence


def _score(tune: str, settings: str) -> Any:
    """What symusic reads of a tune, with settings of our own; raises `errors.UserError` if it reads nothing."""
    import symusic

    # The reader passes the tune through a file in /tmp whose name two processes may draw at the same time, so a tune
    # may fail, or come back as another's: a title of our own tells.
    token = secrets.token_hex(8)
    text = re.sub(r"(?m)^T:.*\n?", "", tune)
    text = re.sub(r"(?m)^(X:.*)$", rf"\1\nT:{token}", text, count=1)
    text = re.sub(r"(?m)^(K:.*)$", rf"\1\n{settings}", text, count=1)
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(RuntimeError, ValueError):
            score: Any = symusic.Score.from_abc(text)
            if any(track.name == token for track in score.tracks):
                return score
    raise errors.UserError("it cannot be read as ABC")


def _bar_lines(tune: str) -> np.ndarray:
    """Where the bars of a tune begin, in quarters: float64[M], none where that cannot be told.

    The tune is read once more: with a drum track, changes of key and time signature are lost.
    """
    if "%%MIDI drum" in tune:
        return np.zeros(0)
    try:
        score = _score(tune, _STROKES)
    except errors.UserError:
        return np.zeros(0)
    drums = [t for t in score.tracks if t.is_drum and all(note.pitch == _STROKE for note in t.notes)]
    return np.array(sorted({note.time - 1 for t in drums for note in t.notes})) / score.ticks_per_quarter


def close_stdout() -> None:
    """Sends what this process writes to standard output nowhere, for good: for worker processes."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.close(sink)


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Silences what C code writes to standard output meanwhile.

    The descriptor belongs to the whole process: what other threads write to standard output in this time is lost too.
    """
    with _stdout:
        with contextlib.suppress(AttributeError, ValueError, OSError):
            sys.stdout.flush()
        try:
            kept = os.dup(1)
        except OSError:  # No standard output, so nothing to silence.
            yield
            return
        close_stdout()
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
