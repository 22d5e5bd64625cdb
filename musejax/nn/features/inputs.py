"""Integer input features of networks over notes, each declared once with its labels and a function that reads it.

A list of features defines the input of a network (`one_hots`) and the labels of its axis (`labels`).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Float, Int, Key
from musejax.nn.features import axis_labels, lookahead, voice_history

# The twelve degrees in semitones above the tonic, and one class for tokens without a degree.
DEGREES = 13

# Named arrays int32[B, T, ...] -> one feature, int32[B, T] (or [B, T, S] where voices share a network)
Read = Callable[[Mapping[str, AnyArray]], AnyArray]


class Feature(NamedTuple):
    """One integer feature.

    Attributes:
        labels: The label of each of its values.
        read: Reads it from the named arrays of a batch.
    """

    labels: axis_labels.Labels
    read: Read


def one_hots(
    features: Sequence[Feature], batch: Mapping[str, AnyArray], rate: float, key: Key[Array, ""] | None, dtype: Any
) -> Float[Array, "... F"]:
    """Returns concatenated one-hots of features, float[..., F]; with a key, whole features are dropped at `rate`."""
    columns = [jax.nn.one_hot(f.read(batch), len(f.labels), dtype=dtype) for f in features]
    if key is not None and rate > 0.0:
        shape = (*columns[0].shape[:-1], len(columns))
        keep = jax.random.bernoulli(key, 1.0 - rate, shape).astype(dtype) / (1.0 - rate)
        columns = [c * keep[..., i : i + 1] for i, c in enumerate(columns)]
    # XLA would otherwise compare and multiply inside the product's loop.
    return jax.lax.optimization_barrier(jnp.concatenate(columns, axis=-1))


def labels(features: Sequence[Feature]) -> axis_labels.Labels:
    """Returns the labels along the last axis of `one_hots`."""
    return tuple(label for feature in features for label in feature.labels)


def field(name: str, *index: Any) -> Read:
    """Returns a function that reads a field of the batch, or one stream of it."""
    return lambda batch: batch[name][..., *index] if index else batch[name]


def ids(vocabulary: vocabularies.Vocabulary, *name: Hashable, read: Read) -> Feature:
    """Declares a token id, which is V where there is no token."""
    return Feature(axis_labels.events(vocabulary, *name, none=True), read)


def classes(size: int, *name: Hashable, read: Read) -> Feature:
    """Declares a number below `size`; the one-hot of a larger number is a row of zeros."""
    return Feature(axis_labels.classes(size, *name), read)


def condition(vocabulary: vocabularies.Vocabulary, name: str) -> Feature:
    """Declares a condition of the vocabulary."""
    return Feature(axis_labels.condition(vocabulary, name), field(name))


def step(vocabulary: vocabularies.Vocabulary, width: int, *name: Hashable, of: Read, above: Read) -> Feature:
    """Declares the interval in semitones from one token to another, clipped to `width` up or down.

    Args:
        vocabulary: The vocabulary of the tokens.
        width: `voice_history.NARROW` or `voice_history.WIDE`.
        *name: Name of the feature.
        of: Reads the upper token of the interval.
        above: Reads the token from which the interval is measured.
    """
    tables = voice_history.tables(vocabulary)
    return classes(
        voice_history.num_interval_classes(width),
        *name,
        "step",
        width,
        read=lambda batch: voice_history.interval_class(tables, of(batch), above(batch), width),
    )


def degree(vocabulary: vocabularies.Vocabulary, *name: Hashable, of: Read) -> Feature:
    """Declares the degree of a token in the key of its frame."""
    table = degrees(vocabulary)
    return classes(DEGREES, *name, "degree", read=lambda batch: jnp.asarray(table)[batch["key"], of(batch)])


def equal(*name: Hashable, one: Read, other: Read) -> Feature:
    """Declares whether two tokens are the same."""
    return classes(2, *name, read=lambda batch: (one(batch) == other(batch)).astype(jnp.int32))


def distance(*name: Hashable, read: Read) -> Feature:
    """Declares the class of a number of frames (`lookahead.AWAY`)."""
    return classes(len(lookahead.AWAY) + 1, *name, read=read)


def agreement() -> list[Feature]:
    """Declares how far the given cells before and after a frame agree with the similar passage (`lookahead.py`)."""
    return [classes(len(lookahead.AGREE) + 1, name, read=field(name)) for name in ("agree_before", "agree_after")]


def degrees(vocabulary: vocabularies.Vocabulary) -> Int[np.ndarray, "16 V"]:
    """Returns the degree of each id for each key signature, in semitones above the tonic of its major key, modulo 12.

    Returns:
        int32[16, V + 1], a row for each signature from 7 flats to 7 sharps, and one for an unknown key; 12 where an id
        has no degree.
    """
    pitch = np.append(vocabulary.values("pitch"), -1)
    tonic = 7 * (np.arange(vocabularies.KEYS)[:, None] - vocabularies.NO_SHARPS)
    rows = np.where(pitch >= 0, (pitch - tonic) % 12, 12)
    return np.pad(rows, ((0, 1), (0, 0)), constant_values=12).astype(np.int32)
