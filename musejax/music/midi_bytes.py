"""The events of a MIDI file as bytes: what they announce is checked before a reader allocates anything for it."""

import functools
import re

from musejax import errors
from musejax.music import limits

_DELTA = rb"[\x80-\xff]{0,3}+[\x00-\x7f]"
_LENGTH = re.compile(_DELTA, re.DOTALL)
_NEXT = re.compile(b"(" + _DELTA + rb")([\x80-\xff])", re.DOTALL)
_EVENT = re.compile(b"(" + _DELTA + rb")([\x80-\xff]?)([\x00-\x7f])([\x00-\x7f])", re.DOTALL)
# Data bytes of each kind of channel message, from 0x80 to 0xE0.
_SIZES = (2, 2, 2, 2, 1, 1, 2)
# The last tick that symusic's 32 bits hold.
_MAX_TICK = 2**31 - 1
# Events of a file: each note has two.
_MAX_EVENTS = 2 * limits.MAX_NOTES + limits.MAX_EVENTS
# A file of this many bytes cannot hold more.
_SMALL = 2 * _MAX_EVENTS


def check(data: bytes) -> None:
    """Checks the header of a MIDI file and how many events follow it.

    Args:
        data: The file's content.

    Raises:
        errors.UserError: It is not MIDI, its ticks have no length in quarter notes, or it is larger than a piece.
    """
    limits.check_bytes(len(data))
    if data[:4] != b"MThd":
        raise errors.UserError("it does not begin as a MIDI file does (MThd)")
    if len(data) < 14:
        raise errors.UserError(f"its header has {len(data)} bytes; a MIDI header has 14")
    if data[12] & 0x80:
        raise errors.UserError(
            "it counts time in SMPTE frames at an unknown rate; 24, 25, 29.97 and 30 frames a second can be read"
        )
    if data[12:14] == b"\0\0":
        raise errors.UserError("it has 0 ticks per quarter note")
    _check_events(data)


def _check_events(data: bytes) -> None:
    """Checks how many events there are; damaged tracks count as far as they can be followed."""
    if len(data) < _SMALL:
        return
    position, count = 14, 0
    while position + 8 <= len(data):
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "big")
        count += _count_events(data[position + 8 : end])
        position = end
        limits.check_count(count, _MAX_EVENTS, "events")


def _count_events(chunk: bytes) -> int:
    """The events of one track, at most one more than a file may have."""
    position, count, size = 0, 0, 2
    while position < len(chunk) and count <= _MAX_EVENTS:
        delta = _LENGTH.match(chunk, position)
        if delta is None or delta.end() >= len(chunk):
            break
        count, position = count + 1, delta.end()
        status = chunk[position]
        if status < 0x80:
            position += size
        elif status < 0xF0:
            size = _SIZES[(status >> 4) - 8]
            position += 1 + size
        else:
            length = _LENGTH.match(chunk, position + 1 + (status == 0xFF))
            if length is None:
                break
            position = length.end() + _value(length.group())
    return count


def _value(digits: bytes) -> int:
    """The number that a variable-length quantity stands for."""
    return functools.reduce(lambda n, byte: n << 7 | byte & 0x7F, digits, 0)


def plain_onsets(data: bytes) -> int | None:
    """How many notes a file begins, if readers agree on it; else None.

    They do where a track has one channel and one program, tempi and signatures stand in the first track, and no tick
    exceeds 31 bits.
    """
    position, onsets = 14, 0
    if int.from_bytes(data[4:8], "big") != 6 or data[8:10] not in (b"\0\0", b"\0\1") or data[12] & 0x80:
        return None
    for number in range(int.from_bytes(data[10:12], "big")):
        size = int.from_bytes(data[position + 4 : position + 8], "big")
        chunk = data[position + 8 : position + 8 + size]
        of_track = _plain_track_onsets(chunk, number == 0)
        if data[position : position + 4] != b"MTrk" or len(chunk) != size or of_track is None:
            return None
        position, onsets = position + 8 + size, onsets + of_track
    return onsets if position == len(data) else None


@functools.cache
def _runs(channel: int) -> re.Pattern[bytes]:
    """Notes, controllers and bends of one channel, as many as follow each other, running status included."""
    kinds = b"".join(re.escape(bytes([kind | channel])) for kind in (0x80, 0x90, 0xA0, 0xB0, 0xE0))
    one = _DELTA + b"[" + kinds + rb"][\x00-\x7f]{2}"
    return re.compile(b"(?:" + one + b"(?:" + _DELTA + rb"[\x00-\x7f]{2})*+)++", re.DOTALL)


def _count_onsets(run: bytes) -> tuple[int, int]:
    """Note-ons (of a velocity above 0) among the events of a run, and the ticks that the run lasts."""
    count, ticks, is_on = 0, 0, False
    for delta, status, _, velocity in _EVENT.findall(run):
        ticks += delta[0] if len(delta) == 1 else _value(delta)
        if status:
            is_on = status[0] >> 4 == 9
        count += is_on and velocity != b"\0"
    return count, ticks


def _plain_track_onsets(chunk: bytes, first: bool) -> int | None:
    """The notes one track begins; None unless it has one channel, one program before its notes, and one name."""
    position, channel, program, names, onsets, ticks, sounded = 0, None, None, 0, 0, 0, False
    while position < len(chunk) and ticks <= _MAX_TICK:
        event = _NEXT.match(chunk, position)
        if event is None or event.end() >= len(chunk):
            return None
        status = event.group(2)[0]
        if status == 0xFF:
            ticks += _value(event.group(1))
            kind, position = chunk[event.end()], event.end() + 1
            length = _LENGTH.match(chunk, position)
            if length is None:
                return None
            position = length.end() + _value(length.group())
            if kind == 0x2F:
                return onsets if position == len(chunk) else None
            names += kind == 3
            # A name after the first note would belong to no instrument; two would be a choice.
            if (kind == 3 and (sounded or names > 1)) or (not first and kind in (0x51, 0x58, 0x59)):
                return None
            continue
        if status >= 0xF0 or (channel is not None and status & 15 != channel):
            return None
        channel = status & 15
        if status >> 4 in (0xC, 0xD):
            ticks += _value(event.group(1))
        if status >> 4 == 0xC:
            if sounded or program is not None:
                return None
            program, position = chunk[event.end()], event.end() + 1
        elif status >> 4 == 0xD:
            position = event.end() + 1
        else:
            run = _runs(channel).match(chunk, position)
            if run is None:
                return None
            count, lasting = _count_onsets(run.group())
            position, onsets, ticks, sounded = run.end(), onsets + count, ticks + lasting, True
    return None
