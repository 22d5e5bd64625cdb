"""What the fields of a config mean and which values they take, from its docstring and its annotations."""

import inspect
import re
from typing import Any, Literal, get_args, get_origin, get_type_hints


def meanings(cls: type) -> dict[str, str]:
    """Returns the first sentence that a dataclass, or one that it extends, says of each field in `Attributes`."""
    out: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        out |= _entries(vars(each).get("__doc__") or "")
    return out


def _entries(docstring: str) -> dict[str, str]:
    """Returns the first sentence of each entry of an `Attributes` section."""
    _, marker, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    out: dict[str, list[str]] = {}
    for line in section.splitlines() if marker else []:
        entry = re.match(r"    (\w+): (.*)", line)
        if entry:
            out[entry[1]] = [entry[2]]
        elif line.startswith("        ") and out:
            out[list(out)[-1]].append(line.strip())
        elif line.strip():
            break
    return {name: re.split(r"(?<=\.)\s", " ".join(lines))[0].rstrip(".") for name, lines in out.items()}


def choices(cls: type) -> dict[str, tuple[Any, ...]]:
    """Returns the values of each field that has only a few."""
    out = {}
    for name, hint in get_type_hints(cls).items():
        literals = [hint, *get_args(hint)]
        found = next((get_args(part) for part in literals if get_origin(part) is Literal), ())
        if found:
            out[name] = found
    return out
