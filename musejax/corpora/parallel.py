"""Many files read over worker processes, in order; one that crashes a worker costs only itself."""

import concurrent.futures
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from musejax import errors
from musejax.corpora import corpus, workers
from musejax.music import noteseq

T = TypeVar("T")
R = TypeVar("R")

# Below this many items the workers' start (a second or two each) costs more than it saves.
_WORTH_IT = 32
_CHUNK = 16
CRASHED = "the reader crashed"
UNREADABLE = "could not be read"


def processors() -> int:
    """Processes to read with: one a processor that this process may use, at most 16."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    return min(count, 16)


def read_all(reader: Callable[[T], R], items: Sequence[T], processes: int | None = None) -> list[R | str]:
    """What a function makes of each item, in the order of the items.

    Args:
        reader: A function of a module (workers import it by name).
        items: What to read; each must pickle.
        processes: Workers; by default one a processor, or none for a few items.

    Returns:
        For each item the reader's result, or as a text the reason why there is none: the message of its UserError, or
        what kind of exception it raised.
    """
    if processes is None:
        processes = processors() if len(items) >= _WORTH_IT else 1
    if processes <= 1:
        return [_guarded(reader, item) for item in items]
    chunks = [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
    results: list[list[R | str]] = []
    futures = workers.run(processes, _start, functools.partial(_read_chunk, reader), chunks)
    for chunk, future in zip(chunks, futures, strict=True):
        try:
            results.append(future.result())
        except concurrent.futures.process.BrokenProcessPool:
            results.append(_one_by_one(reader, chunk))
    return [result for chunk in results for result in chunk]


def sift(results: Iterable[R | str]) -> tuple[list[R], corpus.Report]:
    """What was read, and a report that counts it and the reasons of the rest."""
    found, report = [], corpus.Report()
    for result in results:
        if isinstance(result, str):
            report.discarded[result] += 1
        else:
            found.append(result)
    report.used = len(found)
    return found, report


def usable(results: Sequence[R | str], where: Any, hint: str = "") -> tuple[list[R], corpus.Report]:
    """`sift`, for a source of which at least one file must be read.

    Args:
        results: What was read, one a file.
        where: The source's name.
        hint: What to do where nothing was read.

    Raises:
        errors.UserError: Nothing was; the message counts the reasons.
    """
    found, report = sift(results)
    if not found:
        raise errors.UserError(f"{where}: {none_of(len(results), report)}" + (f"; {hint}" if hint else ""))
    return found, report


def none_of(files: int, report: corpus.Report) -> str:
    """That none of so many files could be used, and why: the commonest reasons first."""
    reasons = "; ".join(f"{count} x {reason}" for reason, count in report.discarded.most_common(5)) or "it is empty"
    return f"none of {files} files could be used ({reasons})"


def _one_by_one(reader: Callable[[T], R], items: Sequence[T]) -> list[R | str]:
    """As `read_all`, with a new worker after each crash."""
    results: list[Any] = []
    while len(results) < len(items):
        task = functools.partial(_guarded, reader)
        for future in workers.run(1, _start, task, items[len(results) :]):
            try:
                results.append(future.result())
            except concurrent.futures.process.BrokenProcessPool:
                results.append(CRASHED)
                break
    return results


def _start() -> None:
    """Makes a worker ready."""
    noteseq.load()


def _read_chunk(reader: Callable[[T], R], items: Sequence[T]) -> list[R | str]:
    return [_guarded(reader, item) for item in items]


def _guarded(reader: Callable[[T], R], item: T) -> R | str:
    try:
        return reader(item)
    except errors.UserError as error:
        return str(error)
    except Exception as error:  # a fault of a reader costs the one file that shows it
        return errors.failure(UNREADABLE, error)
