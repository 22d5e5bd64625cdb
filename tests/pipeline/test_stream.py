import numpy as np
import pytest
import toy

from musejax.pipeline import stream


@pytest.fixture
def both():
    pytest.importorskip("grain")
    grain = stream.open(toy.source(transpose=2))
    assert not isinstance(grain, stream.ArrayStream)
    return grain, stream.ArrayStream(toy.source(transpose=2))


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for field in a:
        np.testing.assert_array_equal(a[field], b[field])


def test_grain_and_the_plain_stream_give_the_same_batches_and_positions(both):
    grain, plain = both
    for _ in range(6):
        assert_equal(next(grain), next(plain))
        assert dict(grain.get_state()) == plain.get_state()


def test_a_position_can_be_returned_to_even_in_the_other_stream(both):
    grain, plain = both
    for _ in range(3):
        next(grain)
    here = grain.get_state()
    ahead = [next(grain) for _ in range(3)]
    for other in (grain, plain, stream.open(toy.source(transpose=2))):
        other.set_state(here)
        for batch in ahead:
            assert_equal(next(other), batch)


def test_without_grain_the_plain_stream_stands_in(monkeypatch):
    monkeypatch.setattr(stream.importlib.util, "find_spec", lambda name: None)
    assert isinstance(stream.open(toy.source()), stream.ArrayStream)
