"""Lazy import of note-seq, without the warnings of its dependencies."""

import functools
import types
import warnings


@functools.cache
def load() -> types.ModuleType:
    """Returns the package note_seq; the first import takes about a second.

    note_seq imports pydub, which warns if ffmpeg is missing, and on some Python versions about invalid escapes and
    audioop. These warnings do not concern symbolic music and are suppressed.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Couldn't find ffmpeg or avconv", category=RuntimeWarning)
        warnings.filterwarnings("ignore", category=SyntaxWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import note_seq
    return note_seq
