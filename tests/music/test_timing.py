import numpy as np
import pytest

from musejax.music import noteseq, timing

# Tempos (seconds, quarters a minute), and the quarters at 0, 1 and 4 seconds.
MAPS = [
    ([], [0, 2, 8]),
    ([(0, 60)], [0, 1, 4]),
    ([(2, 60), (0, 120)], [0, 2, 6]),
    ([(1, 60)], [0, 2, 5]),
    ([(0, 90), (0, 60)], [0, 1, 4]),
    ([(-1, 60)], [0, 1, 4]),
    ([(0, 60), (1, 0), (3, float("nan"))], [0, 1, 4]),
]


def _sequence(tempos):
    sequence = noteseq.load().NoteSequence()
    for time, qpm in tempos:
        sequence.tempos.add(time=time, qpm=qpm)
    return sequence


@pytest.mark.parametrize(("tempos", "expected"), MAPS)
def test_seconds_go_through_every_tempo_and_back(tempos, expected):
    sequence, seconds = _sequence(tempos), np.array([0.0, 1.0, 4.0])
    np.testing.assert_allclose(timing.to_quarters(sequence, seconds), expected)
    np.testing.assert_allclose(timing.to_seconds(sequence, np.array(expected)), seconds)


def test_times_keep_their_shape():
    tempos = timing.tempo_map(_sequence([(0, 60)]))
    assert tempos.quarters(1.5) == 1.5
    assert tempos.quarters(np.array([[0.0, 1.0], [2.0, 3.0]])).shape == (2, 2)


def test_a_map_lists_its_tempos_in_order():
    tempos = timing.tempo_map(_sequence([(3, 30), (1, 97.3)]))
    assert tempos.times.tolist() == [0, 1, 3]
    assert tempos.qpm.tolist() == [120, 97.3, 30]
    np.testing.assert_allclose(tempos.starts, [0, 2, 2 + 2 * 97.3 / 60])


@pytest.mark.parametrize(("tempos", "expected"), [([], 120), ([(5, 60), (0, 90)], 90)])
def test_the_opening_tempo(tempos, expected):
    assert timing.opening_tempo(_sequence(tempos)) == expected


@pytest.mark.parametrize("qpm", [90, 60, 97.3, 120.5, 132.25, 33.333, 7, 250])
def test_a_tempo_that_midi_rounded_is_stated_as_it_was_meant(qpm):
    assert timing.stated_tempo(60e6 / round(60e6 / qpm)) == qpm


@pytest.mark.parametrize("qpm", [119.99904, 101.01010101])
def test_another_tempo_is_stated_to_the_microsecond(qpm):
    assert round(60e6 / timing.stated_tempo(qpm)) == round(60e6 / qpm)
