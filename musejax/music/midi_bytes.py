"""Reading and writing of the bytes of MIDI tracks."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from musejax.music import limits

# Kinds of meta events.
TEXT, NAME, LYRIC, MARKER, CUE, PORT, END = 0x01, 0x03, 0x05, 0x06, 0x07, 0x21, 0x2F
TEMPO, METRE, KEY, OWN = 0x51, 0x58, 0x59, 0x7F
# Content of musejax's own event (0x7D is no manufacturer): the track's notes overlap those of the previous track.
OVERLAP = b"\x7dmusejax: overlaps of the track before"
# Events of a file: each note has two.
MAX_EVENTS = 2 * limits.MAX_NOTES + limits.MAX_EVENTS
# An event is packed into 63 bits: its tick and three bytes.
_MAX_TICK = 2**39 - 1
# The most ticks between two events.
_MAX_DELTA = 2**28 - 1
# Number of data bytes of system messages, which valid files do not contain.
_SYSTEM_SIZES = {0xF1: 1, 0xF2: 2, 0xF3: 1}


class Meta(NamedTuple):
    """A meta event.

    Attributes:
        tick: Time in ticks.
        kind: Kind of the event, such as `TEMPO`.
        data: Content.
    """

    tick: int
    kind: int
    data: bytes


class Track(NamedTuple):
    """The events of a track, in the order of the file.

    Attributes:
        messages: Channel messages as (tick, status, first data byte, second data byte or 0): int64[N, 4].
        metas: Meta events, without the end of the track.
        num_events: Number of all events.
        is_cut: Whether something follows the end of the track.
    """

    messages: np.ndarray
    metas: list[Meta]
    num_events: int
    is_cut: bool


class DamageError(Exception):
    """A track is damaged; the message says how and where."""


def read_track(chunk: bytes, budget: int) -> Track:
    """Reads the events of a track, except system exclusive messages.

    Args:
        chunk: The bytes of the track.
        budget: The largest number of events.

    Raises:
        DamageError: The bytes are not valid events.
        errors.UserError: The track has more events than `budget`, or its time exceeds all bounds.
    """
    try:
        return _read_track(chunk, budget)
    except IndexError:
        raise DamageError("it ends within an event") from None


def _read_track(chunk: bytes, budget: int) -> Track:
    """Reads a track; raises IndexError if it ends within an event."""
    packed: list[int] = []
    metas: list[Meta] = []
    position, tick, running, count, size = 0, 0, 0, 0, len(chunk)
    while position < size:
        if count >= budget:
            limits.check_count(MAX_EVENTS + 1, MAX_EVENTS, "events")
        count += 1
        delta = chunk[position]
        position += 1
        if delta & 0x80:
            delta, position = _quantity(chunk, position - 1)
            limits.check_count(tick + delta, _MAX_TICK, "ticks")
        tick += delta
        status = chunk[position]
        if status >= 0x80:
            position += 1
        else:
            status = running
        if 0x80 <= status < 0xC0 or 0xE0 <= status < 0xF0:
            first, second = chunk[position], chunk[position + 1]
            if (first | second) & 0x80:
                raise DamageError(f"it has a data byte above 127 at byte {position}")
            running, position = status, position + 2
            packed.append(tick << 24 | status << 16 | first << 8 | second)
        elif 0xC0 <= status < 0xE0:
            first = chunk[position]
            if first & 0x80:
                raise DamageError(f"it has a data byte above 127 at byte {position}")
            running, position = status, position + 1
            packed.append(tick << 24 | status << 16 | first << 8)
        elif status == 0xFF:
            kind, length, position = chunk[position], chunk[position + 1], position + 2
            if length & 0x80:
                length, position = _quantity(chunk, position - 1)
            if position + length > size:
                raise IndexError
            if kind == END:
                return Track(_unpack(packed), metas, count, position + length < size)
            metas.append(Meta(tick, kind, chunk[position : position + length]))
            position += length
        elif status in (0xF0, 0xF7):
            length, position = _quantity(chunk, position)
            position += length
            if position > size:
                raise IndexError
        elif status:
            position += _SYSTEM_SIZES.get(status, 0)
        else:
            raise DamageError(f"byte {position} should begin an event")
    return Track(_unpack(packed), metas, count, False)


def _quantity(chunk: bytes, position: int) -> tuple[int, int]:
    """Returns the variable-length quantity at a position, and the position after it."""
    value = 0
    for at in range(position, position + 4):
        value = value << 7 | chunk[at] & 0x7F
        if chunk[at] < 0x80:
            return value, at + 1
    raise DamageError(f"it has a quantity of more than four bytes at byte {position}")


def _unpack(packed: list[int]) -> np.ndarray:
    """Returns packed events as rows."""
    events = np.array(packed, np.int64)
    return np.stack([events >> 24, events >> 16 & 0xFF, events >> 8 & 0xFF, events & 0xFF], 1)


def meta(kind: int, data: bytes) -> bytes:
    """Returns the bytes of a meta event, without its time."""
    return bytes([0xFF, kind]) + _digits(len(data)) + data


def write_track(events: Iterable[tuple[int, bytes]]) -> bytes:
    """Returns the chunk of a track, including its end.

    Args:
        events: Tick and bytes of each event, in temporal order.
    """
    out, before = [], 0
    for tick, event in events:
        while tick - before > _MAX_DELTA:
            out += [_digits(_MAX_DELTA), meta(TEXT, b"")]
            before += _MAX_DELTA
        out += [_digits(tick - before), event]
        before = tick
    body = b"".join(out) + b"\0" + meta(END, b"")
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def _digits(value: int) -> bytes:
    """Returns a number below 2^28 as a variable-length quantity."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))
