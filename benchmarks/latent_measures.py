"""Measures of a latent space over windows of a melody: paths, free samples and directions."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import ngram
from musejax import errors, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Choice, Request
from musejax.corpora import preparation
from musejax.decoding import latent_paths
from musejax.evaluation import copying, likelihood, note_rolls, reconstruction
from musejax.pipeline import dataset, windows
from musejax.reports import metrics
from musejax.theory.sixteenths import BAR

ROWS = 250  # decoded at a time
# A temperature near 0, which takes the likeliest token.
LIKELIEST = 0.01
ATTRIBUTES = ("notes", "range", "syncopation")
Items = Sequence[dataset.Item]


class Music(NamedTuple):
    """The windows on which a run is measured.

    Attributes:
        vocabulary: The codec's vocabulary.
        held_out: Windows of the test split.
        training: Windows of the training split.
        lines: Notes of each training piece that has a window, for the copy check.
    """

    vocabulary: vocabularies.Vocabulary
    held_out: list[dataset.Item]
    training: list[dataset.Item]
    lines: list[list[np.ndarray]]


def music(loaded: zoo.Loaded, say: Any) -> Music:
    """Loads the windows of the run's own corpus.

    Raises:
        errors.UserError: The run has no latent vector, or does not read windows of a melody.
    """
    vocabulary, bars = loaded.codec.vocabulary, loaded.config["training"].get("bars", 0)
    encodes = loaded.model.latent is not None and loaded.model.latent.encode is not None
    if not encodes or not bars or not vocabulary.has("note_off") or vocabulary.streams > 1:
        raise errors.UserError(
            f"{loaded.name} is not a VAE over windows of a melody; use a run such as melody-vae-2bar"
        )
    whole = preparation.prepare(loaded.config["data"]["source"], vocabulary.name, say)
    cut = windows.cut_windows(whole, bars)
    used = {item.name.rpartition("@")[0] for item in cut.split("train")}
    lines = [[line(vocabulary, i.arrays["tokens"])] for i in whole.split("train") if i.name in used]
    return Music(vocabulary, cut.split("test"), cut.split("train"), lines)


def tokens_of(items: Items) -> np.ndarray:
    """Returns windows as int32[N, T]."""
    return np.stack([item.arrays["tokens"] for item in items])


def line(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """Returns the pitches of a melody's notes in order."""
    pitch = vocabulary.values("pitch")[tokens].astype(np.int64)
    return pitch[pitch >= 0]


@functools.lru_cache(maxsize=4)
def _decoder(decode: Any) -> Any:
    return jax.jit(decode)


def decode(loaded: zoo.Loaded, z: np.ndarray, seed: int, temperature: float = 1.0) -> np.ndarray:
    """Decodes a window from each vector, with its first frame on a bar line: int32[N, T]."""
    assert loaded.model.latent is not None
    length, out = loaded.config["training"]["bars"] * BAR, []
    params, state = loaded.variables["params"], loaded.variables["state"]
    for first in range(0, len(z), ROWS):
        rows = np.minimum(np.arange(first, first + ROWS), len(z) - 1)
        beat = jnp.tile(jnp.arange(length) % BAR, (ROWS, 1))
        conditions = {name: beat if name == "beat" else 0 * beat for name, _ in loaded.codec.vocabulary.conditions}
        at: Any = jnp.asarray(first)
        request = Request(ROWS, length, Choice(temperature=jnp.asarray(temperature)), at, conditions=conditions)  # type: ignore[arg-type]
        decoded = _decoder(loaded.model.latent.decode)(
            params, state, jax.random.key(seed), jnp.asarray(z[rows]), request
        )
        out.append(np.asarray(decoded["tokens"])[: len(z) - first])
    return np.concatenate(out)


def mean(values: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Any]:
    """Returns the mean and its interval over rows, or over groups of rows, as in `likelihood.interval`."""
    spread = likelihood.interval(values, np.ones(len(values)), groups)
    return {"mean": round(float(values.mean()), 5), "interval": spread}


def pairs(items: Items, num: int, seed: int) -> np.ndarray:
    """Returns random pairs of windows of different melody groups: int[num, 2]."""
    rng, out = np.random.default_rng(seed), []
    groups = np.array([item.group for item in items])
    if len(set(groups)) < 2:
        raise errors.UserError("all held-out windows are of one tune; pairs need at least two tunes")
    while len(out) < num:
        one, other = rng.integers(0, len(items), 2)
        if groups[one] != groups[other]:
            out.append((one, other))
    return np.array(out)


def measure_path(
    vocabulary: vocabularies.Vocabulary, steps: np.ndarray, ends: tuple[np.ndarray, np.ndarray], model: Any
) -> list[dict[str, Any]]:
    """Measures the distances to both ends and the cost under an n-gram at each step from windows A to windows B.

    Args:
        vocabulary: Vocabulary of the tokens.
        steps: Windows at each step, int[steps, N, T].
        ends: The true windows A and B, int[N, T] each.
        model: Counts from `ngram.fit`.

    Returns:
        For each step, `to_a` and `to_b`, the shares of frames that differ, and `nats` per frame, as means over pairs.
    """
    out = []
    for tokens in steps:
        cost = ngram.nats(model, ngram.symbols(vocabulary, tokens)).mean(1)
        values_by_name = {"to_a": (tokens != ends[0]).mean(1), "to_b": (tokens != ends[1]).mean(1), "nats": cost}
        out.append({name: mean(values) for name, values in values_by_name.items()})
    return out


def interpolation(loaded: zoo.Loaded, data: Music, num: int, alphas: np.ndarray, seed: int) -> dict[str, Any]:
    """Measures the ways between held-out windows: vectors (sampled and likeliest tokens), and frames mixed."""
    chosen, vocabulary = pairs(data.held_out, num, seed), data.vocabulary
    tokens, rng = tokens_of(data.held_out), np.random.default_rng([seed, 1])
    ends = tokens[chosen[:, 0]], tokens[chosen[:, 1]]
    means = reconstruction.encode(loaded.model, loaded.variables, data.held_out)
    a, b = (jnp.asarray(means[chosen[:, side]]) for side in (0, 1))
    path = [np.asarray(latent_paths.slerp(a, b, jnp.full(num, alpha))) for alpha in alphas]
    model = ngram.fit(ngram.symbols(vocabulary, tokens_of(data.training)))
    mixed = np.stack([np.where(rng.random(ends[0].shape) < alpha, ends[1], ends[0]) for alpha in alphas])
    ways = {
        "vectors, drawn": np.stack([decode(loaded, z, seed) for z in path]),
        "vectors, likeliest": np.stack([decode(loaded, z, seed, LIKELIEST) for z in path]),
        "frames mixed": mixed,
    }
    real = ngram.nats(model, ngram.symbols(vocabulary, tokens)).mean(1)
    return {
        "pairs": num,
        "alphas": [round(float(x), 3) for x in alphas],
        "apart": mean((ends[0] != ends[1]).mean(1)),
        "real": {"mean": round(float(real.mean()), 5), "windows": len(real)},
        "ways": {name: measure_path(vocabulary, steps, ends, model) for name, steps in ways.items()},
    }


def piece(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> metrics.Piece:
    """Converts a window to a piece as the music statistics read it."""
    pitch = vocabulary.values("pitch")[tokens]
    ends = np.flatnonzero((pitch >= 0) | (tokens == vocabulary.id("note_off")))
    ends = np.append(ends, len(tokens))
    notes = [
        note_rolls.Note(0, int(pitch[a]), int(a), int(b))
        for a, b in zip(ends[:-1], ends[1:], strict=True)
        if pitch[a] >= 0
    ]
    return metrics.Piece(notes, [False], BAR, len(tokens))


def copies(data: Music, tokens: np.ndarray) -> dict[str, Any]:
    """Counts different windows, and windows that occur in the training split, up to transposition.

    `distinct` is the number of different windows, `in_training` the number that equal a training window, `runs` the
    longest runs of notes that a training piece has, too, and `whole` the number whose notes all occur in one run.
    """
    table = data.vocabulary
    marks = [windows.fingerprint({"tokens": row}, table) for row in tokens]
    training = {windows.fingerprint(item.arrays, table) for item in data.training}
    lines = [line(table, row) for row in tokens]
    runs = copying.longest_runs([[one] for one in lines], data.lines)
    return {
        "windows": len(tokens),
        "distinct": len(set(marks)),
        "in_training": sum(mark in training for mark in marks),
        "runs": {"median": float(np.median(runs)), "max": int(runs.max())},
        "whole": int((runs == [len(one) for one in lines]).sum()),
        "notes": float(np.mean([len(one) for one in lines])),
    }


def prior(loaded: zoo.Loaded, data: Music, num: int, seed: int) -> dict[str, Any]:
    """Compares free samples with the same number of held-out windows."""
    assert loaded.model.latent is not None
    keys = jax.random.split(jax.random.key(seed), num)
    size, real = loaded.model.latent.size, tokens_of(data.held_out)
    real = real[np.random.default_rng(seed).permutation(len(real))[:num]]

    def compare(fitted: Mapping[str, Any] | None) -> tuple[np.ndarray, int, Any]:
        """Returns the samples with notes, the number of silent ones, and their comparison with held-out windows."""
        samples = decode(loaded, np.asarray(latent_paths.prior(keys, size, fitted)), seed)
        audible = samples[(data.vocabulary.values("pitch")[samples] >= 0).any(1)]
        sides = [[piece(data.vocabulary, row) for row in side] for side in (audible, real)]
        return audible, len(samples) - len(audible), metrics.compare(sides[0], sides[1], None)

    fitted = loaded.variables["state"].get("latent_prior")
    audible, silent, music = compare(fitted)
    out: dict[str, Any] = {"silent": silent, "music": music}
    if fitted is not None:
        plain = compare(None)[2]
        out["standard_normal"] = {part: plain[part] for part in ("overlapped_area", "generated")}
    return out | {"copies": {"generated": copies(data, audible), "held_out": copies(data, real)}}


def attributes(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Computes attributes of windows int[N, T], float64[N] each.

    `notes` is the number of notes, `range` the semitones between the highest and the lowest, `syncopation` the share of
    notes that begin on an odd 16th without a note on the 16th before, or on an odd eighth without one on the eighth
    before.
    """
    pitch = vocabulary.values("pitch")[tokens].astype(float)
    begins, place = pitch >= 0, np.arange(tokens.shape[1])
    early = [np.pad(begins, ((0, 0), (by, 0)))[:, : tokens.shape[1]] for by in (1, 2)]
    off = begins & (((place % 2 == 1) & ~early[0]) | ((place % 4 == 2) & ~early[1]))
    notes = begins.sum(1)
    span = np.where(begins, pitch, -np.inf).max(1) - np.where(begins, pitch, np.inf).min(1)
    return {
        "notes": notes.astype(float),
        "range": np.where(notes > 0, span, 0.0),
        "syncopation": off.sum(1) / np.maximum(notes, 1),
    }


def directions(
    loaded: zoo.Loaded, data: Music, num: int, num_training: int, steps: Sequence[float], seed: int
) -> dict[str, Any]:
    """Measures how a step along the direction of each attribute changes all attributes of held-out windows.

    A direction is the mean vector of the quarter of `num_training` training windows that have most of the attribute,
    minus that of the quarter that have least.
    """
    rng = np.random.default_rng(seed)
    training = [data.training[i] for i in rng.permutation(len(data.training))[:num_training]]
    held_out = [data.held_out[i] for i in rng.permutation(len(data.held_out))[:num]]
    z, start = (reconstruction.encode(loaded.model, loaded.variables, items) for items in (training, held_out))
    has, before = attributes(data.vocabulary, tokens_of(training)), decode(loaded, start, seed)
    plain, tunes = attributes(data.vocabulary, before), windows.pieces(held_out)
    out: dict[str, Any] = {"windows": len(held_out), "known": len(training), "steps": list(steps)}
    out["before"] = {name: mean(values, tunes) for name, values in plain.items()}
    out["moved"] = {}
    for name in ATTRIBUTES:
        way = np.asarray(latent_paths.attribute(jnp.asarray(z), jnp.asarray(has[name])))
        moved = out["moved"][name] = {"length": round(float(np.linalg.norm(way)), 3), "by": []}
        for step in steps:
            tokens = decode(loaded, start + np.float32(step) * way, seed)
            after = attributes(data.vocabulary, tokens)
            moved["by"].append({what: mean(after[what] - plain[what], tunes) for what in ATTRIBUTES})
            moved["by"][-1]["changed"] = mean((tokens != before).mean(1), tunes)
    return out


def example(loaded: zoo.Loaded, data: Music, num: int, seed: int) -> Mapping[str, Any]:
    """Returns two held-out windows with enough notes, and `num` windows on the path between their vectors."""
    tokens = tokens_of(data.held_out)
    busy = (data.vocabulary.values("pitch")[tokens] >= 0).sum(1) >= tokens.shape[1] // 4
    items = [item for item, kept in zip(data.held_out, busy, strict=True) if kept]
    one, other = pairs(items, 1, seed)[0]
    ends = reconstruction.encode(loaded.model, loaded.variables, [items[one], items[other]])
    path = np.asarray(latent_paths.path(jnp.asarray(ends[0]), jnp.asarray(ends[1]), num))
    steps = decode(loaded, path, seed, LIKELIEST)
    return {
        "names": [items[one].name, items[other].name],
        "ends": [items[i].arrays["tokens"].tolist() for i in (one, other)],
        "steps": steps.tolist(),
    }
