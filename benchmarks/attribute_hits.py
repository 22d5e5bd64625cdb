"""Measures how often the bars of a model of several tracks have the requested density, polyphony and duration."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, zoo
from musejax.base import Request
from musejax.codecs import tracks as codec
from musejax.decoding import constraints
from musejax.decoding import track_grammar as bars_and_tracks
from musejax.generation import accompaniment

# Pieces sampled at a time; the last call samples extra pieces that are discarded.
ROWS = 64


def list_requests(vocabulary: Any) -> list[tuple[int, int, int]]:
    """Lists all requests as (track, control, bin), without the bins of silence."""
    return [
        (track, control, value)
        for track in range(len(accompaniment.TRACKS))
        for control, name in enumerate(codec.CONTROLS)
        for value in range(1, vocabulary.range(name).max + 1)
    ]


def sample_pieces(loaded: zoo.Loaded, bins: np.ndarray, seed: int) -> list[np.ndarray]:
    """Samples a piece, int32[L], for each row of requested bins, int[N, bars, tracks, 3]; -1 leaves a bin free."""
    vocabulary, bars, out = loaded.codec.vocabulary, bins.shape[1], []
    sample = jax.jit(loaded.model.sample)
    for first in range(0, len(bins), ROWS):
        part = bins[first : first + ROWS]
        part = np.concatenate([part, np.full((ROWS - len(part), *part.shape[1:]), -1)])
        constraint = constraints.all_of(
            bars_and_tracks.grammar(vocabulary),
            bars_and_tracks.metre(vocabulary, np.full((1, bars), 16)),
            bars_and_tracks.controls(vocabulary, part),
        )
        conditions = codecs.free_conditions(vocabulary, ROWS, accompaniment.ROOM * bars)
        request = Request(
            num=ROWS,
            length=accompaniment.ROOM * bars,
            first=first,
            conditions={name: jnp.asarray(c) for name, c in conditions.items()},
            constraint=constraint,
        )
        samples = sample(loaded.variables["params"], loaded.variables["state"], jax.random.key(seed), request)
        out += list(np.asarray(samples["tokens"])[: min(ROWS, len(bins) - first)])
    return out


def hits(loaded: zoo.Loaded, num: int, bars: int, seed: int) -> dict[str, Any]:
    """Samples `num` pieces for every request, and free ones, and computes the bins of their bars.

    Returns:
        For each track and control, and each requested bin: the share of bars that have it, the share within one bin of
        it, and the share of the free pieces' bars that have it. Bars in which the track is silent count as misses; in
        free pieces they do not count.
    """
    vocabulary = loaded.codec.vocabulary
    requests = list_requests(vocabulary)
    requested = np.full((len(requests), num, bars, len(accompaniment.TRACKS), len(codec.CONTROLS)), -1)
    for row, (track, control, value) in enumerate(requests):
        requested[row, :, :, track, control] = value
    free = np.full((4 * ROWS if num > 1 else num, *requested.shape[2:]), -1)
    pieces = sample_pieces(loaded, np.concatenate([requested.reshape(-1, *requested.shape[2:]), free]), seed)
    bins = [codec.attributes(vocabulary, piece) for piece in pieces]
    chance = np.concatenate(bins[len(requests) * num :])
    out: dict[str, Any] = {"bars": num * bars, "controls": {}}
    for row, (track, control, value) in enumerate(requests):
        hit = np.concatenate(bins[row * num : (row + 1) * num])[:, track, control]
        free_bins = chance[:, track, control]
        free_bins = free_bins[free_bins > 0]
        out["controls"].setdefault(f"{accompaniment.TRACKS[track]}.{codec.CONTROLS[control]}", []).append(
            {
                "bin": value,
                "hit": round(float((hit == value).mean()), 4),
                "near": round(float(((hit > 0) & (abs(hit - value) <= 1)).mean()), 4),
                "free": round(float((free_bins == value).mean()), 4) if len(free_bins) else None,
            }
        )
    return out
