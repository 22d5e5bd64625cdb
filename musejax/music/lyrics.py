"""Lyrics of a sequence, and their assignment to parts.

A NoteSequence stores a syllable as a text annotation at the start of its note, without the part.
"""

import collections
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from musejax.music import score_annotations

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Place of a syllable in divisions of a quarter, or in quarters.
Place = TypeVar("Place", int, Fraction)


class Syllable(NamedTuple):
    """A sung syllable.

    Attributes:
        text: Text of the syllable.
        goes_on: Whether the next syllable continues the word.
    """

    text: str
    goes_on: bool


def read(sequence: "NoteSequence") -> list[tuple[float, Syllable]]:
    """Returns the syllables of a sequence with their times in seconds, in the order of time."""
    prefix = score_annotations.LYRIC
    syllables = sorted(
        ((a.time, a.text.removeprefix(prefix)) for a in sequence.text_annotations if a.text.startswith(prefix)),
        key=lambda item: item[0],
    )
    return [
        (time, Syllable(text.removesuffix("-") or text, text.endswith("-") and text != "-")) for time, text in syllables
    ]


def assign(
    syllables: Sequence[tuple[Place, Syllable]], onsets: Sequence[frozenset[Place]]
) -> tuple[list[dict[Place, Syllable]], int]:
    """Assigns each syllable to a part that has an onset at its place.

    If several parts have one, those with more such onsets in total take precedence. Several syllables at one place are
    assigned to different parts.

    Args:
        syllables: Place and syllable, in order.
        onsets: The places at which notes of each part begin.

    Returns:
        The syllables of each part by place, and the number of syllables without a note.
    """
    places: dict[Place, list[Syllable]] = collections.defaultdict(list)
    for place, syllable in syllables:
        places[place].append(syllable)
    coverage = [sum(place in starts for place in places) for starts in onsets]
    out: list[dict[Place, Syllable]] = [{} for _ in onsets]
    lost = 0
    for place, here in places.items():
        candidates = [part for part, starts in enumerate(onsets) if place in starts]
        singing = sorted(sorted(candidates, key=lambda part: -coverage[part])[: len(here)])
        lost += len(here) - len(singing)
        for part, syllable in zip(singing, here):
            out[part][place] = syllable
    return out, lost


def word_places(syllables: dict[int, Syllable]) -> dict[int, tuple[str, str]]:
    """Returns text and position in the word (`single`, `begin`, `middle`, `end`) of the syllables of one part."""
    out: dict[int, tuple[str, str]] = {}
    inside = False
    for place, syllable in sorted(syllables.items()):
        names = ("middle", "end") if inside else ("begin", "single")
        out[place] = syllable.text, names[0] if syllable.goes_on else names[1]
        inside = syllable.goes_on
    return out
