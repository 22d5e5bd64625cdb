"""The reference from an adapted run to its base: the path of the base, and a digest of its weights."""

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
    """Returns the reference to a base, for run.json.

    Args:
        name: Name of the base.
        base: Directory of the base.
        variables: Parameters and state of the base, as loaded.
        run: Directory of the adapted run, to which the path of a base that is not shipped is relative.

    Raises:
        errors.UserError: The relative path from the run to the base is not portable.
    """
    shipped = base.resolve().parent == SHIPPED.resolve()
    where = base.name if shipped else _relative_path(base, run)
    _check_place(where, shipped, f"{run}: the base of its adapters")
    return {"name": name, "shipped": shipped, "run": where, "digest": checkpoints.digest(dict(variables))}


def _check_place(place: Any, shipped: bool, where: str) -> None:
    """Checks that a reference is the name of a shipped run or a portable relative path, which may lead upwards.

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
    """Returns whether a path has neither backslashes nor control characters."""
    return not any(c == "\\" or unicodedata.category(c) == "Cc" for c in place)


def _relative_path(base: Path, run: Path) -> str:
    return Path(os.path.relpath(base.resolve(), run.resolve())).as_posix()


def relocate(reference: Mapping[str, Any], run: Path, to: Path) -> dict[str, Any]:
    """Returns the reference for a copy of the run in another directory."""
    if reference["shipped"]:
        return dict(reference)
    return {**reference, "run": _relative_path(run.resolve() / reference["run"], to)}


def find(reference: Mapping[str, Any], run: Path) -> Path:
    """Returns the directory of a base.

    Args:
        reference: Reference to the base, as returned by `describe`.
        run: Directory of the adapted run.

    Raises:
        errors.UserError: The base does not exist, or the reference is neither the name of a shipped run nor a portable
            relative path.
    """
    _check_place(reference["run"], reference["shipped"], f"{run / 'run.json'}: adapters.base.run")
    path = SHIPPED / reference["run"] if reference["shipped"] else run.resolve() / reference["run"]
    if not (path / "run.json").is_file():
        place = "among the shipped runs" if reference["shipped"] else f"at {os.path.normpath(path)}"
        raise errors.UserError(f"{run} has adapters for {reference['name']}, which is not {place}; move it back there")
    return path


def check(reference: Mapping[str, Any], run: Path, base: Path, variables: Mapping[str, Any]) -> None:
    """Checks that a base has the weights that were adapted.

    Raises:
        errors.UserError: It has other weights.
    """
    digest = checkpoints.digest(dict(variables))
    if digest != reference["digest"]:
        raise errors.UserError(
            f"{run} has adapters for {reference['name']} with weights {reference['digest'][:12]}, but "
            f"{os.path.normpath(base)} has weights {digest[:12]}; adapters need the weights that they were trained on"
        )
