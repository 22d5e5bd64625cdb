import math

import numpy as np
import pytest

from musejax.evaluation import copying, note_rolls


def tune(*pitches):
    return np.array(pitches, int)


def brute_force(pieces, training, exclude=False):
    """Tries every run of every line against every run of every training line."""
    out = []
    for index, piece in enumerate(pieces):
        best = int(any(len(line) for line in piece))
        known = [
            np.diff(line).tolist() for i, other in enumerate(training) if not (exclude and i == index) for line in other
        ]
        for line in piece:
            steps = np.diff(line).tolist()
            for start in range(len(steps)):
                for end in range(start + 1, len(steps) + 1):
                    run = steps[start:end]
                    if any(run == k[i : i + len(run)] for k in known for i in range(len(k))):
                        best = max(best, len(run) + 1)
        out.append(best)
    return out


def random_set(rng, pieces, pitches):
    return [
        [rng.integers(60, 60 + pitches, rng.integers(0, 12)) for _ in range(rng.integers(0, 4))] for _ in range(pieces)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_longest_runs_are_those_of_a_search_by_hand(seed):
    rng = np.random.default_rng(seed)
    pitches = int(rng.integers(1, 5))
    pieces, training = random_set(rng, rng.integers(0, 6), pitches), random_set(rng, rng.integers(0, 6), pitches)
    assert copying.longest_runs(pieces, training).tolist() == brute_force(pieces, training)
    assert copying.longest_runs(pieces, pieces, True).tolist() == brute_force(pieces, pieces, True)
    assert copying.longest_runs(pieces, training, True).tolist() == brute_force(pieces, training, True)


def test_a_copy_has_its_own_length_in_any_transposition():
    piece = [tune(60, 64, 62, 67, 60, 59)]
    training = [[tune(50, 50)], [tune(70, 71, 65, 69, 67, 72, 65, 64, 80)]]
    assert copying.longest_runs([piece], [piece]).tolist() == [6]
    assert copying.longest_runs([piece], training).tolist() == [6]
    assert copying.longest_runs([[piece[0] + 13]], training).tolist() == [6]


def test_a_copy_of_a_long_line_among_others_is_found_whole():
    rng = np.random.default_rng(0)
    training = [[rng.integers(40, 90, 150)] for _ in range(20)]
    assert copying.longest_runs([[training[7][0][20:131] - 5]], training).tolist() == [111]


def test_runs_never_cross_lines():
    # 60 64 62 67 is found in the training data only across the end of a line.
    training = [[tune(60, 64), tune(62, 67)], [tune(62, 67)]]
    assert copying.longest_runs([[tune(60, 64, 62, 67)]], training).tolist() == [2]
    assert copying.longest_runs([[tune(60, 64), tune(62, 67)]], [[tune(60, 64, 62, 67)]]).tolist() == [2]


def test_pieces_that_share_nothing():
    training = [[tune(60, 61)]]
    assert copying.longest_runs([[tune(60, 62)], [tune(60)], [tune()], []], training).tolist() == [1, 1, 0, 0]
    assert copying.longest_runs([[tune(60, 62)], [tune()]], []).tolist() == [1, 0]
    assert copying.longest_runs([[tune(60, 62)], [tune()]], [[tune()], []]).tolist() == [1, 0]
    assert copying.longest_runs([], training).tolist() == []


def test_a_set_against_itself_leaves_each_piece_out():
    pieces = [[tune(60, 62, 64, 65)], [tune(60, 62, 64, 60)], [tune(60, 66)]]
    assert copying.longest_runs(pieces, pieces).tolist() == [4, 4, 2]
    assert copying.longest_runs(pieces, pieces, exclude_same_index=True).tolist() == [3, 3, 1]


def test_lines_are_the_highest_onsets_of_pitched_tracks():
    note = note_rolls.Note
    notes = [note(0, 60, 0, 4), note(0, 67, 6, 7), note(0, 67, 0, 2), note(1, 36, 0, 1), note(2, 50, 3, 5)]
    found = copying.lines_of_notes(notes, [False, True, False])
    assert [line.tolist() for line in found] == [[67, 67], [50]]
    found = copying.lines_of_notes([note(0, 60, 0, 1), note(0, 60, 1, 2), note(0, 59, 2, 9)], [False, True, False])
    assert [line.tolist() for line in found] == [[60, 60, 59], []]


def test_distinct_runs():
    # Runs of 3 notes as intervals: (2, 2), (2, 2), (2, -4) and, in the other piece, (2, 2).
    pieces = [[tune(60, 62, 64, 66, 62)], [tune(70, 72, 74), tune(60)]]
    assert copying.distinct_ngrams(pieces, 3) == 2 / 4
    assert math.isnan(copying.distinct_ngrams(pieces, 6))
    assert math.isnan(copying.distinct_ngrams([], 3))
    with pytest.raises(ValueError, match="at least 2"):
        copying.distinct_ngrams(pieces, 1)
