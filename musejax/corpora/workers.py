"""Worker processes that leave Ctrl-C to their parent and end when it does, however it ends."""

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

# Seconds after which a signal that arrived is answered.
_POLL = 0.1


class _Worker(SpawnProcess):
    """A process whose copy of Python never sees Ctrl-C."""

    def start(self) -> None:
        """Starts the process with SIGINT blocked, until it ignores it."""
        with _sigint_blocked(), _empty_main():
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


def run(
    processes: int, begin: Callable[[], None], task: Callable[[T], R], items: Iterable[T]
) -> list[concurrent.futures.Future[R]]:
    """Runs a task over items in worker processes.

    Ctrl-C and SIGTERM end the workers and are raised once these are gone: raised at any other moment they would
    interrupt Python's own work on its queues and threads, which then writes warnings or waits for ever.

    Args:
        processes: Number of workers.
        begin: A function of a module that makes a worker ready.
        task: A function of a module, or a partial of one.
        items: What it is called with; each must pickle.

    Returns:
        One finished future per item; after a worker has crashed, those that are left hold BrokenProcessPool.
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
    """Submits one item; where a worker has crashed before, the future says so."""
    try:
        return executor.submit(task, item)
    except concurrent.futures.process.BrokenProcessPool as error:
        future: concurrent.futures.Future[R] = concurrent.futures.Future()
        future.set_exception(error)
        return future


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
def _signals_recorded() -> Iterator[list[int]]:
    """Gives the list of the SIGINT and SIGTERM that arrive within the body, and raises them after it."""
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
    """Blocks SIGINT in this thread, and in processes that start meanwhile, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would end the block
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


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
