"""What is measured of samples of GANs over rolls: statistics by track, overlapped areas, variety.

Rolls are as in `musejax/evaluation/gan_likeness.py`, which computes them.
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
    """What a run is measured on.

    Attributes:
        vocabulary: The codec's table.
        held_out: Rolls of the windows of the test split.
        training: Of those of the training split.
        transpose: By how many semitones training moves them, either way.
    """

    vocabulary: vocabularies.Vocabulary
    held_out: np.ndarray
    training: np.ndarray
    transpose: int


def music(loaded: zoo.Loaded, say: Any) -> Music:
    """The windows of the run's own corpus.

    Raises:
        errors.UserError: The run is no GAN over rolls.
    """
    vocabulary, training = loaded.codec.vocabulary, loaded.config["training"]
    if not vocabulary.tracks or not loaded.model.info.piece_frames or not training.get("bars"):
        raise errors.UserError(f"{loaded.name} is no GAN over rolls, such as a run of chorale-gan")
    cut = windows.cut_windows(
        preparation.prepare(loaded.config["data"]["source"], vocabulary.name, say), training["bars"]
    )
    held_out, known = (gan_likeness.rolls_of(vocabulary, cut.split(split)) for split in ("test", "train"))
    return Music(vocabulary, held_out, known, training["transpose"])


def decode(loaded: zoo.Loaded, z: np.ndarray, seed: int, given: np.ndarray | None = None) -> np.ndarray:
    """Rolls of vectors [N, Z], around frames [N, T, K P] of which one track is given."""
    return gan_likeness.decode(loaded.model, loaded.variables, len(loaded.codec.vocabulary.tracks), z, seed, given)


def samples(loaded: zoo.Loaded, data: Music, num: int, seed: int) -> np.ndarray:
    """Free samples; of a run that is given a track, around those of held-out windows."""
    return gan_likeness.sample_rolls(loaded.model, loaded.variables, data.held_out, num, seed)


def published_distance(model: published.Tracks) -> float:
    """`gan_likeness.distance` of a row of MuseGAN's table from its data: over EB, UPC, QN and DP of all tracks."""
    own, real = (
        np.array([*(x / 100 for x in (*row.eb, *row.qn, row.dp)), *row.upc]) for row in (model, published.MUSEGAN_DATA)
    )
    return float(np.mean([gan_likeness.relative_difference(a, b) for a, b in zip(own, real, strict=True)]))


def statistics(data: Music, rolls: np.ndarray, real: Mapping[str, np.ndarray] | None) -> dict[str, Any]:
    """MuseGAN's statistics of rolls by track, and how far they are from those of real music."""
    found = musegan_statistics.statistics(gan_likeness.batch(data.vocabulary, rolls))
    grid = data.vocabulary.frames_per_quarter
    out: dict[str, Any] = {"pieces": len(rolls), "values": metrics.plain(found)}
    if real is not None:
        out |= {name: gan_likeness.distance(found, real, kinds, grid) for name, kinds in gan_likeness.KINDS.items()}
    return out


def areas(data: Music, rolls: np.ndarray) -> dict[str, Any]:
    """MGEval's overlapped areas of rolls and held-out windows."""
    return metrics.plain(gan_likeness.areas(data.vocabulary, rolls, data.held_out))


def variety(data: Music, rolls: np.ndarray) -> dict[str, Any]:
    """How many pieces are different, and how far each is from its nearest neighbours (`gan_likeness.variety`)."""
    return gan_likeness.variety(data.vocabulary, rolls, data.training, data.transpose)
