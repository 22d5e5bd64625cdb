"""Scores in which parts have different time signatures at one time."""

import pytest
from musicxml_text import attributes, backup, note, notes, score, time

TWO = attributes(time(2, 4))
SIX = attributes(time(6, 8))
SIX_NOTES = [(67, 0.0, 1 / 3), (67, 1 / 3, 1 / 3), (67, 2 / 3, 1 / 3), (67, 1.0, 1.0)]


@pytest.fixture
def read_parts(read_score, rows):
    """Reads the measures of two parts, and returns the sequence and the notes of each part."""

    def read(first, second):
        sequence = read_score(score(first, second, metre=None))
        return sequence, rows(sequence, 0), rows(sequence, 1)

    return read


def rounded(notes_of_part):
    return [tuple(round(value, 4) for value in note_of_part) for note_of_part in notes_of_part]


def signatures(sequence):
    return [(t.numerator, t.denominator) for t in sequence.time_signatures]


def test_notes_fill_the_bar_that_all_parts_share(read_parts):
    first = [TWO + notes("C4 D4")] * 2
    second = [SIX + notes("G4 G4 G4", 0.5) + note("G4", 1.5)] * 2
    sequence, upper, lower = read_parts(first, second)
    assert upper == [(60, 0.0, 1.0), (62, 1.0, 1.0), (60, 2.0, 1.0), (62, 3.0, 1.0)]
    assert lower == rounded([*SIX_NOTES, *((pitch, onset + 2, length) for pitch, onset, length in SIX_NOTES)])
    assert signatures(sequence) == [(2, 4)]


def test_the_time_signature_that_all_parts_had_before_counts_the_quarters(read_parts):
    first = [SIX + note("C4", 3), TWO + notes("C4 D4")]
    second = [SIX + note("G4", 3), note("G4", 3)]
    sequence, upper, lower = read_parts(first, second)
    assert upper == [(60, 0.0, 3.0), (60, 3.0, 1.5), (62, 4.5, 1.5)]
    assert lower == [(67, 0.0, 3.0), (67, 3.0, 3.0)]
    assert signatures(sequence) == [(6, 8)]


def test_rests_and_steps_back_are_as_long_as_they_are(read_parts):
    first = [TWO + notes("C4 D4")]
    # The rest and the step back have their lengths in 2/4, the notes in 6/8.
    second = [SIX + note("r", 1) + note("G4", 1.5) + backup(2) + note("E3", 3, voice=2)]
    _, upper, lower = read_parts(first, second)
    assert upper == [(60, 0.0, 1.0), (62, 1.0, 1.0)]
    assert sorted(lower) == [(52, 0.0, 2.0), (67, 1.0, 1.0)]


def test_a_rest_may_say_how_long_the_bar_is(read_parts):
    first = [attributes(time(4, 4)) + note("r", 4)]
    second = [attributes(time(12, 8)) + notes("G4 G4", 3)]
    sequence, _, lower = read_parts(first, second)
    assert lower == [(67, 0.0, 2.0), (67, 2.0, 2.0)]
    assert signatures(sequence) == [(4, 4)]


def test_lengths_that_are_equal_stay_as_they_are(read_parts):
    first = [TWO + notes("C4 D4 E4")]
    second = [SIX + notes("G4 G4 G4")]
    sequence, upper, lower = read_parts(first, second)
    assert upper == [(60, 0.0, 1.0), (62, 1.0, 1.0), (64, 2.0, 1.0)]
    assert lower == [(67, 0.0, 1.0), (67, 1.0, 1.0), (67, 2.0, 1.0)]
    assert signatures(sequence) == [(6, 8)]


def test_lengths_that_do_not_fit_are_read_as_written_and_reported(read_parts, read_score):
    first = [TWO + notes("C4 D4")]
    second = [SIX + notes("G4 G4", 1.25)]
    _, upper, lower = read_parts(first, second)
    assert upper == [(60, 0.0, 1.0), (62, 1.0, 1.0)]
    assert lower == [(67, 0.0, 1.25), (67, 1.25, 1.25)]
    assert read_score.remarks == [
        "1 measure is read as written, because its parts have different time signatures and lengths that do not fit"
    ]


def test_a_program_that_changes_in_the_music_does_not_change_before_it(read_score):
    change = '<sound><midi-instrument id="I1"><midi-program>20</midi-program></midi-instrument></sound>'
    head = (
        '<score-instrument id="I1"><instrument-name/></score-instrument>'
        '<midi-instrument id="I1"><midi-program>5</midi-program></midi-instrument>'
    )
    first = [TWO + notes("C4 D4"), change + notes("C4 D4")]
    second = [SIX + notes("G4 G4", 1.5)] * 2
    sequence = read_score(score(first, second, heads=[head], metre=None))
    assert [n.program for n in sequence.notes if n.part == 0] == [4, 4, 19, 19]
