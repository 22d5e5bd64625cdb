"""Named stages of long work (loading, reading, compiling, sampling, writing), for whoever shows progress."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

# The name of a stage -> a context that lasts as long as the stage.
Observer = Callable[[str], AbstractContextManager[None]]
_observer: contextvars.ContextVar[Observer | None] = contextvars.ContextVar("stage_observer", default=None)


@contextlib.contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Calls an observer for every stage within the context.

    Args:
        observer: Is called with the name of each stage.
    """
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def are_observed() -> bool:
    """Returns whether anybody observes the stages."""
    return _observer.get() is not None


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Marks the work within the context as a stage.

    Args:
        name: What is done, such as `sampling`.
    """
    observer = _observer.get()
    if observer is None:
        yield
        return
    with observer(name):
        yield
