"""Worker processes that leave Ctrl-C to their parent and end when it does, however it ends."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class _Worker(SpawnProcess):
    """A process whose start no signal cuts in two, and whose copy of Python never sees Ctrl-C."""

    def start(self) -> None:
        """Starts the process; a signal that arrives meanwhile is raised afterwards."""
        with _signals_held_back(), _empty_main():
            super().start()


class _Context(SpawnContext):
    """Starts processes by `spawn` (a fork of a process in which JAX runs threads may hang), and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[_Worker] = []

    def Process(self, *args: Any, **kwargs: Any) -> _Worker:  # type: ignore[override]  # noqa: N802
        """Makes a process, as `multiprocessing.Process` does."""
        self.started.append(_Worker(*args, **kwargs))
        return self.started[-1]


@contextlib.contextmanager
def pool(processes: int, begin: Callable[[], None]) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    """Gives a pool of workers, and ends them; an exception in the body kills them.

    The body waits for its futures. Python counts a thread as ended when Ctrl-C interrupts the wait for it, so signals
    are held back while the pool is made and closed.

    Args:
        processes: Number of workers.
        begin: A function of a module that makes a worker ready.
    """
    made = _Context()
    with _signals_held_back():
        executor = concurrent.futures.ProcessPoolExecutor(processes, made, initializer=_begin, initargs=(begin,))
    try:
        yield executor
    except BaseException:
        for worker in made.started:
            if worker.pid is not None:
                worker.kill()
        raise
    finally:
        with _signals_held_back():
            executor.shutdown(wait=True, cancel_futures=True)


def _begin(begin: Callable[[], None]) -> None:
    """Makes a worker ready: it ignores Ctrl-C, which its parent answers, and watches its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin()


def _end_with_parent() -> None:
    """Ends this process when its parent has ended, be it killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Raises SIGINT and SIGTERM after the body instead of within it.

    A process that starts meanwhile has SIGINT blocked until it ignores it.
    """
    handlers: dict[signal.Signals, Any] = {}
    received: list[int] = []
    if threading.current_thread() is threading.main_thread():
        for number in _STOPPING:
            if signal.getsignal(number) is not None:
                handlers[number] = signal.signal(number, lambda number, frame: received.append(number))
    mask = None
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # its start would end the block
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in received:
            signal.raise_signal(number)


@contextlib.contextmanager
def _empty_main() -> Iterator[None]:
    """Keeps workers that start meanwhile from running the user's script again.

    A spawned process imports the main module of its parent, so that a script without a main guard would start
    itself over; our workers need this package only.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
