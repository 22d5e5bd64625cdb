"""The types of configs, checks of their fields, and how tests shrink them."""

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
        """Share of training pieces whose conditions are unknown."""
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
        """Share of the inputs that are dropped."""
        ...

    @property
    def head(self) -> int:
        """Width of the head of one stream."""
        ...

    @property
    def head_dropout(self) -> float:
        """Share of the head's units that are dropped."""
        ...


@runtime_checkable
class VoiceConfig(HeadConfig, Protocol):
    """The fields that `voice_model` reads."""

    @property
    def place(self) -> bool:
        """Whether the network reads how many bars the piece has lasted."""
        ...

    @property
    def bars_left(self) -> float:
        """Share of training pieces whose number of bars left is known; 0 for a network that does not read it."""
        ...

    @property
    def phase(self) -> bool:
        """Whether the network reads the number of frames since the start, modulo 48."""
        ...

    @property
    def order(self) -> tuple[int, ...]:
        """The streams in the order in which they are drawn; empty for the vocabulary's own."""
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
