import collections
import os
import tempfile
import warnings
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import musicxml_text as text
import numpy as np
import pytest

from musejax.music import exact_times, musicxml_reading, musicxml_writing, noteseq, timing, voices_and_bars


def _write(sequence, folder):
    path = folder / "piece.musicxml"
    path.write_bytes(musicxml_writing.to_bytes(sequence))
    return path


def _music21(path):
    with warnings.catch_warnings():
        # music21's imports warn on some Pythons; this file's validity is what counts here.
        warnings.simplefilter("ignore")
        from music21 import converter

        return converter.parse(path, forceSource=True)


def _sixteenths(sequence, qpm):
    return [(n.part, round(n.start_time * qpm / 15, 6), round((n.end_time - n.start_time) * qpm / 15, 6), n.pitch)
            for n in sequence.notes]  # fmt: skip


def test_note_seq_reads_the_same_notes_where_nothing_is_tied(chorale, tmp_path):
    del chorale.notes[:]
    for part, pitches in enumerate([(74, 73, 71), (62, 61, 59)]):
        for index, pitch in enumerate(pitches):
            start = (0, 4, 10)[index]
            length = (4, 4, 6)[index]
            chorale.notes.add(part=part, instrument=part, pitch=pitch, velocity=80,
                              start_time=start * 0.15, end_time=(start + length) * 0.15)  # fmt: skip
    back = noteseq.load().musicxml_file_to_sequence_proto(str(_write(chorale, tmp_path)))
    assert sorted(_sixteenths(back, 100)) == sorted(_sixteenths(chorale, 100))
    assert [info.name for info in back.part_infos] == ["Soprano", "Alto"]
    assert [(k.key, k.mode) for k in back.key_signatures] == [(2, 0)]
    # note-seq does not tell that the first bar, which lasts a quarter, is incomplete.
    assert {(t.numerator, t.denominator) for t in back.time_signatures} <= {(1, 4), (3, 4)}
    assert {t.qpm for t in back.tempos} == {100}


def test_music21_reads_parts_ties_pickup_clefs_and_fermatas(chorale, tmp_path):
    parsed = _music21(_write(chorale, tmp_path))
    assert [part.partName for part in parsed.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    found = []
    for number, part in enumerate(parsed.parts):
        for note in part.stripTies().flatten().notes:
            found.append((number, float(note.offset) * 4, float(note.quarterLength) * 4, note.pitch.midi))
    assert sorted(found) == sorted(_sixteenths(chorale, 100))
    assert [part.recurse().getElementsByClass("Clef")[0].name for part in parsed.parts] == [
        "treble",
        "treble",
        "treble8vb",
        "bass",
    ]
    held = [n for n in parsed.recurse().notes if any("Fermata" in e.classes for e in n.expressions)]
    assert sorted((n.pitch.midi, n.getOffsetInHierarchy(parsed) * 4) for n in held) == [(38, 20), (69, 20), (74, 20)]
    bars = parsed.parts[0].getElementsByClass("Measure")
    assert [bar.number for bar in bars] == [0, 1, 2, 3]
    assert [bar.duration.quarterLength for bar in bars] == [1, 3, 3, 3]


def test_every_voice_fills_every_bar_and_ties_come_in_pairs(polyphony):
    root = ET.fromstring(musicxml_writing.to_bytes(polyphony))
    assert len(root.findall("part")) == 2
    for part in root.findall("part"):
        for measure in part.findall("measure"):
            at = furthest = 0
            for element in measure:
                length = int(element.findtext("duration") or 0)
                if element.tag == "backup":
                    at -= length
                elif element.find("chord") is None:
                    at += length
                furthest = max(furthest, at)
            assert at == furthest == 4 * 24
        kinds = [tie.get("type") for tie in part.iter("tie")]
        assert kinds.count("start") == kinds.count("stop")
    chords = [n for n in root.iter("note") if n.find("chord") is not None]
    assert len(chords) == 1


def test_music21_reads_polyphony(polyphony, tmp_path):
    parsed = _music21(_write(polyphony, tmp_path))
    # music21 makes a part of each staff.
    notes = [n for part in parsed.parts[:2] for n in part.recurse().notes]
    begun = [n for n in notes if n.tie is None or n.tie.type == "start"]
    pitches = sorted(p.midi for n in begun for p in n.pitches)
    assert pitches == sorted(n.pitch for n in polyphony.notes if not n.is_drum)


def test_accidentals_show_once_a_bar(chorale):
    del chorale.notes[:]
    for index, pitch in enumerate((68, 68, 67, 67, 68, 68)):
        chorale.notes.add(pitch=pitch, velocity=80, start_time=0.6 * index, end_time=0.6 * index + 0.6)
    notes = [n for n in ET.fromstring(musicxml_writing.to_bytes(chorale)).iter("note") if n.find("pitch") is not None]
    # The second bar begins with the second note.
    assert [n.findtext("accidental") for n in notes] == ["sharp", "sharp", "natural", None, "sharp", None]


def _quarters(sequence, seconds):
    return round(float(timing.to_quarters(sequence, np.array(seconds))), 5)


def _content(sequence):
    """Everything that a score and a sequence both hold, with times in quarters; parts are numbered anew."""

    def at(seconds):
        return _quarters(sequence, seconds)

    parts = {part: number for number, part in enumerate(sorted({note.part for note in sequence.notes}))}
    bars = voices_and_bars.bars(sequence, exact_times.read(sequence))
    return {
        "notes": collections.Counter(
            (parts[n.part], n.pitch, at(n.start_time), at(n.end_time), n.velocity, n.program, n.is_drum)
            for n in sequence.notes
        ),
        "metres": [(at(s.time), s.numerator, s.denominator) for s in sequence.time_signatures],
        "keys": [(at(k.time), k.key, k.mode) for k in sequence.key_signatures],
        "tempos": [(at(t.time), round(t.qpm, 6)) for t in sequence.tempos],
        "text": sorted((at(a.time), a.text) for a in sequence.text_annotations if a.text != "bar line"),
        "bars": [(bar.start, bar.length) for bar in bars],
        "titles": [sequence.sequence_metadata.title, *sequence.sequence_metadata.composers],
    }


def _come_back(sequence, folder):
    """Checks that a sequence is the same after it was written and read, and returns the remarks of the writer."""
    path = folder / "written.musicxml"
    remarks = []
    path.write_bytes(musicxml_writing.to_bytes(sequence, remarks.append))
    back, want = _content(musicxml_reading.musicxml_to_sequence(path)), _content(sequence)
    for name, value in want.items():
        if name != "keys" or value:
            assert back[name] == value, name
    return remarks


_KEY = "<key><fifths>-3</fifths><mode>minor</mode></key>"
_DRUMS = (
    '<score-instrument id="P2-I37"><instrument-name>Kick</instrument-name></score-instrument>'
    '<score-instrument id="P2-I39"><instrument-name>Snare</instrument-name></score-instrument>'
    '<midi-instrument id="P2-I37"><midi-channel>10</midi-channel><midi-unpitched>37</midi-unpitched></midi-instrument>'
    '<midi-instrument id="P2-I39"><midi-channel>10</midi-channel><midi-unpitched>39</midi-unpitched></midi-instrument>'
)


def _hit(drum, quarters):
    unpitched = "<unpitched><display-step>C</display-step><display-octave>5</display-octave></unpitched>"
    return f'<note>{unpitched}{text.duration(quarters)}<instrument id="P2-I{drum}"/></note>'


def _sung(name, quarters, syllable, syllabic):
    lyric = f"<lyric><syllabic>{syllabic}</syllabic><text>{syllable}</text></lyric>"
    return text.note(name, quarters, more=lyric)


_TITLES = (
    "<work><work-title>Frühling &amp; 夏</work-title></work>"
    '<identification><creator type="composer">Dvořák</creator></identification>'
)
_CHORD = "<harmony><root><root-step>B</root-step><root-alter>-1</root-alter></root><kind>{}</kind>{}</harmony>"
_BASS = "<bass><bass-step>D</bass-step></bass>"
_DEGREE = (
    "<degree><degree-value>5</degree-value><degree-alter>-1</degree-alter><degree-type>alter</degree-type></degree>"
)
SCORES = {
    "triplets, quintuplets and tuplets over two beats": text.score(
        [text.notes("C4 D4 E4", 1 / 3) + text.notes("C4 D4 E4", 2 / 3) + text.note("G4")]
        + [text.notes("C5 B4 A4 G4 F4 E4", 1 / 6) + text.note("D4", 1 / 4) + text.note("C4", 11 / 4)],
        first=_KEY,
    ),
    "triplets that are tied over beats": text.score(
        [text.note("C4", 2 / 3) + text.note("D4", 2 / 3) + text.note("E4", 1 / 3) + text.note("F4", 7 / 3)], first=_KEY
    ),
    "a pickup, other metres, and a tempo and a key inside a bar": text.score(
        [
            ('number="0" implicit="yes"', text.tempo(66) + text.note("G3", 0.5)),
            text.attributes(text.time(3, 4)) + text.note("C4", 3) + text.backup(1) + text.tempo(90.5) + text.forward(1),
            text.attributes(text.time(7, 16)) + text.note("C4", 1.75),
            text.attributes(text.time(3, 4)) + text.note("C4", 2) + text.attributes("<key><fifths>2</fifths></key>")
            + text.note("D4", 1),
        ],
        metre=(3, 4),
        first=_KEY,
    ),
    "a first bar of another metre, which is no pickup": text.score(
        [text.note("C4", 1.5), text.attributes(text.time(2, 4)) + text.note("C4", 2)]
        + [text.attributes(text.time(3, 8)) + text.note("C4", 1.5)],
        metre=(3, 8),
        first=_KEY,
    ),
    "unisons, voices and dynamics": text.score(
        [
            text.note("C4", 4, voice=1) + text.backup(4) + text.notes("C4 C4", 2, voice=2, attributes='dynamics="50"'),
            text.note("C4", 1) + text.note("E4", 1, chord=True) + text.note("C4", 3) + text.backup(4)
            + text.note("C4", 1, voice=2) + text.note("G3", 3, voice=2),
        ],
        first=_KEY,
    ),
    "drums beside a flute": text.score(
        [text.note("C5", 4)],
        [_hit(37, 1) + _hit(39, 1) + _hit(37, 0.5) + _hit(37, 0.5) + _hit(39, 1)],
        heads=["", _DRUMS],
        first=_KEY,
    ),
    "lyrics, titles and chord symbols": text.score(
        [
            _CHORD.format("minor-seventh", _BASS) + _sung("C4", 1, "Hal", "begin") + _sung("D4", 1, "le", "middle")
            + _CHORD.format("dominant-ninth", "") + _sung("E4", 1, "lu", "middle") + _sung("F4", 1, "jah", "end"),
            _CHORD.format("none", "") + _sung("C4", 4, "Ö", "single")
            + text.backup(1) + _CHORD.format("half-diminished", "") + text.forward(1),
            _CHORD.format("major-minor", _DEGREE + _BASS) + text.note("C4", 4),
        ],
        [text.notes("C3 C3", 2), text.note("C3", 4), text.note("C3", 4)],
        before=_TITLES,
        first=_KEY,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCORES)
def test_a_score_comes_back(name, read_score, tmp_path):
    sequence = read_score(SCORES[name])
    assert read_score.remarks == []
    assert _come_back(sequence, tmp_path) == []


def test_triplets_are_written_as_triplets(read_score):
    sequence = read_score(text.score([text.notes("C4 D4 E4", 2 / 3) + text.notes("C4 D4", 1)]))
    notes = list(ET.fromstring(musicxml_writing.to_bytes(sequence)).iter("note"))
    values = [(n.findtext("type"), n.findtext("time-modification/actual-notes")) for n in notes]
    assert values == [("quarter", "3")] * 3 + [("quarter", None)] * 2
    brackets = [[tuplet.get("type") for tuplet in note.iter("tuplet")] for note in notes]
    assert brackets == [["start"], [], ["stop"], [], []]


def test_a_key_that_is_not_given_is_estimated_and_reported(chorale, tmp_path):
    del chorale.key_signatures[:]
    for note in chorale.notes:
        note.pitch = 67 if note.pitch == 68 else note.pitch  # The G sharp belongs to A major.
    assert _come_back(chorale, tmp_path) == ["it has no key; D major is estimated from its notes"]
    keys = ET.fromstring(musicxml_writing.to_bytes(chorale)).findall(".//key")
    assert [(key.findtext("fifths"), key.findtext("mode")) for key in keys] == [("2", "major")] * 4


def test_played_timing_moves_to_a_grid_and_no_note_is_merged(tmp_path):
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=480)
    random = np.random.default_rng(3)
    for start in np.cumsum(random.integers(0, 40, 300)) / 960:
        sequence.notes.add(pitch=int(random.integers(58, 62)), velocity=70, start_time=start, end_time=start + 0.011)
    sequence.key_signatures.add()
    path = tmp_path / "played.musicxml"
    remarks = []
    path.write_bytes(musicxml_writing.to_bytes(sequence, remarks.append))
    back = musicxml_reading.musicxml_to_sequence(path)
    assert sorted(note.pitch for note in back.notes) == sorted(note.pitch for note in sequence.notes)
    onsets = [sorted(_quarters(s, n.start_time) for n in s.notes) for s in (sequence, back)]
    assert max(abs(a - b) for a, b in zip(*onsets, strict=True)) <= 1 / 48 + 1e-5
    (remark,) = remarks
    assert "move to a grid of 1/24 quarter note" in remark


def test_a_choir_has_a_bracket_and_a_piano_two_staves(chorale):
    for at, pitch in enumerate((36, 84, 40, 79)):
        chorale.notes.add(part=4, pitch=pitch, velocity=80, start_time=at * 0.6, end_time=at * 0.6 + 0.6)
    chorale.part_infos.add(part=4, name="Piano")
    root = ET.fromstring(musicxml_writing.to_bytes(chorale))
    listed = [(e.tag, e.get("type") or e.get("id")) for e in root.find("part-list")]
    voices = [("score-part", f"P{number}") for number in range(1, 5)]
    assert listed == [("part-group", "start"), *voices, ("part-group", "stop"), ("score-part", "P5")]
    piano = root.findall("part")[4]
    assert piano.findtext(".//staves") == "2"
    assert [clef.findtext("sign") for clef in piano.iter("clef")] == ["G", "F"]
    staves = {n.findtext("staff"): [] for n in piano.iter("note")}
    for note in piano.iter("note"):
        if note.find("pitch") is not None:
            staves[note.findtext("staff")].append(note.findtext("pitch/octave"))
    assert staves == {"1": ["6", "5"], "2": ["2", "2"]}


def test_what_a_score_cannot_hold_is_reported(polyphony):
    remarks = []
    polyphony.text_annotations.add(time=0.25, text="lyric: la")
    musicxml_writing.to_bytes(polyphony, remarks.append)
    assert [line.split(";")[0].split(",")[0] for line in remarks] == [
        "3 notes move to a grid of 1/24 quarter note",
        "it has no key",
        "1 syllable is left out",
        "3 controllers and pitch bends are left out",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("archive", ["openscore-lieder.zip", "openscore-quartets.zip"])
def test_every_published_score_comes_back(archive, tmp_path):
    folder = os.environ.get("MUSEJAX_DATA")
    if not folder or not (Path(folder) / archive).exists():
        pytest.skip(f"MUSEJAX_DATA has no {archive}")
    with zipfile.ZipFile(Path(folder) / archive) as scores, tempfile.TemporaryDirectory() as scratch:
        names = sorted(name for name in scores.namelist() if name.endswith((".mxl", ".musicxml")))
        for name in names:
            path = Path(scratch) / f"score{Path(name).suffix}"
            path.write_bytes(scores.read(name))
            _come_back(musicxml_reading.musicxml_to_sequence(path), tmp_path)
