"""A reader of MATLAB 5 files for the piano-roll sets: variables that are cell arrays of numeric matrices.

The format is level 5 of MathWorks, "MAT-File Format". A data element is a tag of 8 bytes (type and size, little-endian)
followed by its bytes, padded to a multiple of 8; a small element packs both into 8 bytes. A compressed element contains
another element, deflated.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

_NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
# Numeric array classes; as in scipy, values keep the type in which they are stored.
_CLASSES = range(6, 16)
_MATRIX, _COMPRESSED, _CELL = 14, 15, 1


def cells(data: bytes) -> dict[str, list[np.ndarray]]:
    """Returns the matrices of each cell array in a file, by variable, in column order.

    Args:
        data: Content of the file.

    Raises:
        ValueError: The data are not such a file.
    """
    if len(data) < 128 or data[124:128] != b"\0\1IM":
        raise ValueError("not a little-endian MATLAB 5 file")
    try:
        return dict(_cell_array(body) for kind, body in _elements(data[128:]) if kind == _MATRIX)
    except (struct.error, zlib.error, KeyError, StopIteration) as e:
        raise ValueError(f"a MATLAB file with content other than cell arrays of numbers ({e})") from e


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields type and bytes of each data element, with compressed elements inflated."""
    position = 0
    while position < len(data):
        kind, size = struct.unpack_from("<II", data, position)
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            position += 8
        else:
            start = position + 8
            # Compressed elements are not padded.
            position = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        body = data[start : start + size]
        if len(body) != size:
            raise ValueError("a truncated MATLAB file")
        if kind == _COMPRESSED:
            yield from _elements(zlib.decompress(body))
        else:
            yield kind, body


def _header(parts: Iterator[tuple[int, bytes]]) -> tuple[int, tuple[int, ...], str]:
    """Returns class, shape and name of an array, from its first three elements."""
    (_, flags), (_, shape), (_, name) = next(parts), next(parts), next(parts)
    return flags[0], struct.unpack(f"<{len(shape) // 4}i", shape), name.decode("ascii")


def _cell_array(body: bytes) -> tuple[str, list[np.ndarray]]:
    parts = _elements(body)
    kind, _, name = _header(parts)
    if kind != _CELL:
        raise KeyError(f"{name} is not a cell array")
    return name, [_numbers(cell) for _, cell in parts]


def _numbers(body: bytes) -> np.ndarray:
    parts = _elements(body)
    kind, shape, _ = _header(parts)
    stored, values = next(parts)
    if kind not in _CLASSES:
        raise KeyError(f"array class {kind}")
    return np.frombuffer(values, _NUMBERS[stored]).reshape(shape, order="F")
