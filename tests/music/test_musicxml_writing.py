import warnings
import xml.etree.ElementTree as ET

from musejax.music import musicxml_writing, noteseq


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
                    assert at == 16
                    at -= length
                elif element.find("chord") is None:
                    at += length
                furthest = max(furthest, at)
            assert at == furthest == 16
        kinds = [tie.get("type") for tie in part.iter("tie")]
        assert kinds.count("start") == kinds.count("stop")
    chords = [n for n in root.iter("note") if n.find("chord") is not None]
    assert len(chords) == 1


def test_music21_reads_polyphony(polyphony, tmp_path):
    parsed = _music21(_write(polyphony, tmp_path))
    begun = [n for n in parsed.parts[0].recurse().notes if n.tie is None or n.tie.type == "start"]
    pitches = sorted(p.midi for n in begun for p in n.pitches)
    assert pitches == sorted(n.pitch for n in polyphony.notes if not n.is_drum)


def test_accidentals_show_once_a_bar(chorale):
    del chorale.notes[:]
    for index, pitch in enumerate((68, 68, 67, 67, 68, 68)):
        chorale.notes.add(pitch=pitch, velocity=80, start_time=0.6 * index, end_time=0.6 * index + 0.6)
    notes = [n for n in ET.fromstring(musicxml_writing.to_bytes(chorale)).iter("note") if n.find("pitch") is not None]
    # The second bar begins with the second note.
    assert [n.findtext("accidental") for n in notes] == ["sharp", "sharp", "natural", None, "sharp", None]
