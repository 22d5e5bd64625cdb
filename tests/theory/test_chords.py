import numpy as np
import pytest

from musejax import vocabulary
from musejax.theory import chords


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("C", {0, 4, 7}),
        ("G", {7, 11, 2}),
        ("Am", {9, 0, 4}),
        ("F7", {5, 9, 0, 3}),
        ("Bdim", {11, 2, 5}),
        ("Bbdim", {10, 1, 4}),
        ("Dm7b5", {2, 5, 8, 0}),
        ("Esus4", {4, 9, 11}),
        ("Gmaj7", {7, 11, 2, 6}),
        ("C/E", {0, 4, 7}),
        ("F#m/C#", {6, 9, 1}),
        ("Cb", {11, 3, 6}),
        ("B#+", {0, 4, 8}),
        ("Abadd9", {8, 10, 0, 3}),
        ("Cdim7", {0, 3, 6, 9}),
        ("D9", {2, 4, 6, 9, 0}),
        ("N", set(range(12))),
        ("-", set(range(12))),
    ],
)
def test_a_chord_symbol_is_read(symbol, expected):
    (row,) = chords.progression(symbol, 4, 1)
    assert set(np.flatnonzero(row).tolist()) == expected


def test_a_progression_begins_anew_until_all_frames_are_full():
    found = chords.progression(" C  G\nN ", 2, 9)
    assert found.shape == (9, 12)
    one = [chords.progression(symbol, 1, 1)[0] for symbol in ("C", "C", "G", "G", "N", "N", "C", "C", "G")]
    np.testing.assert_array_equal(found, one)


@pytest.mark.parametrize("symbol", ["H", "c", "Cmaj9x", "C/", "C/X", "Cm7b5b", "##", "C#b", "n"])
def test_what_is_no_chord_is_named(symbol):
    with pytest.raises(ValueError, match=f"chord {symbol!r} is unknown"):
        chords.progression(f"C {symbol} G", 4, 16)


def test_a_progression_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no chords"):
        chords.progression(" ", 4, 16)
    with pytest.raises(ValueError, match="frames_per_chord is 0"):
        chords.progression("C", 0, 16)


def test_a_progression_becomes_one_class_a_frame():
    found = chords.classes("C Am7/G Bb+ F#dim Dsus4 N", 2, 14)
    names = [chords.symbol(int(c)) for c in found[::2]]
    assert names == ["C", "Am", "Bbaug", "F#dim", "Dsus4", "N.C.", "C"]
    assert (found[::2] == found[1::2]).all()
    assert chords.classes("C", 1, 1).tolist() == [1]
    every = [
        chords.triad(root, [root, root + steps[1], root + steps[2]]) for steps in chords.TRIADS for root in range(12)
    ]
    assert sorted(every) == list(range(1, vocabulary.CHORDS))
    with pytest.raises(ValueError, match="no chords"):
        chords.classes(" ", 2, 4)


def test_transposing_moves_roots_and_keeps_qualities():
    # None, C, Am and B; a step up they are none, D, Bm and C sharp.
    before = np.array([0, 1, 1 + 12 + 9, 1 + 11], np.int32)
    assert [chords.symbol(c) for c in before.tolist()] == ["N.C.", "C", "Am", "B"]
    after = chords.transpose(before, 2)
    assert after.dtype == np.int32
    assert [chords.symbol(c) for c in after.tolist()] == ["N.C.", "D", "Bm", "C#"]
