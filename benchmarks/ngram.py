"""An n-gram model of melodies, a judge that is independent of all neural networks.

A frame is a symbol: a hold, the end of a note, the first note, or a note given by its interval from the note before, so
that all keys are alike. Probabilities follow Witten and Bell (1991): the counts of each order are mixed with the order
below, whose weight grows with the number of different symbols that followed the context.
"""

from typing import NamedTuple

import numpy as np

from musejax import vocabulary as vocabularies

# Wider intervals are clipped to this number of semitones.
WIDEST = 24
HOLD, OFF, FIRST = range(3)
SYMBOLS = 3 + 2 * WIDEST + 1
ORDER = 5


class Counts(NamedTuple):
    """Counts of the symbols that follow each context of one length.

    Attributes:
        runs: Codes of the contexts with the symbol that followed, ascending, int64[R].
        times: Number of occurrences of each, float64[R].
        contexts: Codes of the contexts, ascending, int64[C].
        totals: Number of occurrences of each context, float64[C].
        kinds: Number of different symbols that followed each context, float64[C].
    """

    runs: np.ndarray
    times: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray


def symbols(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Converts windows of a melody, int[N, T], to symbols, int64[N, T]."""
    pitch = vocabulary.values("pitch")[tokens].astype(np.int64)
    begins = pitch >= 0
    place = np.where(begins, np.arange(tokens.shape[1]), -1)
    last = np.maximum.accumulate(place, axis=1)
    before = np.concatenate([np.full((len(tokens), 1), -1), last[:, :-1]], axis=1)
    interval = pitch - np.take_along_axis(pitch, np.maximum(before, 0), axis=1)
    notes = np.where(before < 0, FIRST, 3 + WIDEST + np.clip(interval, -WIDEST, WIDEST))
    return np.where(begins, notes, np.where(tokens == vocabulary.id("note_off"), OFF, HOLD))


def _codes(symbols: np.ndarray, length: int) -> np.ndarray:
    """Encodes the `length` symbols before each one as a number, int64[N, T], with padding at the start."""
    wide = np.pad(symbols, ((0, 0), (length, 0)), constant_values=SYMBOLS)
    out = np.zeros(symbols.shape, np.int64)
    for at in range(length):
        out = out * (SYMBOLS + 1) + wide[:, at : at + symbols.shape[1]]
    return out


def fit(symbols: np.ndarray, order: int = ORDER) -> list[Counts]:
    """Counts contexts of 0 to order - 1 symbols in windows int[N, T]."""
    out = []
    for length in range(order):
        codes = _codes(symbols, length)
        runs, times = np.unique(codes * SYMBOLS + symbols, return_counts=True)
        contexts, owner = np.unique(runs // SYMBOLS, return_inverse=True)
        out.append(Counts(runs, times.astype(float), contexts, np.bincount(owner, times), np.bincount(owner) * 1.0))
    return out


def _look_up(codes: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns the value of each code, 0 for a code that is not among the keys."""
    at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    return np.where(keys[at] == codes, values[at], 0.0)


def nats(model: list[Counts], symbols: np.ndarray) -> np.ndarray:
    """Returns the cost of each frame of windows int[N, T] in nats: float64[N, T]."""
    chance = np.full(symbols.shape, 1 / SYMBOLS)
    for length, counts in enumerate(model):
        codes = _codes(symbols, length)
        total, kinds = (_look_up(codes, counts.contexts, v) for v in (counts.totals, counts.kinds))
        times = _look_up(codes * SYMBOLS + symbols, counts.runs, counts.times)
        chance = np.where(total > 0, (times + kinds * chance) / np.maximum(total + kinds, 1.0), chance)
    return -np.log(chance)
