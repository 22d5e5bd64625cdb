"""What known cells say of those that are hidden: the nearest on either side, a like passage, the pitch classes.

All of it is a function of the known cells alone, so a net that reads it cannot see a hidden cell.
"""

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Float, Int, Num
from musejax.nn.features import lookahead, voice_history

# Frames on either side within which pitch classes are counted; the last count is of the whole piece.
SPANS = (2, 6, 16)
CLASSES = 12
# What a pitch class counts for before any is heard.
PRIOR = 0.5


def over(t: voice_history.Tables, known: Int[Array, "B T S"]) -> dict[str, Array]:
    """Features of every frame.

    Args:
        t: The vocabulary's tables.
        known: int32[B, T, S], V where a cell is hidden or outside the piece.

    Returns:
        What `lookahead.read_all` gives (`next` with `away`, `like` with `agree_before` and `agree_after`); `last` and
        `since`, the nearest known cell before and the class of its distance, int32[B, T, S]; `shares`, logarithms of
        the shares of pitch classes within each of SPANS and in the piece, float[B, T, K, 12].
    """
    found = lookahead.read_all(t, known)
    back = lookahead.upcoming(t, jnp.flip(known, 1))
    found |= {"last": jnp.flip(back["next"], 1), "since": jnp.flip(back["away"], 1)}
    pitch = jnp.asarray(t.pitch)[known]
    heard = jnp.where(pitch >= 0, pitch % CLASSES, CLASSES)
    counts = jax.nn.one_hot(heard, CLASSES + 1)[..., :CLASSES].sum(2)
    reach = max(SPANS)
    total = jnp.cumsum(jnp.pad(counts, ((0, 0), (reach + 1, reach), (0, 0))), axis=1)
    frames = counts.shape[1]
    near = [total[:, reach + 1 + n :][:, :frames] - total[:, reach - n :][:, :frames] for n in SPANS]
    whole = jnp.broadcast_to(counts.sum(1, keepdims=True), counts.shape)
    return {**found, "shares": _shares(jnp.stack([*near, whole], 2))}


def _shares(counts: Num[Array, "*N 12"]) -> Float[Array, "*N 12"]:
    """Logarithms of shares, of which the prior is even."""
    weights = counts + PRIOR
    return jnp.log(weights / weights.sum(-1, keepdims=True) * CLASSES)
