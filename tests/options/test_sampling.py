import dataclasses
import inspect

import pytest

import musejax
from musejax import errors
from musejax.options.sampling import Sampling


def test_a_range_is_checked_when_it_is_made():
    with pytest.raises(errors.OptionError, match="temperature is 0.0: it must be above 0"):
        Sampling(temperature=0.0)
    with pytest.raises(errors.OptionError, match="top_k is 0: it must be at least 1"):
        musejax.Sampling(top_k=0)


def test_it_shows_what_is_not_the_default():
    assert repr(Sampling()) == "Sampling()"
    assert repr(Sampling(temperature=0.5, beams=2)) == "Sampling(temperature=0.5, beams=2)"


def test_every_field_is_documented_and_has_a_plain_type():
    for field in dataclasses.fields(Sampling):
        assert f"    {field.name}: " in Sampling.__doc__
    assert "Annotated" not in str(inspect.signature(Sampling))
