"""note-seq, imported when it is first needed and without the warnings of what it drags in."""

import functools
import types
import warnings


@functools.cache
def load() -> types.ModuleType:
    """The package note_seq (about a second the first time).

    note_seq imports pydub, which warns when no ffmpeg is found and uses invalid escapes and audioop on some Pythons;
    none of it concerns symbolic music, so these warnings stop here.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Couldn't find ffmpeg or avconv", category=RuntimeWarning)
        warnings.filterwarnings("ignore", category=SyntaxWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import note_seq
    return note_seq
