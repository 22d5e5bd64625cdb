import numpy as np

from musejax.corpora import melody_groups
from musejax.music import noteseq

TUNE = np.array([(60, 4), (62, 4), (64, 2), (65, 2), (67, 4), (64, 8), (60, 4), (67, 4), (65, 4), (64, 4), (60, 8)])


def sequence(notes, qpm=120.0):
    s = noteseq.load().NoteSequence()
    s.tempos.add(qpm=qpm)
    for pitch, start, end in notes:  # In 16ths.
        s.notes.add(pitch=pitch, start_time=start * 15 / qpm, end_time=end * 15 / qpm, velocity=80)
    return s


def test_the_melody_is_the_top_line_with_repeats_taken_together():
    s = sequence([(72, 0, 4), (60, 0, 8), (72, 4, 8), (74, 8, 10), (74, 12, 16), (76, 16, 24), (77, 20, 24)], qpm=96)
    assert melody_groups.from_sequence(s).tolist() == [[72, 8], [74, 2], [74, 4], [76, 4], [77, 4]]


def test_frames_and_notes_give_the_same_melody():
    s = sequence([(72, 0, 4), (72, 4, 8), (74, 10, 12)])
    assert np.array_equal(melody_groups.from_frames([72] * 8 + [-1] * 2 + [74] * 2), melody_groups.from_sequence(s))


def test_marks_do_not_depend_on_the_key():
    up = TUNE + [5, 0]
    assert melody_groups.runs(TUNE, 10) == melody_groups.runs(up, 10)
    assert melody_groups.contours(TUNE, 10) == melody_groups.contours(up, 10)
    assert melody_groups.opening(TUNE, 10) == melody_groups.opening(up, 10)
    assert melody_groups.fingerprint(TUNE) == melody_groups.fingerprint(up)


def test_runs_see_lengths_and_contours_do_not():
    slower = TUNE * [1, 2]
    assert not melody_groups.runs(TUNE, 10) & melody_groups.runs(slower, 10)
    assert melody_groups.contours(TUNE, 10) == melody_groups.contours(slower, 10)
    assert len(melody_groups.runs(TUNE, 10)) == 2
    assert melody_groups.runs(TUNE[:9], 10) == set()
    assert melody_groups.opening(TUNE[:9], 10) is None


def test_the_last_length_of_a_run_is_free():
    longer = TUNE.copy()
    longer[-1, 1] = 16
    assert melody_groups.runs(TUNE, 11) == melody_groups.runs(longer, 11)
    assert melody_groups.fingerprint(TUNE) != melody_groups.fingerprint(longer)


def test_groups_join_through_others_and_ignore_the_order():
    marks = [{1, 2}, {5}, {2, 3}, {3, 4}, set()]
    names = ["d", "c", "b", "e", "a"]
    assert melody_groups.group(marks, names) == ["b", "c", "b", "b", "a"]
    assert melody_groups.group(marks[::-1], names[::-1]) == ["a", "b", "b", "c", "b"]
