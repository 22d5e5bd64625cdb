"""Note values, dots and tuplets of times in a bar."""

from fractions import Fraction

import pytest

from musejax.music import notation

_NO_LACK = Fraction(0)


def _spans(*lengths):
    """Start and end of notes that follow each other; a negative length is a rest."""
    out, at = [], Fraction(0)
    for length in map(Fraction, lengths):
        if length > 0:
            out.append((at, at + length))
        at += abs(length)
    return out


def _written(lengths, bar=4, missing=_NO_LACK, beat=Fraction(1)):
    """The values of notes, dotted where a dot follows, with the notes of their tuplet."""
    notes = _spans(*lengths)
    tuplets = notation.tuplets(notes, Fraction(bar), missing)
    signs = [sign for start, end in notes for sign in notation.signs(start, end, beat, tuplets)]
    for sign in signs:
        if sign.value:
            value = notation._VALUES[sign.value] * (2 - Fraction(1, 2**sign.dots))
            scale = Fraction(sign.tuplet.actual, sign.tuplet.normal) if sign.tuplet else 1
            assert value == (sign.end - sign.start) * scale
    return [sign.value + "." * sign.dots + (f"/{sign.tuplet.actual}" if sign.tuplet else "") for sign in signs]


@pytest.mark.parametrize(
    ("lengths", "values"),
    [
        (["1", "3/2", "1/2", "1"], ["quarter", "quarter.", "eighth", "quarter"]),
        (["5/2", "3/2"], ["half", "eighth", "quarter."]),
        (["1/3", "1/3", "1/3", "3"], ["eighth/3"] * 3 + ["half."]),
        (["2/3", "2/3", "2/3", "2"], ["quarter/3"] * 3 + ["half"]),
        (["4/3", "4/3", "4/3"], ["half/3"] * 3),
        (["1/6", "1/6", "1/6", "1/2", "3"], ["16th/3"] * 3 + ["eighth", "half."]),
        (["1/5"] * 5 + ["3"], ["16th/5"] * 5 + ["half."]),
        (["1/7"] * 7 + ["3"], ["16th/7"] * 7 + ["half."]),
        # A triplet that goes on in plain values is tied at the quarter.
        (["1/3", "5/3", "2"], ["eighth/3", "quarter/3", "quarter", "half"]),
        (["1/1024", "4095/1024"], None),
    ],
)
def test_note_values(lengths, values):
    written = _written(lengths)
    if values is None:
        assert "" in written  # No value is as short; its length is still written.
    else:
        assert written == values


def test_a_rest_shows_the_beats_and_a_dotted_beat_is_one():
    rest = notation.signs(Fraction(1, 2), Fraction(3), Fraction(1), [], is_rest=True)
    assert [(sign.value, sign.dots) for sign in rest] == [("eighth", 0), ("quarter", 0), ("quarter", 0)]
    compound = notation.signs(Fraction(3, 2), Fraction(9, 2), notation.beat(9, 8), [], is_rest=True)
    assert [(sign.value, sign.dots) for sign in compound] == [("quarter", 1)] * 2


def test_a_tuplet_of_a_pickup_stands_on_the_beats_of_the_whole_bar():
    notes = _spans("1/3", "1/3", "1/3")[1:]
    pickup = [(start - Fraction(1, 3), end - Fraction(1, 3)) for start, end in notes]
    (tuplet,) = notation.tuplets(pickup, Fraction(2, 3), Fraction(10, 3))
    assert (tuplet.start, tuplet.end, tuplet.actual, tuplet.normal) == (0, Fraction(2, 3), 3, 2)


def test_a_bar_that_ends_inside_a_triplet_ends_in_one():
    length = Fraction(16, 3)
    tuplets = notation.tuplets([(Fraction(0), Fraction(1))], length, _NO_LACK)
    rest = notation.signs(Fraction(1), length, Fraction(1), tuplets, is_rest=True)
    assert rest[-1].end == length and rest[-1].tuplet == tuplets[-1]
    assert all(sign.value for sign in rest)


def test_tuplets_of_different_beats_are_apart():
    tuplets = notation.tuplets(_spans("1/3", "2/3", "1", "1/5", "4/5"), Fraction(4), _NO_LACK)
    assert [(t.start, t.end, t.actual, t.normal) for t in tuplets] == [(0, 1, 3, 2), (2, 3, 5, 4)]


def test_notes_of_a_beat_share_beams():
    notes = _spans("1/2", "1/4", "1/4", "1/2", "-1/2", "3/4", "1/4", "1", "1/4")
    signs = [sign for start, end in notes for sign in notation.signs(start, end, Fraction(1), [])]
    assert notation.beams(signs, Fraction(1)) == [
        ("begin",), ("continue", "begin"), ("end", "end"), (), ("begin",), ("end", "backward hook"), (), (),
    ]  # fmt: skip
