"""MIDI files as programs and editors leave them, as the plain files that readers take.

A RIFF container is opened, chunks that are not MIDI's are dropped, time in video frames becomes ticks of a quarter
note, and invalid key signatures are blanked out. All other content is returned unchanged, byte for byte.
"""

import re

# Frames per second by the first byte of a division in video frames; 29 is the drop-frame count of 29.97.
_FRAME_RATES = {24: 24.0, 25: 25.0, 29: 30_000 / 1001, 30: 30.0}
_KEY_SIGNATURE = re.compile(rb"\xff\x59\x02(.)(.)", re.DOTALL)
_TEMPO = re.compile(rb"\xff\x51\x03...", re.DOTALL)
# An empty text of the length of a key signature.
_BLANK = b"\xff\x01\x02  "
_MAX_TICKS = 2**15 - 1


def plain(data: bytes) -> bytes:
    """Converts the content of a file to a plain MIDI file; damaged content is left for the reader to refuse.

    Args:
        data: The content of a file.
    """
    data = _without_alien_chunks(_unwrap(data))
    if data[:4] != b"MThd" or len(data) < 14:
        return data
    return _without_bad_keys(_in_quarters(data))


def _unwrap(data: bytes) -> bytes:
    """Returns the file within a RIFF container (.rmi); other content as it is."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"data":
            return data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2  # chunks begin at even places
    return data


def _without_alien_chunks(data: bytes) -> bytes:
    """Drops chunks other than tracks; the standard asks readers to pass over them."""
    if data[:4] != b"MThd":
        return data
    position = 8 + int.from_bytes(data[4:8], "big")
    kept, dropped = [data[:position]], False
    while position + 8 <= len(data):
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
        if kind != b"MTrk" and (not kind.isascii() or position + 8 + size > len(data)):
            return data  # not a chunk, so the file is damaged
        if kind == b"MTrk":
            kept.append(data[position : position + 8 + size])
        else:
            dropped = True
        position += 8 + size
    return b"".join(kept) if dropped else data


def _in_quarters(data: bytes) -> bytes:
    """Converts a division in video frames to ticks of a quarter note of half a second, or of a second if that is odd.

    Tempo events have no meaning in such a file; all of them are set to the tempo that keeps its time.
    """
    rate, ticks = _FRAME_RATES.get(256 - data[12]), data[13]
    if not data[12] & 0x80 or rate is None or not ticks:
        return data
    quarter = round(rate) * ticks
    seconds = 1.0
    if not quarter % 2:
        quarter, seconds = quarter // 2, 0.5
    if quarter > _MAX_TICKS:
        return data
    microseconds = round(1e6 * seconds * round(rate) / rate)
    tempo = b"\xff\x51\x03" + microseconds.to_bytes(3, "big")
    first = 8 + int.from_bytes(data[4:8], "big")
    head = data[:12] + quarter.to_bytes(2, "big") + data[14:first]
    body = _TEMPO.sub(tempo.replace(b"\\", rb"\\"), data[first:])
    if body[:4] != b"MTrk":
        return data
    size = int.from_bytes(body[4:8], "big") + 1 + len(tempo)
    return head + b"MTrk" + size.to_bytes(4, "big") + b"\0" + tempo + body[8:]


def _without_bad_keys(data: bytes) -> bytes:
    """Blanks out key signatures of more than seven sharps or flats, or of a mode that is neither major nor minor."""

    def checked(match: re.Match[bytes]) -> bytes:
        sharps = int.from_bytes(match[1], "big", signed=True)
        return match[0] if -7 <= sharps <= 7 and match[2] in (b"\0", b"\1") else _BLANK

    return _KEY_SIGNATURE.sub(checked, data)
