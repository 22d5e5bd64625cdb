import dataclasses
from typing import Literal

import pytest

from musejax import registry
from musejax.experiments import field_meanings
from musejax.training import adapters, settings


@dataclasses.dataclass
class Sizes:
    """Sizes of a network.

    Attributes:
        width: Units of a layer, of which there are
            several. Larger is slower.
        mode: How it runs.

    Example:
        >>> Sizes()
    """

    width: int = 3
    mode: Literal["fast", "slow"] = "fast"
    maybe: Literal["a"] | None = None


def test_the_first_sentence_is_the_meaning():
    assert field_meanings.meanings(Sizes) == {
        "width": "Units of a layer, of which there are several",
        "mode": "How it runs",
    }


def test_literals_are_choices():
    assert field_meanings.choices(Sizes) == {"mode": ("fast", "slow"), "maybe": ("a",)}


@pytest.mark.parametrize("family", registry.names("family"))
def test_every_field_of_every_config_has_a_meaning(family):
    config = registry.get("family", family).config
    assert {field.name for field in dataclasses.fields(config)} <= set(field_meanings.meanings(config))


@pytest.mark.parametrize("config", [settings.Optimizer, settings.Training, adapters.Config])
def test_every_field_of_training_has_a_meaning(config):
    assert {field.name for field in dataclasses.fields(config)} <= set(field_meanings.meanings(config))
