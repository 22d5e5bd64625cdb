"""Measures of the latent vectors and given tracks of GANs over piano-rolls.

Piano-rolls have the shape of `evaluation/gan_likeness.py`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks import gan_measures
from musejax import errors, zoo
from musejax import vocabulary as vocabularies
from musejax.decoding import latent_paths
from musejax.evaluation import gan_likeness, musegan_statistics
from musejax.reports import metrics


def changes(vocabulary: vocabularies.Vocabulary, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Returns the mean differences between pairs of pieces.

    `pitch_classes` is half the sum of absolute differences of the pitch-class histograms of all pitched tracks.
    `rhythm` is, of the frames in which any track of either piece has an onset, the share in which only one piece has
    one. `tracks` is, by track, of the cells that sound in either piece, the share that sound in only one.
    """
    pitched, low = ~gan_likeness.drum_tracks(vocabulary), vocabulary.ranges[0].min

    def classes(rolls: np.ndarray) -> np.ndarray:
        counts = rolls[:, :, pitched].sum((1, 2))
        out = np.stack([counts[:, (np.arange(counts.shape[1]) + low) % 12 == c].sum(1) for c in range(12)], 1)
        return out / np.maximum(out.sum(1, keepdims=True), 1)

    def differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        axes = tuple(range(1, a.ndim))
        return (a != b).sum(axes) / np.maximum((a | b).sum(axes), 1)

    onsets = [np.asarray(gan_likeness.find_onsets(vocabulary, side).any(axis=-1)) for side in (before, after)]
    tracks = [differs(before[:, :, k], after[:, :, k]).mean() for k in range(before.shape[2])]
    return metrics.plain(
        {
            "pitch_classes": np.abs(classes(before) - classes(after)).sum(1).mean() / 2,
            "rhythm": differs(*onsets).mean(),
            "tracks": tracks,
        }
    )


def move_vector(loaded: zoo.Loaded, num: int, steps: int, name: str | None, seed: int) -> list[np.ndarray]:
    """Returns `steps` sets of vectors [num, Z] in which one latent vector, or all, moves from sample to sample."""
    assert loaded.model.latent is not None
    first, end = (0, loaded.model.latent.size) if name is None else loaded.model.latent.parts[name]
    a, b = gan_likeness.sample_prior(loaded.model, num, seed), gan_likeness.sample_prior(loaded.model, num, seed + 1)
    ends = jnp.asarray(a[:, first:end]), jnp.asarray(b[:, first:end])
    out = []
    for t in np.linspace(0, 1, steps):
        z = a.copy()
        z[:, first:end] = np.asarray(latent_paths.slerp(ends[0], ends[1], t))
        out.append(z)
    return out


def latent(loaded: zoo.Loaded, num: int, steps: int, seed: int) -> dict[str, Any]:
    """Measures the changes between the ends of each path, and at each of its steps.

    Each latent vector moves alone, and all of them together under `all`. `steps` has the share of changed cells from
    one step to the next, averaged over tracks.
    """
    assert loaded.model.latent is not None
    out: dict[str, Any] = {"pairs": num, "vectors": {}}
    for name in (*loaded.model.latent.parts, None):
        path = [gan_measures.decode(loaded, z, seed) for z in move_vector(loaded, num, steps, name, seed)]
        ends = changes(loaded.codec.vocabulary, path[0], path[-1])
        pairs = zip(path[:-1], path[1:], strict=True)
        ends["steps"] = [metrics.plain(np.mean(changes(loaded.codec.vocabulary, *p)["tracks"])) for p in pairs]
        out["vectors"][name or "all"] = ends
    return out


def example_paths(loaded: zoo.Loaded, steps: int, names: Sequence[str], seed: int) -> dict[str, Any]:
    """Decodes one path of each latent vector: by name, the sounding cells [frame, track, pitch] of each step."""
    out: dict[str, Any] = {"shape": [], "paths": {}}
    for name in names:
        rolls = gan_measures.decode(loaded, np.concatenate(move_vector(loaded, 1, steps, name, seed)), seed)
        out["shape"], out["paths"][name] = list(rolls.shape[1:]), [np.argwhere(roll).tolist() for roll in rolls]
    return out


def accompaniment(loaded: zoo.Loaded, data: gan_measures.Music, num: int, seed: int) -> dict[str, Any]:
    """Samples the other tracks of held-out windows around the given track, and measures how well they fit.

    `kept` is the share of pieces whose given track is the same in every cell. The tonal distances of the given track
    from each other track are those of the windows as they are (`real`), of the samples (`drawn`), and of the given
    track with the sample for another window (`another`).
    """
    given, vocabulary = gan_likeness.choose_given(loaded.model, data.held_out, num, seed), data.vocabulary
    if given is None:
        raise errors.UserError(f"{loaded.name} does not receive a track; train a run with --model.given")
    track = vocabulary.tracks.index(loaded.model.info.given_track)
    samples = gan_measures.decode(
        loaded, gan_likeness.sample_prior(loaded.model, num, seed), seed, given.reshape(*given.shape[:2], -1)
    )
    crossed = np.roll(samples, 1, 0)
    crossed[:, :, track] = given[:, :, track]
    others = [k for k in range(len(vocabulary.tracks)) if k != track and not gan_likeness.drum_tracks(vocabulary)[k]]
    out: dict[str, Any] = {"given": loaded.model.info.given_track, "pieces": num}
    out["kept"] = float((samples[:, :, track] == given[:, :, track]).all((1, 2)).mean())
    for name, rolls in (("real", given), ("drawn", samples), ("another", crossed)):
        statistics = musegan_statistics.statistics(gan_likeness.batch(vocabulary, rolls))
        out[name] = {kind: metrics.plain(statistics[kind][track][others]) for kind in ("td", "td_as_coded")}
    out["others"] = [vocabulary.tracks[k] for k in others]
    return out
