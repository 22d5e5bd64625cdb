"""What is fixed in a piece before it is drawn, and how a primer becomes that."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors, lengths, zoo

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Given(NamedTuple):
    """What is fixed in every piece before it is drawn, and how long it is.

    Attributes:
        cells: int32[T, S], [T] for one stream, [T, V] for bits, float32[T, V] for rows of real numbers; what stands in
            a free cell does not matter.
        infill_mask: 1 where a cell is free, of the same shape; int32[T] for bits and rows, unless a track of rolls is
            given.
        conditions: int32[up to T] for each; behind its end they go on as in a free sample.
    """

    cells: np.ndarray
    infill_mask: np.ndarray
    conditions: dict[str, np.ndarray]


def prime(loaded: zoo.Loaded, primer: "NoteSequence", length: int | None = None) -> Given:
    """A primer as the given beginning of a piece.

    Args:
        loaded: The model.
        primer: The music.
        length: Frames of the piece; by default those of a free sample.

    Raises:
        errors.UserError: It does not fit the vocabulary, or fills the piece.
    """
    vocabulary = loaded.codec.vocabulary
    if loaded.model.whole:
        raise errors.UserError(f"{loaded.name} draws all cells of a piece at once; it cannot go on from a primer")
    try:
        arrays = loaded.codec.prime(primer)
    except errors.DiscardError as error:
        raise errors.UserError(f"the primer does not fit codec {vocabulary.name} of {loaded.name}: {error}") from None
    rows = vocabulary.kind != "tokens"
    cells = arrays.pop("frames" if rows else "tokens")
    length = lengths.default(loaded) if length is None else length
    if len(cells) >= length:
        raise errors.UserError(f"the primer has {len(cells)} frames, the piece only {length}; give a larger --length")
    whole = np.zeros((length, *cells.shape[1:]), np.float32 if vocabulary.kind == "groove" else np.int32)
    whole[: len(cells)] = cells
    infill_mask = np.ones(length if rows else whole.shape, np.int32)
    infill_mask[: len(cells)] = 0
    return Given(whole, infill_mask, arrays)
