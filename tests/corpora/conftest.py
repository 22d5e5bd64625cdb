import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("MUSEJAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data():
    folder = os.environ.get("MUSEJAX_DATA")
    if not folder or not (Path(folder) / "Jsb16thSeparated.json").is_file():
        pytest.skip("MUSEJAX_DATA names no folder with the benchmark files")
    return Path(folder)


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("MUSEJAX_DATA", raising=False)
