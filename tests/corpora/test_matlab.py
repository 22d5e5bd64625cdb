import struct
import zlib

import numpy as np
import pytest

from musejax.corpora import matlab


def element(kind, body):
    return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)


def array(kind, shape, name, *parts):
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + element(1, name) + b"".join(parts))


def small(kind, body):
    return struct.pack("<HH", kind, len(body)) + body.ljust(4, b"\0")


def mat_file(*variables, compress=False):
    elements = [struct.pack("<II", 15, len(z)) + z for z in map(zlib.compress, variables)] if compress else variables
    return b"made by hand".ljust(124) + b"\0\1IM" + b"".join(elements)


A = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)
B = np.array([[0.5, 2.0]])


@pytest.mark.parametrize("compress", [False, True])
def test_a_file_made_by_hand(compress):
    first = array(6, (3, 2), b"", element(2, A.tobytes(order="F")))
    second = array(6, (1, 2), b"", element(9, B.tobytes(order="F")))
    tiny = array(9, (1, 2), b"", small(2, b"\3\4"))
    data = mat_file(array(1, (1, 3), b"some", first, second, tiny), array(1, (1, 0), b"none"), compress=compress)
    found = matlab.cells(data)
    assert list(found) == ["some", "none"]
    assert found["none"] == []
    for got, wanted in zip(found["some"], (A, B, np.array([[3, 4]], np.uint8)), strict=True):
        assert got.dtype == wanted.dtype
        assert np.array_equal(got, wanted)


def test_what_is_no_such_file():
    cell = array(1, (1, 1), b"x", array(4, (1, 1), b"", element(2, b"a")))
    for data in (b"", b"x" * 200, mat_file(cell), mat_file(array(6, (1, 1), b"x", small(2, b"\1")))):
        with pytest.raises(ValueError, match="MATLAB"):
            matlab.cells(data)
    whole = mat_file(array(1, (1, 1), b"x", array(9, (3, 2), b"", element(2, A.tobytes()))))
    with pytest.raises(ValueError, match="truncated"):
        matlab.cells(whole[:-8])


@pytest.mark.parametrize("name", ["JSB_Chorales", "Nottingham", "MuseData", "Piano_midi"])
def test_it_reads_as_scipy_reads(data, name):
    scipy_io = pytest.importorskip("scipy.io")
    path = data / f"{name}.mat"
    reference, found = scipy_io.loadmat(path), matlab.cells(path.read_bytes())
    assert sorted(found) == sorted(k for k in reference if not k.startswith("__"))
    for variable, matrices in found.items():
        wanted = reference[variable].ravel(order="F")
        assert len(matrices) == len(wanted)
        assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(matrices, wanted, strict=True))
