"""Tempos, keys, chord symbols and dynamics as MusicXML elements."""

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, NamedTuple

from musejax.music import exact_times, musicxml_chords, musicxml_directions, score_annotations, timing
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_MODES = ("major", "minor")


class Key(NamedTuple):
    """A key signature.

    Attributes:
        fifths: Its sharps, negative for flats.
        is_minor: Whether its mode is minor.
        spelled_minor: Whether accidentals are spelled as in minor.
    """

    fifths: int
    is_minor: bool
    spelled_minor: bool


class Mark(NamedTuple):
    """An element that stands at a place of a part.

    Attributes:
        place: In divisions of a quarter from the start of the piece.
        element: The element.
    """

    place: int
    element: ET.Element


def read_keys(sequence: "NoteSequence", times: exact_times.ExactTimes) -> tuple[dict[int, Key], str | None]:
    """Returns the keys of a sequence by place, and a remark where one had to be estimated.

    Without any key the one is taken whose scale holds most of the music; it is minor if the last bass note is the tonic
    of its minor key. Many sources call every key major, so spelling goes by the last bass note in any case.
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
    return {0: Key(fifths, is_minor, is_minor)}, f"it gives no key; {name} is estimated from its notes"


def key_element(key: Key) -> ET.Element:
    """Returns a `<key>`."""
    element = ET.Element("key")
    ET.SubElement(element, "fifths").text = str(key.fifths)
    ET.SubElement(element, "mode").text = _MODES[key.is_minor]
    return element


def tempo_marks(sequence: "NoteSequence", times: exact_times.ExactTimes, *, is_shown: bool) -> list[Mark]:
    """Returns the tempos that a sequence gives.

    Every part gets them, because some readers keep the tempo with which the part before ended; only the first part
    shows them, as metronome marks.

    Args:
        sequence: The music.
        times: Its times.
        is_shown: Whether the part shows them.
    """
    out = []
    given = {max(tempo.time, 0.0) for tempo in sequence.tempos}
    for seconds, qpm in zip(times.tempos.times.tolist(), times.tempos.qpm.tolist(), strict=True):
        if seconds not in given:
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
    """Returns the chord symbols of a sequence; one that MusicXML has no kind for is written as words."""
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
    """Returns text without the control characters that XML forbids."""
    return "".join(c if c.isprintable() else " " for c in text)


def dynamics(velocity: int) -> str:
    """Returns a velocity as the percentage of forte that MusicXML counts in."""
    return f"{velocity * 100 / musicxml_directions.FORTE:.2f}".rstrip("0").rstrip(".")
