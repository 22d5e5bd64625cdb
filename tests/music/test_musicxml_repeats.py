"""Repeats, endings and leaps of MusicXML scores are played out, or read as written."""

from fractions import Fraction

import pytest
from musicxml_text import attributes, ending, note, repeat, score, time, words

from musejax.music import limits, musicxml_repeats
from musejax.music.musicxml_jumps import Jump, Marks

FORWARD, BACKWARD = repeat("forward"), repeat("backward")
NAMES = ["C", "D", "E", "F", "G", "A", "B"]


def sound(**marks):
    values = " ".join(f'{name}="{value}"' for name, value in marks.items())
    return f"<sound {values}/>"


def sign(name):
    return f"<direction><direction-type><{name}/></direction-type></direction>"


def bar(name, before="", after=""):
    return before + note(f"{name}4", 4) + after


# Measures of one whole note each, named by their pitches, and the order in which they are played.
ORDERS = {
    "no repeats": ([bar("C"), bar("D")], "C D"),
    "a repeat from the beginning": ([bar("C"), bar("D", "", BACKWARD), bar("E")], "C D C D E"),
    "a repeat from its sign": ([bar("C"), bar("D", FORWARD), bar("E", "", BACKWARD), bar("F")], "C D E D E F"),
    "a second repeat without a forward sign": (
        [bar("C", "", BACKWARD), bar("D"), bar("E", "", BACKWARD)],
        "C C D E D E",
    ),
    "four times": ([bar("C", FORWARD, repeat("backward", times=4)), bar("D")], "C C C C D"),
    "a backward sign at the left of the next measure": (
        [bar("C"), bar("D", BACKWARD.replace("right", "left"))],
        "C C D",
    ),
    "a forward sign at the right of the measure before": (
        [bar("C", "", FORWARD.replace("left", "right")), bar("D", "", BACKWARD)],
        "C D D",
    ),
    "two endings": (
        [
            bar("C", FORWARD),
            bar("D", ending(1, "start"), ending(1, "stop") + BACKWARD),
            bar("E", ending(2, "start"), ending(2, "discontinue")),
            bar("F"),
        ],
        "C D C E F",
    ),
    "endings of several measures": (
        [
            bar("C", FORWARD),
            bar("D", ending(1, "start")),
            bar("E", "", ending(1, "stop") + BACKWARD),
            bar("F", ending(2, "start")),
            bar("G", "", ending(2, "stop")),
            bar("A"),
        ],
        "C D E C F G A",
    ),
    "a first ending of two rounds": (
        [
            bar("C", FORWARD),
            bar("D", ending("1, 2", "start"), ending("1, 2", "stop") + BACKWARD),
            bar("E", ending(3, "start"), ending(3, "stop")),
        ],
        "C D C D C E",
    ),
    "endings by a range": (
        [
            bar("C", FORWARD),
            bar("D", ending("1-2", "start"), ending("1-2", "stop") + BACKWARD),
            bar("E", ending(3, "start"), ending(3, "stop")),
        ],
        "C D C D C E",
    ),
    "a first ending alone": (
        [bar("C", FORWARD), bar("D", ending(1, "start"), ending(1, "stop") + BACKWARD), bar("E")],
        "C D C E",
    ),
    "a second ending with a repeat sign": (
        [
            bar("C", FORWARD),
            bar("D", ending(1, "start"), ending(1, "stop") + BACKWARD),
            bar("E", ending(2, "start"), ending(2, "stop") + BACKWARD),
            bar("F"),
        ],
        "C D C E F",
    ),
    "a section after endings": (
        [
            bar("C", FORWARD),
            bar("D", ending(1, "start"), ending(1, "stop") + BACKWARD),
            bar("E", ending(2, "start"), ending(2, "stop")),
            bar("F", FORWARD),
            bar("G", ending(1, "start"), ending(1, "stop") + BACKWARD),
            bar("A", ending(2, "start"), ending(2, "stop")),
        ],
        "C D C E F G F A",
    ),
    "da capo": ([bar("C"), bar("D", "", sound(dacapo="yes"))], "C D C D"),
    "da capo al fine": ([bar("C"), bar("D", sound(fine="yes")), bar("E", "", sound(dacapo="yes"))], "C D E C D"),
    "dal segno": (
        [bar("C"), bar("D", sound(segno="s")), bar("E", "", sound(dalsegno="s")), bar("F")],
        "C D E D E F",
    ),
    "dal segno al coda": (
        [
            bar("C"),
            bar("D", sound(segno="s")),
            bar("E", "", sound(tocoda="c")),
            bar("F", "", sound(dalsegno="s")),
            bar("G", sound(coda="c")),
        ],
        "C D E F D E G",
    ),
    "leaps by words": (
        [bar("C"), bar("D", sign("segno")), bar("E", "", words("Fine")), bar("F", "", words("D.S. al Fine"))],
        "C D E F D E",
    ),
    "a leap to the coda by words": (
        [
            bar("C"),
            bar("D", "", words("To Coda")),
            bar("E", "", words("D. C. al Coda")),
            bar("F", words("Coda")),
        ],
        "C D E C D F",
    ),
    "coda signs without words": (
        [bar("C"), bar("D", "", sign("coda")), bar("E", "", words("Da Capo al Coda")), bar("F", sign("coda"))],
        "C D E C D F",
    ),
    "a fine that the words pass by": (
        [
            bar("C", "", words("Fine")),
            bar("D", "", sound(tocoda="c")),
            bar("E", "", words("D.C. al Coda", sound(dacapo="yes"))),
            bar("F", sound(coda="c")),
        ],
        "C D E C D F",
    ),
    "no repeats after a leap, and the last ending": (
        [
            bar("C", FORWARD),
            bar("D", ending(1, "start"), ending(1, "stop") + BACKWARD),
            bar("E", ending(2, "start"), ending(2, "stop")),
            bar("F", FORWARD, BACKWARD),
            bar("G", "", sound(dacapo="yes")),
        ],
        "C D C E F F G C E F G",
    ),
    "repeats after a leap where the score asks for them": (
        [
            bar("C", FORWARD, repeat("backward", after_jump="yes")),
            bar("D", "", sound(fine="yes")),
            bar("E", "", sound(dacapo="yes")),
        ],
        "C C D E C C D",
    ),
    "a repeat before a leap in one measure": (
        [bar("C"), bar("D", FORWARD, BACKWARD + sound(dacapo="yes"))],
        "C D D C D",
    ),
    "a leap to a segno that is not there": ([bar("C"), bar("D", "", sound(dalsegno="s")), bar("E")], "C D E"),
    "a fine without a leap": ([bar("C", "", sound(fine="yes")), bar("D")], "C D"),
    "words that only look like a leap": ([bar("C", "", words("con fine dolore")), bar("D", words("d.cresc"))], "C D"),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERS)
def test_measures_are_played_in_order(read_score, rows, name):
    measures, order = ORDERS[name]
    pitches = [60 + [0, 2, 4, 5, 7, 9, 11][NAMES.index(letter)] for letter in order.split()]
    assert rows(read_score(score(measures))) == [(pitch, 4.0 * at, 4.0) for at, pitch in enumerate(pitches)]


@pytest.mark.parametrize("name", ORDERS)
def test_a_score_can_be_read_as_written(read_score, rows, name):
    measures, _ = ORDERS[name]
    expected = [(60 + [0, 2, 4, 5, 7, 9, 11][at], 4.0 * at, 4.0) for at in range(len(measures))]
    assert rows(read_score(score(measures), repeats=False)) == expected


def test_marks_of_one_part_hold_for_all(read_score, rows):
    first = [
        bar("C", FORWARD),
        bar("D", ending(1, "start"), ending(1, "stop") + BACKWARD),
        bar("E", ending(2, "start")),
    ]
    sequence = read_score(score([bar("G"), bar("A", "", BACKWARD), bar("B")], first))
    assert [pitch for pitch, _, _ in rows(sequence, 0)] == [67, 69, 67, 71]
    assert [pitch for pitch, _, _ in rows(sequence, 1)] == [60, 62, 60, 64]


def test_what_is_written_before_a_leap_holds_after_it(read_score):
    sequence = read_score(
        score(
            [
                bar("C", sound(tempo=60)),
                bar("D", attributes("<key><fifths>1</fifths></key>", time(2, 2)) + sound(tempo=120), BACKWARD),
            ],
            first="<key><fifths>-1</fifths></key>",
        )
    )
    # 4 seconds of C, 2 of D, and both once more.
    assert [(t.time, t.qpm) for t in sequence.tempos] == [(0, 60), (4, 120), (6, 60), (10, 120)]
    assert [(k.time, k.key) for k in sequence.key_signatures] == [(0, 5), (4, 7), (6, 5), (10, 7)]
    assert [(t.time, t.numerator) for t in sequence.time_signatures] == [(0, 4), (4, 2), (6, 4), (10, 2)]


def test_a_tie_goes_on_into_each_ending(read_score, rows):
    sequence = read_score(
        score(
            [
                FORWARD + note("C4", 4, tie="start"),
                ending(1, "start") + note("C4", 1, tie="stop") + note("D4", 3) + ending(1, "stop") + BACKWARD,
                ending(2, "start") + note("C4", 2, tie="stop") + note("E4", 2),
            ]
        )
    )
    assert rows(sequence) == [(60, 0, 5), (62, 5, 3), (60, 8, 6), (64, 14, 2)]


def test_repeats_beyond_the_bounds_are_read_as_written(read_score, rows, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BARS", 8)
    text = score([bar("C", FORWARD, repeat("backward", times=8)), bar("D")])
    assert [pitch for pitch, _, _ in rows(read_score(text))] == [60, 62]
    assert read_score.remarks == ["repeats cannot be played within the bounds; the score is read as written"]


def test_leaps_cannot_go_on_for_ever():
    marks = [Marks(jump=Jump(None, None), backward=100) for _ in range(50)]
    order = musicxml_repeats.playing_order(marks, [Fraction(4)] * 50, 20_000)
    assert order is not None and len(order) < 20_000
