"""What can be measured of a latent space over windows of one line: paths, free samples, directions."""

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
# Near 0, so that the likeliest token is taken.
LIKELIEST = 0.01
ATTRIBUTES = ("notes", "range", "syncopation")
Items = Sequence[dataset.Item]


class Music(NamedTuple):
    """What a run is measured on.

    Attributes:
        vocabulary: The codec's table.
        held_out: Windows of the test split.
        training: Windows of the training split.
        lines: The notes of each training piece that gave a window, for the copy check.
    """

    vocabulary: vocabularies.Vocabulary
    held_out: list[dataset.Item]
    training: list[dataset.Item]
    lines: list[list[np.ndarray]]


def music(loaded: zoo.Loaded, say: Any) -> Music:
    """The windows of the run's own corpus.

    Raises:
        errors.UserError: The run has no vector, or reads no windows of one line.
    """
    vocabulary, bars = loaded.codec.vocabulary, loaded.config["training"].get("bars", 0)
    finds = loaded.model.latent is not None and loaded.model.latent.encode is not None
    if not finds or not bars or not vocabulary.has("note_off") or vocabulary.streams > 1:
        raise errors.UserError(f"{loaded.name} is no VAE over windows of one line, such as a run of melody-vae-2bar")
    whole = preparation.prepare(loaded.config["data"]["source"], vocabulary.name, say)
    cut = windows.cut_windows(whole, bars)
    used = {item.name.rpartition("@")[0] for item in cut.split("train")}
    lines = [[line(vocabulary, i.arrays["tokens"])] for i in whole.split("train") if i.name in used]
    return Music(vocabulary, cut.split("test"), cut.split("train"), lines)


def tokens_of(items: Items) -> np.ndarray:
    """Windows as int32[N, T]."""
    return np.stack([item.arrays["tokens"] for item in items])


def line(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> np.ndarray:
    """The pitches of a line's notes in order."""
    pitch = vocabulary.values("pitch")[tokens].astype(np.int64)
    return pitch[pitch >= 0]


@functools.lru_cache(maxsize=4)
def _decoder(decode: Any) -> Any:
    return jax.jit(decode)


def decode(loaded: zoo.Loaded, z: np.ndarray, seed: int, temperature: float = 1.0) -> np.ndarray:
    """Draws a window for each vector, its first frame on a bar line: int32[N, T]."""
    assert loaded.model.latent is not None
    length, out = loaded.config["training"]["bars"] * BAR, []
    params, state = loaded.variables["params"], loaded.variables["state"]
    for first in range(0, len(z), ROWS):
        rows = np.minimum(np.arange(first, first + ROWS), len(z) - 1)
        beat = jnp.tile(jnp.arange(length) % BAR, (ROWS, 1))
        told = {name: beat if name == "beat" else 0 * beat for name, _ in loaded.codec.vocabulary.conditions}
        at: Any = jnp.asarray(first)
        request = Request(ROWS, length, Choice(temperature=jnp.asarray(temperature)), at, conditions=told)  # type: ignore[arg-type]
        drawn = _decoder(loaded.model.latent.decode)(params, state, jax.random.key(seed), jnp.asarray(z[rows]), request)
        out.append(np.asarray(drawn["tokens"])[: len(z) - first])
    return np.concatenate(out)


def mean(values: np.ndarray, together: np.ndarray | None = None) -> dict[str, Any]:
    """A mean with its interval over rows, or over what goes together, as in `likelihood.interval`."""
    spread = likelihood.interval(values, np.ones(len(values)), together)
    return {"mean": round(float(values.mean()), 5), "interval": spread}


def pairs(items: Items, num: int, seed: int) -> np.ndarray:
    """Pairs of windows of different melody groups, drawn at random: int[num, 2]."""
    rng, out = np.random.default_rng(seed), []
    groups = np.array([item.group for item in items])
    if len(set(groups)) < 2:
        raise errors.UserError("the held-out windows are all of one tune; pairs need two")
    while len(out) < num:
        one, other = rng.integers(0, len(items), 2)
        if groups[one] != groups[other]:
            out.append((one, other))
    return np.array(out)


def along(
    vocabulary: vocabularies.Vocabulary, steps: np.ndarray, ends: tuple[np.ndarray, np.ndarray], model: Any
) -> list[dict[str, Any]]:
    """For each step of the way from windows A to windows B: distances to both ends, and the cost under an n-gram.

    Args:
        vocabulary: Of the tokens.
        steps: int[steps, N, T].
        ends: The true windows A and B, int[N, T] each.
        model: From `ngram.fit`.

    Returns:
        By step `to_a` and `to_b`, shares of frames that differ, and `nats` a frame, each a mean over pairs.
    """
    out = []
    for tokens in steps:
        cost = ngram.nats(model, ngram.symbols(vocabulary, tokens)).mean(1)
        found = {"to_a": (tokens != ends[0]).mean(1), "to_b": (tokens != ends[1]).mean(1), "nats": cost}
        out.append({name: mean(values) for name, values in found.items()})
    return out


def interpolation(loaded: zoo.Loaded, data: Music, num: int, alphas: np.ndarray, seed: int) -> dict[str, Any]:
    """Ways from one held-out window to another: through vectors, drawn and likeliest, and by mixing their frames."""
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
        "ways": {name: along(vocabulary, steps, ends, model) for name, steps in ways.items()},
    }


def piece(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> metrics.Piece:
    """A window as the music statistics read it."""
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
    """What of windows int[N, T] stands in the training split, in any key, and how many are different.

    `distinct`, how many are left if those alike are one; `in_training`, how many are a training window; `runs`, the
    longest runs of notes that a training piece has too; `whole`, how many stand there with all of their notes.
    """
    table = data.vocabulary
    marks = [windows.fingerprint({"tokens": row}, table) for row in tokens]
    known = {windows.fingerprint(item.arrays, table) for item in data.training}
    lines = [line(table, row) for row in tokens]
    runs = copying.longest_runs([[one] for one in lines], data.lines)
    return {
        "windows": len(tokens),
        "distinct": len(set(marks)),
        "in_training": sum(mark in known for mark in marks),
        "runs": {"median": float(np.median(runs)), "max": int(runs.max())},
        "whole": int((runs == [len(one) for one in lines]).sum()),
        "notes": float(np.mean([len(one) for one in lines])),
    }


def prior(loaded: zoo.Loaded, data: Music, num: int, seed: int) -> dict[str, Any]:
    """Free samples beside as many held-out windows."""
    assert loaded.model.latent is not None
    keys = jax.random.split(jax.random.key(seed), num)
    size, real = loaded.model.latent.size, tokens_of(data.held_out)
    real = real[np.random.default_rng(seed).permutation(len(real))[:num]]

    def compared(fitted: Mapping[str, Any] | None) -> tuple[np.ndarray, int, Any]:
        """Samples that are heard, how many are not, and how they compare with the held-out windows."""
        drawn = decode(loaded, np.asarray(latent_paths.prior(keys, size, fitted)), seed)
        heard = drawn[(data.vocabulary.values("pitch")[drawn] >= 0).any(1)]
        sides = [[piece(data.vocabulary, row) for row in side] for side in (heard, real)]
        return heard, len(drawn) - len(heard), metrics.compare(sides[0], sides[1], None)

    fitted = loaded.variables["state"].get("latent_prior")
    heard, silent, music = compared(fitted)
    out: dict[str, Any] = {"silent": silent, "music": music}
    if fitted is not None:
        plain = compared(None)[2]
        out["standard_normal"] = {part: plain[part] for part in ("overlapped_area", "generated")}
    return out | {"copies": {"generated": copies(data, heard), "held_out": copies(data, real)}}


def attributes(vocabulary: vocabularies.Vocabulary, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Attributes of windows int[N, T], float64[N] each.

    `notes`, how many begin; `range`, semitones between the highest and the lowest; `syncopation`, the share of notes
    that begin on an odd 16th with none on the 16th before, or on an odd eighth with none on the eighth before.
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
    loaded: zoo.Loaded, data: Music, num: int, known: int, steps: Sequence[float], seed: int
) -> dict[str, Any]:
    """What a step along the vector of each attribute does to all of them, in held-out windows.

    Vectors come from `known` training windows: the mean of the quarter with most less that of the quarter with least.
    """
    rng = np.random.default_rng(seed)
    training = [data.training[i] for i in rng.permutation(len(data.training))[:known]]
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
    """The names of two held-out windows with enough notes, and `num` windows on the way between their vectors."""
    tokens = tokens_of(data.held_out)
    busy = (data.vocabulary.values("pitch")[tokens] >= 0).sum(1) >= tokens.shape[1] // 4
    items = [item for item, kept in zip(data.held_out, busy, strict=True) if kept]
    one, other = pairs(items, 1, seed)[0]
    ends = reconstruction.encode(loaded.model, loaded.variables, [items[one], items[other]])
    path = np.asarray(latent_paths.path(jnp.asarray(ends[0]), jnp.asarray(ends[1]), num))
    found = decode(loaded, path, seed, LIKELIEST)
    return {
        "names": [items[one].name, items[other].name],
        "ends": [items[i].arrays["tokens"].tolist() for i in (one, other)],
        "steps": found.tolist(),
    }
