"""Worker processes that leave Ctrl-C to their parent and end with it, even if it is killed."""

import concurrent.futures
import concurrent.futures.process
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Seconds between checks for a signal.
_POLL = 0.1


class _Worker(SpawnProcess):
    """A process in which Python never handles Ctrl-C."""

    def start(self) -> None:
        """Starts the process with SIGINT blocked; `_begin` then makes it ignore the signal."""
        with _sigint_blocked(), _empty_main():
            super().start()


class _Context(SpawnContext):
    """A context that starts processes by `spawn` and records them.

    A fork of a process in which JAX runs threads may hang.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[_Worker] = []

    def Process(self, *args: Any, **kwargs: Any) -> _Worker:  # type: ignore[override]  # noqa: N802
        """Returns a new process, like `multiprocessing.Process`."""
        self.started.append(_Worker(*args, **kwargs))
        return self.started[-1]


def run(
    processes: int, begin: Callable[[], None], task: Callable[[T], R], items: Iterable[T]
) -> list[concurrent.futures.Future[R]]:
    """Applies a function to items in worker processes.

    Ctrl-C and SIGTERM end the workers and are raised again once the workers have ended. Raised earlier, they could
    interrupt Python's management of its queues and threads, which would then print warnings or wait forever.

    Args:
        processes: Number of workers.
        begin: A module-level function that prepares a worker.
        task: A module-level function, or a partial of one.
        items: Arguments of the function; each must be picklable.

    Returns:
        One finished future per item. If a worker has crashed, the remaining futures raise BrokenProcessPool.
    """
    with _signals_recorded() as received:
        context = _Context()
        executor = concurrent.futures.ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(begin,))
        try:
            futures = [_submit(executor, task, item) for item in items]
            while not received and concurrent.futures.wait(futures, timeout=_POLL).not_done:
                pass
        finally:
            if received or sys.exc_info()[0] is not None:
                for worker in context.started:
                    if worker.pid is not None:
                        worker.kill()
            executor.shutdown(wait=True, cancel_futures=True)
    return futures


def _submit(executor: concurrent.futures.Executor, task: Callable[[T], R], item: T) -> concurrent.futures.Future[R]:
    """Submits one item; if a worker has already crashed, returns a future that raises BrokenProcessPool."""
    try:
        return executor.submit(task, item)
    except concurrent.futures.process.BrokenProcessPool as error:
        future: concurrent.futures.Future[R] = concurrent.futures.Future()
        future.set_exception(error)
        return future


def _begin(begin: Callable[[], None]) -> None:
    """Prepares a worker: it ignores Ctrl-C, which its parent handles, and watches its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin()


def _end_with_parent() -> None:
    """Ends this process when its parent has ended, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _signals_recorded() -> Iterator[list[int]]:
    """Records SIGINT and SIGTERM during the body, yields the list of them, and raises them afterwards."""
    handlers: dict[signal.Signals, Any] = {}
    received: list[int] = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not None:
                handlers[number] = signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in received:
            signal.raise_signal(number)


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Blocks SIGINT in this thread and in processes started during the body, if the system supports it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock the signal
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def _empty_main() -> Iterator[None]:
    """Prevents workers that are started during the body from running the user's script again.

    A spawned process imports the main module of its parent, which would restart a script without a main guard. Workers
    need only this package.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
