"""A lock on a run directory: one training at a time writes there.

The operating system holds the lock for a process and drops it when the process ends, however it ends, so a killed
training leaves nothing to clean up. The file stays where it is.
"""

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from musejax import errors

FILE = "train.lock"
# Directories that this process holds: a lock keeps other processes out, not other threads.
_held: set[Path] = set()
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        # Of the kind that belongs to the process alone: worker processes that outlive it do not inherit the lock.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def hold(run: Path) -> Iterator[None]:
    """Holds a run directory for training.

    Args:
        run: The directory; made when it is not there.

    Raises:
        errors.UserError: Another training holds it, or it cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UserError(f"{run} cannot be made ({error.strerror}); give another --workdir") from error
    where = run.resolve()
    taken = errors.UserError(f"another training is writing to {run}; wait until it ends, or give another --workdir")
    if where in _held:
        raise taken
    try:
        file = (where / FILE).open("ab")
    except OSError as error:
        raise errors.UserError(f"{run / FILE} cannot be written ({error.strerror}); give another --workdir") from error
    with file:
        try:
            _lock(file.fileno())
        except OSError as error:
            # A file system without locks keeps nobody out, and keeps nobody from training either.
            if error.errno in _TAKEN:
                raise taken from None
        _held.add(where)
        try:
            yield
        finally:
            _held.discard(where)
