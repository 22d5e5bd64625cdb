"""How a run names the run that it adapts: where it is, and a digest by which another is told from it."""

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musejax import errors
from musejax.runs import file_names
from musejax.training import checkpoints

SHIPPED = Path(__file__).parent.parent / "shipped"


def describe(name: str, base: Path, variables: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """What a run.json says of a base.

    Args:
        name: The base's name.
        base: Its directory.
        variables: Its params and state, as loaded.
        run: The directory of the run that names it; one that is not shipped is found from there.

    Raises:
        errors.UserError: The way from the run to the base is one that only this system understands.
    """
    shipped = base.resolve().parent == SHIPPED.resolve()
    where = base.name if shipped else _from(base, run)
    _check_place(where, shipped, f"{run}: the base of its adapters")
    return {"name": name, "shipped": shipped, "run": where, "digest": checkpoints.digest(dict(variables))}


def _check_place(place: Any, shipped: bool, where: str) -> None:
    """Checks that a base is a shipped run by name, or a directory by a relative path that every system reads alike.

    Such a path may lead up: a base lies beside the run, or anywhere else that its owner chose.

    Raises:
        errors.UserError: It is neither.
    """
    if shipped:
        file_names.check(place, where)
    elif not isinstance(place, str) or not place or re.match(r"/|[A-Za-z]:", place) or not _plain(place):
        raise errors.UserError(
            f"{where} is {ascii(place)}; give the path from the run to its base, such as ../base, relative and with "
            "forward slashes"
        )


def _plain(place: str) -> bool:
    """Whether a path has neither backslashes nor control characters."""
    return not any(c == "\\" or unicodedata.category(c) == "Cc" for c in place)


def _from(base: Path, run: Path) -> str:
    return Path(os.path.relpath(base.resolve(), run.resolve())).as_posix()


def moved(told: Mapping[str, Any], run: Path, to: Path) -> dict[str, Any]:
    """The same for a copy of the run in another place."""
    return dict(told) if told["shipped"] else {**told, "run": _from(run.resolve() / told["run"], to)}


def find(told: Mapping[str, Any], run: Path) -> Path:
    """The directory of a base.

    Args:
        told: As `describe` gives it.
        run: The directory of the run that names it.

    Raises:
        errors.UserError: It is not there, or the place is not the name of a shipped run or a relative path.
    """
    _check_place(told["run"], told["shipped"], f"{run / 'run.json'}: adapters.base.run")
    path = SHIPPED / told["run"] if told["shipped"] else run.resolve() / told["run"]
    if not (path / "run.json").is_file():
        what = "among the shipped runs" if told["shipped"] else f"at {os.path.normpath(path)}"
        raise errors.UserError(f"{run} holds adapters for {told['name']}, which is not {what}; put it there again")
    return path


def check(told: Mapping[str, Any], run: Path, base: Path, variables: Mapping[str, Any]) -> None:
    """Checks that a base is the one that was adapted.

    Raises:
        errors.UserError: It is another.
    """
    found = checkpoints.digest(dict(variables))
    if found != told["digest"]:
        raise errors.UserError(
            f"{run} holds adapters for {told['name']} with weights {told['digest'][:12]}, but {os.path.normpath(base)} "
            f"has weights {found[:12]}: adapters serve the model alone that they were trained on"
        )
