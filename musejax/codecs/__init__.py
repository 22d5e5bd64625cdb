"""NoteSequence to arrays and back: one representation a file, looked up by name.

A codec is a small record of functions over its vocabulary. Its arrays are what the core trains on and samples:
`tokens` int32[T, S] for a vocabulary of several streams, int32[L] for one, uint8[T, V] `frames` for bits, and one
int32[T] array for each condition of the vocabulary.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors, vocabulary

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

Arrays = dict[str, np.ndarray]

# name -> (module, one line for `musejax list`)
CODECS: Mapping[str, tuple[str, str]] = {
    "melody": ("melody", "note-seq's melody events, all 128 pitches"),
    "melody-basic": ("melody", "note-seq's melody events, pitches 48..83, transposed to C"),
    "melody-100": ("melody", "the pattern page's 100 classes: 98 pitches, rest, hold"),
    "performance": ("performance", "note-seq's 388 performance events with 32 velocity bins"),
    "performance-356": ("performance", "note-seq's performance events without dynamics"),
    "chorale": ("chorale", "four voices on the 16th grid with holds, fermatas, beat, key"),
    "chorale-pitches": ("chorale", "four voices on the 16th grid as sounding pitches (jsb16)"),
    "pianoroll-88": ("pianoroll", "binary frames of 88 keys"),
}


class Codec(NamedTuple):
    """How one representation is read and written.

    Attributes:
        vocabulary: The table of its ids.
        encode: NoteSequence -> the pieces found in it (one dictionary of arrays each). Raises `errors.DiscardError`
            with a short reason when there is nothing within the codec's domain.
        decode: arrays (`tokens` or `frames`, conditions optional), qpm -> NoteSequence.
        prime: NoteSequence -> arrays of a primer: as `encode`, but nothing is discarded for being too short and
            nothing is added at the end. Raises `errors.DiscardError` when it does not fit the vocabulary.
        variants: NoteSequence -> the sequences to encode for a training piece (time stretches); the others of a split
            are encoded once, as they are.
    """

    vocabulary: vocabulary.Vocabulary
    encode: Callable[["NoteSequence"], list[Arrays]]
    decode: Callable[[Arrays, float], "NoteSequence"]
    prime: Callable[["NoteSequence"], Arrays]
    variants: Callable[["NoteSequence"], list["NoteSequence"]]


def get(name: str) -> Codec:
    """The codec of a name.

    Raises:
        errors.UserError: No codec has this name.
    """
    if name not in CODECS:
        raise errors.UserError(f"codec {name!r} is unknown; the codecs are {', '.join(CODECS)}")
    return importlib.import_module(f"musejax.codecs.{CODECS[name][0]}").make(name)
