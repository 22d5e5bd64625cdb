"""Lyrics of ABC under their notes."""

import abc_tunes as abc
import pytest


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("CDEF|\nw: a b c d", [(0, "a"), (1, "b"), (2, "c"), (3, "d")]),
        ("CDEF|\nw: hal-le-lu-jah", [(0, "hal-"), (1, "le-"), (2, "lu-"), (3, "jah")]),
        ("CDEF|\nw: time__ flies", [(0, "time"), (3, "flies")]),
        ("CDEF|\nw: a * * d", [(0, "a"), (3, "d")]),
        ("CDEF|\nw: of~the day-- s", [(0, "of the"), (1, "day-"), (3, "s")]),
        ("CDEF|\nw: a\\-b c", [(0, "a-b"), (1, "c")]),
        ("CDEF|GABc|\nw: a | b", [(0, "a"), (4, "b")]),
        ("CDEF|GABc|\nw: a b c d | e", [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")]),
        ("CD|EF|\nw: a b\n+: c d", [(0, "a"), (1, "b"), (2, "c"), (3, "d")]),
        ("CzD[EG]|\nw: a b c", [(0, "a"), (2, "b"), (3, "c")]),
        ("{d}CD (3EFG|\nw: a b c d e", [(0, "a"), (1, "b"), (2, "c"), (2.6666667, "d"), (3.3333333, "e")]),
        ("CD\\\nEF|\nw: a b c d", [(0, "a"), (1, "b"), (2, "c"), (3, "d")]),
        ("CD\nEF|\nw: c d", [(2, "c"), (3, "d")]),
        ("CD\nw: a b\nEF|\nw: c d", [(0, "a"), (1, "b"), (2, "c"), (3, "d")]),
        ("C2-C2|\nw: a _", [(0, "a")]),
        ("CDEF|\nw: caf\\'e na\\\"ive &amp; \\u00e9", [(0, "café"), (1, "naïve"), (2, "&"), (3, "é")]),
        ("V:1\nCD|\nV:2\nEF|\nw: c d\nV:1\nw: a b", [(0, "a"), (0, "c"), (1, "b"), (1, "d")]),
        ("C4 & E4|\nw: a", [(0, "a")]),
        ("CDEF|\nw:", []),
    ],
)
def test_syllables_stand_at_their_notes(body, expected):
    sequence = abc.read(body, "M:none\nL:1/4\nK:C")
    assert sorted(abc.lyrics(sequence)) == expected
    assert not any("syllable" in line for line in abc.remarks(body))


def test_each_round_sings_its_verse():
    sequence = abc.read("|:CD:|\nw: a b\nw: c d\n|:E:|\nw: e", "M:2/4\nL:1/4\nK:C")
    assert abc.lyrics(sequence) == [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e"), (5, "e")]


def test_verses_go_on_with_the_parts():
    sequence = abc.read("P:A\nC4|\nw: a\nw: b", "M:4/4\nL:1/4\nP:AA\nK:C")
    assert abc.lyrics(sequence) == [(0, "a"), (4, "b")]


def test_syllables_without_a_note_are_reported():
    assert abc.remarks("CD|\nw: a b c d") == ["2 syllables without a note are left out"]
    assert abc.remarks("C2-C2|\nw: a b") == ["1 syllable without a note is left out"]
