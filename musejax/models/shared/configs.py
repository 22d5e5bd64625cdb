"""Protocols for configs, checks of their fields, and a function with which tests shrink them."""

import dataclasses
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class TokenConfig(Protocol):
    """The fields that `token_model` reads."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the vocabulary's conditions that the network reads."""
        ...

    @property
    def condition_dropout(self) -> float:
        """Share of training pieces whose conditions are hidden."""
        ...


@runtime_checkable
class HeadConfig(TokenConfig, Protocol):
    """The fields that the networks over frames have in common."""

    @property
    def embed(self) -> int:
        """Width of an embedding."""
        ...

    @property
    def input_dropout(self) -> float:
        """Dropout rate of the inputs."""
        ...

    @property
    def head(self) -> int:
        """Width of the head of one stream."""
        ...

    @property
    def head_dropout(self) -> float:
        """Dropout rate in the heads."""
        ...


@runtime_checkable
class VoiceConfig(HeadConfig, Protocol):
    """The fields that `voice_model` reads."""

    @property
    def place(self) -> bool:
        """Whether the network reads the number of bars since the start."""
        ...

    @property
    def bars_left(self) -> float:
        """Share of training pieces with a known number of bars left; 0 for a network that does not read it."""
        ...

    @property
    def phase(self) -> bool:
        """Whether the network reads the number of frames since the start, modulo 48."""
        ...

    @property
    def order(self) -> tuple[int, ...]:
        """The streams in sampling order; empty for the vocabulary's order."""
        ...


@runtime_checkable
class KeyConfig(HeadConfig, Protocol):
    """The fields that `key_model` reads."""

    @property
    def net(self) -> str:
        """`token` or `frame`."""
        ...

    @property
    def history(self) -> bool:
        """Whether the network reads more of the past than the last frame."""
        ...

    @property
    def nade(self) -> int:
        """Hidden units of a NADE over the keys of a frame; 0 for none."""
        ...


def shrink(config: Any, **sizes: int) -> Any:
    """Returns a config whose fields are limited to these sizes.

    Args:
        config: A frozen dataclass.
        **sizes: The largest value of each field.
    """
    return dataclasses.replace(config, **{name: min(size, getattr(config, name)) for name, size in sizes.items()})


def check_at_least(config: Any, least: int, *fields: str) -> None:
    """Raises ValueError if one of these fields is below `least`."""
    for name in fields:
        if getattr(config, name) < least:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be at least {least}")
