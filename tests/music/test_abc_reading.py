"""Tunes in ABC: repeats, bar lines, words and drums."""

import pytest

from musejax import errors
from musejax.music import abc_reading, score_annotations


def abc(body, head="M:4/4\nL:1/4\nK:C"):
    with abc_reading.quiet_stdout():
        return abc_reading.abc_to_sequence(f"X:1\nT:Tune\n{head}\n{body}\n")


def lines(sequence):
    """Its bar lines in quarters."""
    return [round(a.time * 2, 6) for a in sequence.text_annotations if a.text == score_annotations.BAR_LINE]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("CDEF|GABc|", [0, 4]),
        ("G|CDEF|GAB|", [0, 1, 5]),
        ("|:G|CDEF|GAB:|", [0, 1, 5, 9, 13]),
        ("CDEF|GA|Bc|CDEF|", [0, 4, 6, 8]),
        ("CDEF|GA||Bc|CDEF|", [0, 4, 8]),
        ("|:CDEF|1G4:|2A4|c4|", [0, 4, 8, 12, 16]),
        ("CDEF|\nM:3/4\nCDE|FGA|", [0, 4, 7]),
        ("z2|CDEF|", [0, 2]),
    ],
)
def test_bar_lines_of_a_tune_are_marked_through_its_repeats(body, expected):
    assert lines(abc(body)) == expected


def test_marking_bar_lines_changes_nothing_else(monkeypatch):
    bodies = ["G|CDEF|GAB:|", "V:1\nC D E F|\nV:2\nE F G A|", "CDEF|\nK:Dm\nM:3/4\nCDE|FGA|", '"G"C4|[CE]4|{d}c4|']
    marked = [abc(body) for body in bodies]
    monkeypatch.setattr(abc_reading, "_bar_lines", lambda tune: [])
    for body, sequence in zip(bodies, marked, strict=True):
        assert lines(sequence)
        del sequence.text_annotations[:]
        assert sequence == abc(body)


def test_a_tune_with_drums_of_its_own_keeps_them():
    sequence = abc("CDEF|GABc|", "M:4/4\nL:1/4\nK:C\n%%MIDI drum dzdz 38 40 90 80\n%%MIDI drumon")
    assert not lines(sequence)
    assert {n.pitch for n in sequence.notes if n.is_drum} == {38, 40}


def test_bar_lines_are_a_bonus(monkeypatch):
    whole = abc_reading._score

    def fails(tune, settings):
        if "drum" in settings:
            raise errors.UserError("it cannot be read as ABC")
        return whole(tune, settings)

    monkeypatch.setattr(abc_reading, "_score", fails)
    sequence = abc("CDEF|GABc|")
    assert len(sequence.notes) == 8 and not lines(sequence)


@pytest.mark.parametrize(
    "body",
    [
        "CDEF|G4|\nw: la la la la la",
        "CDEF|\nw: la-la__ *la~la | la \\- la\nG4|\nw:la",
        "CDEF|G4|\nw:\nW: and more\nW:words",
        "CDEF|\nw: la la\n+: la la\nG4|",
        "CD[w: la]EF|G4|",
        "CDEF|\nw: one two\nw: three four\nG4|\nr: a bad edge",
        "w: first\nCDEF|G4|",
        "CD .E F|G4|\ns: * *\nw: la !fermata! la",
    ],
)
def test_lyrics_and_remarks_are_read_past(body):
    sequence = abc(body)
    assert [n.pitch for n in sequence.notes] == [60, 62, 64, 65, 67]
    assert [n.start_time * 2 for n in sequence.notes] == [0, 1, 2, 3, 4]
    assert lines(sequence) == [0, 4]


def test_lyrics_of_several_voices_are_read_past():
    sequence = abc("V:1\nCDEF|\nw: a b c d\nV:2\nEFGA|\nw: a b c d")
    assert sorted(n.pitch for n in sequence.notes) == [60, 62, 64, 64, 65, 65, 67, 69]
