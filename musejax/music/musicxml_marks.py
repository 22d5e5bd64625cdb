"""MusicXML elements for tempos, keys, chord symbols and dynamics."""

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, NamedTuple

from musejax.music import exact_times, musicxml_chords, musicxml_directions, score_annotations, score_keys, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_MODES = ("major", "minor")


class Mark(NamedTuple):
    """An element at a place of a part.

    Attributes:
        place: Place in divisions of a quarter from the start of the piece.
        element: The element.
    """

    place: int
    element: ET.Element


def key_element(key: score_keys.Key) -> ET.Element:
    """Returns the `<key>` element of a key."""
    element = ET.Element("key")
    ET.SubElement(element, "fifths").text = str(key.fifths)
    ET.SubElement(element, "mode").text = _MODES[key.is_minor]
    return element


def tempo_marks(sequence: "NoteSequence", times: exact_times.ExactTimes, *, is_shown: bool) -> list[Mark]:
    """Returns the tempos of a sequence as elements for one part.

    Every part receives them, because some readers keep the last tempo of the previous part; only the first part shows
    them, as metronome marks.

    Args:
        sequence: The music.
        times: The times of the sequence.
        is_shown: Whether the part shows the tempos.
    """
    out = []
    explicit = {max(tempo.time, 0.0) for tempo in sequence.tempos}
    for seconds, qpm in zip(times.tempos.times.tolist(), times.tempos.qpm.tolist(), strict=True):
        if seconds not in explicit:
            continue
        qpm = timing.stated_tempo(qpm)
        direction = ET.Element("direction", placement="above")
        kind = ET.SubElement(direction, "direction-type")
        if is_shown:
            mark = ET.SubElement(kind, "metronome", parentheses="no")
            ET.SubElement(mark, "beat-unit").text = "quarter"
            ET.SubElement(mark, "per-minute").text = f"{qpm:g}"
        else:
            ET.SubElement(kind, "words")
        ET.SubElement(direction, "sound", tempo=f"{qpm:.10g}")
        out.append(Mark(times.place(seconds), direction))
    return out


def chord_marks(sequence: "NoteSequence", times: exact_times.ExactTimes) -> list[Mark]:
    """Returns the chord symbols of a sequence; text that is not a chord is written as words."""
    kind = sequence.TextAnnotation.CHORD_SYMBOL
    symbols = sorted((a for a in sequence.text_annotations if a.annotation_type == kind), key=lambda a: a.time)
    return [Mark(times.place(symbol.time), musicxml_chords.harmony(symbol.text)) for symbol in symbols]


def section_marks(sequence: "NoteSequence", times: exact_times.ExactTimes) -> list[Mark]:
    """Returns the markers of a sequence, such as names of sections, as rehearsal marks."""
    out = []
    for annotation in sorted(sequence.text_annotations, key=lambda a: a.time):
        if annotation.text.startswith(score_annotations.MARKER):
            direction = ET.Element("direction", placement="above")
            mark = ET.SubElement(ET.SubElement(direction, "direction-type"), "rehearsal")
            mark.text = printable(annotation.text.removeprefix(score_annotations.MARKER))
            out.append(Mark(times.place(annotation.time), direction))
    return out


def printable(text: str) -> str:
    """Replaces the control characters in a text, which XML forbids, by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


def dynamics(velocity: int) -> str:
    """Returns a velocity as a percentage of forte, the unit of MusicXML."""
    return f"{velocity * 100 / musicxml_directions.FORTE:.2f}".rstrip("0").rstrip(".")
