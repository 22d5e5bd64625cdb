"""The blocks of a page of the documentation, and how they run: as written, one after the other, in one folder."""

import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from musejax import cli

ROOT = Path(__file__).parents[1]
# Commands that set up a machine; `.ci/run` runs them in an empty environment.
_SETUP = re.compile(r"\b(pip install|python3? -m venv|git clone)\b")
LANGUAGES = ("bash", "python")


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes:
        language: What stands behind the fence.
        text: The block.
        line: Its line in the page.
    """

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Returns the pages that have blocks to run."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in files if any(block.language in LANGUAGES for block in blocks(path))]


def blocks(path: Path) -> list[Block]:
    """Returns the fenced blocks of a page."""
    out: list[Block] = []
    lines = path.read_text().splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start = number
        else:
            language = lines[start - 1].strip().strip("`")
            out.append(Block(language, "\n".join(lines[start : number - 1]), start))
            start = None
    assert start is None, f"{path}: the block of line {start} has no end"
    return out


def run(path: Path) -> None:
    """Runs the blocks of a page in the working folder."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path):
        where = f"{path.name}:{block.line}"
        if block.language == "python":
            if name := re.match(r"# (\w+\.py)\n", block.text):
                Path(name[1]).write_text(block.text + "\n")
            exec(compile(block.text, where, "exec"), names)
        elif block.language == "bash":
            for command in commands(block.text):
                run_command(command, where)


def commands(text: str) -> list[str]:
    """Returns the commands of a block; a line that ends in a backslash goes on in the next."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def run_command(command: str, where: str) -> None:
    """Runs a command: those of musejax within this process, where what was compiled once is kept."""
    if _SETUP.search(command):
        return
    words = shlex.split(command, comments=True)
    if words[0] == "musejax":
        assert not {"|", ">", "&&", ";"} & set(words), f"{where}: {command}"
        streams = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            try:
                cli.main(words[1:])
                status = 0
            except SystemExit as end:
                status = end.code
        assert not status, f"{where}: {command}\n{streams[0].getvalue()[-2000:]}\n{streams[1].getvalue()[-2000:]}"
    elif words[0] == "python" and words[1].endswith(".py"):
        arguments, sys.argv = sys.argv, words[1:]
        try:
            runpy.run_path(words[1], run_name="__main__")
        finally:
            sys.argv = arguments
    else:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, env=environment)
