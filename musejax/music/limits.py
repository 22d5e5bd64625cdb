"""Bounds on the music that is read, encoded and written.

A few damaged bytes can announce hours of music or a million bars. Readers, codecs and writers check these bounds before
they allocate memory in proportion to the length, so that such a file leads to an error message instead of exhausting
the memory. The bounds lie far above any real music: a piece may last a day, or ten times as long as an opera.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from musejax import errors

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

MAX_QUARTERS = 50_000
MAX_SECONDS = 24 * 60 * 60
MAX_BARS = 50_000
MAX_NOTES = 200_000
# Controllers, pitch bends and annotations of a piece. This number can be read from MIDI in two seconds.
MAX_EVENTS = 200_000
# Tracks of a MIDI file.
MAX_TRACKS = 1024
# Changes of tempo, metre and key of a piece.
MAX_CHANGES = 20_000
# Quarter notes of one bar.
MAX_BAR = 1024
# Bytes of a file, and of an unpacked zipped score.
MAX_BYTES = 32 * 2**20


def check(sequence: "NoteSequence") -> None:
    """Checks that a piece does not exceed the bounds.

    Args:
        sequence: The piece; all of its times are checked.

    Raises:
        errors.UserError: The piece exceeds a bound; the message has the value and the bound.
    """
    message = excess(sequence)
    if message:
        raise errors.UserError(message)


def excess(sequence: "NoteSequence") -> str | None:
    """Returns a message about the first bound that a piece exceeds, or None."""
    events = sum(map(len, (sequence.control_changes, sequence.pitch_bends, sequence.text_annotations)))
    changes = sum(map(len, (sequence.tempos, sequence.time_signatures, sequence.key_signatures)))
    for count, most, what in (
        (len(sequence.notes), MAX_NOTES, "notes"),
        (events, MAX_EVENTS, "controllers and annotations"),
        (changes, MAX_CHANGES, "changes of tempo, metre and key"),
    ):
        if count > most:
            return f"it has {count:,} {what}; at most {most:,} can be read"
    seconds = _last(sequence)
    if not seconds <= MAX_SECONDS:
        return f"it lasts {_shown(seconds)} seconds; at most {MAX_SECONDS:,} can be read"
    quarters = _quarters(sequence, [seconds])[0]
    tempo = next((t.qpm for t in sequence.tempos if not math.isfinite(t.qpm)), None)
    if tempo is not None:
        return f"it has a tempo of {tempo} quarter notes per minute"
    if not quarters <= MAX_QUARTERS:
        return f"it lasts {_shown(quarters)} quarter notes; at most {MAX_QUARTERS:,} can be read"
    bars, longest = _bars(sequence, quarters)
    if longest > MAX_BAR:
        return f"it has a bar of {_shown(longest)} quarter notes; at most {MAX_BAR:,} can be read"
    if bars > MAX_BARS:
        return f"it has {_shown(bars)} bars; at most {MAX_BARS:,} can be read"
    return None


def check_count(count: float, most: int, what: str) -> None:
    """Checks the number of items that are about to be read.

    Args:
        count: Number of items.
        most: The largest permitted number.
        what: Name of the items in the plural.

    Raises:
        errors.UserError: There are more than `most` items.
    """
    if not count <= most:
        raise errors.UserError(f"it has {_shown(count)} {what}; at most {most:,} can be read")


def check_bytes(size: int) -> None:
    """Checks the size of a file that is about to be read.

    Raises:
        errors.UserError: The file is larger than `MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise errors.UserError(f"it has {size / 2**20:,.1f} MB; at most {MAX_BYTES // 2**20} MB can be read")


def _shown(value: float) -> str:
    """Formats a number for a message."""
    return f"{value:,.0f}" if value < 1e12 else f"{value:.3g}"


def _last(sequence: "NoteSequence") -> float:
    """Returns the latest time of a piece in seconds; NaN if any of its times is NaN."""
    times = [sequence.total_time]
    for note in sequence.notes:
        times += [note.start_time, note.end_time]
    for field in ("tempos", "time_signatures", "key_signatures", "text_annotations", "control_changes", "pitch_bends"):
        times += [item.time for item in getattr(sequence, field)]
    return float("nan") if any(time != time for time in times) else max(times)


def _quarters(sequence: "NoteSequence", seconds: list[float]) -> list[float]:
    """Converts times in seconds to quarter notes from the start."""
    from musejax.music import timing

    with np.errstate(all="ignore"):
        return timing.to_quarters(sequence, np.array(seconds)).tolist()


def _bars(sequence: "NoteSequence", quarters: float) -> tuple[float, float]:
    """Returns the number of bars up to a place in quarters, and the length of the longest bar in quarters.

    The metre is 4/4 before the first time signature.
    """
    marks = [s for s in sequence.time_signatures if s.numerator > 0 and s.denominator > 0]
    marks.sort(key=lambda s: s.time)
    starts = [0.0, *(max(q, 0.0) for q in _quarters(sequence, [s.time for s in marks])), quarters]
    sizes = [4.0, *(4 * s.numerator / s.denominator for s in marks)]
    bars = sum((end - start) / size for start, end, size in zip(starts, starts[1:], sizes))
    return bars, max(sizes)
