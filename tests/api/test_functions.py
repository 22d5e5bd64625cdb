"""The public functions: complete docstrings, plain signatures, mistakes before anything heavy is imported."""

import inspect
import subprocess
import sys

import pytest

import musejax
from musejax import errors
from musejax.options import declaration

# Functions for which every argument of the right type will do.
FAULTLESS = {"list_models"}
FUNCTIONS = [name for name in musejax.__all__ if inspect.isfunction(getattr(musejax, name))]


def test_dir_lists_the_public_names():
    assert set(dir(musejax)) == {*musejax.__all__, "__version__"}
    assert all(getattr(musejax, name) is not None for name in musejax.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'smaple'"):
        musejax.smaple  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_is_whole(name):
    function = getattr(musejax, name)
    text = inspect.getdoc(function)
    parameters = inspect.signature(function).parameters
    for parameter in parameters:
        stars = {"VAR_KEYWORD": "**", "VAR_POSITIONAL": r"*"}.get(parameters[parameter].kind.name, "")
        assert f"\n    {stars}{parameter}: " in text, parameter
    returns = inspect.signature(function).return_annotation
    sections = (
        ["Args:", "Example:"]
        + (["Raises:"] if name not in FAULTLESS else [])
        + (["Returns:"] if returns not in (None, "None") else [])
    )
    for section in sections:
        assert f"\n{section}\n" in text, section
    assert "Annotated" not in str(inspect.signature(function))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_defaults_lie_in_their_ranges(name):
    function = getattr(musejax, name)
    for option in declaration.declared(function):
        value = declaration.default(function, option)
        if value is not declaration.REQUIRED:
            declaration.declared(function)[option].check(option, value)


def test_a_mistake_is_found_before_anything_is_imported():
    code = """
import sys, musejax
for call in (lambda: musejax.sample("melody-lstm", num=0), lambda: musejax.Sampling(top_p=2.0),
             lambda: musejax.harmonize("deep-bach", "x.mid", voice="organ")):
    try:
        call()
    except musejax.errors.OptionError as error:
        print(error)
assert not {"jax", "note_seq"} & set(sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == [
        "num is 0: it must be at least 1",
        "top_p is 2.0: it must be above 0 and at most 1",
        "voice is 'organ': choose from soprano, alto, tenor, bass",
    ]


def test_errors_are_at_hand():
    assert issubclass(musejax.errors.OptionError, errors.UserError)
