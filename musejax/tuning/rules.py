"""The music rules of RL Tuner as rewards per frame, and the statistics of its table.

The amounts are those of Magenta's `rl_tuner` (Jaques et al., 2017). The features of a melody that they are based on,
and what is corrected in them, are described in `melody_features`.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np

from musejax.base import Array
from musejax.evaluation import copying
from musejax.tuning import melody_features
from musejax.vocabulary import Vocabulary

# Rewards by interval in semitones, before multiplication by INTERVAL_SCALE.
INTERVALS = {2: 0.08, 4: 0.09, 5: 0.07, 7: 0.02, 9: 0.05, 11: -0.3}
IN_KEY = {4: 0.15, 7: 0.1}
OVER_OCTAVE = -1.0
# (after the tonic or the fifth, after another note)
REST, HOLD = (0.15, 0.05), (0.3, 0.075)
INTERVAL_SCALE = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """Weights of the rules: each multiplies the amounts of a rule, and 0 disables it.

    Attributes:
        tonic: Pitch class of the tonic of the major key, 0 for C.
        key: -1 for a note outside the key.
        tonic_places: +3 for the tonic in the first frame, and in each frame of the last bar that the tonic fills.
        repetition: -100 for an event repeated excessively.
        autocorrelation: -3 times the magnitude of the coefficient at each of the lags 1, 2 and 3 where it exceeds .15.
        motif: +3 + .3 (n - 3) if the last 8 frames have n >= 3 different pitches.
        repeated_motif: +4 + (n - 3) if such a motif has occurred in the melody before.
        intervals: 5 times: a third of the key .15, a fifth of the key .1, other intervals of 4 semitones .09, 2 .08,
            5 .07, 9 .05, 7 .02, 11 -.3, over 12 -1; a rest .05 and a hold .075, or .15 and .3 after tonic or fifth.
        leaps: +5 for a leap that is resolved.
        doubled_leaps: -5 for a leap that is followed by another in the same direction.
        unique: At the end, +3 if the highest pitch begins only once, and +3 if the lowest does.
    """

    tonic: int = 0
    key: float = 1.0
    tonic_places: float = 1.0
    repetition: float = 1.0
    autocorrelation: float = 1.0
    motif: float = 1.0
    repeated_motif: float = 1.0
    intervals: float = 1.0
    leaps: float = 1.0
    doubled_leaps: float = 1.0
    unique: float = 1.0


def key(m: melody_features.Melodies, tonic: int) -> Array:
    """Penalises notes outside the key; like all rules, returns the reward of each frame, float[N, L]."""
    return -1.0 * melody_features.outside_key(m, tonic)


def tonic_places(m: melody_features.Melodies, tonic: int) -> Array:
    """Rewards the tonic at the beginning and in the last bar."""
    return 3.0 * melody_features.on_tonic(m, tonic)


def repetition(m: melody_features.Melodies, tonic: int) -> Array:
    """Penalises events that are repeated excessively."""
    return -100.0 * melody_features.repeated(m)


def autocorrelation(m: melody_features.Melodies, tonic: int) -> Array:
    """Penalises melodies that are correlated with themselves at short lags."""
    sizes = [jnp.abs(melody_features.autocorrelation(m, lag)) for lag in melody_features.LAGS]
    return -3.0 * sum((jnp.where(size > 0.15, size, 0.0) for size in sizes), jnp.zeros(()))


def motif(m: melody_features.Melodies, tonic: int) -> Array:
    """Rewards several different pitches within eight frames."""
    notes = melody_features.motif(m)
    return jnp.where(notes >= 3, 3.0 + 0.3 * (notes - 3), 0.0)


def repeated_motif(m: melody_features.Melodies, tonic: int) -> Array:
    """Rewards motifs that recur."""
    return jnp.where(melody_features.repeated_motif(m), 4.0 + jnp.maximum(melody_features.motif(m) - 3, 0), 0.0)


def intervals(m: melody_features.Melodies, tonic: int) -> Array:
    """Rewards or penalises the interval between each note and the previous one, and rewards rests and holds."""
    size = jnp.abs(m.pitch - m.last)
    table = np.zeros(129, np.float32)
    table[13:] = OVER_OCTAVE
    table[list(INTERVALS)] = list(INTERVALS.values())
    notes = jnp.asarray(table)[jnp.clip(size, 0, 128)]
    degrees = ((m.pitch - tonic) % 12, (m.last - tonic) % 12)
    for semitones, degree in ((4, 4), (7, 7)):
        both = sum(jnp.asarray(one == 0) & jnp.asarray(other == degree) for one, other in (degrees, degrees[::-1])) > 0
        notes = jnp.where((size == semitones) & both, IN_KEY[semitones], notes)
    stable = (degrees[1] == 0) | (degrees[1] == 7)
    rests, holds = (jnp.where(stable, *pair) for pair in (REST, HOLD))
    amounts = jnp.where(m.onset, notes, jnp.where(m.off, rests, holds))
    return INTERVAL_SCALE * jnp.where(m.last >= 0, amounts, 0.0)


def leaps(m: melody_features.Melodies, tonic: int) -> Array:
    """Rewards leaps that are resolved."""
    return 5.0 * (melody_features.leaps(m) > 0)


def doubled_leaps(m: melody_features.Melodies, tonic: int) -> Array:
    """Penalises leaps that are followed by another in the same direction."""
    return -5.0 * (melody_features.leaps(m) < 0)


def unique(m: melody_features.Melodies, tonic: int) -> Array:
    """Rewards, in the last frame, a highest and a lowest pitch that begin only once."""
    high, low = melody_features.unique(m)
    last = jnp.arange(m.pitch.shape[1])[None] == m.pitch.shape[1] - 1
    return 3.0 * (high.astype(jnp.float32) + low)[:, None] * last


RULES: Mapping[str, Callable[[melody_features.Melodies, int], Array]] = {
    "key": key,
    "tonic_places": tonic_places,
    "repetition": repetition,
    "autocorrelation": autocorrelation,
    "motif": motif,
    "repeated_motif": repeated_motif,
    "intervals": intervals,
    "leaps": leaps,
    "doubled_leaps": doubled_leaps,
    "unique": unique,
}


def score(vocabulary: Vocabulary, tokens: Array, config: Rules) -> Array:
    """Returns the weighted sum of all rules.

    Args:
        vocabulary: Vocabulary of a codec for a single melody.
        tokens: Tokens, int32[N, L].
        config: Weights of the rules.

    Returns:
        Reward of each frame, float32[N, L].
    """
    m = melody_features.read(vocabulary, tokens)
    total = jnp.zeros(tokens.shape, jnp.float32)
    for name, rule in RULES.items():
        factor = getattr(config, name)
        if factor:
            total = total + factor * rule(m, config.tonic)
    return total


def count(vocabulary: Vocabulary, tokens: Array, tonic: int) -> dict[str, tuple[Array, Array]]:
    """Counts what RL Tuner's table reports.

    Args:
        vocabulary: Vocabulary of a codec for a single melody.
        tokens: Tokens, int32[N, L].
        tonic: Pitch class of the tonic of the major key.

    Returns:
        Numerator and denominator of each statistic for every melody, int32[N] each, by name.
    """
    m = melody_features.read(vocabulary, tokens)
    num, length = tokens.shape
    frames, one = jnp.full(num, length), jnp.ones(num, jnp.int32)
    outcomes = melody_features.leaps(m)
    resolved, doubled = (outcomes > 0).sum(1), (outcomes < 0).sum(1)
    return {
        "repeated": (melody_features.repeated(m).sum(1), frames),
        "not_in_key": (melody_features.outside_key(m, tonic).sum(1), frames),
        "starts_on_tonic": (melody_features.on_tonic(m, tonic)[:, 0].astype(jnp.int32), one),
        "leaps_resolved": (resolved, resolved + doubled),
        "unique_highest": (melody_features.unique(m)[0].astype(jnp.int32), one),
        "in_motif": ((melody_features.motif(m) >= 3).sum(1), frames),
    }


def lines(vocabulary: Vocabulary, tokens: np.ndarray) -> list[list[np.ndarray]]:
    """Returns the pitches of the notes of each melody, in the form that `evaluation.copying` uses."""
    pitches = vocabulary.values("pitch")[np.asarray(tokens)]
    return [[row[row >= 0].astype(np.int64)] for row in pitches]


def figures(vocabulary: Vocabulary, tokens: np.ndarray, tonic: int = 0) -> dict[str, float | None]:
    """Returns the statistics of RL Tuner's table, as fractions over all melodies.

    Args:
        vocabulary: Vocabulary of a codec for a single melody.
        tokens: Tokens, int[N, L].
        tonic: Pitch class of the tonic of the major key.

    Returns:
        A dictionary with `repeated`, `not_in_key` and `in_motif` as shares of frames; `starts_on_tonic` and
        `unique_highest` as shares of melodies; `leaps_resolved` as a share of the resolved or doubled leaps; and
        `distinct_4grams`, the number of different four-note sequences, up to transposition, as a share of all such
        sequences. Values are None if the denominator is 0.
    """
    parts: dict[str, list[int]] = {}
    for begin in range(0, len(tokens), 1000):  # in parts, because memory grows with the square of the frames
        for name, (part, whole) in count(vocabulary, jnp.asarray(tokens[begin : begin + 1000]), tonic).items():
            sums = parts.setdefault(name, [0, 0])
            sums[0] += int(part.sum())
            sums[1] += int(whole.sum())
    out: dict[str, float | None] = {n: part / whole if whole else None for n, (part, whole) in parts.items()}
    distinct = copying.distinct_ngrams(lines(vocabulary, tokens))
    return {**out, "distinct_4grams": None if np.isnan(distinct) else distinct}


def self_similarity(tokens: np.ndarray) -> float:
    """Returns the share of equal tokens over all frames of all pairs of melodies.

    Args:
        tokens: Tokens, int[N, L] with N >= 2.
    """
    num, length = tokens.shape
    pairs = sum(float((c * (c - 1.0)).sum()) for c in (np.bincount(column) for column in tokens.T))
    return pairs / (num * (num - 1) * length)
