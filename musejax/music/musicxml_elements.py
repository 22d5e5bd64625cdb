"""MusicXML elements for the notes and rests of a bar."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from musejax.music import musicxml_marks, musicxml_part_list, notation, score_keys, score_layout, voices_and_bars
from musejax.theory import pitch_names

_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
# Staff positions of drums by General MIDI pitch, and drums with a cross as note head.
_DRUM_PLACES = {
    35: "F4", 36: "F4", 37: "C5", 38: "C5", 39: "C5", 40: "C5", 41: "A4", 42: "G5", 43: "A4", 44: "D4", 45: "B4",
    46: "G5", 47: "D5", 48: "E5", 49: "A5", 50: "E5", 51: "F5", 52: "B5", 53: "F5", 54: "E5", 55: "A5", 56: "E5",
    57: "A5", 59: "F5",
}  # fmt: skip
_CROSSES = frozenset([42, 44, 46, 49, 51, 52, 53, 55, 57, 59])


class BarNotes(NamedTuple):
    """The context of the notes of one bar of a part.

    Attributes:
        bar: The bar.
        divisions: Divisions per quarter.
        number: Number of the part, from 1.
        part: The part.
        fermatas: Places with a fermata, in divisions.
        syllables: Text and position in the word (`single`, `begin`, `middle`, `end`), by place in divisions.
        velocity: The default velocity of notes.
    """

    bar: voices_and_bars.Bar
    divisions: int
    number: int
    part: score_layout.Part
    fermatas: frozenset[int]
    syllables: Mapping[int, tuple[str, str]]
    velocity: int


class WrittenChord(NamedTuple):
    """A chord with the spelling of its notes.

    Attributes:
        chord: The chord, inside its bar.
        spellings: The spelling of each note; None for drums.
        accidentals: The printed accidental of each note; empty if there is none.
    """

    chord: score_layout.Chord
    spellings: list[pitch_names.Spelling | None]
    accidentals: list[str]


class LaneBar(NamedTuple):
    """One voice of a part in one bar.

    Attributes:
        number: Number of the voice in its part.
        staff: Number of the staff.
        stem: `up` or `down` if the staff has several voices in the bar, else empty.
        tuplets: The tuplets.
        signs: For each chord, its signs with their beams.
    """

    number: int
    staff: int
    stem: str
    tuplets: list[notation.Tuplet]
    signs: list[list[tuple[notation.Sign, tuple[str, ...]]]]


def spell(
    chords: Sequence[score_layout.Chord], part: score_layout.Part, keys: Sequence[tuple[int, score_keys.Key]]
) -> list[WrittenChord]:
    """Spells the chords of one staff in one bar; an accidental holds until the end of the bar.

    Args:
        chords: The chords of all voices of the staff.
        part: The part.
        keys: Places and key signatures in the bar; the first holds from the beginning of the bar.

    Returns:
        The spelled chords, in the same order.
    """
    out: dict[int, WrittenChord] = {}
    altered: dict[tuple[str, int], int] = {}
    for index in sorted(range(len(chords)), key=lambda i: chords[i].start):
        chord = chords[index]
        key = next(key for place, key in reversed(keys) if place <= chord.start or place == keys[0][0])
        written = WrittenChord(chord, [], [])
        for note in chord.notes:
            if part.instruments[note.instrument].is_drum:
                written.spellings.append(None)
                written.accidentals.append("")
                continue
            name = pitch_names.spell(note.pitch, key.fifths, key.spelled_minor)
            place = name.step, name.octave
            before = altered.get(place, pitch_names.alteration(name.step, key.fifths))
            # A tied note keeps its accidental across the bar line without showing it again.
            shows = name.alter != before and not chord.is_tied
            if shows:
                altered[place] = name.alter
            written.spellings.append(name)
            written.accidentals.append(_ACCIDENTALS[name.alter] if shows else "")
        out[index] = written
    return [out[index] for index in range(len(chords))]


def lay_out(
    number: int, staff: int, chords: Sequence[score_layout.Chord], context: BarNotes, stem: str = ""
) -> LaneBar:
    """Returns the notation of one voice of a part in one bar.

    Args:
        number: Number of the voice in its part, from 1.
        staff: Number of the staff, from 1.
        chords: The chords of the voice, cut at the bar lines.
        context: The context of the bar.
        stem: Direction of all stems, or empty.
    """
    bar = context.bar
    full = Fraction(4 * bar.numerator, bar.denominator)
    missing = full - bar.length if bar.number == 0 and bar.length < full else Fraction(0)
    spans = [_within(chord.start, chord.end, context) for chord in chords]
    tuplets = notation.tuplets(spans, bar.length, missing)
    signs = [notation.signs(*span, _beat(context), tuplets) for span in spans]
    beams = iter(notation.beams([sign for chord_signs in signs for sign in chord_signs], _beat(context)))
    beamed = [[(sign, next(beams)) for sign in chord_signs] for chord_signs in signs]
    return LaneBar(number, staff, stem, tuplets, beamed)


def add_chord(measure: ET.Element, written: WrittenChord, lane: LaneBar, index: int, context: BarNotes) -> None:
    """Writes a chord as one sign, or several tied ones.

    Args:
        measure: The element of the bar.
        written: The chord.
        lane: The voice in the bar.
        index: Index of the chord in the voice.
        context: The context of the bar.
    """
    chord, signs = written.chord, lane.signs[index]
    for number, (sign, beams) in enumerate(signs):
        is_first, is_last = number == 0, number == len(signs) - 1
        edges = {"stop": not is_first or chord.is_tied, "start": not is_last or chord.holds}
        ties = [kind for kind, is_tied in edges.items() if is_tied]
        has_fermata = is_first and not chord.is_tied and chord.start in context.fermatas
        for position, (laid, spelling) in enumerate(zip(chord.notes, written.spellings)):
            note = ET.SubElement(measure, "note")
            if laid.velocity != context.velocity:
                note.set("dynamics", musicxml_marks.dynamics(laid.velocity))
            if position:
                ET.SubElement(note, "chord")
            _add_pitch(note, laid.pitch, spelling)
            ET.SubElement(note, "duration").text = _duration(sign, context)
            for kind in ties:
                ET.SubElement(note, "tie", type=kind)
            if spelling is None or len(context.part.instruments) > 1:
                identifier = musicxml_part_list.instrument_id(context.number, context.part, laid)
                ET.SubElement(note, "instrument", id=identifier)
            accidental = written.accidentals[position] if is_first else ""
            _add_sign(note, sign, lane, context, accidental, "x" if spelling is None and laid.pitch in _CROSSES else "")
            if position == 0:
                for level, beam in enumerate(beams, 1):
                    ET.SubElement(note, "beam", number=str(level)).text = beam
            is_top = position == len(chord.notes) - 1
            _add_notations(note, sign, ties, has_fermata=has_fermata and is_top, is_first=position == 0)
            if is_first and position == 0 and not chord.is_tied and chord.start in context.syllables:
                _add_lyric(note, *context.syllables[chord.start])


def add_rest(measure: ET.Element, start: int, end: int, lane: LaneBar, context: BarNotes, *, is_hidden: bool) -> None:
    """Fills a span with rests.

    Args:
        measure: The element of the bar.
        start: Beginning of the span in divisions.
        end: End of the span in divisions.
        lane: The voice in the bar.
        context: The context of the bar.
        is_hidden: Whether to leave the span blank, as in further voices of a staff; tuplets are always filled.
    """
    if start >= end:
        return
    if not is_hidden and Fraction(end - start, context.divisions) == context.bar.length:
        note = ET.SubElement(measure, "note")
        ET.SubElement(note, "rest", measure="yes")
        ET.SubElement(note, "duration").text = str(end - start)
        ET.SubElement(note, "voice").text = str(lane.number)
        _add_staff(note, lane, context)
        return
    for sign in notation.signs(*_within(start, end, context), _beat(context), lane.tuplets, is_rest=True):
        if is_hidden and sign.tuplet is None:
            ET.SubElement(ET.SubElement(measure, "forward"), "duration").text = _duration(sign, context)
            continue
        note = ET.SubElement(measure, "note")
        ET.SubElement(note, "rest")
        ET.SubElement(note, "duration").text = _duration(sign, context)
        _add_sign(note, sign, lane, context, "", "")
        _add_notations(note, sign, [], has_fermata=False, is_first=True)


def _within(start: int, end: int, context: BarNotes) -> tuple[Fraction, Fraction]:
    """Converts two places in divisions to quarters from the bar line."""
    divisions, line = context.divisions, context.bar.start
    return Fraction(start, divisions) - line, Fraction(end, divisions) - line


def _beat(context: BarNotes) -> Fraction:
    return notation.beat(context.bar.numerator, context.bar.denominator)


def _duration(sign: notation.Sign, context: BarNotes) -> str:
    """Returns the length of a sign in divisions."""
    return str(int((sign.end - sign.start) * context.divisions))


def _add_pitch(note: ET.Element, pitch: int, spelling: pitch_names.Spelling | None) -> None:
    """Adds the pitch of a note, or the staff position of a drum."""
    if spelling is None:
        place = _DRUM_PLACES.get(pitch, "C5")
        element = ET.SubElement(note, "unpitched")
        ET.SubElement(element, "display-step").text = place[0]
        ET.SubElement(element, "display-octave").text = place[1]
        return
    element = ET.SubElement(note, "pitch")
    ET.SubElement(element, "step").text = spelling.step
    if spelling.alter:
        ET.SubElement(element, "alter").text = str(spelling.alter)
    ET.SubElement(element, "octave").text = str(spelling.octave)


def _add_staff(note: ET.Element, lane: LaneBar, context: BarNotes) -> None:
    """Adds the staff of a note or rest if its part has two staves."""
    if context.part.staves > 1:
        ET.SubElement(note, "staff").text = str(lane.staff)


def _add_sign(
    note: ET.Element, sign: notation.Sign, lane: LaneBar, context: BarNotes, accidental: str, head: str
) -> None:
    """Adds voice, note value, dots, accidental, tuplet, stem, head and staff, in the order of the specification."""
    ET.SubElement(note, "voice").text = str(lane.number)
    if sign.value:
        ET.SubElement(note, "type").text = sign.value
    for _ in range(sign.dots):
        ET.SubElement(note, "dot")
    if accidental:
        ET.SubElement(note, "accidental").text = accidental
    if sign.tuplet is not None:
        element = ET.SubElement(note, "time-modification")
        ET.SubElement(element, "actual-notes").text = str(sign.tuplet.actual)
        ET.SubElement(element, "normal-notes").text = str(sign.tuplet.normal)
    if lane.stem and note.find("rest") is None:
        ET.SubElement(note, "stem").text = lane.stem
    if head:
        ET.SubElement(note, "notehead").text = head
    _add_staff(note, lane, context)


def _add_notations(
    note: ET.Element, sign: notation.Sign, ties: Sequence[str], *, has_fermata: bool, is_first: bool
) -> None:
    """Adds ties, the beginning or end of a tuplet, and a fermata."""
    brackets = []
    if sign.tuplet is not None and is_first:
        edges = (("start", sign.start == sign.tuplet.start), ("stop", sign.end == sign.tuplet.end))
        brackets = [kind for kind, is_edge in edges if is_edge]
    if not (ties or brackets or has_fermata):
        return
    notations = ET.SubElement(note, "notations")
    for kind in ties:
        ET.SubElement(notations, "tied", type=kind)
    for kind in brackets:
        ET.SubElement(notations, "tuplet", type=kind)
    if has_fermata:
        ET.SubElement(notations, "fermata", type="upright")


def _add_lyric(note: ET.Element, text: str, syllabic: str) -> None:
    lyric = ET.SubElement(note, "lyric", number="1")
    ET.SubElement(lyric, "syllabic").text = syllabic
    ET.SubElement(lyric, "text").text = text
