"""Pairing of note-ons and note-offs of a MIDI track, and assignment of notes to instruments."""

from typing import NamedTuple

import numpy as np

DRUMS = 9  # The channel of drums, counted from 0.


class Instrument(NamedTuple):
    """The notes of one channel and program of a track.

    Attributes:
        channel: 0..15.
        program: General MIDI program, 0..127.
        notes: Start and end in ticks, pitch and velocity, in the order of their note-ons: int64[N, 4].
    """

    channel: int
    program: int
    notes: np.ndarray


class Notes(NamedTuple):
    """The notes of a track.

    Attributes:
        instruments: The instruments, in the order in which their first notes end.
        without_end: Number of note-ons without a note-off.
        without_length: Number of notes that end on the tick on which they start.
    """

    instruments: list[Instrument]
    without_end: int
    without_length: int


def read_notes(messages: np.ndarray) -> Notes:
    """Reads the notes of a track.

    A note-off ends every open note of its channel and pitch that began on an earlier tick. Notes that began on the same
    tick continue if it ended others, so that a note can be repeated on the tick on which it ends. A note belongs to the
    program of its channel at its beginning; program changes apply only to their own track. Notes without an end or
    without length are left out.

    Args:
        messages: Channel messages of a track, see `midi_bytes.Track`.
    """
    kinds, channels, pitches, velocities = messages[:, 1] >> 4, messages[:, 1] & 15, messages[:, 2], messages[:, 3]
    begins = (kinds == 9) & (velocities > 0)
    used = (kinds == 8) | (kinds == 9)
    ends, without_length = _pair(messages[used, 0], (channels << 7 | pitches)[used], begins[used])
    rows = np.stack([messages[begins, 0], ends, pitches[begins], velocities[begins]], 1)
    voices = (channels << 7 | _programs(kinds, channels, pitches))[begins]
    has_ended = ends >= 0
    without_end = len(rows) - int(has_ended.sum()) - without_length
    rows, voices = rows[has_ended], voices[has_ended]
    order = np.argsort(voices, kind="stable")
    numbers, firsts = np.unique(voices[order], return_index=True)
    groups = np.split(rows[order], firsts[1:]) if len(rows) else []
    instruments = [Instrument(number >> 7, number & 127, group) for number, group in zip(numbers.tolist(), groups)]
    instruments.sort(key=lambda instrument: int(instrument.notes[:, 1].min()))
    return Notes(instruments, without_end, without_length)


def _pair(ticks: np.ndarray, keys: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, int]:
    """Returns the tick on which each note ends, -1 if it does not end, and the number of notes without length.

    Args:
        ticks: Ticks of note-ons and note-offs.
        keys: Channel and pitch of each event as one number.
        begins: Whether each event begins a note.
    """
    starts = ticks[begins].tolist()
    ends = [-1] * len(starts)
    sounding: dict[int, list[int]] = {}
    number = without_length = 0
    for tick, key, is_start in zip(ticks.tolist(), keys.tolist(), begins.tolist()):
        if is_start:
            sounding.setdefault(key, []).append(number)
            number += 1
            continue
        open_notes = sounding.pop(key, ())
        new = [note for note in open_notes if starts[note] == tick]
        for note in open_notes:
            if starts[note] != tick:
                ends[note] = tick
        if len(new) == len(open_notes):
            without_length += len(new)
        elif new:
            sounding[key] = new
    return np.array(ends, np.int64), without_length


def _programs(kinds: np.ndarray, channels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns the program of the channel of each message at that time, 0 before the first change."""
    out = np.zeros(len(kinds), np.int64)
    for channel in np.unique(channels[kinds == 12]).tolist():
        changes = np.flatnonzero((kinds == 12) & (channels == channel))
        latest = np.searchsorted(changes, np.arange(len(kinds)), side="right") - 1
        out = np.where((channels == channel) & (latest >= 0), values[changes[latest]], out)
    return out
