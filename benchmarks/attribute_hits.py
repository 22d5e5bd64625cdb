"""How far a model of several tracks does what its controls ask for: density, polyphony and duration."""

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

# Pieces drawn at a time; the rest of the last call is drawn and thrown away.
ROWS = 64


def asked(vocabulary: Any) -> list[tuple[int, int, int]]:
    """Every request: (track, control, bin), silence left out."""
    return [
        (track, control, value)
        for track in range(len(accompaniment.TRACKS))
        for control, name in enumerate(codec.CONTROLS)
        for value in range(1, vocabulary.range(name).max + 1)
    ]


def draw(loaded: zoo.Loaded, wanted: np.ndarray, seed: int) -> list[np.ndarray]:
    """A piece for each row of wanted bins, int[N, bars, tracks, 3]: int32[L] each."""
    vocabulary, bars, out = loaded.codec.vocabulary, wanted.shape[1], []
    sample = jax.jit(loaded.model.sample)
    for first in range(0, len(wanted), ROWS):
        part = wanted[first : first + ROWS]
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
        drawn = sample(loaded.variables["params"], loaded.variables["state"], jax.random.key(seed), request)
        out += list(np.asarray(drawn["tokens"])[: min(ROWS, len(wanted) - first)])
    return out


def hits(loaded: zoo.Loaded, num: int, bars: int, seed: int) -> dict[str, Any]:
    """Draws `num` pieces for every request, and as many free ones, and reads their bins off their notes.

    Returns:
        For each track and control, and each bin asked for: the share of bars that have it, the share within one bin of
        it, and the share of the free pieces' bars that have it. Bars in which the track is silent count as misses; in
        free pieces they do not count.
    """
    vocabulary = loaded.codec.vocabulary
    requests = asked(vocabulary)
    wanted = np.full((len(requests), num, bars, len(accompaniment.TRACKS), len(codec.CONTROLS)), -1)
    for row, (track, control, value) in enumerate(requests):
        wanted[row, :, :, track, control] = value
    free = np.full((4 * ROWS if num > 1 else num, *wanted.shape[2:]), -1)
    pieces = draw(loaded, np.concatenate([wanted.reshape(-1, *wanted.shape[2:]), free]), seed)
    bins = [codec.attributes(vocabulary, piece) for piece in pieces]
    chance = np.concatenate(bins[len(requests) * num :])
    out: dict[str, Any] = {"bars": num * bars, "controls": {}}
    for row, (track, control, value) in enumerate(requests):
        found = np.concatenate(bins[row * num : (row + 1) * num])[:, track, control]
        usual = chance[:, track, control]
        usual = usual[usual > 0]
        out["controls"].setdefault(f"{accompaniment.TRACKS[track]}.{codec.CONTROLS[control]}", []).append(
            {
                "bin": value,
                "hit": round(float((found == value).mean()), 4),
                "near": round(float(((found > 0) & (abs(found - value) <= 1)).mean()), 4),
                "free": round(float((usual == value).mean()), 4) if len(usual) else None,
            }
        )
    return out
