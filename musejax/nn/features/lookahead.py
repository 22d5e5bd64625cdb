"""Features of the given cells for each frame: the next given note of each voice, and a similar passage.

The reader (`nn/given_reader.py`) reads all given cells at once. These features state explicitly where a gap ends, and
the content of a similar passage of the piece: the one at the offset at which the given cells before and after the frame
agree longest. They are functions of the given cells alone, so the chain rule over the free cells stays exact.
"""

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Bool, Int
from musejax.nn.features import voice_history

# Buckets of the number of frames to the next given cell, and of the number of given cells per voice that agree.
AWAY = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
AGREE = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48)


def read_all(t: voice_history.Tables, given: Int[AnyArray, "B T S"]) -> dict[str, Array]:
    """Returns the features of all frames.

    Args:
        t: The vocabulary's tables.
        given: int32[B, T, S], V where a cell is free.

    Returns:
        int32[B, T, S]: `given`, the cells; `next`, the nearest given cell after each cell, and `away`, the class of its
        distance; `like`, the given cell in the similar passage. Where there is no such cell they are V, and `away` is
        0. int32[B, T]: `agree_before` and `agree_after`, classes of the number of consecutive given cells that agree
        with that passage.
    """
    # Without the barrier XLA would spend minutes on constant folding when no cell is given.
    cells: Array = jax.lax.optimization_barrier(jnp.asarray(given))
    return {"given": cells, **upcoming(t, cells), **_like(t, cells)}


def upcoming(t: voice_history.Tables, given: Int[Array, "B T S"]) -> dict[str, Array]:
    """Returns `next` and `away` of `read_all`: the next given cell after each cell, and the class of its distance."""
    frames = given.shape[1]
    place = jnp.arange(frames)[None, :, None]
    given_places = jnp.where(given < t.size, place, frames)
    first = jax.lax.cummin(given_places, axis=1, reverse=True)
    after = jnp.pad(first, ((0, 0), (0, 1), (0, 0)), constant_values=frames)[:, 1:]
    token = jnp.take_along_axis(given, jnp.minimum(after, frames - 1), axis=1)
    none = after == frames
    away = jnp.where(none, 0, jnp.digitize(after - place, jnp.asarray(AWAY)))
    return {"next": jnp.where(none, t.size, token), "away": away}


def _like(t: voice_history.Tables, given: Int[Array, "B T S"]) -> dict[str, Array]:
    """Finds the similar passage among those at distances that are multiples of a quarter note."""
    batch, frames, streams = given.shape
    quarters = (frames - 1) // t.period
    # Nearest first and the past before the future, as the first of equally good offsets is chosen.
    offsets = t.period * jnp.asarray([sign * q for q in range(1, quarters + 1) for sign in (-1, 1)], jnp.int32)
    if not len(offsets):
        nothing = jnp.zeros((batch, frames), jnp.int32)
        return {"like": jnp.full_like(given, t.size), "agree_before": nothing, "agree_after": nothing}
    place = jnp.arange(frames)[:, None] + offsets[None]
    inside = ((place >= 0) & (place < frames))[None, :, :, None]
    there = jnp.where(inside, given[:, jnp.clip(place, 0, frames - 1)], t.size)  # [B, T, D, S]
    here = given[:, :, None]
    both = (here < t.size) & (there < t.size)
    agrees = (both & (here == there)).sum(-1)
    differs = (both & (here != there)).any(-1)
    agrees = jnp.where(differs, 0, agrees)
    before = _run(agrees, differs)
    after = jnp.flip(_run(jnp.flip(agrees, 1), jnp.flip(differs, 1)), 1) - agrees
    offers = ((here >= t.size) & (there < t.size)).any(-1)
    total = jnp.where(offers & ~differs, before + after, 0)
    best = jnp.argmax(total, axis=-1)[..., None]

    def select(x: Int[Array, "B T D"]) -> Int[Array, "B T"]:
        return jnp.take_along_axis(x, best, axis=-1)[..., 0]

    similar = jnp.take_along_axis(there, best[..., None], axis=2)[:, :, 0]
    none = select(total) == 0

    def bucket(cells: Int[Array, "B T D"]) -> Int[Array, "B T"]:
        return jnp.where(none, 0, jnp.digitize(select(cells) // streams, jnp.asarray(AGREE)))

    return {
        "like": jnp.where(none[..., None], t.size, similar),
        "agree_before": bucket(before),
        "agree_after": bucket(after),
    }


def _run(agrees: Int[Array, "B T D"], differs: Bool[Array, "B T D"]) -> Int[Array, "B T D"]:
    """Sums int32[B, T, D] over the frames up to each frame, itself included, since the last that differs."""
    total = jnp.cumsum(agrees, axis=1)
    return total - jax.lax.cummax(jnp.where(differs, total, 0), axis=1)
