"""Measures what latent vectors and given tracks of GANs over rolls do.

Rolls are as in `evaluation/gan_likeness.py`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks import gan_measures as measured
from musejax import errors, zoo
from musejax import vocabulary as vocabularies
from musejax.decoding import latent_paths
from musejax.evaluation import gan_likeness, musegan_statistics
from musejax.reports import metrics


def changes(vocabulary: vocabularies.Vocabulary, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """What differs between pieces, on average.

    `pitch_classes`, half the sum of absolute differences of the pitch class histograms of all pitched tracks; `rhythm`,
    the share of frames with an onset in either, of any track, that have it in one alone; `tracks`, by track the share
    of cells lit in either that are lit in one alone.
    """
    pitched, low = ~gan_likeness.drum_tracks(vocabulary), vocabulary.ranges[0].min

    def classes(rolls: np.ndarray) -> np.ndarray:
        lit = rolls[:, :, pitched].sum((1, 2))
        out = np.stack([lit[:, (np.arange(lit.shape[1]) + low) % 12 == c].sum(1) for c in range(12)], 1)
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


def vectors(loaded: zoo.Loaded, num: int, steps: int, name: str | None, seed: int) -> list[np.ndarray]:
    """`steps` sets of vectors [num, Z] on the way of one latent vector, or of all, from one draw to another."""
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
    """What changes from one end of each way to the other, and at each step of it.

    Each latent vector moves by itself, and all of them together under `all`; `steps` has the mean over tracks of the
    share of changed cells from one step to the next.
    """
    assert loaded.model.latent is not None
    out: dict[str, Any] = {"pairs": num, "vectors": {}}
    for name in (*loaded.model.latent.parts, None):
        way = [measured.decode(loaded, z, seed) for z in vectors(loaded, num, steps, name, seed)]
        found = changes(loaded.codec.vocabulary, way[0], way[-1])
        pairs = zip(way[:-1], way[1:], strict=True)
        found["steps"] = [metrics.plain(np.mean(changes(loaded.codec.vocabulary, *p)["tracks"])) for p in pairs]
        out["vectors"][name or "all"] = found
    return out


def path(loaded: zoo.Loaded, steps: int, names: Sequence[str], seed: int) -> dict[str, Any]:
    """One piece on the way of each latent vector: by name the lit cells [frame, track, pitch] of each step."""
    out: dict[str, Any] = {"shape": [], "paths": {}}
    for name in names:
        rolls = measured.decode(loaded, np.concatenate(vectors(loaded, 1, steps, name, seed)), seed)
        out["shape"], out["paths"][name] = list(rolls.shape[1:]), [np.argwhere(roll).tolist() for roll in rolls]
    return out


def accompaniment(loaded: zoo.Loaded, data: measured.Music, num: int, seed: int) -> dict[str, Any]:
    """Held-out windows whose given track is kept while the others are drawn.

    `kept`, the share of pieces whose given track is the same in every cell; tonal distances of the given track from
    each other one: of the windows as they are (`real`), of what was drawn (`drawn`), and of the given track with what
    was drawn for another window (`another`).
    """
    given, vocabulary = gan_likeness.choose_given(loaded.model, data.held_out, num, seed), data.vocabulary
    if given is None:
        raise errors.UserError(f"{loaded.name} was not trained to be given a track; train one with --model.given")
    track = vocabulary.tracks.index(loaded.model.info.given_track)
    drawn = measured.decode(
        loaded, gan_likeness.sample_prior(loaded.model, num, seed), seed, given.reshape(*given.shape[:2], -1)
    )
    crossed = np.roll(drawn, 1, 0)
    crossed[:, :, track] = given[:, :, track]
    others = [k for k in range(len(vocabulary.tracks)) if k != track and not gan_likeness.drum_tracks(vocabulary)[k]]
    out: dict[str, Any] = {"given": loaded.model.info.given_track, "pieces": num}
    out["kept"] = float((drawn[:, :, track] == given[:, :, track]).all((1, 2)).mean())
    for name, rolls in (("real", given), ("drawn", drawn), ("another", crossed)):
        found = musegan_statistics.statistics(gan_likeness.batch(vocabulary, rolls))
        out[name] = {kind: metrics.plain(found[kind][track][others]) for kind in ("td", "td_as_coded")}
    out["others"] = [vocabulary.tracks[k] for k in others]
    return out
