import pytest

from musejax.theory import keys, pitch_names


@pytest.mark.parametrize(
    ("name", "expected"), [("C", 0), ("g", 7), ("F#", 6), ("Bb", 10), ("bb", 10), ("Cb", 11), ("B#", 0)]
)
def test_a_name_has_a_pitch_class(name, expected):
    assert pitch_names.pitch_class(name) == expected


@pytest.mark.parametrize("name", ["", "H", "C##", "#", "C4", " C", "b#b"])
def test_other_texts_have_none(name):
    assert pitch_names.pitch_class(name) is None


def test_every_usual_name_is_read_back():
    assert [pitch_names.pitch_class(name) for name in pitch_names.NAMES] == list(range(12))


@pytest.mark.parametrize("sharps", range(-7, 8))
def test_spelling_is_the_pitch_and_keeps_the_key(sharps):
    for pitch in range(128):
        name = pitch_names.spell(pitch, sharps)
        assert 12 * (name.octave + 1) + pitch_names.STEPS[name.step] + name.alter == pitch
        assert abs(name.alter) <= 2
        if (pitch - keys.tonic(sharps)) % 12 in (0, 2, 4, 5, 7, 9, 11):
            assert name.alter == pitch_names.alteration(name.step, sharps)


def test_chromatic_notes_are_spelled_by_the_key():
    def named(pitch, sharps, minor=False):
        step, alter, octave = pitch_names.spell(pitch, sharps, minor)
        return f"{step}{'#' * alter}{'b' * -alter}{octave}"

    assert [named(p, 0) for p in (61, 63, 66, 68, 70)] == ["C#4", "Eb4", "F#4", "G#4", "Bb4"]
    assert named(63, 0, minor=True) == "D#4"
    assert named(60, 4) == "B#3" and named(71, -6) == "Cb5"
