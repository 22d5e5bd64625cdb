"""Transposition of arrays through the vocabulary's table: for training pieces only, after the split."""

import functools

import numpy as np

from musejax import vocabulary as vocabularies
from musejax.pipeline import dataset

PITCHED = ("pitch", "note_on", "note_off", "key")


@functools.lru_cache(maxsize=256)
def _shifted(vocabulary: vocabularies.Vocabulary, semitones: int) -> np.ndarray:
    """For each id the id `semitones` higher: int32[V], -1 where that leaves the table."""
    ids = np.arange(vocabulary.size, dtype=np.int32)
    for r in vocabulary.ranges:
        # In melody and chorale tables a `note_off` has no pitch: its range is one event.
        if r.type in PITCHED and r.size > 1:
            first = vocabulary.start(r.type)
            old = np.arange(r.size)
            new = old + semitones
            ids[first + old] = np.where((new >= 0) & (new < r.size), first + new, -1)
    return ids


def limits(item: dataset.Item, vocabulary: vocabularies.Vocabulary, most: int) -> tuple[int, int]:
    """The lowest and highest transposition of an item within +-most that keeps every pitch in the table."""
    if vocabulary.kind == "bits":
        used = np.flatnonzero(item.arrays["frames"].any(0))
    else:
        used = np.unique(item.arrays["tokens"])
    fits = [k for k in range(-most, most + 1) if (_shifted(vocabulary, k)[used] >= 0).all()]
    return min(fits), max(fits)


def transpose(
    arrays: dict[str, np.ndarray], vocabulary: vocabularies.Vocabulary, semitones: int
) -> dict[str, np.ndarray]:
    """Arrays moved by `semitones`; a key signature moves with them along the circle of fifths."""
    if semitones == 0:
        return arrays
    out = dict(arrays)
    if vocabulary.kind == "bits":
        out["frames"] = np.roll(arrays["frames"], semitones, axis=-1)
    else:
        out["tokens"] = _shifted(vocabulary, semitones)[arrays["tokens"]]
    if "key" in arrays:
        out["key"] = (arrays["key"] - 7 + 7 * semitones + 6) % 12 - 6 + 7
    return out
