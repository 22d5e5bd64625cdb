"""The examples in the docstrings of the public functions name models and files that exist."""

import inspect
import re
from pathlib import Path

import pytest

import musejax

ROOT = Path(musejax.__file__).parent
FUNCTIONS = [name for name in musejax.__all__ if inspect.isfunction(getattr(musejax, name))]
VERBS = "create|load|sample|harmonize|infill|accompany|reconstruct|interpolate|personalize|evaluate"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples_name_what_exists(name):
    code = "\n".join(re.findall(r"^\s*>>> (.*)$", inspect.getdoc(getattr(musejax, name)) or "", re.MULTILINE))
    missing = [path for path in re.findall(r'"(examples/[^"]*)"', code) if not (ROOT / path).exists()]
    models = re.findall(rf'\b(?:{VERBS})\("([^"/]*)"', code)
    assert not missing + [model for model in models if model not in musejax.list_models()]
    for preset in re.findall(r'\bcreate\("([^"]*)"', code):
        musejax.create(preset).example_batch()
