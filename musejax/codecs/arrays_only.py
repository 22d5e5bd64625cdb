"""Vocabularies that no codec reads or writes: data sets of arrays, with events of their own."""

from typing import TYPE_CHECKING, Any, NoReturn

from musejax import codecs, errors
from musejax import vocabulary as vocabularies

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def make(vocabulary: vocabularies.Vocabulary) -> codecs.Codec:
    """Returns a codec for models of arrays: `decode`, `encode` and `prime` refuse, everything else works.

    Args:
        vocabulary: The table of the data set.
    """

    def read(sequence: "NoteSequence") -> NoReturn:
        raise errors.DiscardError(f"{vocabulary.name} is known by its data set alone, and no codec reads music as it")

    def write(arrays: Any, qpm: float) -> NoReturn:
        raise errors.UserError(
            f"{vocabulary.name} is known by its data set alone, and no codec writes it as music; its samples are arrays"
        )

    return codecs.Codec(vocabulary, read, write, read, lambda sequence: [sequence], is_music=False)
