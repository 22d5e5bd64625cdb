"""The corpus folder inside the music21 package. music21 itself, slow to import, is never imported."""

import importlib.util
from pathlib import Path

from musejax import errors


def folder(name: str) -> Path:
    """The folder of one collection.

    Raises:
        errors.UserError: music21 is not installed, or without its corpus.
    """
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise errors.UserError("music21 is not installed, and its corpus is read from there; pip install music21")
    path = Path(spec.origin).parent / "corpus" / name
    if not path.is_dir():
        raise errors.UserError(
            f"{path}: music21 is installed without its corpus; pip install --force-reinstall music21"
        )
    return path
