"""One declaration of an option is its range check, its documentation and its flag."""

import inspect
from typing import Annotated

import pytest

from musejax import errors
from musejax.options import declaration
from musejax.options.declaration import Option

Count = Annotated[int, Option("How many.", low=1)]
Share = Annotated[float | None, Option("Which part. More about it.", low=0, high=1, above=True)]
Kind = Annotated[str, Option("Of which kind.", choices=("soft", "hard"))]


@declaration.checked
def cut(cake, pieces: Count, *, share: Share = None, kind: Kind = "soft", quick=False):
    """Cuts a cake.

    Args:
        cake: The cake,
            which is large.
        quick: Whether in a hurry.

    Returns:
        Its arguments.
    """
    return cake, pieces, share, kind, quick


def test_values_in_range_pass():
    assert cut("big", 2, share=1.0, kind="hard") == ("big", 2, 1.0, "hard", False)
    assert cut("big", 1) == ("big", 1, None, "soft", False)


@pytest.mark.parametrize(
    ("arguments", "message", "flag"),
    [
        ({"pieces": 0}, "pieces is 0: it must be at least 1", "--pieces 0: it must be at least 1"),
        (
            {"share": 0.0},
            "share is 0.0: it must be above 0 and at most 1",
            "--share 0.0: it must be above 0 and at most 1",
        ),
        ({"share": float("nan")}, "share is nan: it must be above 0 and at most 1", "--share nan: it must be above 0"),
        ({"kind": "odd"}, "kind is 'odd': choose from soft, hard", "--kind odd: choose from soft, hard"),
    ],
)
def test_a_value_out_of_range_is_named(arguments, message, flag):
    with pytest.raises(errors.OptionError) as caught:
        cut("big", **({"pieces": 1} | arguments))
    assert str(caught.value) == message
    assert caught.value.as_flag().startswith(flag)


@pytest.mark.parametrize(
    ("option", "allowed", "refused", "reason"),
    [
        (Option("x"), 1e9, float("inf"), "it must be a finite number"),
        (Option("x", high=3), -5, 4, "it must be at most 3"),
        (Option("x", low=0, above=True), 0.1, 0, "it must be above 0"),
        (Option("x", low=0, high=2**32 - 1), 2**32 - 1, 2**32, "it must be from 0 to 4294967295"),
    ],
)
def test_ranges_are_told_as_they_are(option, allowed, refused, reason):
    option.check("x", allowed)
    with pytest.raises(errors.OptionError, match=reason):
        option.check("x", refused)


def test_what_is_no_number_is_left_to_others():
    Option("x", low=1).check("x", None)
    Option("x", low=1).check("x", True)


def test_the_docstring_lists_every_argument_in_order():
    section = cut.__doc__.partition("Args:\n")[2].partition("\n\n")[0]
    assert [line.strip().partition(":")[0] for line in section.splitlines() if not line.startswith("        ")] == [
        "cake", "pieces", "share", "kind", "quick"
    ]  # fmt: skip
    assert "    share: Which part. More about it.\n" in cut.__doc__
    assert "    cake: The cake,\n        which is large.\n" in cut.__doc__


def test_the_signature_shows_plain_types():
    parameters = inspect.signature(cut).parameters
    assert parameters["pieces"].annotation is int and parameters["share"].annotation == float | None
    assert declaration.default(cut, "pieces") is declaration.REQUIRED and declaration.default(cut, "kind") == "soft"
    assert [declaration.kind(cut, name) for name in ("pieces", "share", "kind")] == [int, float, str]


def test_a_docstring_without_the_section_is_refused():
    def bare(num: Count):
        """Does nothing."""

    with pytest.raises(ValueError, match="bare has no section Args"):
        declaration.checked(bare)
