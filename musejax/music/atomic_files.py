"""Atomic writing of files: a file is complete or absent."""

import contextlib
import os
import pathlib
import tempfile

from musejax import errors


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file atomically: a reader sees either the whole file or the previous one.

    The data are written to a temporary file in the same folder, which is then renamed, or removed after a failure.

    Args:
        path: Path of the file; its folder must exist.
        data: The whole content.

    Raises:
        errors.UserError: The file cannot be written (no such folder, no permission, disk full).
    """
    path = pathlib.Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; an ordinary new file follows the user's umask.
        mask = os.umask(0)
        os.umask(mask)
        pathlib.Path(temporary).chmod(0o666 & ~mask)
        pathlib.Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                pathlib.Path(temporary).unlink()
        if isinstance(error, OSError):
            raise errors.UserError(f"{path}: cannot be written ({error.strerror or error})") from error
        raise
