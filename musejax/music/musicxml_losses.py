"""What a MusicXML score says that a NoteSequence cannot hold, counted by kind."""

import collections
from collections.abc import Iterable
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
LOCAL_METRE = Loss(
    "1 measure is read as written, because its parts have different time signatures and lengths that do not fit",
    "{} measures are read as written, because their parts have different time signatures and lengths that do not fit",
)
UNFOLDING = Loss(
    "repeats cannot be played out within the bounds; the score is read as written",
    "repeats cannot be played out within the bounds; {} scores are read as written",
)
OWN_BARS = Loss(
    "parts have bar lines of their own, so repeats of the score are not played out",
    "parts have bar lines of their own, so repeats of {} scores are not played out",
)


class Tally(NamedTuple):
    """A kind of loss, counted over files.

    Attributes:
        remark: The remark about all of them.
        number: How many there are.
        files: In how many files they are.
    """

    remark: str
    number: int
    files: int


def remarks(losses: Losses) -> list[str]:
    """Returns one line for each kind of loss, in alphabetical order."""
    return sorted(_remark(loss, count) for loss, count in losses.items() if count)


def tally(losses: Iterable[Losses]) -> list[Tally]:
    """Counts losses over files.

    Args:
        losses: The losses of each file.

    Returns:
        A tally for each kind of loss, the one in most files first.
    """
    numbers, files = Losses(), Losses()
    for of_file in losses:
        numbers.update(of_file)
        files.update(loss for loss, count in of_file.items() if count)
    return [Tally(_remark(loss, numbers[loss]), numbers[loss], count) for loss, count in files.most_common()]


def _remark(loss: Loss, count: int) -> str:
    """Returns the remark about so many losses of a kind."""
    return loss.one if count == 1 else loss.many.format(f"{count:,}")
