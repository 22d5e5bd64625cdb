"""Files that are complete or absent."""

import contextlib
import os
import pathlib
import tempfile

from musejax import errors


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file in one step: a reader finds the whole file, or what was there before.

    The data goes to a temporary file in the same folder, which then takes the name; it is removed when anything fails.

    Args:
        path: Where to; the folder must exist.
        data: The whole content.

    Raises:
        errors.UserError: The system refused (no such folder, no permission, disk full).
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
