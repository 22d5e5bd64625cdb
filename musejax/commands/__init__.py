"""What each command does; a command's module is imported when it is called.

JSON goes to standard output, everything else to standard error.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

# command -> the module here, and its function (parsed options, options that the parser does not know) -> exit status
COMMANDS: Mapping[str, tuple[str, str]] = {
    "list": ("models", "list_"),
    "train": ("training", "train"),
    "sample": ("music", "sample"),
    "harmonize": ("music", "harmonize"),
    "infill": ("music", "infill"),
    "accompany": ("music", "accompany"),
    "reconstruct": ("latents", "reconstruct"),
    "interpolate": ("latents", "interpolate"),
    "humanize": ("latents", "humanize"),
    "personalize": ("latents", "personalize"),
    "evaluate": ("measuring", "evaluate"),
    "metrics": ("measuring", "metrics"),
    "prepare": ("files", "prepare"),
    "convert": ("files", "convert"),
    "render": ("files", "convert"),
    "pack": ("models", "pack"),
}


def run(command: str, args: argparse.Namespace, rest: list[str]) -> int:
    """Runs a command; its exit status."""
    module, function = COMMANDS[command]
    return getattr(importlib.import_module(f"musejax.commands.{module}"), function)(args, rest)


def say(text: str) -> None:
    """One line to standard error."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """A value to standard output."""
    print(json.dumps(value, indent=1))


def begin() -> None:
    """Before models run: a CPU's cores become devices, compiled programs are kept where only this user can write."""
    from musejax.corpora import cache
    from musejax.training import mesh

    mesh.use_cores()
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import jax

        jax.config.update("jax_compilation_cache_dir", str(cache.directory() / "compiled"))
