"""Typed errors. Each message is one line."""

from typing import Any


class UserError(Exception):
    """A mistake in the input: the message names it, what was found and what would work (exit status 2)."""


class OptionError(UserError):
    """An option of a public function has a value that does not work.

    The library names the argument (`num is 0: it must be at least 1`), the command line the flag (`--num 0: ...`).

    Attributes:
        option: The name of the argument.
        value: Its value.
        reason: What would work.
    """

    def __init__(self, option: str, value: Any, reason: str):
        """Keeps the parts of the message."""
        super().__init__(f"{option} is {_shown(value)}: {reason}")
        self.option, self.value, self.reason = option, value, reason

    def as_flag(self) -> str:
        """Returns the message with the name of the argument as a flag of the command line."""
        return f"--{self.option.replace('_', '-')} {_listed(self.value)}: {self.reason}"


class DiscardError(Exception):
    """A piece lies outside a codec's domain; the message is the reason under which it is counted."""


class TrainingError(Exception):
    """Training cannot continue: the loss is not finite, or a write failed (exit status 1)."""


def failure(what: str, error: Exception) -> str:
    """Returns the reason under which a file is counted that an unforeseen exception spoilt.

    Args:
        what: What failed, such as `could not be read`.
        error: The exception.
    """
    text = " ".join(str(error).split())[:120].encode("utf-8", "backslashreplace").decode()
    return f"{what} ({type(error).__name__}{': ' + text if text else ''})"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else _listed(value)


def _listed(value: Any) -> str:
    """Returns a value as it is written on the command line: the parts of a list with commas."""
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)
