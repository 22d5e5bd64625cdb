"""The music rules of RL Tuner as rewards by frame, and what its table counts.

The amounts are those of Magenta's `rl_tuner` (Jaques et al., 2017); what is found in a melody, and what of it is
corrected, stands in `melodies`.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np

from musejax.base import Array
from musejax.evaluation import copying
from musejax.tuning import melody_features
from musejax.vocabulary import Vocabulary

# Semitones -> reward, before INTERVAL_SCALE.
INTERVALS = {2: 0.08, 4: 0.09, 5: 0.07, 7: 0.02, 9: 0.05, 11: -0.3}
IN_KEY = {4: 0.15, 7: 0.1}
OVER_OCTAVE = -1.0
# (after the tonic or the fifth, after another note)
REST, HOLD = (0.15, 0.05), (0.3, 0.075)
INTERVAL_SCALE = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """How much each rule counts: a factor of its amounts, 0 for a rule that is left out.

    Attributes:
        tonic: Pitch class of the tonic of the major key, 0 for C.
        key: -1 for a note outside the key.
        tonic_places: +3 in each frame of the last bar that the tonic holds, and for the tonic at the first.
        repetition: -100 for an event repeated excessively.
        autocorrelation: -3 times the coefficient's size at each of the lags 1, 2, 3 at which it is above .15.
        motif: +3 + .3 (n - 3) where the last 8 frames have n >= 3 pitches.
        repeated_motif: +4 + (n - 3) where these have stood in the melody before.
        intervals: 5 times: a third of the key .15, a fifth of the key .1, other intervals of 4 semitones .09, 2 .08,
            5 .07, 9 .05, 7 .02, 11 -.3, over 12 -1; a rest .05, a hold .075, after tonic or fifth .15 and .3.
        leaps: +5 for a leap that is resolved.
        doubled_leaps: -5 for one that is doubled.
        unique: +3 at the end for a highest note that begins once, +3 for a lowest.
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
    """A penalty for notes outside the key: float[N, L], as all rules."""
    return -1.0 * melody_features.outside_key(m, tonic)


def tonic_places(m: melody_features.Melodies, tonic: int) -> Array:
    """The tonic at the beginning and in the last bar."""
    return 3.0 * melody_features.on_tonic(m, tonic)


def repetition(m: melody_features.Melodies, tonic: int) -> Array:
    """A penalty for what is repeated excessively."""
    return -100.0 * melody_features.repeated(m)


def autocorrelation(m: melody_features.Melodies, tonic: int) -> Array:
    """A penalty for a melody that is like itself a few frames before."""
    sizes = [jnp.abs(melody_features.autocorrelation(m, lag)) for lag in melody_features.LAGS]
    return -3.0 * sum((jnp.where(size > 0.15, size, 0.0) for size in sizes), jnp.zeros(()))


def motif(m: melody_features.Melodies, tonic: int) -> Array:
    """Several pitches within eight frames."""
    notes = melody_features.motif(m)
    return jnp.where(notes >= 3, 3.0 + 0.3 * (notes - 3), 0.0)


def repeated_motif(m: melody_features.Melodies, tonic: int) -> Array:
    """A motif that comes back."""
    return jnp.where(melody_features.repeated_motif(m), 4.0 + jnp.maximum(melody_features.motif(m) - 3, 0), 0.0)


def intervals(m: melody_features.Melodies, tonic: int) -> Array:
    """The interval between each note and the one before; rests and holds after a note."""
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
    rests, holds = (jnp.where(stable, *amounts) for amounts in (REST, HOLD))
    found = jnp.where(m.onset, notes, jnp.where(m.off, rests, holds))
    return INTERVAL_SCALE * jnp.where(m.last >= 0, found, 0.0)


def leaps(m: melody_features.Melodies, tonic: int) -> Array:
    """Leaps that are answered."""
    return 5.0 * (melody_features.leaps(m) > 0)


def doubled_leaps(m: melody_features.Melodies, tonic: int) -> Array:
    """A penalty for leaps that are followed by another in the same direction."""
    return -5.0 * (melody_features.leaps(m) < 0)


def unique(m: melody_features.Melodies, tonic: int) -> Array:
    """A highest and a lowest note that begin once, told at the last frame."""
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
    """The sum of all rules.

    Args:
        vocabulary: Of a codec of one melody.
        tokens: int32[N, L].
        config: The factors.

    Returns:
        float32[N, L], what each frame earns.
    """
    m = melody_features.read(vocabulary, tokens)
    total = jnp.zeros(tokens.shape, jnp.float32)
    for name, rule in RULES.items():
        factor = getattr(config, name)
        if factor:
            total = total + factor * rule(m, config.tonic)
    return total


def count(vocabulary: Vocabulary, tokens: Array, tonic: int) -> dict[str, tuple[Array, Array]]:
    """What RL Tuner's table counts: for each figure numerator and denominator of every melody, int32[N] each.

    Args:
        vocabulary: Of a codec of one melody.
        tokens: int32[N, L].
        tonic: Pitch class of the tonic of the major key.
    """
    m = melody_features.read(vocabulary, tokens)
    num, length = tokens.shape
    frames, one = jnp.full(num, length), jnp.ones(num, jnp.int32)
    found = melody_features.leaps(m)
    resolved, doubled = (found > 0).sum(1), (found < 0).sum(1)
    return {
        "repeated": (melody_features.repeated(m).sum(1), frames),
        "not_in_key": (melody_features.outside_key(m, tonic).sum(1), frames),
        "starts_on_tonic": (melody_features.on_tonic(m, tonic)[:, 0].astype(jnp.int32), one),
        "leaps_resolved": (resolved, resolved + doubled),
        "unique_highest": (melody_features.unique(m)[0].astype(jnp.int32), one),
        "in_motif": ((melody_features.motif(m) >= 3).sum(1), frames),
    }


def lines(vocabulary: Vocabulary, tokens: np.ndarray) -> list[list[np.ndarray]]:
    """The pitches of the notes of each melody, as the copy check reads them."""
    pitches = vocabulary.values("pitch")[np.asarray(tokens)]
    return [[row[row >= 0].astype(np.int64)] for row in pitches]


def figures(vocabulary: Vocabulary, tokens: np.ndarray, tonic: int = 0) -> dict[str, float | None]:
    """RL Tuner's table, as fractions of all melodies together.

    Args:
        vocabulary: Of a codec of one melody.
        tokens: int[N, L].
        tonic: Pitch class of the tonic of the major key.

    Returns:
        `repeated`, `not_in_key` and `in_motif` of all frames; `starts_on_tonic` and `unique_highest` of melodies;
        `leaps_resolved` of leaps that are resolved or doubled; `distinct_4grams`, the share of different runs of four
        notes, up to transposition, of all such runs. None where the denominator is 0.
    """
    parts: dict[str, list[int]] = {}
    for begin in range(0, len(tokens), 1000):  # pairs of frames are held in memory
        for name, (part, whole) in count(vocabulary, jnp.asarray(tokens[begin : begin + 1000]), tonic).items():
            sums = parts.setdefault(name, [0, 0])
            sums[0] += int(part.sum())
            sums[1] += int(whole.sum())
    out: dict[str, float | None] = {n: part / whole if whole else None for n, (part, whole) in parts.items()}
    distinct = copying.distinct_ngrams(lines(vocabulary, tokens))
    return {**out, "distinct_4grams": None if np.isnan(distinct) else distinct}


def self_similarity(tokens: np.ndarray) -> float:
    """How often two different melodies of a set have the same token at the same frame: 0..1, of int[N, L], N >= 2."""
    num, length = tokens.shape
    pairs = sum(float((c * (c - 1.0)).sum()) for c in (np.bincount(column) for column in tokens.T))
    return pairs / (num * (num - 1) * length)
