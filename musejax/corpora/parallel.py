"""Parallel reading of many files in worker processes. If a file crashes a worker, only that file is lost."""

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

# Below this number of items, starting workers (a second or two each) costs more time than it saves.
_WORTH_IT = 32
_CHUNK = 16
CRASHED = "the reader crashed"
UNREADABLE = "could not be read"


def processors() -> int:
    """Returns the default number of worker processes: the number of available processors, at most 16."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    return min(count, 16)


def read_all(reader: Callable[[T], R], items: Sequence[T], processes: int | None = None) -> list[R | str]:
    """Applies a function to each item, in worker processes if there are many items.

    Args:
        reader: A module-level function (workers import it by name).
        items: Arguments of the function; each must be picklable.
        processes: Number of workers; by default one per processor, or none for a few items.

    Returns:
        For each item, in order, the result of the reader. If the reader raised an exception, a text replaces the
        result: the message of a UserError, or a description of another exception.
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
    """Separates the results of `read_all`: returns those that were read, and a report that counts the reasons."""
    readings, report = [], corpus.Report()
    for result in results:
        if isinstance(result, str):
            report.discarded[result] += 1
        else:
            readings.append(result)
    report.used = len(readings)
    return readings, report


def usable(results: Sequence[R | str], where: Any, hint: str = "") -> tuple[list[R], corpus.Report]:
    """Separates results like `sift`, but requires at least one file that was read.

    Args:
        results: The results of `read_all`, one per file.
        where: Name of the source.
        hint: What the user can do if nothing was read.

    Raises:
        errors.UserError: Nothing was read; the message counts the reasons.
    """
    readings, report = sift(results)
    if not readings:
        raise errors.UserError(f"{where}: {none_of(len(results), report)}" + (f"; {hint}" if hint else ""))
    return readings, report


def none_of(files: int, report: corpus.Report) -> str:
    """Returns a message that none of the files could be used, with the most frequent reasons."""
    reasons = "; ".join(f"{count} x {reason}" for reason, count in report.discarded.most_common(5)) or "it is empty"
    return f"{'its only file could not' if files == 1 else f'none of {files} files could'} be used ({reasons})"


def _one_by_one(reader: Callable[[T], R], items: Sequence[T]) -> list[R | str]:
    """Reads items like `read_all`, but in one worker, which is replaced after each crash."""
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
    """Imports what a worker needs."""
    noteseq.load()


def _read_chunk(reader: Callable[[T], R], items: Sequence[T]) -> list[R | str]:
    return [_guarded(reader, item) for item in items]


def _guarded(reader: Callable[[T], R], item: T) -> R | str:
    try:
        return reader(item)
    except errors.UserError as error:
        return str(error)
    except Exception as error:  # a bug in a reader affects only the file that triggers it
        return errors.failure(UNREADABLE, error)
