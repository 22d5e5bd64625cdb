"""A small language model of melodies that no net had a part in: what an n-gram of intervals finds likely.

A frame is a symbol: a hold, the end of a note, the first note, or a note by its interval from the note before, so that
every key is one. A symbol's probability given those before it is that of Witten and Bell (1991): at each order the
counts are mixed with the order below, the more so the more different symbols followed the context.
"""

from typing import NamedTuple

import numpy as np

from musejax import vocabulary as vocabularies

# Wider intervals, in semitones, count as this one.
WIDEST = 24
HOLD, OFF, FIRST = range(3)
SYMBOLS = 3 + 2 * WIDEST + 1
ORDER = 5


class Counts(NamedTuple):
    """What followed each context of one length.

    Attributes:
        runs: int64[R], codes of the contexts with what followed, ascending.
        times: float64[R], how often each was there.
        contexts: int64[C], codes of the contexts, ascending.
        totals: float64[C], how often each was there.
        kinds: float64[C], how many different symbols followed it.
    """

    runs: np.ndarray
    times: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray


def symbols(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Windows int[N, T] of one line as symbols int64[N, T]."""
    pitch = vocabulary.values("pitch")[tokens].astype(np.int64)
    begins = pitch >= 0
    place = np.where(begins, np.arange(tokens.shape[1]), -1)
    last = np.maximum.accumulate(place, axis=1)
    before = np.concatenate([np.full((len(tokens), 1), -1), last[:, :-1]], axis=1)
    interval = pitch - np.take_along_axis(pitch, np.maximum(before, 0), axis=1)
    notes = np.where(before < 0, FIRST, 3 + WIDEST + np.clip(interval, -WIDEST, WIDEST))
    return np.where(begins, notes, np.where(tokens == vocabulary.id("note_off"), OFF, HOLD))


def _codes(symbols: np.ndarray, length: int) -> np.ndarray:
    """The `length` symbols before each as one number, int64[N, T]; before the first stand symbols of their own."""
    wide = np.pad(symbols, ((0, 0), (length, 0)), constant_values=SYMBOLS)
    out = np.zeros(symbols.shape, np.int64)
    for at in range(length):
        out = out * (SYMBOLS + 1) + wide[:, at : at + symbols.shape[1]]
    return out


def fit(symbols: np.ndarray, order: int = ORDER) -> list[Counts]:
    """Counts of contexts of 0 to order - 1 symbols in windows int[N, T]."""
    out = []
    for length in range(order):
        codes = _codes(symbols, length)
        runs, times = np.unique(codes * SYMBOLS + symbols, return_counts=True)
        contexts, owner = np.unique(runs // SYMBOLS, return_inverse=True)
        out.append(Counts(runs, times.astype(float), contexts, np.bincount(owner, times), np.bincount(owner) * 1.0))
    return out


def _found(codes: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of each code, 0 of one that is not known."""
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[at] == codes, values[at], 0.0)


def nats(model: list[Counts], symbols: np.ndarray) -> np.ndarray:
    """The cost of each frame of windows int[N, T]: float64[N, T]."""
    chance = np.full(symbols.shape, 1 / SYMBOLS)
    for length, counts in enumerate(model):
        codes = _codes(symbols, length)
        total, kinds = (_found(codes, counts.contexts, v) for v in (counts.totals, counts.kinds))
        times = _found(codes * SYMBOLS + symbols, counts.runs, counts.times)
        chance = np.where(total > 0, (times + kinds * chance) / np.maximum(total + kinds, 1.0), chance)
    return -np.log(chance)
