"""Unpacking of MIDI files into header and tracks, in the variants that programs write.

RIFF containers are opened, foreign chunks are skipped, and time in video frames is converted to ticks per quarter note.
"""

from typing import NamedTuple

from musejax import errors

# Frames per second by the first byte of a division in video frames; 29 is the drop-frame count of 29.97.
_FRAME_RATES = {24: 24.0, 25: 25.0, 29: 30_000 / 1001, 30: 30.0}
_MAX_TICKS = 2**15 - 1
# A header counts its tracks in 16 bits.
_MAX_CHUNKS = 2**16 - 1


class Contents(NamedTuple):
    """The parts of a MIDI file.

    Attributes:
        is_sequential: Whether each track is an independent pattern (format 2).
        ticks_per_quarter: Ticks per quarter note, 1..32767.
        microseconds: Microseconds per quarter note if time is counted in video frames, so that tempos have no effect;
            else None.
        tracks: The bytes of each track.
    """

    is_sequential: bool
    ticks_per_quarter: int
    microseconds: int | None
    tracks: list[bytes]


def unpack(data: bytes) -> Contents:
    """Unpacks a file.

    Args:
        data: Content of the file.

    Raises:
        errors.UserError: The file is not MIDI, has no valid resolution, or is truncated.
    """
    data = _unwrap(data)
    if data[:4] != b"MThd":
        raise errors.UserError("it does not begin like a MIDI file (MThd)")
    if len(data) < 14:
        raise errors.UserError(f"its header has {len(data)} bytes; a MIDI header has 14")
    ticks_per_quarter, microseconds = int.from_bytes(data[12:14], "big"), None
    if data[12] & 0x80:
        ticks_per_quarter, microseconds = _quarter_of_frames(256 - data[12], data[13])
    if not ticks_per_quarter:
        raise errors.UserError("it has 0 ticks per quarter note")
    is_sequential = data[8:10] == b"\0\2"
    return Contents(is_sequential, ticks_per_quarter, microseconds, _tracks(data))


def _unwrap(data: bytes) -> bytes:
    """Returns the file inside a RIFF container (.rmi), or other content unchanged."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"data":
            return data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2  # chunks begin at even places
    return data


def _tracks(data: bytes) -> list[bytes]:
    """Returns the tracks after the header, and skips other chunks, as the standard requires.

    Raises:
        errors.UserError: There are fewer tracks than the header announces, or a track is truncated.
    """
    announced = int.from_bytes(data[10:12], "big")
    position = 8 + int.from_bytes(data[4:8], "big")
    tracks: list[bytes] = []
    for _ in range(_MAX_CHUNKS):
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
        start, position = position + 8, position + 8 + size
        if start > len(data) or not kind.isascii() or (position > len(data) and kind != b"MTrk"):
            break  # anything may follow the tracks
        if position > len(data):
            cut = f"track {len(tracks) + 1} announces {size:,} bytes, and {len(data) - start:,} follow"
            raise errors.UserError(f"it cannot be read as MIDI ({cut})")
        if kind == b"MTrk":
            tracks.append(data[start:position])
    if len(tracks) < announced:
        some = f"{announced:,} track{'s' * (announced != 1)} and has {len(tracks) or 'none'}"
        raise errors.UserError(f"it cannot be read as MIDI (it announces {some})")
    return tracks


def _quarter_of_frames(frames: int, ticks: int) -> tuple[int, int]:
    """Returns the ticks and microseconds per quarter note for time in video frames.

    The quarter note lasts half a second, or one second if a second has an odd number of ticks.

    Args:
        frames: Video frames per second, as the header counts them.
        ticks: Ticks per frame.

    Raises:
        errors.UserError: The frame rate is unknown, or ticks are too short.
    """
    rate = _FRAME_RATES.get(frames, 0.0)
    quarter, seconds = round(rate) * ticks, 1.0
    if not quarter % 2:
        quarter, seconds = quarter // 2, 0.5
    if not 0 < quarter <= _MAX_TICKS:
        raise errors.UserError(
            "it counts time in SMPTE frames at an unknown rate; 24, 25, 29.97 and 30 frames per second can be read"
        )
    return quarter, round(1e6 * seconds * round(rate) / rate)
