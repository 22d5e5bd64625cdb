"""What given cells forbid the free cells beside them."""

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
    """Forbids a hold where it would prolong a given note, or hold nothing: such a free cell begins anew.

    It is forbidden in a free cell directly after a given one in which a note sounds. Where rests have a token of their
    own (`rest`) it is also forbidden after a given rest and in the first frame; where a hold prolongs rests too
    (`note_off`) it is allowed there.

    Args:
        vocabulary: The model's.
        given: int[T, S], or [T] for one stream; what free cells hold does not count.
        infill_mask: 1 where a cell is free, of the same shape.

    Returns:
        The constraint; None for a vocabulary without holds.
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
        # A hold goes on with what began last; nothing that is known begins in a free cell.
        begun = np.maximum.accumulate(np.where(hold[cells] & ~free, -1, place), axis=0)
        begun_cell = np.take_along_axis(np.where(free, -1, cells), np.maximum(begun, 0), axis=0)
        pitches = np.append(vocabulary.values("pitch"), -1)
        forbidden[1:] = ((begun >= 0) & (pitches[begun_cell] >= 0) & ~free)[:-1]
    return jax.tree_util.Partial(_attacks, jnp.asarray(hold), jnp.asarray(forbidden & free))
