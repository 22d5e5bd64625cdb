import numpy as np
import pytest

from musejax.corpora import tunes

# Two tunes that have no six notes in common, and one of them with passing notes.
TUNE = [60, 62, 64, 60, 67, 65, 64, 62, 69, 67, 65, 71, 72, 69, 67, 64, 65, 62, 60, 55, 60]
OTHER = [60, 65, 69, 67, 70, 69, 74, 72, 69, 65, 67, 64, 60, 62, 58, 65, 64, 67, 65, 60, 65]
PASSING = [60, 62, 64, 62, 60, 67, 65, 64, 62, 69, 67, 65, 71, 72, 69, 67, 64, 65, 64, 62, 60, 55, 60]


def melody(pitches, length=4):
    return np.array([(p, length) for p in pitches], np.int32).reshape(-1, 2)


@pytest.mark.parametrize("shift", [0, 5, -7])
@pytest.mark.parametrize("pitches", [TUNE, PASSING, [67, *TUNE], TUNE[4:], TUNE[:10] + OTHER])
def test_one_tune_is_known_in_any_key_and_dress(pitches, shift):
    assert tunes.matching_pairs([melody(TUNE)], [melody(pitches, 2) + [shift, 0]]) == [(0, 0)]


@pytest.mark.parametrize("pitches", [OTHER, TUNE[::-1], TUNE[:9] + OTHER, TUNE[:5], []])
def test_other_tunes_are_not(pitches):
    assert tunes.matching_pairs([melody(TUNE)], [melody(pitches)]) == []


def test_pairs_within_a_list_are_named_once():
    melodies = [melody(p) for p in (OTHER, TUNE, PASSING, OTHER)]
    assert tunes.matching_pairs(melodies, melodies) == [(0, 3), (1, 2)]
    assert tunes.matching_pairs(melodies[:2], melodies[1:]) == [(0, 2), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 4.0),
        ([1, 2, 3, 4], [9, 1, 2, 3, 4, 9], 4.0),
        ([1, 2, 3, 4], [1, 2, 9, 3, 4], 3.5),
        ([1, 2, 3, 4, 5], [1, 2, 9, 4, 5], 3.3),
        ([1, 2, 3], [4, 5, 6], 0.0),
    ],
)
def test_alignments_cost_what_they_say(one, other, expected):
    rows = [np.array(one), np.array([1, 2])]
    found = tunes.alignments(rows, [np.array(other), np.array([1, 2, 3])])
    assert found.tolist() == pytest.approx([expected, 2.0])
    assert tunes.alignments([], []).tolist() == []
