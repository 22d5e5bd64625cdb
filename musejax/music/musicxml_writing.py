"""NoteSequence to MusicXML 4.0: one part a voice, on the 16th grid, in bars with ties, rests, keys and fermatas."""

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, NamedTuple

from musejax import errors
from musejax.music import grid, musicxml_elements, timing, voices_and_bars
from musejax.theory import keys, pitch_names
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"'
    ' "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_FERMATA = "fermata"
# Bars of all parts together.
_MAX_BARS = 100_000


class _Key(NamedTuple):
    """A key signature: sharps (positive) or flats, its mode; the signature and the mode that spelling goes by."""

    fifths: int
    minor: bool
    spelled: int
    spelled_minor: bool


class _Piece(NamedTuple):
    """What all parts share; places are 16ths from the start."""

    bars: list[voices_and_bars.Bar]
    keys: dict[int, _Key]
    tempos: dict[int, float]
    fermatas: frozenset[int]


def to_bytes(sequence: "NoteSequence") -> bytes:
    """The MusicXML file of a sequence.

    Onsets and ends go to the nearest 16th and a note keeps at least one. Notes of a part with one onset and one length
    are a chord; whatever else overlaps is written as further voices of the part. A text annotation `fermata` stands
    over the notes that begin with it. Velocities, controls and other text are left out. Where the sequence has no key,
    none is written and pitches are spelled by the scale that holds most of them.

    Args:
        sequence: The music.

    Raises:
        errors.UserError: There are no notes, or the piece is too long to write.
    """
    voices = voices_and_bars.voices(sequence)
    tempos = timing.tempo_map(sequence)
    fermatas = [t.time for t in sequence.text_annotations if t.text == _FERMATA]
    piece = _Piece(
        voices_and_bars.bars(sequence),
        _keys(sequence),
        dict(zip(grid.frames(sequence, tempos.times).tolist(), tempos.qpm.tolist(), strict=True)),
        frozenset(grid.frames(sequence, fermatas).tolist()),
    )
    if len(piece.bars) * len(voices) > _MAX_BARS:
        raise errors.UserError(
            f"it has {len(piece.bars):,} bars in {len(voices):,} parts; at most {_MAX_BARS:,} bars can be written in "
            "all parts together"
        )
    root = ET.Element("score-partwise", version="4.0")
    if sequence.sequence_metadata.title:
        ET.SubElement(ET.SubElement(root, "work"), "work-title").text = _text(sequence.sequence_metadata.title)
    listed = ET.SubElement(root, "part-list")
    channel = 0
    for number, voice in enumerate(voices, 1):
        # Channel 10 is for drums; with more than fifteen other parts channels are shared.
        channel = channel % 16 + 1 + (channel % 16 + 1 == 10)
        entry = ET.SubElement(listed, "score-part", id=f"P{number}")
        ET.SubElement(entry, "part-name").text = _text(voice.name)
        instrument = ET.SubElement(entry, "score-instrument", id=f"P{number}-I1")
        ET.SubElement(instrument, "instrument-name").text = _text(voice.name)
        sound = ET.SubElement(entry, "midi-instrument", id=f"P{number}-I1")
        ET.SubElement(sound, "midi-channel").text = "10" if voice.is_drum else str(channel)
        # MusicXML counts programs from 1.
        ET.SubElement(sound, "midi-program").text = str(voice.program + 1)
    for number, voice in enumerate(voices, 1):
        part = ET.SubElement(root, "part", id=f"P{number}")
        _part(part, piece, voice, musicxml_elements.lanes(sequence, voice.notes), first=number == 1)
    ET.indent(root, "  ")
    return _DOCTYPE.encode() + ET.tostring(root, "utf-8") + b"\n"


def _text(text: str) -> str:
    """Text without the control characters that XML forbids."""
    return "".join(c if c.isprintable() else " " for c in text)


def _keys(sequence: "NoteSequence") -> dict[int, _Key]:
    """The key at each place where it changes, the first at 0."""
    last = max(sequence.notes, key=lambda n: (n.end_time, -n.pitch)).pitch

    def made(fifths: int, minor: bool, spelled: int) -> _Key:
        # Many sources call every key major; the last bass note tells a minor one by its tonic.
        return _Key(fifths, minor, spelled, minor or last % 12 == keys.tonic(spelled, minor=True))

    guessed = keys.guess((note.pitch, note.end_time - note.start_time) for note in sequence.notes)
    out = {0: made(0, False, guessed)}
    signatures = sorted(sequence.key_signatures, key=lambda k: k.time)
    for key, place in zip(signatures, grid.frames(sequence, [k.time for k in signatures]).tolist(), strict=True):
        fifths = keys.sharps(key.key, key.mode == key.MINOR)
        out[max(place, 0)] = made(fifths, key.mode == key.MINOR, fifths)
    return out


def _part(
    part: ET.Element,
    piece: _Piece,
    voice: voices_and_bars.Voice,
    lanes: list[list[musicxml_elements.Chord]],
    *,
    first: bool,
) -> None:
    """Writes all bars of one part."""
    sign = musicxml_elements.clef(voice)
    key, signature, measure = _Key(0, False, 0, False), None, None
    for bar in piece.bars:
        stop = bar.start + bar.length
        measure = ET.SubElement(part, "measure", number=str(bar.number))
        if bar.cut:
            measure.set("implicit", "yes")
        # A change inside a bar is written at the next bar line, where signatures stand.
        newest = [k for place, k in piece.keys.items() if place <= bar.start][-1]
        new_key, key = newest != key or not bar.start, newest
        new_signature, signature = signature != (bar.numerator, bar.denominator), (bar.numerator, bar.denominator)
        if new_key or new_signature:
            _attributes(measure, bar, key if new_key else None, signature if new_signature else None, sign)
        altered: dict[tuple[str, int], int] = {}
        for number, lane in enumerate(lanes, 1):
            inside = musicxml_elements.inside(lane, bar)
            if number > 1:
                if not inside:
                    continue
                ET.SubElement(ET.SubElement(measure, "backup"), "duration").text = str(bar.length)
            at = bar.start
            for chord in inside:
                musicxml_elements.rest(measure, at, chord.start, bar, number)
                if number == 1:
                    _tempos(measure, piece.tempos, at, chord.end, shown=first)
                written = [pitch_names.spell(pitch, key.spelled, key.spelled_minor) for pitch in chord.pitches]
                fermata = chord.start in piece.fermatas and not chord.tied
                musicxml_elements.chord(measure, chord, bar, number, written, key.fifths, altered, fermata)
                at = chord.end
            if number == 1 and at < stop:
                _tempos(measure, piece.tempos, at, stop, shown=first)
            musicxml_elements.rest(measure, at, stop, bar, number)
    if measure is not None:
        ET.SubElement(ET.SubElement(measure, "barline", location="right"), "bar-style").text = "light-heavy"


def _attributes(
    measure: ET.Element,
    bar: voices_and_bars.Bar,
    key: _Key | None,
    signature: tuple[int, int] | None,
    sign: tuple[str, int, int],
) -> None:
    """Divisions and clef in the first bar; key and time where they change."""
    attributes = ET.SubElement(measure, "attributes")
    if not bar.start:
        ET.SubElement(attributes, "divisions").text = str(QUARTER)
    if key is not None:
        element = ET.SubElement(attributes, "key")
        ET.SubElement(element, "fifths").text = str(key.fifths)
        ET.SubElement(element, "mode").text = "minor" if key.minor else "major"
    if signature is not None:
        element = ET.SubElement(attributes, "time")
        ET.SubElement(element, "beats").text = str(signature[0])
        ET.SubElement(element, "beat-type").text = str(signature[1])
    if not bar.start:
        element = ET.SubElement(attributes, "clef")
        ET.SubElement(element, "sign").text = sign[0]
        ET.SubElement(element, "line").text = str(sign[1])
        if sign[2]:
            ET.SubElement(element, "clef-octave-change").text = str(sign[2])


def _tempos(measure: ET.Element, tempos: dict[int, float], start: int, end: int, *, shown: bool) -> None:
    """Writes the last tempo change from `start` up to `end`, before the note or rest that begins there.

    Every part gets it, because some readers keep the tempo with which the part before ended; only the first part shows
    it, as a metronome mark.
    """
    changes = [qpm for place, qpm in sorted(tempos.items()) if start <= place < end]
    if not changes:
        return
    direction = ET.SubElement(measure, "direction", placement="above")
    kind = ET.SubElement(direction, "direction-type")
    if shown:
        mark = ET.SubElement(kind, "metronome", parentheses="no")
        ET.SubElement(mark, "beat-unit").text = "quarter"
        ET.SubElement(mark, "per-minute").text = f"{changes[-1]:g}"
    else:
        ET.SubElement(kind, "words")
    ET.SubElement(direction, "sound", tempo=f"{changes[-1]:.10g}")
