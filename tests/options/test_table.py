"""The options read well and agree with each other."""

import pytest

from musejax.options import table
from musejax.options.declaration import Option

OPTIONS = {
    name: next(extra for extra in value.__metadata__ if isinstance(extra, Option))
    for name, value in vars(table).items()
    if hasattr(value, "__metadata__")
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_text_is_a_sentence(name):
    text = OPTIONS[name].text
    assert text.endswith(".") and text[0].isupper() or text[0].isdigit()
    assert "  " not in text and len(text.split(". ")[0]) < 220


def test_there_are_options():
    assert {"Num", "Seed", "Temperature", "Bars", "Quantize"} <= set(OPTIONS)
