"""Measures of pieces longer than those of training, by bar: do they drift into noise or silence?"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.steering_tasks import BAR, ROWS, Items, Sound, as_rolls, to_sound
from musejax import codecs, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Request
from musejax.decoding import constraints
from musejax.evaluation import likelihood, muspy
from musejax.generation import piece_lengths
from musejax.pipeline import batches, dataset


def sample_long(loaded: zoo.Loaded, num: int, bars: int, seed: int) -> list[dataset.Item]:
    """Samples pieces of `bars` bars at temperature 1 without END, after a pickup if the codec has one."""
    vocabulary, variables = loaded.codec.vocabulary, loaded.variables
    shares = loaded.config["data"].get("keys") or {"7": 1}
    rng, counts = np.random.default_rng(seed), np.array(list(shares.values()), float)
    keys = np.array(list(shares), int)[rng.choice(len(shares), num, p=counts / counts.sum())]
    pickup = int(codecs.free_conditions(vocabulary, 1, BAR).get("beat", np.zeros((1, 1)))[0].argmin())
    length = pickup + bars * BAR
    conditions = codecs.free_conditions(vocabulary, num, length, keys=keys)
    left = piece_lengths.left(loaded, length, None, never=True)
    extra = {"bars_left": left, "endless": piece_lengths.endless(loaded, length, length)}
    extra = {name: np.tile(row, (num, 1)) for name, row in extra.items() if row is not None}
    request = Request(
        num=num,
        length=length,
        conditions={name: jnp.asarray(c) for name, c in {**conditions, **extra}.items()},
        constraint=constraints.no_end_before(vocabulary, length) if vocabulary.has("end") else None,
    )
    samples = jax.jit(loaded.model.sample)(variables["params"], variables["state"], jax.random.key(seed), request)
    arrays = {"tokens": np.asarray(samples["tokens"]), **conditions}
    return [dataset.Item(str(i), str(i), {k: v[i] for k, v in arrays.items()}) for i in range(num)]


def costs(loaded: zoo.Loaded, items: Items) -> list[np.ndarray]:
    """Returns the cost of each frame under the model in nats per cell, float64[T] for each piece."""
    assert loaded.model.likelihood is not None and loaded.model.likelihood.nll is not None
    nll, out = jax.jit(loaded.model.likelihood.nll), {}
    for indices, batch in batches.whole(items, ROWS):
        cost = np.asarray(nll(loaded.variables["params"], loaded.variables["state"], batch), np.float64)
        mean = cost.reshape(*cost.shape[:2], -1).mean(-1)
        out.update({index: mean[row, : items[index].length] for row, index in enumerate(indices)})
    return [out[index] for index in range(len(items))]


def bar_starts(vocabulary: vocabularies.Vocabulary, item: dataset.Item) -> np.ndarray:
    """Returns the first frames of the whole bars of 4/4, or of all stretches of 16 frames if the codec has no beat."""
    size = item.length
    if vocabulary.has("end"):
        ends = (item.arrays["tokens"].reshape(size, -1) == vocabulary.id("end")).any(1)
        size = int(np.append(ends, True).argmax())
    if "beat" not in item.arrays:
        return np.arange(0, size - BAR + 1, BAR)
    beat, expected = np.append(item.arrays["beat"], 0), np.append(np.arange(BAR), 0)
    return np.array([s for s in range(size - BAR + 1) if np.array_equal(beat[s : s + BAR + 1], expected)], int)


def by_bar(
    vocabulary: vocabularies.Vocabulary, items: Items, nats: Sequence[np.ndarray]
) -> dict[str, list[np.ndarray]]:
    """Computes statistics of each bar, float64[bars] for each piece, NaN where undefined.

    `onsets`; `silent`, the share of cells in which nothing sounds; `pitches`, the number of different pitches;
    `entropy` of the pitch classes in bits and `scale` consistency as MusPy defines them, over the notes that sound in
    the bar; `nll`, nats per cell; `still`, 1 for a bar without an onset; `again`, 1 for a bar that repeats the one
    before.
    """
    out: dict[str, list[float]] = {name: [] for name in ("onsets", "silent", "again", "nll")}
    bars, ends = [], []
    for item, cost in zip(items, nats, strict=True):
        sound, before = to_sound(vocabulary, item.arrays["tokens"]), None
        for start in bar_starts(vocabulary, item):
            bar = Sound(*(part[start : start + BAR] for part in sound))
            out["onsets"].append(bar.onset.sum())
            out["silent"].append((bar.pitch < 0).mean())
            out["again"].append(np.nan if before is None else all(map(np.array_equal, bar, before)))
            out["nll"].append(cost[start : start + BAR].mean())
            before = bar
            # A note that sounds across the bar line counts as one of this bar.
            begins = (np.arange(BAR) == 0)[:, None] & (bar.pitch >= 0)
            bars.append(Sound(bar.pitch, bar.onset | begins))
        ends.append(len(bars))
    music = muspy.statistics(as_rolls(bars))
    statistics = {name: np.array(values, float) for name, values in out.items()}
    statistics["still"] = (statistics["onsets"] == 0).astype(float)
    for name, muspy_name in (
        ("pitches", "n_pitches_used"),
        ("entropy", "pitch_class_entropy"),
        ("scale", "scale_consistency"),
    ):
        statistics[name] = music[muspy_name]
    return {name: np.split(values, ends[:-1]) for name, values in statistics.items()}


def quartiles(values: np.ndarray) -> list[float | None]:
    """Returns the lower quartile, median and upper quartile of the values that are not NaN."""
    values = values[~np.isnan(values)]
    return [round(float(q), 5) for q in np.quantile(values, (0.25, 0.5, 0.75))] if len(values) else [None] * 3


def summary(drawn: Sequence[np.ndarray], real: Sequence[np.ndarray], edge: int) -> dict[str, Any]:
    """Summarises a statistic of long pieces by bar, of their first and last `edge` bars, and of all real bars.

    `change` is the mean of the last bars minus that of the first bars, averaged over pieces, with its interval.
    """
    table = np.stack(drawn)
    parts = {"real": np.concatenate(real)[None], "first": table[:, :edge], "last": table[:, -edge:]}
    means = {name: muspy.ratio(np.nansum(part, 1), (~np.isnan(part)).sum(1)) for name, part in parts.items()}
    change = means["last"] - means["first"]
    change = change[~np.isnan(change)]
    return {
        "by_bar": [quartiles(bar) for bar in table.T],
        "mean_by_bar": [_mean(bar) for bar in table.T],
        "quartiles": {name: quartiles(part.ravel()) for name, part in parts.items()},
        "mean": {name: _mean(part) for name, part in parts.items()},
        "change": (_mean(change), likelihood.interval(change, np.ones(len(change))) if len(change) else None),
    }


def _mean(values: np.ndarray) -> float | None:
    values = values[~np.isnan(values)]
    return round(float(values.mean()), 5) if len(values) else None
