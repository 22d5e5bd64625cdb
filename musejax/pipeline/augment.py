"""Transposition of arrays by means of the vocabulary, applied to training pieces only, after the split."""

import functools

import numpy as np

from musejax import vocabulary as vocabularies
from musejax.pipeline import dataset
from musejax.theory import chords, keys

PITCHED = ("pitch", "note_on", "note_off", "key", "melody", "bass")
# Fields that contain ids, and fields whose last axis consists of the keys of a frame.
IDS = ("tokens", "previous", "sounding", "match")
KEYS = ("frames", "last", "lags", "hold", "silence", "match")


def _is_pitched(r: vocabularies.EventRange) -> bool:
    """Returns whether the events of a range are pitches."""
    return (r.type in PITCHED or r.type.endswith(vocabularies.KEY)) and r.size > 1


def spans(vocabulary: vocabularies.Vocabulary) -> list[tuple[int, int]]:
    """Returns the first id and the end of each range of pitches."""
    ends = np.cumsum([r.size for r in vocabulary.ranges]).tolist()
    return [(end - r.size, end) for r, end in zip(vocabulary.ranges, ends) if _is_pitched(r)]


@functools.lru_cache(maxsize=256)
def _transposed_ids(vocabulary: vocabularies.Vocabulary, semitones: int) -> np.ndarray:
    """Returns the transposed id of each id, -1 if it is outside the vocabulary: int32[V + 1], where V means no id."""
    ids = np.arange(vocabulary.size + 1, dtype=np.int32)
    # In vocabularies of melodies and chorales, `note_off` has no pitch: its range has a single event.
    for first, end in spans(vocabulary):
        new = np.arange(first, end) + semitones
        ids[first:end] = np.where((new >= first) & (new < end), new, -1)
    return ids


@functools.lru_cache(maxsize=64)
def pitched(vocabulary: vocabularies.Vocabulary) -> np.ndarray:
    """Returns True for ids that a transposition changes: bool[V]."""
    return _transposed_ids(vocabulary, 1)[:-1] != np.arange(vocabulary.size)


def limits(item: dataset.Item, vocabulary: vocabularies.Vocabulary, most: int) -> tuple[int, int]:
    """Returns the lowest and highest transposition, within +-most, that keeps all pitches in the vocabulary.

    Both are 0 if the vocabulary has no pitches, as for drums.
    """
    if not spans(vocabulary):
        return 0, 0
    if vocabulary.kind == "bits":
        used = np.flatnonzero(item.arrays["frames"].any(0))
    else:
        used = np.unique(item.arrays["tokens"])
    fits = [k for k in range(-most, most + 1) if (_transposed_ids(vocabulary, k)[used] >= 0).all()]
    return min(fits), max(fits)


def rolled(keys: np.ndarray, vocabulary: vocabularies.Vocabulary, semitones: int) -> np.ndarray:
    """Rolls each range of pitches along the last axis by a number of semitones."""
    out = keys.copy()
    for first, end in spans(vocabulary):
        out[..., first:end] = np.roll(keys[..., first:end], semitones, axis=-1)
    return out


def transpose(
    arrays: dict[str, np.ndarray], vocabulary: vocabularies.Vocabulary, semitones: int
) -> dict[str, np.ndarray]:
    """Transposes arrays, including key signatures (along the circle of fifths) and chords (by their roots)."""
    if semitones == 0:
        return arrays
    out = dict(arrays)
    for field in arrays:
        if vocabulary.kind == "bits" and field in KEYS:
            out[field] = rolled(arrays[field], vocabulary, semitones)
        elif vocabulary.kind == "tokens" and field in IDS:
            out[field] = _transposed_ids(vocabulary, semitones)[arrays[field]]
    if "key" in arrays:
        sharps = arrays["key"] - vocabularies.NO_SHARPS + 7 * semitones
        out["key"] = vocabularies.NO_SHARPS + keys.wrap_sharps(sharps, -6)
    if "chord" in arrays:
        out["chord"] = chords.transpose(arrays["chord"], semitones)
    return out
