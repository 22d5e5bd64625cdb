"""MIDI files written event by event."""


def quantity(number):
    """A number as a variable-length quantity."""
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(digits[::-1])


def meta(kind, data, delta=0):
    """A meta event; the data may be a text."""
    data = data.encode() if isinstance(data, str) else data
    return quantity(delta) + bytes([0xFF, kind]) + quantity(len(data)) + data


def channel(*data, delta=0):
    """A channel message."""
    return quantity(delta) + bytes(data)


def note(pitch=60, length=480, number=0, delta=0):
    """A note on a channel."""
    return channel(0x90 | number, pitch, 80, delta=delta) + channel(0x80 | number, pitch, 0, delta=length)


def file(*tracks, kind=1, ticks=480):
    """A file of tracks, each of which is the bytes of its events."""
    chunks = [track + meta(0x2F, b"") for track in tracks]
    header = b"MThd" + b"".join(
        n.to_bytes(size, "big") for n, size in ((6, 4), (kind, 2), (len(tracks), 2), (ticks, 2))
    )
    return header + b"".join(b"MTrk" + len(chunk).to_bytes(4, "big") + chunk for chunk in chunks)
