"""What each command does; a command's module is imported when it is called.

JSON goes to standard output, everything else to standard error.
"""

import argparse
import contextlib
import importlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from musejax import registry
from musejax.commands import progress

# command -> the module here, and its function (parsed options, options that the parser does not know) -> exit status
COMMANDS: Mapping[str, tuple[str, str]] = {
    "list": ("model_commands", "list_"),
    "train": ("train_command", "train"),
    "sample": ("music_commands", "sample"),
    "harmonize": ("music_commands", "harmonize"),
    "infill": ("music_commands", "infill"),
    "accompany": ("music_commands", "accompany"),
    "reconstruct": ("latent_commands", "reconstruct"),
    "interpolate": ("latent_commands", "interpolate"),
    "humanize": ("latent_commands", "humanize"),
    "personalize": ("latent_commands", "personalize"),
    "evaluate": ("measure_commands", "evaluate"),
    "metrics": ("measure_commands", "metrics"),
    "prepare": ("file_commands", "prepare"),
    "convert": ("file_commands", "convert"),
    "render": ("file_commands", "convert"),
    "pack": ("model_commands", "pack"),
    "plot": ("train_command", "plot"),
    "examples": ("file_commands", "examples"),
}


def run(command: str, args: argparse.Namespace, rest: list[str]) -> int:
    """Runs a command; its exit status."""
    for file in args.plugin:
        registry.use(file)
    module, function = COMMANDS[command]
    # Training shows its own progress.
    showing = contextlib.nullcontext() if command == "train" else progress.shown()
    with showing:
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
