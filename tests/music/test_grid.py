import numpy as np
import pytest

from musejax import errors
from musejax.music import grid, metre, noteseq


def _sequence(*spans, tempos=(), signatures=(), total=0.0):
    """Notes of pitches 60, 61, ... from start to end in seconds."""
    sequence = noteseq.load().NoteSequence(total_time=total)
    for time, qpm in tempos:
        sequence.tempos.add(time=time, qpm=qpm)
    for time, numerator, denominator in signatures:
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    for index, (start, end) in enumerate(spans):
        sequence.notes.add(start_time=start, end_time=end, pitch=60 + index, velocity=80)
    return sequence


def test_halves_go_up():
    assert grid.nearest(np.array([0.5, 1.5, 2.49, -0.5, -0.51])).tolist() == [1, 2, 2, 0, -1]
    assert grid.nearest(2.5) == 3


def test_a_slack_takes_what_lies_just_below_a_half():
    assert grid.nearest(np.array([0.4999999, 0.499]), grid.HALF_WAY).tolist() == [1, 0]


def test_notes_keep_a_shortest_length():
    positions = np.array([[0.2, 0.4], [1.6, 3.4], [2.0, 1.0]])
    assert grid.spans(positions).tolist() == [[0, 1], [2, 3], [2, 3]]
    assert grid.spans(positions, 0).tolist() == [[0, 0], [2, 3], [2, 2]]
    assert grid.spans(np.zeros((0, 2))).shape == (0, 2)


def test_frames_follow_a_change_of_tempo():
    # 120 a minute for a second, which is two quarters; then 60.
    sequence = _sequence((0.5, 2.0), tempos=[(0, 120), (1, 60)])
    assert grid.frames(sequence, [0.0, 0.5, 1.0, 2.0]).tolist() == [0, 4, 8, 12]
    assert grid.frames(sequence, [2.0], 24).tolist() == [72]
    assert grid.note_positions(sequence, sequence.notes, 2).tolist() == [[2.0, 6.0]]


def test_a_sliver_makes_no_frame_at_the_end():
    # At 120 a minute a frame lasts an eighth of a second.
    assert grid.total_frames(_sequence(total=1.001)) == 8
    assert grid.total_frames(_sequence(total=1.1)) == 9
    assert grid.nearest_end(_sequence(total=1.05)) == 8
    assert grid.nearest_end(_sequence(total=1.0625)) == 9


def test_sounding_notes_are_read():
    sequence = _sequence((0.0, 0.01), (0.5, 1.0), (0.5, 0.5), (0.5, 1.0), (0.5, 1.0))
    sequence.notes[3].velocity = 0
    sequence.notes[4].is_drum = True
    assert grid.read_notes(sequence).tolist() == [[0, 1, 60], [4, 8, 61]]


@pytest.mark.parametrize(("spans", "reason"), [((), "empty"), (((-1.0, 1.0),), "before time 0")])
def test_reading_discards(spans, reason):
    with pytest.raises(errors.DiscardError, match=reason):
        grid.read_notes(_sequence(*spans))


def test_some_notes_may_lie_off_the_grid():
    positions = np.array([0.0, 1.1, 2.3, 2.95])
    assert not grid.is_off(positions, tolerance=0.2, share=0.25)
    assert grid.is_off(positions, tolerance=0.2, share=0.2)
    # A note lies off with either of its ends: here three of four.
    ends = np.array([1.0, 2.5, 3.0, 4.5])
    assert not grid.is_off(np.column_stack([positions, ends]), tolerance=0.2, share=0.75)
    assert grid.is_off(np.column_stack([positions, ends]), tolerance=0.2, share=0.74)


def test_runs():
    assert grid.runs(np.array([1, 1, 0, 2, 2, 2])) == [(0, 2), (2, 3), (3, 6)]
    assert grid.runs(np.array([])) == []


def test_a_grid_starts_anew_at_each_signature():
    # At 60 a minute a quarter is a second; signatures stand 0.3 and 4.5 quarters after the start, 1.2 and 18 16ths.
    sequence = _sequence(tempos=[(0, 60)], signatures=[(0.3, 4, 4), (4.5, 3, 4)], total=5.5)
    restarting = grid.read(sequence)
    # 1.2 16ths are 1; the 16.8 from there to the second are 17.
    assert restarting.lines.tolist() == [0.25, 4.5]
    np.testing.assert_allclose(restarting.places, [0.3, 4.5])
    lines, beyond = restarting.split(np.array([0.0, 0.55, 4.49, 4.5, 5.0]))
    assert lines.tolist() == [1, 1, 1, 18, 18]
    np.testing.assert_allclose(beyond, [-1.2, 1.0, 16.76, 0.0, 2.0])
    assert (lines + grid.nearest(beyond)).tolist() == [0, 2, 18, 18, 20]
    quarters = np.array([0.25, 0.5, 4.5, 5.0])
    np.testing.assert_allclose(restarting.quarters(np.array([0.3, 0.55, 4.5, 5.0])), quarters)
    np.testing.assert_allclose(restarting.seconds(quarters), [0.3, 0.55, 4.5, 5.0])
    assert restarting.total_frames() == 22
    assert restarting.total_frames(24) == 132
    assert metre.read(sequence, restarting) == [(1, 16), (18, 12)]


def test_a_grid_without_signatures_is_the_plain_one():
    sequence = _sequence((0.25, 0.5), tempos=[(0, 90)], total=2.0)
    restarting = grid.read(sequence)
    lines, beyond = restarting.split(grid.note_seconds(sequence.notes))
    assert lines.tolist() == [[0, 0]]
    assert beyond.tolist() == grid.note_positions(sequence, sequence.notes).tolist()
    assert restarting.total_frames() == grid.total_frames(sequence)


def test_note_seq_rounds_alike():
    # Starts on and around halves of a frame, and a note shorter than a frame.
    sequence = _sequence((0.0, 0.01), (0.0625, 0.5), (0.18, 0.4), (0.19, 0.3))
    quantised = grid.quantise(sequence)
    steps = [[n.quantized_start_step, n.quantized_end_step] for n in quantised.notes]
    assert (
        steps == grid.spans(grid.note_positions(sequence, sequence.notes)).tolist() == [[0, 1], [1, 4], [1, 3], [2, 3]]
    )


@pytest.mark.parametrize(
    ("signature", "reason"), [((0, 4, 3), "an invalid time signature"), ((0, 3, 32), "not a whole number of 16ths")]
)
def test_quantising_discards(signature, reason):
    with pytest.raises(errors.DiscardError, match=reason):
        grid.quantise(_sequence((0.0, 1.0), signatures=[signature]))


def test_one_tempo_and_the_longest_signature_remain():
    # Four quarters at 120 a minute, then four at 60: the second half is played twice as fast.
    changes = _sequence(
        (1.0, 2.0), (3.0, 4.0), tempos=[(0, 120), (2, 60)], signatures=[(0, 3, 4), (1.5, 4, 4)], total=6.0
    )
    out = grid.in_one_tempo(changes)
    assert [t.qpm for t in out.tempos] == [120]
    assert [(s.numerator, s.denominator) for s in out.time_signatures] == [(4, 4)]
    assert [(n.start_time, n.end_time, n.pitch) for n in out.notes] == [(1.0, 2.0, 60), (2.5, 3.0, 61)]
    assert out.total_time == 3.0
    assert [n.quantized_start_step for n in grid.quantise(out).notes] == [8, 20]
