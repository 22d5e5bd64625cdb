"""What a MusicXML score says that a NoteSequence cannot hold, counted by kind."""

import collections
from typing import NamedTuple


class Loss(NamedTuple):
    """A kind of loss.

    Attributes:
        one: The remark about one of them.
        many: The remark about several; `{}` stands for their number.
    """

    one: str
    many: str


Losses = collections.Counter[Loss]

GRACE = Loss("1 grace note is left out", "{} grace notes are left out")
CUE = Loss("1 cue note is left out", "{} cue notes are left out")
PITCH = Loss("1 note without a readable pitch is left out", "{} notes without a readable pitch are left out")
RANGE = Loss("1 note outside MIDI's pitches is left out", "{} notes outside MIDI's pitches are left out")
PERCUSSION = Loss(
    "1 percussion note is left out, because its instrument has no MIDI number",
    "{} percussion notes are left out, because their instruments have no MIDI number",
)
MICROTONE = Loss("1 note is moved to the nearest semitone", "{} notes are moved to the nearest semitone")
CHORD = Loss("1 chord symbol of an unknown kind is left out", "{} chord symbols of an unknown kind are left out")
ROOT = Loss("1 chord symbol without a root is left out", "{} chord symbols without a root are left out")
DEGREES = Loss("1 chord symbol is read without its degrees", "{} chord symbols are read without their degrees")
KEY = Loss("1 non-traditional key signature is left out", "{} non-traditional key signatures are left out")
METRE = Loss("1 time signature that cannot be read is left out", "{} time signatures that cannot be read are left out")
TEMPO = Loss("1 metronome mark without a tempo is left out", "{} metronome marks without a tempo are left out")
UNFOLDING = Loss(
    "its repeats cannot be played out within the bounds; it is read as written",
    "its repeats cannot be played out within the bounds; it is read as written",
)
OWN_BARS = Loss(
    "its parts have bar lines of their own, so its repeats are not played out",
    "its parts have bar lines of their own, so its repeats are not played out",
)


def remarks(losses: Losses) -> list[str]:
    """Returns one line for each kind of loss, in alphabetical order."""
    return sorted(loss.one if count == 1 else loss.many.format(f"{count:,}") for loss, count in losses.items() if count)
