"""What given cells say directly to a frame: which comes next in each voice, and what a like passage has in its place.

The reader (`nn/given_reader.py`) sees all given cells at once; these features put into plain words what a gap's end
asks of the line that runs into it, and where the piece has a passage like this one: the offset at which the given cells
before and after agree longest. They are functions of the given cells alone, so the chain rule over the free cells stays
exact.
"""

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Bool, Int
from musejax.nn.features import voice_history

# Buckets of the frames to the next given cell, and of how many given cells agree, a voice.
AWAY = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
AGREE = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48)


def over(t: voice_history.Tables, given: Int[AnyArray, "B T S"]) -> dict[str, Array]:
    """Features of every frame.

    Args:
        t: The vocabulary's tables.
        given: int32[B, T, S], V where a cell is free.

    Returns:
        `given`, the cells; `next`, the nearest given cell after each, and `away`, the class of its distance;
        `like`, the given cell in the like passage: int32[B, T, S], V (0 for `away`) where there is none.
        `agree_before` and `agree_after`, int32[B, T], classes of how many given cells in a row agree with that passage.
    """
    # XLA would otherwise take minutes to work out beforehand what there is to say of no given cells.
    cells: Array = jax.lax.optimization_barrier(jnp.asarray(given))
    return {"given": cells, **upcoming(t, cells), **_like(t, cells)}


def upcoming(t: voice_history.Tables, given: Int[Array, "B T S"]) -> dict[str, Array]:
    """The nearest given cell after each, and the class of its distance: `next` and `away` of `over`."""
    frames = given.shape[1]
    place = jnp.arange(frames)[None, :, None]
    known = jnp.where(given < t.size, place, frames)
    first = jax.lax.cummin(known, axis=1, reverse=True)
    after = jnp.pad(first, ((0, 0), (0, 1), (0, 0)), constant_values=frames)[:, 1:]
    found = jnp.take_along_axis(given, jnp.minimum(after, frames - 1), axis=1)
    none = after == frames
    away = jnp.where(none, 0, jnp.digitize(after - place, jnp.asarray(AWAY)))
    return {"next": jnp.where(none, t.size, found), "away": away}


def _like(t: voice_history.Tables, given: Int[Array, "B T S"]) -> dict[str, Array]:
    """The like passage, sought at distances that are multiples of a quarter."""
    batch, frames, streams = given.shape
    quarters = (frames - 1) // t.period
    # Nearest first, for of equally good offsets the first is taken; the past before the future.
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

    def chosen(x: Int[Array, "B T D"]) -> Int[Array, "B T"]:
        return jnp.take_along_axis(x, best, axis=-1)[..., 0]

    found = jnp.take_along_axis(there, best[..., None], axis=2)[:, :, 0]
    none = chosen(total) == 0

    def bucket(cells: Int[Array, "B T D"]) -> Int[Array, "B T"]:
        return jnp.where(none, 0, jnp.digitize(chosen(cells) // streams, jnp.asarray(AGREE)))

    return {
        "like": jnp.where(none[..., None], t.size, found),
        "agree_before": bucket(before),
        "agree_after": bucket(after),
    }


def _run(agrees: Int[Array, "B T D"], differs: Bool[Array, "B T D"]) -> Int[Array, "B T D"]:
    """Sums of int32[B, T, D] along time, this frame included, since the last that differs."""
    total = jnp.cumsum(agrees, axis=1)
    return total - jax.lax.cummax(jnp.where(differs, total, 0), axis=1)
