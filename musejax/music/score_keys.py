"""The keys of a sequence for a written score."""

from typing import TYPE_CHECKING, NamedTuple

from musejax.music import exact_times
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Key(NamedTuple):
    """A key signature.

    Attributes:
        fifths: Number of sharps, negative for flats.
        is_minor: Whether the mode is minor.
        spelled_minor: Whether accidentals are spelled as in minor.
    """

    fifths: int
    is_minor: bool
    spelled_minor: bool


def read(sequence: "NoteSequence", times: exact_times.ExactTimes) -> tuple[dict[int, Key], str | None]:
    """Returns the keys of a sequence by place, and a remark if the key was estimated.

    If there is no key, it is the one whose scale contains most of the music, in minor if the last bass note is the
    tonic of that minor key. Because many sources mark every key as major, spelling also considers the last bass note.
    """
    pitched = [note for note in sequence.notes if not note.is_drum]
    if not pitched:
        return {}, None
    last = max(pitched, key=lambda n: (n.end_time, -n.pitch)).pitch % 12
    out: dict[int, Key] = {}
    for signature in sorted(sequence.key_signatures, key=lambda k: k.time):
        is_minor = signature.mode == signature.MINOR
        fifths = keys.sharps(signature.key, is_minor)
        out[times.place(signature.time)] = Key(fifths, is_minor, is_minor or last == keys.tonic(fifths, minor=True))
    if out:
        return out, None
    fifths = keys.guess((note.pitch, note.end_time - note.start_time) for note in pitched)
    is_minor = last == keys.tonic(fifths, minor=True)
    name = keys.name(keys.tonic(fifths, is_minor), is_minor)
    return {0: Key(fifths, is_minor, is_minor)}, f"it has no key; {name} is estimated from its notes"
