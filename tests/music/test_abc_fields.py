"""Fields of ABC: metres, tempos and keys."""

import abc_tunes as abc
import pytest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C", (4, 4)),
        ("C|", (2, 2)),
        ("6/8", (6, 8)),
        ("2+3/8", (5, 8)),
        ("(2+3)/8", (5, 8)),
        ("2/4+3/8", (7, 8)),
        ("3/4 % a waltz", (3, 4)),
    ],
)
def test_metres(text, expected):
    beats, unit = expected
    assert abc.metres(abc.read(f"C{8 * beats // unit}|", f"M:{text}\nL:1/8\nK:C"))[0] == (0, expected)


def test_metres_change_at_a_bar_line_and_within_a_line():
    sequence = abc.read("CDEF|[M:3/4]CDE|\nM:2/4\nCD|")
    assert abc.metres(sequence) == [(0, (4, 4)), (4, (3, 4)), (7, (2, 4))]


@pytest.mark.parametrize(
    ("text", "qpm"),
    [
        ("1/4=100", 100),
        ("3/8=60", 90),
        ('"Allegro" 3/8=60', 90),
        ('1/2=50 "Slow"', 100),
        ("1/4 3/8 1/4 3/8=40", 200),
        ("1/4=72.5", 72.5),
        ("90", 90),
        ('"Allegro"', None),
        ("1/4=0", None),
        ("1/0=50", None),
    ],
)
def test_tempos(text, qpm):
    assert abc.tempos(abc.read("C4|", f"M:4/4\nL:1/4\nQ:{text}\nK:C")) == ([(0, qpm)] if qpm else [])


def test_tempos_change_within_a_bar_for_all_voices():
    sequence = abc.read("V:1\nCD[Q:1/4=60]EF|\nV:2\nC4|")
    assert abc.tempos(sequence) == [(2, 60)]
    assert abc.notes(sequence, 1) == [(60, 0, 4)]
    assert sequence.total_time == 3  # 120 quarters a minute up to the change


@pytest.mark.parametrize(
    ("text", "expected", "pitch"),
    [
        ("G", (7, False), 66),
        ("Gmaj", (7, False), 66),
        ("G major", (7, False), 66),
        ("GM", (7, True), 65),
        ("Em", (4, True), 66),
        ("E minor", (4, True), 66),
        ("EMin", (4, True), 66),
        ("Eaeo", (4, True), 66),
        ("Gion", (7, False), 66),
        ("Ador", (7, False), 66),
        ("D Mixolydian", (7, False), 66),
        ("Clyd", (7, False), 66),
        ("Bphr", (7, False), 66),
        ("F#loc", (7, False), 66),
        ("Bb", (10, False), 65),
        ("F#m", (6, True), 66),
        ("Cb", (11, False), 64),
        ("HP", (2, False), 66),
        ("Hp", (2, False), 66),
        ("D =c", (7, False), 66),
        ("D exp ^f", (7, False), 66),
        ("Dmix=c", (7, False), 66),
        ("G clef=bass", (7, False), 66),
        ("G treble", (7, False), 66),
        ("D exp ^c", None, 65),
        ("none", None, 65),
        ("", None, 65),
    ],
)
def test_keys(text, expected, pitch):
    sequence = abc.read("F4|", f"M:4/4\nL:1/4\nK:{text}")
    assert abc.keys(sequence) == ([] if expected is None else [(0, expected)])
    assert abc.pitches(sequence) == [pitch]


def test_a_clef_alone_keeps_the_key():
    sequence = abc.read("F4|[K:clef=bass-8]F4|[K:octave=1]F4|", "M:4/4\nL:1/4\nK:G")
    assert abc.pitches(sequence) == [66, 54, 66]
    assert abc.keys(sequence) == [(0, (7, False))]


def test_keys_change_for_the_voice_that_is_read():
    sequence = abc.read("V:1\nF4|\nV:2\nF4|\nK:D\nF4|\nV:1\nF4|")
    assert (abc.pitches(sequence, 0), abc.pitches(sequence, 1)) == ([65, 65], [65, 66])
    sequence = abc.read("K:D\nV:1\nF4|\nV:2\nF4|", "V:1\nV:2\nM:4/4\nL:1/4\nK:C")
    assert (abc.pitches(sequence, 0), abc.pitches(sequence, 1)) == ([66], [66])


def test_music_begins_behind_the_key():
    head = "M:4/4\nN bars and faces\nL:1/4\nK:C"
    assert abc.pitches(abc.read("C4|", head)) == [60]
    assert abc.remarks("C4|", head) == ["1 field that cannot be read is left out"]
    assert abc.pitches(abc.read("C4|", "M:4/4\nL:1/4")) == [60]
