"""How an option of a public function is declared: once, with its type, its range and what it means.

A parameter of a public function is annotated with a type of `options.table`, such as `num: Num = 1`. The range check,
the `Args` section of the docstring and the flag of the command line are derived from this annotation.
"""

import functools
import inspect
import math
import numbers
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from musejax import errors

Function = TypeVar("Function", bound=Callable[..., Any])
# The default of an option without one.
REQUIRED = inspect.Parameter.empty


class Option(NamedTuple):
    """The declaration of an option.

    Attributes:
        text: What it means; the first sentence is shown by `--help`.
        low: Smallest value of a number.
        high: Largest value.
        above: Whether a value must be greater than `low`, not just equal to it.
        choices: The values of a text that has only a few.
        metavar: What stands for the value in `--help`.
        is_music: Whether the value is music: a path on the command line, a path or a NoteSequence in Python.
    """

    text: str
    low: float | None = None
    high: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()
    metavar: str = ""
    is_music: bool = False

    def check(self, name: str, value: Any) -> None:
        """Checks a value.

        Raises:
            errors.OptionError: The value lies outside the range, or is not one of the choices.
        """
        if self.choices and isinstance(value, str) and value not in self.choices:
            raise errors.OptionError(name, value, f"choose from {', '.join(self.choices)}")
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return
        number: Any = value
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        inside = low < number if self.above else low <= number
        if not inside or number > high:  # a NaN is not inside
            raise errors.OptionError(name, value, self._range())
        if number in (math.inf, -math.inf):
            raise errors.OptionError(name, value, "it must be a finite number")

    def _range(self) -> str:
        """Returns which numbers are allowed, for one that is not."""
        if self.low is None:
            return "it must be a finite number" if self.high is None else f"it must be at most {self.high:g}"
        if self.high is None:
            return f"it must be {'above' if self.above else 'at least'} {self.low:g}"
        if self.above:
            return f"it must be above {self.low:g} and at most {self.high:g}"
        return f"it must be from {self.low:.0f} to {self.high:.0f}"


def declared(target: Any) -> dict[str, Option]:
    """Returns the options among the parameters of a function or the fields of a dataclass, by name."""
    return {
        name: next(extra for extra in hint.__metadata__ if isinstance(extra, Option))
        for name, hint in _annotations(target).items()
    }


def kind(target: Any, name: str) -> type:
    """Returns the type of an option's value on the command line: int, float, bool or str."""
    hint = _annotations(target)[name].__origin__
    members = typing.get_args(hint) or (hint,)
    return next((member for member in members if member in (bool, int, float)), str)


def default(target: Any, name: str) -> Any:
    """Returns the default of an option; `REQUIRED` where it has none."""
    return inspect.signature(target).parameters[name].default


def check_all(target: Any, values: Mapping[str, Any]) -> None:
    """Checks values for the options of a function or a dataclass.

    Raises:
        errors.OptionError: A value lies outside its range; the first one is named.
    """
    table = declared(target)
    for name, value in values.items():
        if name in table:
            table[name].check(name, value)


def checked(function: Function) -> Function:
    """Makes a function check its options and adds them to the `Args` section of its docstring.

    Raises:
        ValueError: The docstring has no `Args` section.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        check_all(function, signature.bind(*args, **kwargs).arguments)
        return function(*args, **kwargs)

    document(call, "Args")
    return typing.cast(Function, call)


def document(target: Any, section: str) -> None:
    """Adds the options of a function or a dataclass to its docstring, and shows their types without declarations.

    Args:
        target: The function or dataclass.
        section: The section of its docstring that lists its parameters: `Args` or `Attributes`.

    Raises:
        ValueError: The docstring has no such section.
    """
    signature = inspect.signature(target)
    head, marker, tail = inspect.cleandoc(target.__doc__ or "").partition(f"\n{section}:\n")
    if not marker:
        raise ValueError(f"{target.__name__} has no section {section}")
    written, blank, rest = tail.partition("\n\n")
    entries: dict[str, str] = {}
    for line in written.splitlines():
        continued = line.startswith("        ")
        name = list(entries)[-1] if continued else line.strip().partition(":")[0]
        entries[name] = f"{entries[name]}\n{line}" if continued else line
    for name, option in declared(target).items():
        entries.setdefault(name, f"    {name}: {option.text}")
    order = [name for name in signature.parameters if name in entries]
    target.__doc__ = head + marker + "\n".join(entries[name] for name in order) + blank + rest
    plain = [p.replace(annotation=_plain(p.annotation)) for p in signature.parameters.values()]
    target.__signature__ = signature.replace(parameters=plain)


def _plain(hint: Any) -> Any:
    """Returns an annotation without the declaration of an option."""
    return hint.__origin__ if hasattr(hint, "__metadata__") else hint


def _annotations(target: Any) -> dict[str, Any]:
    """Returns the annotations that declare options, by name."""
    hints = inspect.get_annotations(inspect.unwrap(target))
    return {
        name: hint
        for name, hint in hints.items()
        if any(isinstance(extra, Option) for extra in getattr(hint, "__metadata__", ()))
    }
