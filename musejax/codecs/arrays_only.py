"""A stand-in codec for vocabularies that only a data set of arrays defines."""

from typing import TYPE_CHECKING, Any, NoReturn

from musejax import codecs, errors
from musejax import vocabulary as vocabularies

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def make(vocabulary: vocabularies.Vocabulary) -> codecs.Codec:
    """Returns a codec whose `encode`, `decode` and `prime` raise; everything else works.

    Args:
        vocabulary: The vocabulary of the data set.
    """

    def read(sequence: "NoteSequence") -> NoReturn:
        raise errors.DiscardError(f"{vocabulary.name} is defined by a data set of arrays; no codec reads music as it")

    def write(arrays: Any, qpm: float) -> NoReturn:
        raise errors.UserError(
            f"{vocabulary.name} is defined by a data set of arrays; no codec writes it as music, and samples are arrays"
        )

    return codecs.Codec(vocabulary, read, write, read, lambda sequence: [sequence], is_music=False)
