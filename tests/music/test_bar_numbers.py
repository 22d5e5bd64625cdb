"""Numbers of bars: those that a score prints, at every playing, else those that counting gives."""

import musicxml_text as mx
import numpy as np
import pytest

from musejax import errors
from musejax.music import bar_numbers, metre, score_annotations


def marks(sequence):
    return [a.text for a in sequence.text_annotations if a.text.startswith(score_annotations.MEASURE)]


def numbers(sequence):
    """The numbers of a sequence, and the frames of each."""
    found = bar_numbers.read(sequence, metre.read_beats(sequence, round(sequence.total_time * 8))[:-1])
    names = [str(found.numbers[index]) for index in found.frames]
    return found, [name for name, before in zip(names, [None, *names]) if name != before]


BAR = mx.notes("C4 D4 E4 F4")


def test_a_score_whose_numbers_are_those_counted_has_no_marks(read_score):
    pickup = ('number="0" implicit="yes"', mx.note("G4"))
    for measures in ([BAR, BAR], [pickup, ('number="1"', BAR), ('number="2"', BAR)]):
        sequence = read_score(mx.score(measures))
        assert not marks(sequence)
        found, order = numbers(sequence)
        assert order == [str(i) for i in range(3 - len(measures), 3)]
    assert found.inside(0, 0).sum() == 4 and found.inside(1, 2).sum() == 32 and not found.has(3)


def test_a_bar_that_is_played_twice_has_its_number_each_time(read_score):
    text = mx.score([BAR, mx.repeat("forward") + BAR + mx.repeat("backward"), BAR])
    sequence = read_score(text)
    assert marks(sequence) == [f"measure: {number}" for number in (1, 2, 2, 3)]
    found, order = numbers(sequence)
    assert order == ["1", "2", "3"] and str(found) == "bars 1-3"
    assert np.flatnonzero(found.inside(2, 2)).tolist() == list(range(16, 48))
    assert not marks(read_score(text, repeats=False))


def test_an_excerpt_is_addressed_by_the_numbers_that_it_prints(read_score):
    found, _ = numbers(read_score(mx.score([(f'number="{n}"', BAR) for n in (57, 58, 60)])))
    assert str(found) == "bars 57-58, 60"
    assert np.flatnonzero(found.inside(60, 60)).tolist() == list(range(32, 48))
    assert not found.has(1) and not found.has(59) and found.inside(58, 59).sum() == 16


def test_letters_and_measures_that_are_not_counted_belong_to_the_number_before(read_score):
    half = mx.notes("C4 D4")
    named = [("1", BAR), ("2", half), ("X1", half), ("3", BAR), ("4a", BAR), ("4b", BAR), ("6", BAR)]
    found, order = numbers(read_score(mx.score([(f'number="{name}"', content) for name, content in named])))
    assert order == ["1", "2", "2x1", "3", "4a", "4b", "6"]
    assert found.inside(2, 2).sum() == 16 and found.inside("2X1", "2X1").sum() == 8
    assert found.inside(4, 4).sum() == 32 and found.inside("4b", 6).sum() == 32
    assert str(found) == "bars 1-2, 2x1, 3, 4a, 4b, 6"


def test_halves_of_a_bar_around_a_repeat_are_one_bar_as_they_are_counted(read_score):
    half = mx.notes("C4 D4")
    measures = [("1", BAR), ("2", half), ("X1", half), ("3", BAR)]
    assert not marks(read_score(mx.score([(f'number="{name}" implicit="yes"', text) for name, text in measures])))


def test_a_score_without_numbers_is_counted(read_score):
    sequence = read_score(mx.score([("", BAR), ("", BAR)]))
    assert not marks(sequence) and numbers(sequence)[1] == ["1", "2"]
    sequence = read_score(mx.score([('number="X1"', mx.note("G4")), ('number="1"', BAR), ('number="2"', BAR)]))
    assert numbers(sequence)[1] == ["0", "1", "2"]


def test_bars_that_are_added_to_a_score_go_on_from_its_last_number(read_score):
    sequence = read_score(mx.score([(f'number="{n}"', BAR) for n in (57, 58)]))
    sequence.total_time = 8.0
    found, order = numbers(sequence)
    assert order == ["57", "58", "59", "60"]
    assert np.flatnonzero(found.inside(59, 60)).tolist() == list(range(32, 64))


def test_ranges_are_read_as_they_are_written():
    assert bar_numbers.parse_range("5-8") == (5, 8) and bar_numbers.parse_range(" 12A ") == ("12a", "12a")
    assert bar_numbers.parse_range("12-12a") == (12, "12a") and bar_numbers.parse_range("12a-12") == ("12a", 12)
    for wrong in ("8-5", "12b-12a", "-5", "5-", "x", "", "5-6-7", "1234567"):
        assert bar_numbers.parse_range(wrong) is None
    with pytest.raises(errors.UserError, match="bar 'x' is not a number"):
        bar_numbers.number("x")


def test_a_message_lists_a_few_ranges():
    of_every_other = bar_numbers.BarNumbers(tuple(bar_numbers.Number(2 * n) for n in range(20)), np.arange(20))
    assert str(of_every_other) == "bars " + ", ".join(str(2 * n) for n in range(11)) + ", ..., 38"
    assert str(bar_numbers.count(np.zeros(1))) == "bar 1"
