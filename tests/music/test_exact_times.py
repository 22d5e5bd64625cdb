"""Times in seconds as fractions of a quarter."""

from fractions import Fraction

import numpy as np
import pytest

from musejax import errors
from musejax.music import exact_times, noteseq, timing


def _sequence(quarters, resolution=0, is_score=False, qpm=90.0):
    """Notes that follow each other at these places."""
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=resolution)
    sequence.tempos.add(qpm=qpm)
    sequence.tempos.add(time=3.21, qpm=61.7)
    if is_score:
        sequence.source_info.encoding_type = sequence.source_info.MUSIC_XML
    seconds = timing.to_seconds(sequence, np.array([float(q) for q in quarters])).tolist()
    for start, end in zip(seconds, seconds[1:]):
        sequence.notes.add(pitch=60, velocity=80, start_time=start, end_time=end)
    return sequence


def _places(times):
    starts = [Fraction(start, times.divisions) for start, _ in times.notes.tolist()]
    return [*starts, Fraction(int(times.notes[-1, 1]), times.divisions)]


def test_fractions_of_a_score_come_back_far_into_a_piece():
    odd = sorted({i + Fraction(k, n) for i in range(300, 312) for n in (5, 7, 9, 11, 48, 64) for k in range(n)})
    times = exact_times.read(_sequence(odd, is_score=True))
    assert (_places(times), times.moved) == (odd, 0)
    exact = [i + Fraction(i % 3, 3) for i in range(2000)]
    times = exact_times.read(_sequence(exact, is_score=True))
    assert (_places(times), times.divisions, times.moved) == (exact, 3, 0)


@pytest.mark.parametrize("resolution", [96, 220, 480])
def test_ticks_that_do_not_divide_stand_for_tuplets(resolution):
    exact = [Fraction(i, 7) for i in range(15)] + [Fraction(i, 3) for i in range(7, 15)]
    ticks = [Fraction(round(place * resolution), resolution) for place in exact]
    times = exact_times.read(_sequence(ticks, resolution=resolution))
    assert _places(times) == exact and times.moved == 0


def test_played_times_move_to_the_grid():
    random = np.random.default_rng(1)
    ticks = np.cumsum(random.integers(40, 300, 60))
    times = exact_times.read(_sequence([Fraction(int(t), 480) for t in ticks], resolution=480))
    assert times.divisions == 24 and times.moved > 50
    assert 0 < times.shift <= 1 / 48 + 1e-9
    assert "notes move to a grid of 1/24 quarter note" in times.remark()


def test_one_note_off_the_grid_moves_alone():
    places = [Fraction(i, 2) for i in range(50)]
    places[20] += Fraction(17, 977)
    times = exact_times.read(_sequence(places))
    moved = _places(times)
    assert moved[:20] + moved[21:] == places[:20] + places[21:]
    assert times.moved == 2 and times.remark().startswith("2 notes move")


def test_a_note_without_length_gets_some():
    sequence = _sequence([0, 1, 2])
    sequence.notes.add(pitch=60, velocity=80, start_time=1.0, end_time=1.0)
    times = exact_times.read(sequence)
    assert (times.notes[:, 1] > times.notes[:, 0]).all()
    assert times.notes[-1, 1] - times.notes[-1, 0] == times.divisions // 24


def test_bars_and_signatures_are_held():
    sequence = _sequence([0, 1, 2])
    sequence.time_signatures.add(numerator=7, denominator=16)
    assert exact_times.read(sequence).divisions == 4


def test_a_note_before_the_start_is_refused():
    sequence = _sequence([0, 1])
    sequence.notes[0].start_time = -1
    with pytest.raises(errors.UserError, match="before time 0"):
        exact_times.read(sequence)
