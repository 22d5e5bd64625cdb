"""Reading of the part list of a MusicXML score: names of parts, MIDI channels, programs and percussion notes."""

import xml.etree.ElementTree as ET
from typing import NamedTuple

from musejax.music import musicxml_numbers


class Instrument(NamedTuple):
    """One instrument of a part.

    Attributes:
        channel: MIDI channel 1..16; 0 if the score does not specify it.
        program: MIDI program 0..127.
        percussion: MIDI pitch of an unpitched instrument; None if it has none.
    """

    channel: int = 0
    program: int = 0
    percussion: int | None = None


class Head(NamedTuple):
    """The entry of a part in the part list.

    Attributes:
        name: Name of the part.
        instruments: Instruments by id, in the order of the score.
    """

    name: str
    instruments: dict[str, Instrument]


def read_heads(root: ET.Element) -> dict[str, Head]:
    """Reads the part list of a score; returns its entries by id."""
    return {part.get("id", ""): _head(part) for part in root.iterfind("part-list/score-part")}


def change_program(instruments: dict[str, Instrument], change: ET.Element) -> None:
    """Applies a `<midi-instrument>` of the part list or of a `<sound>` to the instrument that it names."""
    name = change.get("id", "")
    channel, program, percussion = (
        musicxml_numbers.whole(change.findtext(tag)) for tag in ("midi-channel", "midi-program", "midi-unpitched")
    )
    before = instruments.get(name, Instrument())
    instruments[name] = Instrument(
        channel if channel is not None and 1 <= channel <= 16 else before.channel,
        # MusicXML numbers programs and percussion notes from 1.
        program - 1 if program is not None and 1 <= program <= 128 else before.program,
        percussion - 1 if percussion is not None and 1 <= percussion <= 128 else before.percussion,
    )


def _head(part: ET.Element) -> Head:
    instruments = {element.get("id", ""): Instrument() for element in part.iterfind("score-instrument")}
    for element in part.iterfind("midi-instrument"):
        change_program(instruments, element)
    return Head(part.findtext("part-name") or "", instruments)
