"""Times of a MusicXML score: every part against one tempo map and one list of bar lines.

note-seq reads part after part and applies each tempo mark from where it finds it, so that parts drift apart where only
the first has the marks, or where a voice stops short of its bar line. Here it reads at one tempo, which gives the place
of everything within its bar in quarters. Where bars begin, and how many seconds a quarter lasts, follows from all parts
together.
"""

import itertools
import math
import re
import types
import xml.etree.ElementTree as ET
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musejax.music import limits, noteseq, timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# The tempo at which note-seq reads, its own default, and the quarters of a second at it.
_READING = "120"
_QUARTERS = 2.0
# By how many quarters a bar may differ from its time signature where tuplets are rounded to divisions.
_ROUNDING = 1 / 16
# Quarters of the beat unit of a metronome mark.
_UNITS = {
    "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25, "32nd": 0.125,
    "64th": 0.0625,
}  # fmt: skip


class _Bar(NamedTuple):
    """One bar of one part, in quarters.

    Attributes:
        length: How far its longest voice reaches.
        full: How long it is by its time signature.
        sounds: Whether it has a note.
        rests: Whether it holds one rest and nothing else, or nothing at all.
        marks: Place within the bar and quarters a minute of its tempo marks.
        shared: Whether its bar line is one of all parts.
    """

    length: float
    full: float
    sounds: bool
    rests: bool
    marks: list[tuple[float, float]]
    shared: bool


def document(root: ET.Element) -> Any:
    """Parses a score as note-seq does, but with times by one tempo map.

    Args:
        root: The tree of the score; its tempo marks are replaced.

    Returns:
        A `note_seq.musicxml_parser.MusicXMLDocument`.

    Raises:
        errors.UserError: It lasts longer than music does.
    """
    parts, divisions = [], Fraction(1)
    for part in root.findall("part"):
        bars, divisions = _bars(part, divisions)
        parts.append(bars)
    lines = _lines(parts)
    limits.check_count(max((row[-1] for row in lines), default=0.0), limits.MAX_QUARTERS, "quarter notes")
    marks: dict[float, float] = {}
    for bars, row in zip(parts, lines):
        own = {start + place: qpm for bar, start in zip(bars, row) for place, qpm in bar.marks}
        marks = own | marks  # The first part that has a mark at a place decides.
    for sound in root.iter("sound"):
        if sound.get("tempo") is not None:
            sound.set("tempo", _READING)
    return _parsed(root, lines, _tempos(marks))


def _tempos(marks: dict[float, float]) -> "NoteSequence":
    """A sequence that holds nothing but tempos, of quarters a minute by place in quarters."""
    out = noteseq.load().NoteSequence()
    time, before, qpm = 0.0, 0.0, timing.DEFAULT_QPM
    for place in sorted(marks):
        time += (place - before) * 60.0 / qpm
        before, qpm = place, marks[place]
        out.tempos.add(time=time, qpm=qpm)
    if not marks:
        out.tempos.add(qpm=qpm)
    return out


def _parsed(root: ET.Element, lines: list[list[float]], tempos: "NoteSequence") -> Any:
    """The score as note-seq's document, read at one tempo and then moved to the times of a tempo map."""
    parser = noteseq.load().musicxml_parser

    class Document(parser.MusicXMLDocument):
        @staticmethod
        def _get_score(filename: ET.Element) -> ET.Element:
            return filename

        def get_tempos(self) -> list[Any]:
            return [types.SimpleNamespace(time_position=t.time, qpm=t.qpm) for t in tempos.tempos]

        # As note-seq's, which take time that grows with the square of how many there are.
        def get_time_signatures(self) -> list[Any]:
            found = [b.time_signature for p in self.parts for b in p.measures if b.time_signature is not None]
            return _unique(found, lambda s: (s.time_position, s.numerator, s.denominator))

        def get_key_signatures(self) -> list[Any]:
            found = [b.key_signature for p in self.parts for b in p.measures if b.key_signature is not None]
            return _unique(found, lambda k: (k.time_position, k.key, k.mode)) or super().get_key_signatures()

        def get_chord_symbols(self) -> list[Any]:
            return [chord for part in self.parts for bar in part.measures for chord in bar.chord_symbols]

    document = Document(root)
    placed: list[tuple[Any, float, float]] = []
    for part, row in zip(document.parts, lines):
        for bar, line in zip(part.measures, row):
            marks = [m for m in (bar.time_signature, bar.key_signature, *bar.chord_symbols) if m is not None]
            for item in (*marks, *(note.note_duration for note in bar.notes)):
                place = line + (item.time_position - bar.start_time_position) * _QUARTERS
                placed.append((item, place, place + getattr(item, "seconds", 0.0) * _QUARTERS))
    times = timing.to_seconds(tempos, np.array([(start, end) for _, start, end in placed]).ravel()).reshape(-1, 2)
    for (item, _, _), (start, end) in zip(placed, times.tolist()):
        item.time_position = start
        if hasattr(item, "seconds"):
            item.seconds = end - start
    last = max((row[-1] for row in lines), default=0.0)
    document.total_time_secs = float(timing.to_seconds(tempos, np.array([last]))[0])
    return document


def _unique(items: list[Any], key: Callable[[Any], tuple]) -> list[Any]:
    """The first item of each key, in order."""
    out: dict[tuple, Any] = {}
    for item in items:
        out.setdefault(key(item), item)
    return list(out.values())


def _lines(parts: list[list[_Bar]]) -> list[list[float]]:
    """Where the bars of each part begin, and where its last one ends, in quarters.

    Bars of one number begin together in all parts, unless the score says that parts have bar lines of their own.
    """
    if not all(bar.shared for bars in parts for bar in bars):
        return [[0.0, *itertools.accumulate(bar.length for bar in bars)] for bars in parts]
    lengths = []
    for bars in itertools.zip_longest(*parts):
        here = [bar for bar in bars if bar is not None]
        # A rest that fills its bar is as long as the bar, whatever length a program writes: an incomplete bar may have
        # a whole rest, and a bar of three quarters one of four.
        told = [bar for bar in here if not bar.rests] or here
        lengths.append(max(bar.length if bar.sounds else min(bar.length, bar.full) for bar in told))
    lines = [0.0, *itertools.accumulate(lengths)]
    return [lines[: len(bars) + 1] for bars in parts]


def _bars(part: ET.Element, divisions: Fraction) -> tuple[list[_Bar], Fraction]:
    """The bars of one part, and the divisions of a quarter at its end, from those at its beginning.

    A backup that leads to before its bar is shortened.
    """
    bars, full = [], math.inf
    for measure in part.findall("measure"):
        place = length = Fraction(0)
        sounds, marks = False, []
        for child in measure:
            if child.tag == "attributes":
                divisions = Fraction(child.findtext("divisions") or divisions)
                time = child.find("time")
                full = full if time is None else _full(time)
            elif child.tag in ("direction", "sound"):
                qpm = _tempo(child)
                if qpm is not None:
                    marks.append((float(max(place + _offset(child) / divisions, 0)), qpm))
            elif child.tag in ("note", "forward", "backup"):
                sounds |= child.tag == "note" and child.find("rest") is None
                duration = child.findtext("duration")
                if duration is not None and child.find("chord") is None:
                    place += (-1 if child.tag == "backup" else 1) * Fraction(duration) / divisions
                    if place < 0:  # Programs leave out what is hidden in a voice, but step back over it.
                        _set(child, Fraction(duration) + place * divisions)
                        place = Fraction(0)
                    length = max(length, place)
        shared = measure.get("non-controlling") != "yes"
        if abs(length - full) < _ROUNDING:
            length = full
        rests = not sounds and len(measure.findall("note")) < 2
        bars.append(_Bar(float(length), full, sounds, rests, marks, shared))
    return bars, divisions


def _set(element: ET.Element, duration: Fraction) -> None:
    """Replaces the duration of an element, in whole divisions."""
    for child in element.findall("duration"):
        child.text = str(int(duration))


def _full(time: ET.Element) -> float:
    """The quarters of a bar by its time signature; without end where there is none."""
    units = [int(unit.text or "") for unit in time.findall("beat-type")]
    beats = [sum(map(int, (beat.text or "").split("+"))) for beat in time.findall("beats")]
    return sum(4 * beat / unit for beat, unit in zip(beats, units)) or math.inf


def _offset(element: ET.Element) -> Fraction:
    """By how many divisions a mark sounds later than where it stands."""
    for path in ("offset", "sound/offset") if element.tag == "direction" else ("offset",):
        offset = element.find(path)
        if offset is not None and (path != "offset" or element.tag == "sound" or offset.get("sound") == "yes"):
            return Fraction(offset.text or "0")
    return Fraction(0)


def _tempo(element: ET.Element) -> float | None:
    """Quarters a minute by a `direction` or a `sound`: what it says for playback, else its metronome mark."""
    sounds = [element] if element.tag == "sound" else element.findall("sound")
    for sound in sounds:
        qpm = float(sound.get("tempo") or 0)
        if 0 < qpm < math.inf:
            return qpm
    for mark in element.findall("direction-type/metronome"):
        speed = re.search(r"\d+(\.\d+)?", mark.findtext("per-minute") or "")
        unit = _UNITS.get((mark.findtext("beat-unit") or "").strip())
        if speed is not None and unit is not None and float(speed.group()) > 0:
            dots = len(mark.findall("beat-unit-dot"))
            return float(speed.group()) * unit * (2 - 0.5**dots)
    return None
