"""Bars of MusicXML scores: lengths of measures, time signatures, pickups and bar lines."""

import pytest
from musicxml_text import attributes, backup, forward, note, notes, repeat, score, time, timewise

from musejax.music import grid, metre, score_annotations


def signatures(sequence):
    """Time signatures as (quarter, numerator, denominator), at 120 quarters a minute."""
    return [(round(t.time * 2, 4), t.numerator, t.denominator) for t in sequence.time_signatures]


def lines(sequence):
    """Bar lines in quarters."""
    return [round(a.time * 2, 4) for a in sequence.text_annotations if a.text == score_annotations.BAR_LINE]


FULL = note("C4", 4)
THREE = note("C4", 3)
PICKUP = ('number="0" implicit="yes"', note("G4", 1))
SENZA = attributes("<time><senza-misura/></time>")

# Measures, the time signature at the beginning, the time signatures that are read, and the bar lines.
CASES = {
    "plain": ([FULL, FULL], (4, 4), [(0, 4, 4)], []),
    "a change": ([FULL, attributes(time(3, 4)) + THREE, THREE], (4, 4), [(0, 4, 4), (4, 3, 4)], []),
    "a pickup": ([PICKUP, FULL, FULL], (4, 4), [(0, 1, 4), (1, 4, 4)], [0, 1, 5]),
    "a pickup that is not marked": ([note("G4", 1), FULL, FULL], (4, 4), [(0, 1, 4), (1, 4, 4)], [0, 1, 5]),
    "a pickup of an eighth": ([note("G4", 0.5), THREE], (6, 8), [(0, 1, 8), (0.5, 6, 8)], [0, 0.5]),
    "a pickup and a short end": ([PICKUP, FULL, THREE], (4, 4), [(0, 1, 4), (1, 4, 4)], [0, 1, 5]),
    "a short end": ([FULL, FULL, THREE], (4, 4), [(0, 4, 4)], []),
    "additive beats": ([note("C4", 2.5)] * 2, ("3+2", 8), [(0, 5, 8)], []),
    "a short bar": ([FULL, THREE, FULL], (4, 4), [(0, 4, 4), (4, 3, 4), (7, 4, 4)], [0, 4, 7]),
    "a long bar": ([FULL, note("C4", 5), FULL], (4, 4), [(0, 4, 4), (4, 5, 4), (9, 4, 4)], [0, 4, 9]),
    "a bar in two halves": ([FULL, note("C4", 3), ('number="X1" implicit="yes"', note("C4", 1)), FULL], (4, 4),
        [(0, 4, 4)], []),
    "a bar in two halves around a repeat": (
        [PICKUP, note("C4", 3) + repeat("backward"), note("C4", 1), note("C4", 3)], (4, 4),
        # Played: 1 3 | 1 3 | 1 3; the first beat is the pickup, the others complete the bar before them.
        [(0, 1, 4), (1, 4, 4)], [0, 1, 5, 9]),
    "no metre": ([SENZA + note("C4", 5), note("C4", 7)], None, [(0, 5, 4), (5, 7, 4)], [0, 5]),
    "no time signature": ([FULL, FULL], None, [(0, 4, 4)], [0, 4]),
    "a bar that no signature has": ([FULL, note("C4", 1 / 3), FULL], (4, 4), [(0, 4, 4), (4.3333, 4, 4)],
        [0, 4, 4.3333]),
    "a time signature that cannot be read": ([attributes(time("x", 4)) + FULL], (4, 4), [(0, 4, 4)], []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_time_signatures_put_bars_where_they_are(read_score, name):
    measures, first, expected, bar_lines = CASES[name]
    sequence = read_score(score(measures, metre=first))
    assert signatures(sequence) == expected
    assert lines(sequence) == bar_lines


@pytest.mark.parametrize("divisions", [1, 4, 480])
def test_a_pickup_is_the_same_whatever_the_divisions(read_score, rows, divisions):
    def quarter(count):
        return f"<note><pitch><step>C</step><octave>5</octave></pitch><duration>{count * divisions}</duration></note>"

    start = f"<attributes><divisions>{divisions}</divisions>{time(3, 4)}</attributes>"
    sequence = read_score(
        '<score-partwise><part-list><score-part id="P1"/></part-list><part id="P1">'
        f'<measure number="0" implicit="yes">{start}{quarter(1)}</measure><measure>{quarter(3)}</measure>'
        f"<measure>{quarter(3)}</measure><measure>{quarter(2)}</measure></part></score-partwise>"
    )
    assert rows(sequence) == [(72, 0, 1), (72, 1, 3), (72, 4, 3), (72, 7, 2)]
    assert signatures(sequence) == [(0, 1, 4), (1, 3, 4)]


def test_several_fractions_are_one_metre(read_score):
    several = "<time><beats>3</beats><beat-type>8</beat-type><beats>2</beats><beat-type>4</beat-type></time>"
    assert signatures(read_score(score([note("C4", 3.5)], metre=None, first=several))) == [(0, 7, 8)]


def test_of_two_time_signatures_the_first_holds(read_score):
    assert signatures(read_score(score([THREE, THREE], metre=(3, 4), first=""))) == [(0, 3, 4)]
    twice = attributes(time(3, 4), time(6, 8))
    assert signatures(read_score(score([twice + THREE, THREE], metre=None))) == [(0, 3, 4)]


def test_an_unreadable_time_signature_is_reported(read_score):
    read_score(score([attributes(time(4, 0)) + FULL], metre=None))
    assert read_score.remarks == ["1 time signature that cannot be read is left out"]


def test_parts_with_bar_lines_of_their_own_have_no_repeats(read_score, rows):
    own = ('non-controlling="yes"', note("D4", 3) + repeat("backward"))
    sequence = read_score(score([note("C4", 2), note("E4", 2)], [own, note("F4", 3)]))
    assert rows(sequence, 0) == [(60, 0, 2), (64, 2, 2)]
    assert rows(sequence, 1) == [(62, 0, 3), (65, 3, 3)]
    assert read_score.remarks == ["parts have independent bar lines, so repeats of the score are not played"]


def test_an_empty_measure_is_as_long_as_its_time_signature(read_score, rows):
    assert rows(read_score(score([FULL, "", FULL], ["", "", ""]))) == [(60, 0, 4), (60, 8, 4)]


def test_a_step_on_and_back_takes_its_time(read_score, rows):
    measure = notes("C5 D5") + forward(2) + backup(4) + forward(1) + note("E3", 3, voice=2)
    assert rows(read_score(score([measure, FULL]))) == [(72, 0, 1), (74, 1, 1), (52, 1, 3), (60, 4, 4)]


def test_a_score_by_measures_is_read_like_one_by_parts(read_score, rows):
    parts = [notes("C4 D4 E4 F4"), FULL], [notes("E3 F3", 2), notes("G3", 4)]
    by_measures, by_parts = read_score(timewise(*parts)), read_score(score(*parts))
    assert rows(by_measures) == rows(by_parts) == [
        (60, 0, 1), (62, 1, 1), (64, 2, 1), (65, 3, 1), (60, 4, 4), (52, 0, 2), (53, 2, 2), (55, 4, 4)
    ]  # fmt: skip


def test_bars_are_counted_from_the_pickup(read_score):
    sequence = read_score(score([PICKUP, FULL, FULL]))
    frames = grid.total_frames(sequence)
    beat = metre.beats(metre.read(sequence), frames)
    assert [frame for frame in range(frames) if beat[frame] == 0] == [4, 20]
    assert beat[:4].tolist() == [12, 13, 14, 15]
