"""Access to the corpus inside the music21 package, without importing music21, which is slow."""

import importlib.util
from pathlib import Path

from musejax import errors


def folder(name: str) -> Path:
    """Returns the folder of one collection.

    Raises:
        errors.UserError: music21 is not installed, or is installed without its corpus.
    """
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise errors.UserError("music21 is not installed; this corpus is part of it; pip install music21")
    path = Path(spec.origin).parent / "corpus" / name
    if not path.is_dir():
        raise errors.UserError(
            f"{path}: music21 is installed without its corpus; pip install --force-reinstall music21"
        )
    return path
