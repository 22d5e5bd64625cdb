"""How near samples of a GAN over rolls are to real music: statistics by track, overlapped areas, variety.

Rolls are bool[N, T, K, P]: pieces, frames, tracks, pitches.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.base import Model, Request
from musejax.decoding import latent_paths
from musejax.evaluation import mgeval, musegan_statistics
from musejax.evaluation import note_rolls as roll_batches
from musejax.pipeline import dataset, windows

ROWS = 250  # drawn at a time
KNOWN = 4000  # training windows that samples are compared with
# Values of real music below this are compared by their difference, not by their ratio.
SMALL = 0.01
# What each distance is a mean over; `distance` is of those that MuseGAN's table has.
KINDS = {
    "distance": ("eb", "upc_as_coded", "qn_as_coded", "dp_as_coded"),
    "distance_as_coded": ("eb", "upc_as_coded", "qn_as_coded", "pp_as_coded", "dp_as_coded", "td_as_coded"),
    "distance_corrected": ("eb", "upc", "qn", "pp", "dp", "td"),
}


def rolls_of(vocabulary: vocabularies.Vocabulary, items: Sequence[dataset.Item]) -> np.ndarray:
    """Windows of one length as rolls."""
    frames = np.stack([item.arrays["frames"] for item in items]) > 0
    return frames.reshape(*frames.shape[:2], len(vocabulary.tracks), -1)


def drums(vocabulary: vocabularies.Vocabulary) -> np.ndarray:
    """Which tracks are drums, bool[K]."""
    return np.array([r.type.endswith(vocabularies.HIT) for r in vocabulary.ranges])


def some(rolls: np.ndarray, num: int, seed: int) -> np.ndarray:
    """So many of the pieces at most, drawn at random."""
    return rolls[np.random.default_rng(seed).permutation(len(rolls))[:num]]


def begun(vocabulary: vocabularies.Vocabulary, rolls: np.ndarray) -> np.ndarray:
    """Where notes begin, of the rolls' shape: lit cells behind one that is not, of drums all lit cells."""
    out = rolls.copy()
    out[:, 1:] &= ~rolls[:, :-1]
    return np.where(drums(vocabulary)[:, None], rolls, out)


def batch(vocabulary: vocabularies.Vocabulary, rolls: np.ndarray) -> roll_batches.Rolls:
    """Rolls as the music statistics read them: as the codec decodes them, silent pieces included."""
    num, length, tracks, pitches = rolls.shape
    low = vocabulary.ranges[0].min

    def wide(cells: np.ndarray) -> np.ndarray:
        out = np.zeros((num, tracks, length, roll_batches.PITCHES), bool)
        out[..., low : low + pitches] = cells.swapaxes(1, 2)
        return out

    sizes = np.full(num, length), np.full(num, vocabulary.bar)
    return roll_batches.Rolls(
        wide(rolls), wide(begun(vocabulary, rolls)), *sizes, vocabulary.frames_per_quarter, drums(vocabulary)
    )


@functools.lru_cache(maxsize=8)
def _compiled(function: Any) -> Any:
    return jax.jit(function)


def decode(
    model: Model, variables: Any, tracks: int, z: np.ndarray, seed: int, given: np.ndarray | None = None
) -> np.ndarray:
    """Rolls of vectors float[N, Z], around frames [N, T, K P] of which one track is given."""
    assert model.latent is not None
    out = []
    for first in range(0, len(z), ROWS):
        rows = np.minimum(np.arange(first, first + min(ROWS, len(z))), len(z) - 1)
        request = Request(len(rows), model.info.piece_frames, first=jnp.asarray(first))  # type: ignore[arg-type]
        if given is not None:
            request = request.replace(given=jnp.asarray(given[rows], jnp.int32))  # type: ignore[attr-defined]
        run = _compiled(model.latent.decode)
        drawn = run(variables["params"], variables["state"], jax.random.key(seed), jnp.asarray(z[rows]), request)
        out.append(np.asarray(drawn["frames"], bool)[: len(z) - first])
    frames = np.concatenate(out)
    return frames.reshape(*frames.shape[:2], tracks, -1)


def prior(model: Model, num: int, seed: int) -> np.ndarray:
    """Vectors of the prior: float32[num, Z]."""
    assert model.latent is not None
    return np.asarray(latent_paths.prior(jax.random.split(jax.random.key(seed), num), model.latent.size))


def given_of(model: Model, held_out: np.ndarray, num: int, seed: int) -> np.ndarray | None:
    """Held-out rolls, drawn at random, for a model that is given a track of them; None for another."""
    if not model.info.given_track:
        return None
    return held_out[np.random.default_rng(seed).integers(0, len(held_out), num)]


def samples(model: Model, variables: Any, held_out: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Free samples, nothing filtered; of a model that is given a track, around those of held-out rolls."""
    given = given_of(model, held_out, num, seed)
    told = None if given is None else given.reshape(*given.shape[:2], -1)
    return decode(model, variables, held_out.shape[2], prior(model, num, seed), seed, told)


def away(value: float, real: float) -> float:
    """How far a statistic is from that of real music, as a share of it; a difference where that is below .01."""
    return abs(value - real) / real if real >= SMALL else abs(value - real)


def distance(
    found: Mapping[str, np.ndarray], real: Mapping[str, np.ndarray], kinds: Sequence[str], grid: int
) -> float | None:
    """The mean of `away` over statistics, tracks and pairs of tracks; what is not defined of the found is 0.

    Left out is what is not defined of real music, and what the grid alone decides: qualified notes on one of 16ths.
    """
    out = []
    for kind in kinds:
        if kind.startswith("qn") and grid <= 4:
            continue
        own, known = found[kind], real[kind]
        if own.ndim > 1:
            pairs = np.triu_indices(len(own), 1)
            own, known = own[pairs], known[pairs]
        defined = ~np.isnan(known)
        out += [away(*pair) for pair in zip(np.nan_to_num(own[defined]), known[defined], strict=True)]
    return float(np.mean(out)) if out else None


def areas(vocabulary: vocabularies.Vocabulary, rolls: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """MGEval's overlapped area of each feature, of rolls and real music of the same length."""
    sides = [mgeval.features(batch(vocabulary, side)) for side in (rolls, reference)]
    return mgeval.summary(*sides)["overlapped_area"]


def _flat(rolls: np.ndarray) -> np.ndarray:
    """Rolls as rows of cells, float32[N, D]."""
    return rolls.reshape(len(rolls), -1).astype(np.float32)


def jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of rows, the share of cells lit in either that are lit in one alone: float32[N, M]; 0 of two silences."""
    both = a @ b.T
    either = a.sum(1)[:, None] + b.sum(1)[None] - both
    return np.where(either > 0, 1 - both / np.maximum(either, 1), 0.0)


def nearest(rolls: np.ndarray, others: np.ndarray | None = None, by: Sequence[int] = (0,)) -> np.ndarray:
    """The least Jaccard distance of each piece from the others of its set, or from another set in some keys.

    Args:
        rolls: The pieces.
        others: The other set; None for their own.
        by: Semitones by which the pieces of pitched tracks are moved to meet the others.
    """
    if others is None:
        found = jaccard(_flat(rolls), _flat(rolls))
        np.fill_diagonal(found, np.inf)
        return found.min(1)
    known, out = _flat(others), np.full(len(rolls), np.inf)
    for semitones in by:
        moved = _flat(np.roll(rolls, semitones, -1))
        for first in range(0, len(rolls), ROWS):
            part = slice(first, first + ROWS)
            out[part] = np.minimum(out[part], jaccard(moved[part], known).min(1))
    return out


def _mark(vocabulary: vocabularies.Vocabulary, row: np.ndarray) -> bytes | None:
    """The same of pieces that are alike up to transposition; None of silence."""
    found = windows.fingerprint({"frames": row.reshape(len(row), -1)}, vocabulary)
    return None if found is None else hashlib.blake2b(found, digest_size=16).digest()


def variety(
    vocabulary: vocabularies.Vocabulary, rolls: np.ndarray, training: np.ndarray, transpose: int
) -> dict[str, Any]:
    """How many pieces are different, and how far each is from its nearest neighbours.

    `distinct`, how many are left if those alike are one; `distinct_in_any_key`, if transpositions are alike too;
    `silent`; `in_training`, how many are a training window in any key; medians and tenths of the Jaccard distances to
    the nearest piece `among` themselves and in the `training` windows in every key that training has, of which at most
    `KNOWN` are looked at.

    Args:
        vocabulary: The codec's table.
        rolls: The pieces.
        training: Rolls of the training windows.
        transpose: By how many semitones training moves them, either way.
    """
    marks, trained = ([_mark(vocabulary, row) for row in side] for side in (rolls, training))
    learnt = set(trained) - {None}
    # Drums are not moved; a set with drums is compared as it is.
    by = [0] if drums(vocabulary).any() else list(range(-transpose, transpose + 1))
    among, known = nearest(rolls), nearest(rolls, some(training, KNOWN, 0), by)
    out: dict[str, Any] = {
        "pieces": len(rolls),
        "distinct": len({row.tobytes() for row in rolls}),
        "distinct_in_any_key": len(set(marks)),
        "silent": marks.count(None),
        "in_training": sum(mark in learnt for mark in marks),
    }
    for name, found in (("among", among), ("training", known)):
        middle, low = np.quantile(found, [0.5, 0.1])
        out[name] = {"median": round(float(middle), 5), "tenth": round(float(low), 5)}
    return out


def figures(
    vocabulary: vocabularies.Vocabulary, rolls: np.ndarray, held_out: np.ndarray, training: np.ndarray, transpose: int
) -> dict[str, Any]:
    """What `musejax evaluate` says of samples; entries `training_...` are the same of real training windows.

    Distances are of MuseGAN's statistics from those of held-out windows (`KINDS`), areas are means over MGEval's
    features. Arguments are those of `variety`, and rolls of the held-out windows.
    """
    real = musegan_statistics.statistics(batch(vocabulary, held_out))
    out: dict[str, Any] = {}
    for prefix, side in (("", rolls), ("training_", some(training, len(rolls), 0))):
        found = musegan_statistics.statistics(batch(vocabulary, side))
        for name, kinds in KINDS.items():
            value = distance(found, real, kinds, vocabulary.frames_per_quarter)
            out[prefix + name] = None if value is None else round(value, 5)
        out[f"{prefix}overlapped_area"] = round(float(areas(vocabulary, side, held_out)["mean"]), 5)
    various = variety(vocabulary, rolls, training, transpose)
    near = {f"nearest_{name}": various.pop(name)["median"] for name in ("among", "training")}
    return {"samples": various.pop("pieces"), **out, **various, **near}
