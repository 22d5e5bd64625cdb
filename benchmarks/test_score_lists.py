"""Tests of note lists of scores, and of measures that are filled up before the judges read them."""

import xml.etree.ElementTree as ET

import pytest

from benchmarks import score_bar_lengths, score_lists


def grouped(*rows, parts=(0, 1)):
    return score_lists.grouped(rows, parts)


def test_each_note_equals_one_note_of_the_other_list():
    twice = grouped((0, 60, 0, 1), (0, 60, 1, 1), (0, 60, 1, 2))
    once = grouped((0, 60, 1, 1), (0, 60, 1.5, 1), (1, 60, 0, 1))
    assert score_lists.common(twice, once) == {(0, 60): [(1, 1)]}
    assert score_lists.missing(twice, once) == {(0, 60): [(0, 1), (1, 2)]}


def test_rounded_tuplets_and_unisons_are_equal():
    assert score_lists.size(grouped((0, 60, 0, 1), (0, 60, 0, 1))) == 1
    assert score_lists.size(score_lists.common(grouped((0, 60, 1 / 3, 1 / 3)), grouped((0, 60, 0.32, 0.35)))) == 1


def test_parts_of_one_number_count_as_one():
    assert grouped((0, 60, 0, 1), (1, 62, 0, 1), parts=(0, 0)).keys() == {(0, 60), (0, 62)}


def test_a_note_that_one_list_has_alone_has_a_kind():
    tied = grouped((0, 60, 0, 2), (0, 62, 0, 1))
    cut = grouped((0, 60, 0, 1), (0, 60, 1, 1), (0, 62, 4, 1))
    assert score_lists.kinds(cut, tied) == score_lists.Kinds(length=1, inside=1, elsewhere=1)


def note(duration, rest=False):
    return f"<note>{'<rest/>' if rest else '<pitch/>'}<duration>{duration}</duration></note>"


@pytest.mark.parametrize(
    ("first", "second", "expected", "changed"),
    [
        (note(4), note(4), [("note", "4")], False),
        (note(4), note(1), [("note", "1"), ("note", "3")], True),
        (note(4), note(3) + "<backup><duration>2</duration></backup>",
         [("note", "3"), ("backup", "2"), ("forward", "2"), ("note", "1")], True),
        (note(4), note(4, rest=True) * 2, [("note", "4")], True),
    ],
)  # fmt: skip
def test_measures_are_made_equally_long(first, second, expected, changed):
    head = "<attributes><divisions>1</divisions></attributes>"
    text = "".join(f"<part><measure>{head}{part}</measure></part>" for part in (first, second))
    root = ET.fromstring(f"<score-partwise>{text}</score-partwise>")
    assert score_bar_lengths.even_out(root) is changed
    part = root.findall("part")[1]
    assert [(e.tag, e.findtext("duration")) for e in part.iterfind("measure/*") if e.tag != "attributes"] == expected
    assert not score_bar_lengths.even_out(root)
