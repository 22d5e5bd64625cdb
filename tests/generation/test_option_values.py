import pytest

from musejax import errors
from musejax.generation import cells, option_values


def test_names_and_ranges_are_texts_or_lists():
    assert option_values.names("Alto, tenor") == option_values.names(["alto", "Tenor "]) == ["alto", "tenor"]
    assert option_values.names(None) == option_values.names("") == []
    assert (
        option_values.low_high("pitches", "48-83", "x") == option_values.low_high("pitches", (48, 83), "x") == (48, 83)
    )
    assert option_values.low_high("density", "4", "x") == (4, 4)
    for wrong in ("8-4", "x", (8, 4), (1, 2, 3), (-1, 2)):
        with pytest.raises(errors.OptionError, match="density is .*: give two"):
            option_values.low_high("density", wrong, "give two")


def test_bars_are_texts_numbers_and_pairs():
    assert option_values.bar_ranges("5-8,12a") == option_values.bar_ranges([(5, 8), "12a"]) == [(5, 8), ("12a", "12a")]
    assert option_values.bar_ranges([3]) == [(3, 3)] and option_values.bar_ranges(None) == []
    with pytest.raises(errors.OptionError, match="bars is '8-5': give ranges such as 5-8"):
        option_values.bar_ranges("8-5")


def test_attributes_are_a_text_or_a_mapping():
    expected = {("piano", "density"): 8, ("melody", "polyphony"): 1}
    assert option_values.attributes("piano.density=8,melody.polyphony=1") == expected
    assert option_values.attributes({"piano.density": 8, "melody.polyphony": 1}) == expected
    assert option_values.attributes(None) == {}
    with pytest.raises(errors.OptionError, match="attributes is 'piano=8': give TRACK.ATTRIBUTE=BIN"):
        option_values.attributes("piano=8")


def test_places_are_texts_places_and_numbers_of_notes():
    place = cells.place("alto@5")
    assert option_values.places("keep", ["alto@5", place, 7]) == [place, place, 7]
    assert option_values.places("keep", None) == []
