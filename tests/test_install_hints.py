"""What messages and pages say to install can be installed: the package itself is on no index."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = [
    *(p for folder in ("musejax", "benchmarks", "configs") for p in (ROOT / folder).rglob("*.py")),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "README.md",
]


def commands():
    return [(file, m[1]) for file in FILES for m in re.finditer(r"pip install ([^;&`\n\\]*)", file.read_text())]


def test_nothing_is_installed_by_the_name_of_this_package():
    assert len(commands()) >= 5
    assert not [(file, words) for file, words in commands() if "musejax" in words]
    assert not [file for file in FILES if re.search(r"musejax\[(?:[a-z]+)\]", file.read_text())]


def test_extras_and_requirements_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    known = {*project["dependencies"], *(one for some in extras.values() for one in some)}
    for file, words in commands():
        for name in re.findall(r"\.\[(\w+)\]", words):
            assert name in extras, file
        for requirement in re.findall(r"[\w-]+[<>=]=?[^\"' ]*", words):
            assert requirement in known, file
