import numpy as np
import pytest

from musejax import errors
from musejax.music import noteseq, timing


def _sequence(*tempos):
    sequence = noteseq.load().NoteSequence()
    for time, qpm in tempos:
        sequence.tempos.add(time=time, qpm=qpm)
    return sequence


@pytest.mark.parametrize(
    ("tempos", "expected"),
    [
        ([], [0, 2, 8]),
        ([(0, 60)], [0, 1, 4]),
        ([(2, 60), (0, 120)], [0, 2, 6]),
        ([(1, 60)], [0, 2, 5]),
        ([(0, 90), (0, 60)], [0, 1, 4]),
    ],
)
def test_seconds_go_through_every_tempo(tempos, expected):
    quarters = timing.to_quarters(_sequence(*tempos), np.array([0.0, 1.0, 4.0]))
    np.testing.assert_allclose(quarters, expected)


def test_halves_go_up():
    assert timing.nearest(np.array([0.5, 1.5, 2.49])).tolist() == [1, 2, 2]


def test_a_sliver_makes_no_frame():
    sequence = _sequence()
    sequence.total_time = 1.001
    assert timing.total_frames(sequence, 4) == 8
    sequence.total_time = 1.1
    assert timing.total_frames(sequence, 4) == 9


def test_grid_notes_keep_what_sounds():
    sequence = _sequence()
    sequence.notes.add(start_time=0.0, end_time=0.01, pitch=60, velocity=1)
    sequence.notes.add(start_time=0.5, end_time=1.0, pitch=61, velocity=1)
    sequence.notes.add(start_time=0.5, end_time=0.5, pitch=62, velocity=1)
    sequence.notes.add(start_time=0.5, end_time=1.0, pitch=63, velocity=0)
    sequence.notes.add(start_time=0.5, end_time=1.0, pitch=64, velocity=1, is_drum=True)
    assert timing.grid_notes(sequence, 4).tolist() == [[0, 1, 60], [4, 8, 61]]


@pytest.mark.parametrize(("start", "reason"), [(None, "empty"), (-1.0, "before time 0")])
def test_grid_notes_discards(start, reason):
    sequence = _sequence()
    if start is not None:
        sequence.notes.add(start_time=start, end_time=1.0, pitch=60, velocity=1)
    with pytest.raises(errors.DiscardError, match=reason):
        timing.grid_notes(sequence, 4)


def test_runs():
    assert timing.runs(np.array([1, 1, 0, 2, 2, 2])) == [(0, 2), (2, 3), (3, 6)]
    assert timing.runs(np.array([])) == []
