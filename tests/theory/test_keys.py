import numpy as np
import pytest

from musejax.theory import keys

# Sharps of the signature, the major key and the minor key of it.
SIGNATURES = [
    (-5, "Db major", "Bb minor"),
    (-4, "Ab major", "F minor"),
    (-3, "Eb major", "C minor"),
    (-2, "Bb major", "G minor"),
    (-1, "F major", "D minor"),
    (0, "C major", "A minor"),
    (1, "G major", "E minor"),
    (2, "D major", "B minor"),
    (3, "A major", "F# minor"),
    (4, "E major", "C# minor"),
    (5, "B major", "G# minor"),
    (6, "F# major", "Eb minor"),
]


@pytest.mark.parametrize(("sharps", "major", "minor"), SIGNATURES)
def test_names_signatures_and_tonics_belong_together(sharps, major, minor):
    for name in (major, minor):
        tonic, mode = keys.parse(name)
        is_minor = mode == "minor"
        assert keys.name(tonic, is_minor) == name
        assert keys.sharps(tonic, is_minor) == sharps
        assert keys.tonic(sharps, is_minor) == tonic


def test_keys_that_sound_alike_have_one_signature():
    assert [keys.wrap_sharps(s) for s in (-7, -6, 6, 7, 12)] == [5, 6, 6, -5, 0]
    assert keys.wrap_sharps(np.array([6, -7]), -6).tolist() == [-6, 5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("G", (7, "")),
        ("Bb:minor", (10, "minor")),
        ("F# major", (6, "major")),
        ("a : pentatonic", (9, "pentatonic")),
        ("H:dur", (None, "dur")),
        ("", (None, "")),
    ],
)
def test_a_tonic_and_a_scale_are_read(text, expected):
    assert keys.parse(text) == expected


def test_a_scale_begins_at_its_tonic():
    assert np.flatnonzero(keys.in_scale(2, keys.MAJOR)).tolist() == [1, 2, 4, 6, 7, 9, 11]
    assert np.flatnonzero(keys.in_scale(9, keys.NATURAL_MINOR)).tolist() == [0, 2, 4, 5, 7, 9, 11]
    assert np.flatnonzero(keys.in_scale(9, keys.SCALES["minor"])).tolist() == [0, 2, 4, 5, 7, 8, 9, 11]


@pytest.mark.parametrize(
    ("sharps", "words"), [(0, "no sharps or flats"), (1, "1 sharp"), (6, "6 sharps"), (-1, "1 flat"), (-3, "3 flats")]
)
def test_a_signature_in_words(sharps, words):
    assert keys.signature_name(sharps) == words


def test_a_signature_is_guessed_from_the_notes():
    assert keys.guess((p, 1.0) for p in (62, 64, 66, 67, 69, 71, 73)) == 2
    # C, D and E fit four signatures; none has fewer accidentals than C major.
    assert keys.guess([(60, 1.0), (62, 1.0), (64, 1.0)]) == 0
