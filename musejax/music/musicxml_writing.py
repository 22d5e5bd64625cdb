"""A writer of MusicXML 4.0, with tuplets, ties, pickups, lyrics, drums, and tempos and keys at their places."""

import bisect
import collections
import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from musejax.music import (
    exact_times,
    lyrics,
    musicxml_elements,
    musicxml_marks,
    musicxml_part_list,
    score_annotations,
    score_keys,
    score_layout,
    voices_and_bars,
    writing_remarks,
)

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"'
    ' "http://www.musicxml.org/dtds/partwise.dtd">\n'
)


class _Piece(NamedTuple):
    """The data shared by all parts; places are in divisions of a quarter."""

    times: exact_times.ExactTimes
    bars: list[voices_and_bars.Bar]
    keys: dict[int, score_keys.Key]
    fermatas: frozenset[int]
    numbers: dict[int, str]


class _PartMarks(NamedTuple):
    """The marks and syllables of one part."""

    marks: list[musicxml_marks.Mark]
    syllables: Mapping[int, tuple[str, str]]


def to_bytes(sequence: "NoteSequence", remark: Callable[[str], None] | None = None) -> bytes:
    """Returns the MusicXML file of a sequence.

    Onsets and lengths are exact if they are fractions of a quarter that can be notated, as in music from scores; played
    timing is moved to a grid of 24ths of a quarter. Notes of a part with the same onset and length form a chord, and
    other overlapping notes become further voices. Drums, velocities, programs, lyrics, chord symbols, fermatas, title
    and composers are kept. Controllers, pitch bends and other text are left out.

    Args:
        sequence: The music.
        remark: Called with a line for each kind of content that is changed, left out or estimated.

    Raises:
        errors.UserError: There are no notes, or the piece is too long to write.
    """
    times = exact_times.read(sequence)
    parts = score_layout.parts(sequence, times)
    keys, estimate = score_keys.read(sequence, times)
    fermatas = (a.time for a in sequence.text_annotations if a.text == score_annotations.FERMATA)
    prefix = score_annotations.MEASURE
    printed = {
        times.place(a.time): a.text[len(prefix) :] for a in sequence.text_annotations if a.text.startswith(prefix)
    }
    bars = voices_and_bars.bars(sequence, times)
    piece = _Piece(times, bars, keys, frozenset(map(times.place, fermatas)), printed)
    voices_and_bars.check_size(len(piece.bars), len(parts))
    onsets = [frozenset(chord.start for lane in part.lanes for chord in lane.chords) for part in parts]
    placed = [(times.place(time), syllable) for time, syllable in lyrics.read(sequence)]
    syllables, lost = lyrics.assign(placed, onsets)
    shown = [*musicxml_marks.chord_marks(sequence, times), *musicxml_marks.section_marks(sequence, times)]
    root = ET.Element("score-partwise", version="4.0")
    _add_titles(root, sequence)
    musicxml_part_list.add_parts(root, parts)
    for number, (part, sung) in enumerate(zip(parts, syllables), 1):
        is_first = number == 1
        marks = [*musicxml_marks.tempo_marks(sequence, times, is_shown=is_first), *(shown if is_first else [])]
        _add_part(root, number, part, piece, _PartMarks(marks, lyrics.word_places(sung)))
    if remark is not None:
        for line in writing_remarks.remarks(sequence, times, estimate, lost):
            remark(line)
    ET.indent(root, "  ")
    return _DOCTYPE.encode() + ET.tostring(root, "utf-8") + b"\n"


def _add_titles(root: ET.Element, sequence: "NoteSequence") -> None:
    metadata = sequence.sequence_metadata
    if metadata.title:
        ET.SubElement(ET.SubElement(root, "work"), "work-title").text = musicxml_marks.printable(metadata.title)
    identification = ET.SubElement(root, "identification")
    for composer in metadata.composers:
        ET.SubElement(identification, "creator", type="composer").text = musicxml_marks.printable(composer)
    ET.SubElement(ET.SubElement(identification, "encoding"), "software").text = "musejax"


def _add_part(root: ET.Element, number: int, part: score_layout.Part, piece: _Piece, own: _PartMarks) -> None:
    """Adds all bars of one part."""
    element = ET.SubElement(root, "part", id=f"P{number}")
    divisions = piece.times.divisions
    velocity = _usual_velocity(part)
    signature: tuple[int, int] | None = None
    key: score_keys.Key | None = None
    measure = ET.Element("measure")
    key_places = sorted(piece.keys)
    ordered = sorted(own.marks, key=lambda mark: mark.place)
    places = [mark.place for mark in ordered]
    for bar in piece.bars:
        number_text = piece.numbers.get(int(bar.start * divisions), str(bar.number))
        measure = ET.SubElement(element, "measure", number=musicxml_marks.printable(number_text))
        if bar.cut:
            measure.set("implicit", "yes")
        start, stop = int(bar.start * divisions), int((bar.start + bar.length) * divisions)
        # A bar begins with the key at its start, or else continues with the previous one.
        new_key = piece.keys.get(start)
        new_signature = None if signature == (bar.numerator, bar.denominator) else (bar.numerator, bar.denominator)
        signature = bar.numerator, bar.denominator
        shown_key = None if _is_drums(part) else new_key
        if shown_key is not None or new_signature is not None:
            _add_attributes(measure, bar, part, divisions, shown_key, new_signature)
        if not start:
            ET.SubElement(measure, "sound", dynamics=musicxml_marks.dynamics(velocity))
        key = new_key or key
        bar_keys = [(start, key or score_keys.Key(0, False, False))]
        inside = key_places[bisect.bisect_right(key_places, start) : bisect.bisect_left(key_places, stop)]
        bar_keys += [(place, piece.keys[place]) for place in inside]
        marks = ordered[bisect.bisect_left(places, start) : bisect.bisect_left(places, stop)]
        marks += [musicxml_marks.Mark(place, _key_change(k)) for place, k in bar_keys[1:] if not _is_drums(part)]
        key = bar_keys[-1][1] if len(bar_keys) > 1 else key
        context = musicxml_elements.BarNotes(bar, divisions, number, part, piece.fermatas, own.syllables, velocity)
        _add_bar(measure, context, (start, stop), bar_keys, marks)
    ET.SubElement(ET.SubElement(measure, "barline", location="right"), "bar-style").text = "light-heavy"


def _usual_velocity(part: score_layout.Part) -> int:
    """Returns the most frequent velocity of a part."""
    counts = collections.Counter(note.velocity for voice in part.instruments for note in voice.notes)
    return max(counts, key=lambda velocity: (counts[velocity], velocity))


def _is_drums(part: score_layout.Part) -> bool:
    return all(voice.is_drum for voice in part.instruments)


def _key_change(key: score_keys.Key) -> ET.Element:
    attributes = ET.Element("attributes")
    attributes.append(musicxml_marks.key_element(key))
    return attributes


def _add_bar(
    measure: ET.Element,
    context: musicxml_elements.BarNotes,
    edges: tuple[int, int],
    keys: Sequence[tuple[int, score_keys.Key]],
    marks: Sequence[musicxml_marks.Mark],
) -> None:
    """Adds the voices of one bar, and the marks at their places."""
    start, stop = edges
    lanes = [(n, lane.staff, score_layout.inside(lane.chords, *edges)) for n, lane in enumerate(context.part.lanes, 1)]
    at = start
    waiting = sorted(marks, key=lambda mark: mark.place)
    for staff, group in itertools.groupby(lanes, key=lambda lane: lane[1]):
        members = list(group)
        several = sum(bool(inside) for _, _, inside in members) > 1
        chords = [chord for _, _, inside in members for chord in inside]
        written = iter(musicxml_elements.spell(chords, context.part, keys))
        for index, (number, _, inside) in enumerate(members):
            is_hidden = index > 0
            if is_hidden and not inside:
                continue
            if at > start:
                ET.SubElement(ET.SubElement(measure, "backup"), "duration").text = str(at - start)
            at = start
            stem = ("up", "down")[index % 2] if several else ""
            lane = musicxml_elements.lay_out(number, staff, inside, context, stem)
            for position, chord in enumerate(inside):
                waiting = _add_marks(measure, waiting, at)
                musicxml_elements.add_rest(measure, at, chord.start, lane, context, is_hidden=is_hidden)
                waiting = _add_marks(measure, waiting, chord.start)
                musicxml_elements.add_chord(measure, next(written), lane, position, context)
                at = chord.end
            waiting = _add_marks(measure, waiting, at)
            musicxml_elements.add_rest(measure, at, stop, lane, context, is_hidden=is_hidden)
            at = stop
    # Marks at places where no note or rest begins.
    for mark in reversed(waiting):
        if at > mark.place:
            ET.SubElement(ET.SubElement(measure, "backup"), "duration").text = str(at - mark.place)
        measure.append(mark.element)
        at = mark.place
    if at < stop:
        ET.SubElement(ET.SubElement(measure, "forward"), "duration").text = str(stop - at)


def _add_marks(measure: ET.Element, marks: list[musicxml_marks.Mark], place: int) -> list[musicxml_marks.Mark]:
    """Adds the marks at a place, and returns the remaining ones."""
    for mark in marks:
        if mark.place == place:
            measure.append(mark.element)
    return [mark for mark in marks if mark.place != place]


def _add_attributes(
    measure: ET.Element,
    bar: voices_and_bars.Bar,
    part: score_layout.Part,
    divisions: int,
    key: score_keys.Key | None,
    signature: tuple[int, int] | None,
) -> None:
    """Adds divisions, staves and clefs to the first bar, and changes of key and time signature to any bar."""
    attributes = ET.SubElement(measure, "attributes")
    if not bar.start:
        ET.SubElement(attributes, "divisions").text = str(divisions)
    if key is not None:
        attributes.append(musicxml_marks.key_element(key))
    if signature is not None:
        element = ET.SubElement(attributes, "time")
        ET.SubElement(element, "beats").text = str(signature[0])
        ET.SubElement(element, "beat-type").text = str(signature[1])
    if bar.start:
        return
    if part.staves > 1:
        ET.SubElement(attributes, "staves").text = str(part.staves)
    for staff in range(1, part.staves + 1):
        chords = (chord for lane in part.lanes if lane.staff == staff for chord in lane.chords)
        pitches = [note.pitch for chord in chords for note in chord.notes]
        sign, line, octave = score_layout.clef(part.name, pitches, is_drum=_is_drums(part))
        element = ET.SubElement(attributes, "clef", {"number": str(staff)} if part.staves > 1 else {})
        ET.SubElement(element, "sign").text = sign
        ET.SubElement(element, "line").text = str(line)
        if octave:
            ET.SubElement(element, "clef-octave-change").text = str(octave)
