"""Writing of the part list of a MusicXML score: names, instruments, MIDI channels and brackets."""

import functools
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from musejax.music import musicxml_marks, noteseq, score_layout, voices_and_bars

_DRUM_CHANNEL = 10
# General MIDI programs of choirs and of bowed strings; adjacent parts of one family share a bracket.
_FAMILIES = {"choir": range(52, 55), "strings": range(40, 45)}
_CHOIR = re.compile(r"(soprano|alto|tenor|bass|choir|chorus)\b.*|[satb]\.?", re.IGNORECASE)
_STRINGS = re.compile(r"(violin|viola|violoncello|cello|contrabass|double bass|strings?)\b.*", re.IGNORECASE)


def add_parts(root: ET.Element, parts: Sequence[score_layout.Part]) -> None:
    """Adds the part list to a score.

    Args:
        root: The score.
        parts: The parts; their ids are P1, P2 and so on.
    """
    listed = ET.SubElement(root, "part-list")
    channel = itertools.count()
    numbered = itertools.groupby(enumerate(parts, 1), key=lambda item: _family(item[1]))
    for bracket, (family, group) in enumerate(numbered, 1):
        members = list(group)
        has_bracket = family is not None and len(members) > 1
        if has_bracket:
            start = ET.SubElement(listed, "part-group", type="start", number=str(bracket))
            ET.SubElement(start, "group-symbol").text = "bracket"
            ET.SubElement(start, "group-barline").text = "no" if family == "choir" else "yes"
        for number, part in members:
            _add_part(listed, number, part, channel)
        if has_bracket:
            ET.SubElement(listed, "part-group", type="stop", number=str(bracket))


def instrument_id(part: int, part_layout: score_layout.Part, note: score_layout.LaidNote) -> str:
    """Returns the id of the instrument that plays a note; each drum is a separate instrument.

    Args:
        part: Number of the part, from 1.
        part_layout: The part.
        note: The note.
    """
    suffix = f"-{note.pitch}" if part_layout.instruments[note.instrument].is_drum else ""
    return f"P{part}-I{note.instrument + 1}{suffix}"


def _add_part(listed: ET.Element, number: int, part: score_layout.Part, channels: "itertools.count[int]") -> None:
    entry = ET.SubElement(listed, "score-part", id=f"P{number}")
    ET.SubElement(entry, "part-name").text = musicxml_marks.printable(part.name)
    sounds: list[tuple[str, int, int, int | None]] = []
    for index, instrument in enumerate(part.instruments):
        if instrument.is_drum:
            channel, pitches = _DRUM_CHANNEL, sorted({note.pitch for note in instrument.notes})
        else:
            channel, pitches = _channel(next(channels)), [None]
        for pitch in pitches:
            note = score_layout.LaidNote(pitch or 0, 0, index)
            identifier = instrument_id(number, part, note)
            element = ET.SubElement(entry, "score-instrument", id=identifier)
            name = _name(instrument) if pitch is None else _drum_name(pitch)
            ET.SubElement(element, "instrument-name").text = musicxml_marks.printable(name)
            sounds.append((identifier, channel, instrument.program, pitch))
    for identifier, channel, program, pitch in sounds:
        sound = ET.SubElement(entry, "midi-instrument", id=identifier)
        ET.SubElement(sound, "midi-channel").text = str(channel)
        # MusicXML numbers programs and drums from 1.
        ET.SubElement(sound, "midi-program").text = str(program + 1)
        if pitch is not None:
            ET.SubElement(sound, "midi-unpitched").text = str(pitch + 1)


def _channel(count: int) -> int:
    """Returns the channel of an instrument, 1..16 without the drum channel; more than fifteen share channels."""
    channel = count % 15 + 1
    return channel + (channel >= _DRUM_CHANNEL)


def _name(instrument: voices_and_bars.Voice) -> str:
    noteseq.load()
    from pretty_midi import program_to_instrument_name

    return program_to_instrument_name(instrument.program)


@functools.cache
def _drum_name(pitch: int) -> str:
    noteseq.load()
    from pretty_midi import note_number_to_drum_name

    return note_number_to_drum_name(pitch) or f"Drum {pitch}"


def _family(part: score_layout.Part) -> str | None:
    """Returns the family of a part, whose adjacent parts share a bracket, or None."""
    if any(voice.is_drum for voice in part.instruments):
        return None
    for family, pattern in (("choir", _CHOIR), ("strings", _STRINGS)):
        if pattern.fullmatch(part.name.strip()):
            is_other = family == "choir" and part.instruments[0].program in _FAMILIES["strings"]
            return "strings" if is_other else family
    program = part.instruments[0].program
    return next((name for name, programs in _FAMILIES.items() if program in programs), None)
