"""What the configs of all families have in common: checks of their fields, and how tests shrink them."""

import dataclasses
from typing import Any


def shrunk(config: Any, **sizes: int) -> Any:
    """Returns a config whose fields are at most these sizes; a size of 0 stays 0.

    Args:
        config: A frozen dataclass.
        **sizes: Field -> its largest value.
    """
    return dataclasses.replace(config, **{name: min(size, getattr(config, name)) for name, size in sizes.items()})


def at_least(config: Any, least: int, *fields: str) -> None:
    """Raises ValueError for the first of these fields that is below `least`."""
    for name in fields:
        if getattr(config, name) < least:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be {least} or more")
