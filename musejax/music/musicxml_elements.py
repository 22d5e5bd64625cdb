"""Notes, rests and clefs as MusicXML elements; times are whole 16ths from the start of the piece."""

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax.music import grid, voices_and_bars
from musejax.theory import pitch_names
from musejax.theory.sixteenths import bar_length

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Lengths in 16ths that one sign can write: its type and dots.
_TYPES = {
    1: ("16th", 0),
    2: ("eighth", 0),
    3: ("eighth", 1),
    4: ("quarter", 0),
    6: ("quarter", 1),
    8: ("half", 0),
    12: ("half", 1),
    16: ("whole", 0),
    24: ("whole", 1),
    32: ("breve", 0),
}
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}


class Chord(NamedTuple):
    """Notes of one onset and length, or the piece of them inside one bar.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        pitches: Its MIDI pitches from the lowest.
        tied: Whether it goes on from the bar before.
        holds: Whether it goes on in the next bar.
    """

    start: int
    end: int
    pitches: tuple[int, ...]
    tied: bool = False
    holds: bool = False


def lanes(sequence: "NoteSequence", notes: list["NoteSequence.Note"]) -> list[list[Chord]]:
    """The chords of a part in as few voices as keep each voice free of overlaps, the highest first where both begin."""
    found: dict[tuple[int, int], set[int]] = {}
    spans = grid.spans(np.maximum(grid.note_positions(sequence, notes), 0.0))
    for note, (start, end) in zip(notes, spans.tolist(), strict=True):
        found.setdefault((start, end), set()).add(note.pitch)
    out: list[list[Chord]] = []
    for (start, end), pitches in sorted(found.items(), key=lambda item: (item[0][0], -max(item[1]), item[0][1])):
        chord_ = Chord(start, end, tuple(sorted(pitches)))
        for lane in out:
            if lane[-1].end <= start:
                lane.append(chord_)
                break
        else:
            out.append([chord_])
    return out


def inside(lane: list[Chord], bar: voices_and_bars.Bar) -> list[Chord]:
    """What of a voice sounds in a bar, cut at its bar lines."""
    stop = bar.start + bar.length
    return [
        Chord(
            max(c.start, bar.start), min(c.end, stop), c.pitches, c.tied or c.start < bar.start, c.holds or c.end > stop
        )
        for c in lane
        if c.start < stop and c.end > bar.start
    ]


def clef(voice: voices_and_bars.Voice) -> tuple[str, int, int]:
    """The clef of a part, as sign, line and octave change: treble, the same an octave down, or bass."""
    pitches = sorted(note.pitch for note in voice.notes)
    middle = pitches[len(pitches) // 2]
    if voice.is_drum:
        return "percussion", 2, 0
    # Singers know a tenor by its clef, however high the part; without a name, a bass line goes below what it holds.
    if "tenor" in voice.name.lower() or (53 <= middle < 60 and pitches[0] >= 45):
        return "G", 2, -1
    if middle >= 60:
        return "G", 2, 0
    return "F", 4, 0


def chord(
    measure: ET.Element,
    chord: Chord,
    bar: voices_and_bars.Bar,
    voice: int,
    written: list[pitch_names.Spelling],
    fifths: int,
    altered: dict[tuple[str, int], int],
    fermata: bool,
) -> None:
    """Writes a chord as one sign, or several tied ones.

    Args:
        measure: The bar's element.
        chord: What sounds, inside the bar.
        bar: The bar.
        voice: The number of its voice, from 1.
        written: How its pitches are spelled.
        fifths: The key signature.
        altered: (step, octave) -> alteration of what the bar has altered so far; it is brought up to date.
        fermata: Whether a fermata stands over it.
    """
    pieces = _split(chord.start - bar.start, chord.end - bar.start, _beat(bar))
    for number, (start, end) in enumerate(pieces):
        stop_tie = number > 0 or chord.tied
        start_tie = number < len(pieces) - 1 or chord.holds
        for index, name in enumerate(written):
            note = ET.SubElement(measure, "note")
            if index:
                ET.SubElement(note, "chord")
            pitch = ET.SubElement(note, "pitch")
            ET.SubElement(pitch, "step").text = name.step
            if name.alter:
                ET.SubElement(pitch, "alter").text = str(name.alter)
            ET.SubElement(pitch, "octave").text = str(name.octave)
            ET.SubElement(note, "duration").text = str(end - start)
            ties = [kind for kind, wanted in (("stop", stop_tie), ("start", start_tie)) if wanted]
            for kind in ties:
                ET.SubElement(note, "tie", type=kind)
            ET.SubElement(note, "voice").text = str(voice)
            _sign(note, end - start)
            place = name.step, name.octave
            before = altered.get(place, pitch_names.alteration(name.step, fifths))
            # A tied note keeps its accidental over the bar line without writing it again.
            if name.alter != before and not stop_tie:
                ET.SubElement(note, "accidental").text = _ACCIDENTALS[name.alter]
                altered[place] = name.alter
            over = fermata and number == 0 and index == len(written) - 1
            if ties or over:
                notations = ET.SubElement(note, "notations")
                for kind in ties:
                    ET.SubElement(notations, "tied", type=kind)
                if over:
                    ET.SubElement(notations, "fermata", type="upright")


def rest(measure: ET.Element, start: int, end: int, bar: voices_and_bars.Bar, voice: int) -> None:
    """Fills the time from `start` to `end` with rests; voices after the first leave it blank."""
    if start >= end:
        return
    if voice > 1:
        ET.SubElement(ET.SubElement(measure, "forward"), "duration").text = str(end - start)
        return
    if end - start == bar.length:
        note = ET.SubElement(measure, "note")
        ET.SubElement(note, "rest", measure="yes")
        ET.SubElement(note, "duration").text = str(bar.length)
        ET.SubElement(note, "voice").text = str(voice)
        return
    for left, right in _split(start - bar.start, end - bar.start, _beat(bar), rests=True):
        note = ET.SubElement(measure, "note")
        ET.SubElement(note, "rest")
        ET.SubElement(note, "duration").text = str(right - left)
        ET.SubElement(note, "voice").text = str(voice)
        _sign(note, right - left)


def _beat(bar: voices_and_bars.Bar) -> int:
    """16ths in a beat: three units of the signature where it is compound (6/8, 9/8, 12/8), else one."""
    unit = bar_length(1, bar.denominator)
    return 3 * unit if bar.denominator >= 8 and bar.numerator % 3 == 0 else unit


def _sign(note: ET.Element, length: int) -> None:
    """The type and dots of a length."""
    name, dots = _TYPES[length]
    ET.SubElement(note, "type").text = name
    for _ in range(dots):
        ET.SubElement(note, "dot")


def _split(start: int, end: int, beat: int, *, rests: bool = False) -> list[tuple[int, int]]:
    """Cuts a time inside a bar into lengths that one sign can write, at beats where it can.

    Args:
        start: Its beginning, in 16ths from the bar line.
        end: Its end.
        beat: 16ths in a beat.
        rests: Whether it is a rest; rests show the beats even where one sign could write them.
    """
    out = []
    while start < end:
        length = end - start
        to_beat = -start % beat
        if 0 < to_beat < length and (rests or length not in _TYPES):
            length = to_beat
        if length not in _TYPES or (rests and length > beat):
            fitting = [n for n in _TYPES if n <= length]
            length = max([n for n in fitting if n % beat == 0] or fitting)
        out.append((start, start + length))
        start += length
    return out
