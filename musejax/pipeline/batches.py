"""Batches by index: batch i is a pure function of the data set, the seed and i, so that training can be resumed."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from musejax import vocabulary as vocabularies
from musejax.pipeline import augment, dataset

Arrays = dict[str, np.ndarray]
# Pieces of equal length are padded to a multiple of this, which is a bar of 4/4 or a segment of a hierarchical decoder.
_STEP = 16


class Batches:
    """An endless, shuffled, augmented sequence of training batches with random access.

    Each epoch visits every piece as many times as it fills a window, in an order determined by (seed, epoch). The start
    and the transposition of each window are determined by (seed, place in the sequence).
    """

    def __init__(
        self,
        items: Sequence[dataset.Item],
        vocabulary: vocabularies.Vocabulary,
        *,
        batch_size: int,
        window: int,
        context: int = 0,
        transpose: int = 0,
        seed: int = 0,
    ):
        """Initialises the sequence.

        Args:
            items: Training pieces.
            vocabulary: Their vocabulary.
            batch_size: Number of windows in a batch, B.
            window: Number of frames in a window, T; shorter pieces are padded on the right.
            context: Number of leading frames that are read but not scored, in windows that begin inside a piece.
            transpose: Largest transposition, up or down, in semitones, within the range of the vocabulary.
            seed: Any integer.
        """
        self._items = items
        self._vocabulary = vocabulary
        self.batch_size, self._window, self._context, self._seed = batch_size, window, context, seed
        self._limits = [augment.limits(i, vocabulary, transpose) if transpose else (0, 0) for i in items]
        fills = [max(1, round(i.length / window)) for i in items]
        self._slots = np.repeat(np.arange(len(items)), fills)
        self._order = functools.lru_cache(maxsize=2)(
            lambda epoch: np.random.default_rng((seed, 0, epoch)).permutation(self._slots)
        )

    def __len__(self) -> int:
        """Returns a number of batches that is large enough for any training."""
        return 1 << 40

    def _slot(self, place: int) -> int:
        epoch, within = divmod(place, len(self._slots))
        return int(self._order(epoch)[within])

    def _row(self, place: int) -> Arrays:
        index = self._slot(int(place))
        item, (low, high) = self._items[index], self._limits[index]
        rng = np.random.default_rng((self._seed, 1, place))
        # Starts outside the piece are clipped, so that its beginning and end are seen as often as the rest.
        slack, last = self._window // 4, max(0, item.length - self._window)
        start = int(np.clip(rng.integers(-slack, last + slack + 1), 0, last))
        semitones = int(rng.integers(low, high + 1))
        arrays = {k: v[start : start + self._window] for k, v in item.arrays.items()}
        row = pad(augment.transpose(arrays, self._vocabulary, semitones), self._window)
        if start:
            row["loss_mask"][: self._context] = 0
        return row

    def __getitem__(self, index: int) -> Arrays:
        """Returns a batch: each field [B, T, ...], with `pad_mask` and `loss_mask` [B, T]."""
        places = range(index * self.batch_size, (index + 1) * self.batch_size)
        return stack([self._row(p) for p in places])


def pad(arrays: Arrays, length: int) -> Arrays:
    """Pads arrays with zeros on the right to `length` frames and adds `pad_mask` and `loss_mask`, 1 in real frames.

    Binary frames, which items store as bytes, become int32.
    """
    size = next(iter(arrays.values())).shape[0]
    out = {k: np.pad(v, [(0, length - size)] + [(0, 0)] * (v.ndim - 1)) for k, v in arrays.items()}
    if "frames" in out and out["frames"].dtype == np.uint8:
        out["frames"] = out["frames"].astype(np.int32)
    out["pad_mask"] = (np.arange(length) < size).astype(np.int32)
    out["loss_mask"] = out["pad_mask"].copy()
    return out


def stack(rows: Sequence[Arrays]) -> Arrays:
    """Stacks rows to a batch."""
    return {k: np.stack([r[k] for r in rows]) for k in rows[0]}


def bucket(length: int) -> int:
    """Returns the padded length of a piece: 64, 96, 128, 192, 256, 384, ..., so that few shapes are compiled."""
    size = 64
    while size < length:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def whole(items: Sequence[dataset.Item], batch_size: int) -> Iterator[tuple[list[int], Arrays]]:
    """Yields each whole piece once, in batches of pieces of similar length.

    Args:
        items: Pieces.
        batch_size: Number of rows in a batch. The last batch of a length is filled with rows whose masks are 0.

    Yields:
        The indices of the pieces in the batch, and the batch. Further rows are filling.
    """
    by_length: dict[int, list[int]] = {}
    # Windows have a single length, so buckets would only add padding.
    equal = len({item.length for item in items}) == 1
    for index, item in enumerate(items):
        size = -(-item.length // _STEP) * _STEP if equal else bucket(item.length)
        by_length.setdefault(size, []).append(index)
    for length, indices in sorted(by_length.items()):
        for start in range(0, len(indices), batch_size):
            chosen = indices[start : start + batch_size]
            rows = [pad(items[i].arrays, length) for i in chosen]
            empty = {k: np.zeros_like(v) for k, v in rows[0].items()}
            yield chosen, stack(rows + [empty] * (batch_size - len(chosen)))


def derive(items: Sequence[dataset.Item], features: Callable[[Arrays], Mapping[str, Any]]) -> list[dataset.Item]:
    """Returns items with the additional arrays that a model derives from whole pieces.

    Args:
        items: Pieces.
        features: `Model.features`, compiled by the caller.
    """
    arrays: dict[int, Arrays] = {}
    for indices, batch in whole(items, 16):
        out = features(batch)
        for row, index in enumerate(indices):
            item = items[index]
            new = {k: np.asarray(v[row])[: item.length] for k, v in out.items() if k not in batch}
            arrays[index] = {**item.arrays, **new}
    return [item._replace(arrays=arrays[i]) for i, item in enumerate(items)]
