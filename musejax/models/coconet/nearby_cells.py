"""Features of the visible cells for hidden cells: the nearest on either side, a similar passage, and pitch classes.

They are functions of the visible cells alone, so a network that reads them cannot see a hidden cell.
"""

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Float, Int, Num
from musejax.nn.features import lookahead, voice_history

# Frames on either side within which pitch classes are counted; one more count is over the whole piece.
SPANS = (2, 6, 16)
CLASSES = 12
# Pseudo-count of each pitch class.
PRIOR = 0.5


def read_all(t: voice_history.Tables, visible: Int[Array, "B T S"]) -> dict[str, Array]:
    """Returns the features of all frames.

    Args:
        t: The vocabulary's tables.
        visible: int32[B, T, S], V where a cell is hidden or outside the piece.

    Returns:
        The features of `lookahead.read_all` (`given`, `next`, `away`, `like`, `agree_before`, `agree_after`); `last`
        and `since`, the nearest visible cell before each cell and the class of its distance, int32[B, T, S]; and
        `shares`, the log shares of pitch classes within each of SPANS and in the piece, float[B, T, K, 12].
    """
    features = lookahead.read_all(t, visible)
    back = lookahead.upcoming(t, jnp.flip(visible, 1))
    features |= {"last": jnp.flip(back["next"], 1), "since": jnp.flip(back["away"], 1)}
    pitch = jnp.asarray(t.pitch)[visible]
    pitch_class = jnp.where(pitch >= 0, pitch % CLASSES, CLASSES)
    counts = jax.nn.one_hot(pitch_class, CLASSES + 1)[..., :CLASSES].sum(2)
    reach = max(SPANS)
    total = jnp.cumsum(jnp.pad(counts, ((0, 0), (reach + 1, reach), (0, 0))), axis=1)
    frames = counts.shape[1]
    near = [total[:, reach + 1 + n :][:, :frames] - total[:, reach - n :][:, :frames] for n in SPANS]
    whole = jnp.broadcast_to(counts.sum(1, keepdims=True), counts.shape)
    return {**features, "shares": _log_shares(jnp.stack([*near, whole], 2))}


def _log_shares(counts: Num[Array, "*N 12"]) -> Float[Array, "*N 12"]:
    """Returns the log of each share relative to an even share of 1 / 12, with PRIOR added to the counts."""
    weights = counts + PRIOR
    return jnp.log(weights / weights.sum(-1, keepdims=True) * CLASSES)
