"""Compares samples of a GAN over piano-rolls with real music: statistics per track, overlapped areas and variety.

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

ROWS = 250  # pieces in a batch
MAX_TRAINING = 4000  # training windows that samples are compared with
# Below this value, statistics are compared by the absolute difference instead of the relative one.
SMALL = 0.01
# Statistics over which each distance is a mean; `distance` uses those in MuseGAN's table.
KINDS = {
    "distance": ("eb", "upc_as_coded", "qn_as_coded", "dp_as_coded"),
    "distance_as_coded": ("eb", "upc_as_coded", "qn_as_coded", "pp_as_coded", "dp_as_coded", "td_as_coded"),
    "distance_corrected": ("eb", "upc", "qn", "pp", "dp", "td"),
}


def rolls_of(vocabulary: vocabularies.Vocabulary, items: Sequence[dataset.Item]) -> np.ndarray:
    """Returns windows of equal length as rolls."""
    frames = np.stack([item.arrays["frames"] for item in items]) > 0
    return frames.reshape(*frames.shape[:2], len(vocabulary.tracks), -1)


def drum_tracks(vocabulary: vocabularies.Vocabulary) -> np.ndarray:
    """Returns True for tracks of drums, bool[K]."""
    return np.array([r.type.endswith(vocabularies.HIT) for r in vocabulary.ranges])


def choose_pieces(rolls: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Chooses at most `num` pieces at random."""
    return rolls[np.random.default_rng(seed).permutation(len(rolls))[:num]]


def find_onsets(vocabulary: vocabularies.Vocabulary, rolls: np.ndarray) -> np.ndarray:
    """Returns True where notes begin: in active cells after an inactive one, and in all active cells of drums."""
    out = rolls.copy()
    out[:, 1:] &= ~rolls[:, :-1]
    return np.where(drum_tracks(vocabulary)[:, None], rolls, out)


def batch(vocabulary: vocabularies.Vocabulary, rolls: np.ndarray) -> roll_batches.Rolls:
    """Converts rolls to the form that the music statistics use, with notes as the codec decodes them."""
    num, length, tracks, pitches = rolls.shape
    low = vocabulary.ranges[0].min

    def widen(cells: np.ndarray) -> np.ndarray:
        out = np.zeros((num, tracks, length, roll_batches.PITCHES), bool)
        out[..., low : low + pitches] = cells.swapaxes(1, 2)
        return out

    sizes = np.full(num, length), np.full(num, vocabulary.bar)
    onsets = widen(find_onsets(vocabulary, rolls))
    return roll_batches.Rolls(widen(rolls), onsets, *sizes, vocabulary.frames_per_quarter, drum_tracks(vocabulary))


@functools.lru_cache(maxsize=8)
def _compiled(function: Any) -> Any:
    return jax.jit(function)


def decode(
    model: Model, variables: Any, tracks: int, z: np.ndarray, seed: int, given: np.ndarray | None = None
) -> np.ndarray:
    """Decodes latent vectors to rolls.

    Args:
        model: Model record.
        variables: Its `params` and `state`.
        tracks: Number of tracks, K.
        z: Latent vectors, float[N, Z].
        seed: Seed for sampling.
        given: Frames [N, T, K P] that contain the given track, for a model that accompanies one.
    """
    assert model.latent is not None
    out = []
    for first in range(0, len(z), ROWS):
        rows = np.minimum(np.arange(first, first + min(ROWS, len(z))), len(z) - 1)
        request = Request(len(rows), model.info.piece_frames, first=jnp.asarray(first))  # type: ignore[arg-type]
        if given is not None:
            request = request.replace(given=jnp.asarray(given[rows], jnp.int32))  # type: ignore[attr-defined]
        run = _compiled(model.latent.decode)
        arrays = run(variables["params"], variables["state"], jax.random.key(seed), jnp.asarray(z[rows]), request)
        out.append(np.asarray(arrays["frames"], bool)[: len(z) - first])
    frames = np.concatenate(out)
    return frames.reshape(*frames.shape[:2], tracks, -1)


def sample_prior(model: Model, num: int, seed: int) -> np.ndarray:
    """Samples latent vectors from the prior: float32[num, Z]."""
    assert model.latent is not None
    return np.asarray(latent_paths.prior(jax.random.split(jax.random.key(seed), num), model.latent.size))


def choose_given(model: Model, held_out: np.ndarray, num: int, seed: int) -> np.ndarray | None:
    """Chooses held-out rolls at random for a model that accompanies a given track; returns None for other models."""
    if not model.info.given_track:
        return None
    return held_out[np.random.default_rng(seed).integers(0, len(held_out), num)]


def sample_rolls(model: Model, variables: Any, held_out: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Samples rolls without constraints; a model that accompanies a given track receives tracks of held-out rolls."""
    given = choose_given(model, held_out, num, seed)
    frames = None if given is None else given.reshape(*given.shape[:2], -1)
    return decode(model, variables, held_out.shape[2], sample_prior(model, num, seed), seed, frames)


def relative_difference(value: float, real: float) -> float:
    """Returns the relative difference of a statistic from that of real music, or the absolute one below `SMALL`."""
    return abs(value - real) / real if real >= SMALL else abs(value - real)


def distance(
    samples: Mapping[str, np.ndarray], real: Mapping[str, np.ndarray], kinds: Sequence[str], grid: int
) -> float | None:
    """Returns the mean of `relative_difference` over statistics, tracks and pairs of tracks.

    Statistics that are undefined for the samples count as 0. Those that are undefined for real music are left out, and
    so are qualified notes on a grid of 16ths, where all notes are qualified.

    Args:
        samples: Statistics of samples, by name.
        real: Statistics of real music, by name.
        kinds: Names of the statistics to use.
        grid: Frames in a quarter note.
    """
    out = []
    for kind in kinds:
        if kind.startswith("qn") and grid <= 4:
            continue
        values, targets = samples[kind], real[kind]
        if values.ndim > 1:
            pairs = np.triu_indices(len(values), 1)
            values, targets = values[pairs], targets[pairs]
        defined = ~np.isnan(targets)
        pairs = zip(np.nan_to_num(values[defined]), targets[defined], strict=True)
        out += [relative_difference(value, target) for value, target in pairs]
    return float(np.mean(out)) if out else None


def areas(vocabulary: vocabularies.Vocabulary, rolls: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Returns MGEval's overlapped area of each feature between rolls and real music of the same length."""
    sides = [mgeval.features(batch(vocabulary, side)) for side in (rolls, reference)]
    return mgeval.summary(*sides)["overlapped_area"]


def _flat(rolls: np.ndarray) -> np.ndarray:
    """Reshapes rolls to rows of cells, float32[N, D]."""
    return rolls.reshape(len(rolls), -1).astype(np.float32)


def jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the Jaccard distances between rows of two sets, float32[N, M]; that of two silent rows is 0."""
    both = a @ b.T
    either = a.sum(1)[:, None] + b.sum(1)[None] - both
    return np.where(either > 0, 1 - both / np.maximum(either, 1), 0.0)


def nearest(rolls: np.ndarray, others: np.ndarray | None = None, by: Sequence[int] = (0,)) -> np.ndarray:
    """Returns the smallest Jaccard distance of each piece from other pieces.

    Args:
        rolls: Pieces.
        others: Pieces to compare with; None for the other pieces of the same set.
        by: Transpositions of `rolls`, in semitones, over which the distance to `others` is minimised.
    """
    if others is None:
        distances = jaccard(_flat(rolls), _flat(rolls))
        np.fill_diagonal(distances, np.inf)
        return distances.min(1)
    other_rows, out = _flat(others), np.full(len(rolls), np.inf)
    for semitones in by:
        rows = _flat(np.roll(rolls, semitones, -1))
        for first in range(0, len(rolls), ROWS):
            part = slice(first, first + ROWS)
            out[part] = np.minimum(out[part], jaccard(rows[part], other_rows).min(1))
    return out


def _hash(vocabulary: vocabularies.Vocabulary, row: np.ndarray) -> bytes | None:
    """Returns a hash that is equal for pieces that are equal up to transposition, or None for a silent piece."""
    fingerprint = windows.fingerprint({"frames": row.reshape(len(row), -1)}, vocabulary)
    return None if fingerprint is None else hashlib.blake2b(fingerprint, digest_size=16).digest()


def variety(
    vocabulary: vocabularies.Vocabulary, rolls: np.ndarray, training: np.ndarray, transpose: int
) -> dict[str, Any]:
    """Measures how many pieces are different, and how far each is from its nearest neighbour.

    Args:
        vocabulary: Vocabulary of the codec.
        rolls: Pieces.
        training: Rolls of the training windows.
        transpose: Largest transposition in training, up or down, in semitones.

    Returns:
        A dictionary with the numbers of `pieces`, of different pieces (`distinct`, and `distinct_in_any_key` up to
        transposition), of `silent` pieces, and of pieces that are training windows in any key (`in_training`). `among`
        and `training` have the median and the first decile of the Jaccard distance to the nearest other piece, and to
        the nearest of at most `MAX_TRAINING` training windows in all keys of training.
    """
    hashes, training_hashes = ([_hash(vocabulary, row) for row in side] for side in (rolls, training))
    training_set = set(training_hashes) - {None}
    # Rolls with drums are not transposed.
    by = [0] if drum_tracks(vocabulary).any() else list(range(-transpose, transpose + 1))
    among = nearest(rolls)
    to_training = nearest(rolls, choose_pieces(training, MAX_TRAINING, 0), by)
    out: dict[str, Any] = {
        "pieces": len(rolls),
        "distinct": len({row.tobytes() for row in rolls}),
        "distinct_in_any_key": len(set(hashes)),
        "silent": hashes.count(None),
        "in_training": sum(value in training_set for value in hashes),
    }
    for name, distances in (("among", among), ("training", to_training)):
        median, decile = np.quantile(distances, [0.5, 0.1])
        out[name] = {"median": round(float(median), 5), "tenth": round(float(decile), 5)}
    return out


def figures(
    vocabulary: vocabularies.Vocabulary, rolls: np.ndarray, held_out: np.ndarray, training: np.ndarray, transpose: int
) -> dict[str, Any]:
    """Returns the figures of samples for `musejax evaluate`; entries `training_...` are those of training windows.

    Distances compare MuseGAN's statistics with those of held-out windows (`KINDS`). Areas are means over the features
    of MGEval.

    Args:
        vocabulary: Vocabulary of the codec.
        rolls: Samples.
        held_out: Rolls of the held-out windows.
        training: Rolls of the training windows.
        transpose: Largest transposition in training, up or down, in semitones.
    """
    real = musegan_statistics.statistics(batch(vocabulary, held_out))
    out: dict[str, Any] = {}
    for prefix, side in (("", rolls), ("training_", choose_pieces(training, len(rolls), 0))):
        statistics = musegan_statistics.statistics(batch(vocabulary, side))
        for name, kinds in KINDS.items():
            value = distance(statistics, real, kinds, vocabulary.frames_per_quarter)
            out[prefix + name] = None if value is None else round(value, 5)
        out[f"{prefix}overlapped_area"] = round(float(areas(vocabulary, side, held_out)["mean"]), 5)
    measures = variety(vocabulary, rolls, training, transpose)
    near = {f"nearest_{name}": measures.pop(name)["median"] for name in ("among", "training")}
    return {"samples": measures.pop("pieces"), **out, **measures, **near}
