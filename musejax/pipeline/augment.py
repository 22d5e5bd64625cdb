"""Transposition of arrays through the vocabulary's table: for training pieces only, after the split."""

import functools

import numpy as np

from musejax import vocabulary as vocabularies
from musejax.pipeline import dataset
from musejax.theory import chords, keys

PITCHED = ("pitch", "note_on", "note_off", "key", "melody", "bass")
# Fields that hold ids, and fields whose last axis is the keys of a frame.
IDS = ("tokens", "previous", "sounding", "match")
KEYS = ("frames", "last", "lags", "hold", "silence", "match")


def _moves(r: vocabularies.EventRange) -> bool:
    """Whether the events of a range are pitches."""
    return (r.type in PITCHED or r.type.endswith(vocabularies.KEY)) and r.size > 1


def spans(vocabulary: vocabularies.Vocabulary) -> list[tuple[int, int]]:
    """First and end id of each range of pitches."""
    ends = np.cumsum([r.size for r in vocabulary.ranges]).tolist()
    return [(end - r.size, end) for r, end in zip(vocabulary.ranges, ends) if _moves(r)]


@functools.lru_cache(maxsize=256)
def _shifted(vocabulary: vocabularies.Vocabulary, semitones: int) -> np.ndarray:
    """For each id the id `semitones` higher: int32[V + 1], -1 where that leaves the table; V stands for no id."""
    ids = np.arange(vocabulary.size + 1, dtype=np.int32)
    # In melody and chorale tables a `note_off` has no pitch: its range is one event.
    for first, end in spans(vocabulary):
        new = np.arange(first, end) + semitones
        ids[first:end] = np.where((new >= first) & (new < end), new, -1)
    return ids


@functools.lru_cache(maxsize=64)
def pitched(vocabulary: vocabularies.Vocabulary) -> np.ndarray:
    """Which ids a transposition moves: bool[V]."""
    return _shifted(vocabulary, 1)[:-1] != np.arange(vocabulary.size)


def limits(item: dataset.Item, vocabulary: vocabularies.Vocabulary, most: int) -> tuple[int, int]:
    """The lowest and highest transposition of an item within +-most that keeps every pitch in the table.

    Where the table has no pitches, as for drums, both are 0.
    """
    if not spans(vocabulary):
        return 0, 0
    if vocabulary.kind == "bits":
        used = np.flatnonzero(item.arrays["frames"].any(0))
    else:
        used = np.unique(item.arrays["tokens"])
    fits = [k for k in range(-most, most + 1) if (_shifted(vocabulary, k)[used] >= 0).all()]
    return min(fits), max(fits)


def rolled(keys: np.ndarray, vocabulary: vocabularies.Vocabulary, semitones: int) -> np.ndarray:
    """Each range of pitches turned by so many places along the last axis; what leaves it comes in at its other end."""
    out = keys.copy()
    for first, end in spans(vocabulary):
        out[..., first:end] = np.roll(keys[..., first:end], semitones, axis=-1)
    return out


def transpose(
    arrays: dict[str, np.ndarray], vocabulary: vocabularies.Vocabulary, semitones: int
) -> dict[str, np.ndarray]:
    """Arrays moved by `semitones`; a key signature moves with them along the circle of fifths, a chord by its root."""
    if semitones == 0:
        return arrays
    out = dict(arrays)
    for field in arrays:
        if vocabulary.kind == "bits" and field in KEYS:
            out[field] = rolled(arrays[field], vocabulary, semitones)
        elif vocabulary.kind == "tokens" and field in IDS:
            out[field] = _shifted(vocabulary, semitones)[arrays[field]]
    if "key" in arrays:
        moved = arrays["key"] - vocabularies.NO_SHARPS + 7 * semitones
        out["key"] = vocabularies.NO_SHARPS + keys.wrap_sharps(moved, -6)
    if "chord" in arrays:
        out["chord"] = chords.transpose(arrays["chord"], semitones)
    return out
