"""A lock that lets only one training process write to a run directory.

The operating system releases the lock when the process ends, however it ends, so a killed training process leaves
nothing to clean up. The lock file itself stays in the directory.
"""

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from musejax import errors

FILE = "train.lock"
# Directories that this process has locked, because the lock of the operating system does not exclude other threads.
_held: set[Path] = set()
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        # This kind of lock belongs to one process: worker processes that outlive it do not inherit the lock.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def hold(run: Path) -> Iterator[None]:
    """Locks a run directory for training while the context is open.

    Args:
        run: Path of the run directory, which is created if it does not exist.

    Raises:
        errors.UserError: Another training process holds the lock, or the directory cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UserError(f"{run} cannot be created ({error.strerror}); give another --workdir") from error
    path = run.resolve()
    taken = errors.UserError(f"another training is writing to {run}; wait until it ends, or give another --workdir")
    if path in _held:
        raise taken
    try:
        file = (path / FILE).open("ab")
    except OSError as error:
        raise errors.UserError(f"{run / FILE} cannot be written ({error.strerror}); give another --workdir") from error
    with file:
        try:
            _lock(file.fileno())
        except OSError as error:
            # Some file systems do not support locks; training is allowed there, without protection.
            if error.errno in _TAKEN:
                raise taken from None
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
