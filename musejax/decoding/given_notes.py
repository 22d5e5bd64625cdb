"""A constraint that separates free cells from given notes."""

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int, Integer, Num, Shaped
from musejax.base import Constraint


def _attacks(
    hold: Bool[Array, " V"],
    forbidden: Bool[Array, "T S"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Num[Array, "N L ..."],
) -> Bool[Array, " V"]:
    return ~(hold & forbidden[frame, stream])


def attacks(
    vocabulary: vocabularies.Vocabulary, given: Integer[np.ndarray, "..."], infill_mask: Shaped[np.ndarray, "..."]
) -> Constraint | None:
    """Returns a constraint that forbids holds in free cells if they would prolong a given note.

    A hold is forbidden in a free cell directly after a given cell in which a note sounds. In a vocabulary with a `rest`
    token, it is also forbidden after a given rest and in the first frame; with `note_off`, a hold may also prolong a
    rest and is allowed there.

    Args:
        vocabulary: Vocabulary of the model.
        given: Given cells, int[T, S], or [T] for one stream; the values of free cells are ignored.
        infill_mask: 1 for free cells, of the same shape.

    Returns:
        The constraint, or None for a vocabulary without holds.
    """
    if not vocabulary.has("hold"):
        return None
    hold = np.arange(vocabulary.size) == vocabulary.id("hold")
    cells = np.asarray(given).reshape(len(given), -1)
    free = np.asarray(infill_mask).reshape(cells.shape) > 0
    forbidden = np.zeros(cells.shape, bool)
    if vocabulary.has("rest"):
        forbidden[0] = True
        forbidden[1:] = ~free[:-1]
    else:
        place = np.arange(len(cells))[:, None]
        # A hold prolongs the last event before it; the events of free cells are unknown.
        begin = np.maximum.accumulate(np.where(hold[cells] & ~free, -1, place), axis=0)
        event = np.take_along_axis(np.where(free, -1, cells), np.maximum(begin, 0), axis=0)
        pitches = np.append(vocabulary.values("pitch"), -1)
        forbidden[1:] = ((begin >= 0) & (pitches[event] >= 0) & ~free)[:-1]
    return jax.tree_util.Partial(_attacks, jnp.asarray(hold), jnp.asarray(forbidden & free))
