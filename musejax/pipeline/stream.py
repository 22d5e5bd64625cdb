"""Iterators over batches whose position can be saved: one with Grain, which reads ahead, and one without it."""

import importlib.util
from typing import Any, Protocol

from musejax.pipeline import batches


class Stream(Protocol):
    """An iterator of batches with a position."""

    def __next__(self) -> batches.Arrays:
        """Returns the next batch."""
        ...

    def get_state(self) -> dict[str, Any]:
        """Returns the position as plain data."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Moves to a saved position."""
        ...


class ArrayStream:
    """A stream that does not need Grain and gives the same batches in the same order."""

    def __init__(self, source: batches.Batches):
        """Starts before the first batch."""
        self._source, self._next = source, 0

    def __next__(self) -> batches.Arrays:
        """Returns the next batch."""
        self._next += 1
        return self._source[self._next - 1]

    def get_state(self) -> dict[str, Any]:
        """Returns the position as plain data."""
        return {"next_index": self._next}

    def set_state(self, state: dict[str, Any]) -> None:
        """Moves to a saved position."""
        self._next = int(state["next_index"])


def open(source: batches.Batches) -> Stream:
    """Opens a stream over `source` at its first batch."""
    if importlib.util.find_spec("grain") is None:
        return ArrayStream(source)
    import grain

    dataset = grain.MapDataset.source(source)  # type: ignore[arg-type]
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)
    return iter(dataset.to_iter_dataset(options))  # type: ignore[return-value]
