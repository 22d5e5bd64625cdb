"""Flags of the command line, derived from the options that the public functions declare."""

import argparse
from collections.abc import Callable, Collection
from typing import Any

from musejax.options import declaration
from musejax.options.sampling import Sampling


def add(parser: argparse.ArgumentParser, target: Callable[..., Any], without: Collection[str] = ()) -> None:
    """Adds a flag for each option of a function or a dataclass.

    Args:
        parser: The parser of a command.
        target: The function or dataclass.
        without: Options that the command does not have, or reads itself.
    """
    for name, option in declaration.declared(target).items():
        if name in without:
            continue
        default = declaration.default(target, name)
        text = option.text.split(". ")[0].rstrip(".")
        for part in option.text.split(". ")[1:]:
            if "(default" in part:
                text += f". {part.rstrip('.')}"
        flag, kind = f"--{name.replace('_', '-')}", declaration.kind(target, name)
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=text.replace("%", "%%"))
            continue
        if default is not None and default is not declaration.REQUIRED and "(default" not in text:
            text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
        parser.add_argument(
            flag,
            type=kind,
            default=None if default is declaration.REQUIRED else default,
            required=default is declaration.REQUIRED,
            metavar=option.metavar or None,
            help=text.replace("%", "%%"),
        )


def values(args: argparse.Namespace, target: Callable[..., Any], without: Collection[str] = ()) -> dict[str, Any]:
    """Returns the options of a function or a dataclass as the command line gives them, checked against their ranges.

    Args:
        args: The parsed command line.
        target: The function or dataclass.
        without: Options that are left out.

    Raises:
        errors.OptionError: A value lies outside its range.
    """
    out = {name: getattr(args, name) for name in declaration.declared(target) if name not in without}
    declaration.check_all(target, out)
    return out


def sampling(args: argparse.Namespace) -> Sampling:
    """Returns how values are sampled.

    Raises:
        errors.OptionError: A value lies outside its range.
    """
    return Sampling(**values(args, Sampling))
