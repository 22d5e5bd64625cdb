"""Measures of GAN samples: statistics by track, overlapped areas and variety.

Piano-rolls have the shape of `musejax/evaluation/gan_likeness.py`, which computes the measures.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks import published
from musejax import errors, zoo
from musejax import vocabulary as vocabularies
from musejax.corpora import preparation
from musejax.evaluation import gan_likeness, musegan_statistics
from musejax.pipeline import windows
from musejax.reports import metrics


class Music(NamedTuple):
    """The windows on which a run is measured.

    Attributes:
        vocabulary: The codec's vocabulary.
        held_out: Piano-rolls of the windows of the test split.
        training: Piano-rolls of the windows of the training split.
        transpose: Largest number of semitones by which training transposes windows, up or down.
    """

    vocabulary: vocabularies.Vocabulary
    held_out: np.ndarray
    training: np.ndarray
    transpose: int


def music(loaded: zoo.Loaded, say: Any) -> Music:
    """Loads the windows of the run's own corpus.

    Raises:
        errors.UserError: The run is not a GAN over piano-rolls.
    """
    vocabulary, training = loaded.codec.vocabulary, loaded.config["training"]
    if not vocabulary.tracks or not loaded.model.info.piece_frames or not training.get("bars"):
        raise errors.UserError(f"{loaded.name} is not a GAN over piano-rolls; use a run such as chorale-gan")
    cut = windows.cut_windows(
        preparation.prepare(loaded.config["data"]["source"], vocabulary.name, say), training["bars"]
    )
    held_out, training_rolls = (gan_likeness.rolls_of(vocabulary, cut.split(split)) for split in ("test", "train"))
    return Music(vocabulary, held_out, training_rolls, training["transpose"])


def decode(loaded: zoo.Loaded, z: np.ndarray, seed: int, given: np.ndarray | None = None) -> np.ndarray:
    """Decodes vectors [N, Z] to piano-rolls, around one given track of frames [N, T, K P]."""
    return gan_likeness.decode(loaded.model, loaded.variables, len(loaded.codec.vocabulary.tracks), z, seed, given)


def samples(loaded: zoo.Loaded, data: Music, num: int, seed: int) -> np.ndarray:
    """Samples pieces; an accompanist receives the tracks of held-out windows."""
    return gan_likeness.sample_rolls(loaded.model, loaded.variables, data.held_out, num, seed)


def published_distance(model: published.Tracks) -> float:
    """Returns the `gan_likeness.distance` of a row of MuseGAN's table from its data, over EB, UPC, QN and DP."""
    own, real = (
        np.array([*(x / 100 for x in (*row.eb, *row.qn, row.dp)), *row.upc]) for row in (model, published.MUSEGAN_DATA)
    )
    return float(np.mean([gan_likeness.relative_difference(a, b) for a, b in zip(own, real, strict=True)]))


def statistics(data: Music, rolls: np.ndarray, real: Mapping[str, np.ndarray] | None) -> dict[str, Any]:
    """Computes MuseGAN's statistics by track, and their distances from those of real music."""
    values = musegan_statistics.statistics(gan_likeness.batch(data.vocabulary, rolls))
    grid = data.vocabulary.frames_per_quarter
    out: dict[str, Any] = {"pieces": len(rolls), "values": metrics.plain(values)}
    if real is not None:
        out |= {name: gan_likeness.distance(values, real, kinds, grid) for name, kinds in gan_likeness.KINDS.items()}
    return out


def areas(data: Music, rolls: np.ndarray) -> dict[str, Any]:
    """Computes MGEval's overlapped areas with held-out windows."""
    return metrics.plain(gan_likeness.areas(data.vocabulary, rolls, data.held_out))


def variety(data: Music, rolls: np.ndarray) -> dict[str, Any]:
    """Counts different pieces, and computes distances to nearest neighbours (`gan_likeness.variety`)."""
    return gan_likeness.variety(data.vocabulary, rolls, data.training, data.transpose)
