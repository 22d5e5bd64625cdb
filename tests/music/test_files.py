import zipfile

import musicxml_text as mx
import pytest

from musejax import cli, errors
from musejax.music import files, midi_writing, noteseq, score_annotations

SCORE = """<score-partwise><part-list>
<score-part id="P1"><part-name>Soprano</part-name></score-part>
<score-part id="P2"><part-name>Bass</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>2</divisions><key><fifths>2</fifths><mode>major</mode></key>
<time><beats>4</beats><beat-type>4</beat-type></time></attributes>
<note><grace/><pitch><step>D</step><octave>5</octave></pitch><voice>1</voice><type>eighth</type></note>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>2</duration><voice>1</voice><type>quarter</type></note>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>2</duration><voice>1</voice><type>quarter</type>
<notations><fermata type="upright"/></notations></note>
<note><pitch><step>E</step><octave>5</octave></pitch><duration>4</duration><tie type="start"/><voice>1</voice>
<type>half</type></note></measure>
<measure number="2"><note><pitch><step>E</step><octave>5</octave></pitch><duration>8</duration><tie type="stop"/>
<voice>1</voice><type>whole</type><notations><fermata/></notations></note></measure></part>
<part id="P2"><measure number="1"><note><pitch><step>C</step><octave>3</octave></pitch><duration>8</duration>
<voice>1</voice><type>whole</type></note></measure>
<measure number="2"><note><rest/><duration>8</duration><voice>1</voice></note></measure></part></score-partwise>"""

CONTAINER = '<container><rootfiles><rootfile full-path="score.xml"/></rootfiles></container>'

ABC = """a header that is no tune

X:1
T:First
M:3/4
L:1/4
K:Gm
"Gm"G A B|c3|
X:2
T:Second
M:C
L:1/8
K:D
|:D2 E2 F2 D2:|
"""


def notes(sequence, part=0):
    return [(n.pitch, n.start_time, n.end_time) for n in sequence.notes if n.part == part]


@pytest.mark.parametrize("suffix", [".xml", ".musicxml", ".mxl", ".XML", ".MusicXML", ".MXL"])
def test_musicxml_has_fermatas_and_tied_notes(tmp_path, suffix):
    path = tmp_path / f"score{suffix}"
    if suffix.lower() == ".mxl":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("META-INF/container.xml", CONTAINER)
            archive.writestr("score.xml", SCORE)
    else:
        path.write_text(SCORE)
    (sequence,) = files.read(path)
    # 120 quarters a minute: the tied E lasts from beat 3 to the end of bar 2, and the grace note is gone.
    assert notes(sequence) == [(72, 0.0, 0.5), (72, 0.5, 1.0), (76, 1.0, 4.0)]
    assert notes(sequence, 1) == [(48, 0.0, 2.0)]
    tied = sequence.notes[2]
    assert (tied.numerator, tied.denominator) == (3, 2)
    assert [(a.time, a.text) for a in sequence.text_annotations] == [
        (0.5, score_annotations.FERMATA),
        (1.0, score_annotations.FERMATA),
    ]
    assert [p.name for p in sequence.part_infos] == ["Soprano", "Bass"]
    assert (sequence.key_signatures[0].key, sequence.time_signatures[0].numerator) == (2, 4)


def test_abc_holds_many_tunes(tmp_path, capfd):
    path = tmp_path / "tunes.abc"
    path.write_text(ABC)
    first, second = files.read(path)
    assert capfd.readouterr().out == ""
    assert notes(first) == [(67, 0.0, 0.5), (69, 0.5, 1.0), (70, 1.0, 1.5), (72, 1.5, 3.0)]
    assert first.sequence_metadata.title == "First"
    assert (first.time_signatures[0].numerator, first.time_signatures[0].denominator) == (3, 4)
    assert (first.key_signatures[0].key, first.key_signatures[0].mode) == (7, first.key_signatures[0].MINOR)
    assert [n.pitch for n in second.notes] == [62, 64, 66, 62] * 2


def test_midi_is_told_by_its_suffix(tmp_path):
    note_seq = noteseq.load()
    sequence = note_seq.NoteSequence(ticks_per_quarter=220, total_time=1.0)
    sequence.notes.add(pitch=60, velocity=80, start_time=0.5, end_time=1.0)
    path = tmp_path / "one.MID"
    note_seq.midi_io.note_sequence_to_pretty_midi(sequence).write(str(path))
    (found,) = files.read(path)
    assert notes(found) == [(60, 0.5, 1.0)]
    assert found.filename == "one.MID"
    assert files.midi_to_sequence(path.read_bytes()).notes == found.notes


BAD = {
    "empty.mid": b"",
    "empty.abc": b"",
    "noise.mid": b"noise",
    "noise.mxl": b"noise",
    "noise.xml": b"<score",
    "web.xml": b"<html><body/></html>",
    "prose.abc": b"no tune here\n",
    "song.mp3": b"ID3",
}


@pytest.mark.parametrize("name", [*BAD, "absent.mid"])
def test_bad_files_get_one_line(tmp_path, name):
    path = tmp_path / name
    if name in BAD:
        path.write_bytes(BAD[name])
    with pytest.raises(errors.UserError) as e:
        files.read(path)
    message = str(e.value)
    assert str(path) in message
    assert "\n" not in message


def test_one_broken_tune_does_not_cost_the_others(tmp_path):
    path = tmp_path / "tunes.abc"
    path.write_text(ABC + "X:3\nT:No key and no notes\n")
    assert len(files.read(path)) == 2


def test_a_lost_tune_is_said(tmp_path):
    path = tmp_path / "tunes.abc"
    path.write_text(ABC + "X:3\nT:No key and no notes\n")
    said = []
    assert len(files.read(path, said.append)) == 2
    (line,) = said
    assert line.startswith(f"{path}: tune 3 (X:3, 'No key and no notes') is left out: ")


def test_convert_says_which_tune_is_lost(tmp_path, capsys):
    path = tmp_path / "tunes.abc"
    path.write_text(ABC + "X:3\nT:No key and no notes\n")
    with pytest.raises(SystemExit):
        cli.main(["convert", str(path), "--out", str(tmp_path / "out")])
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert "tune 3 (X:3, 'No key and no notes') is left out" in "".join(capsys.readouterr())


@pytest.mark.parametrize("quoted", ["'It's.xml'", '"It\'s.xml"', '"It&apos;s.xml"', "'other.xml'"])
def test_an_archive_is_read_however_its_container_quotes_a_name(tmp_path, quoted):
    path = tmp_path / "song.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        container = f"<container><rootfiles><rootfile full-path={quoted}/></rootfiles></container>"
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("It's.xml", SCORE)
    if "other" in quoted:
        with pytest.raises(errors.UserError, match="it is an archive that names 'other.xml'; it must name one score"):
            files.read(path)
        return
    (sequence,) = files.read(path)
    assert notes(sequence, 1) == [(48, 0.0, 2.0)]


def test_a_unison_of_two_voices_keeps_both_lengths(tmp_path):
    path = tmp_path / "unison.musicxml"
    low = mx.backup(4) + mx.notes("r C5", voice=2) + mx.note("D5", 2, voice=2)
    path.write_text(mx.score([mx.note("C5", 4) + low]))
    (sequence,) = files.read(path)
    assert sorted(notes(sequence)) == [(72, 0.0, 2.0), (72, 0.5, 1.0), (74, 1.0, 2.0)]


def test_a_file_that_says_no_tempo_has_none(tmp_path):
    texts = {"plain.musicxml": mx.score([mx.notes("C4 D4 E4 F4")]), "plain.abc": "X:1\nL:1/4\nK:C\nC D E F|\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "said.abc").write_text("X:1\nL:1/4\nQ:1/4=120\nK:C\nC D E F|\n")
    (tmp_path / "said.musicxml").write_text(mx.score([mx.tempo(120) + mx.notes("C4 D4 E4 F4")]))
    (said,) = files.read(tmp_path / "said.abc")
    (tmp_path / "said.mid").write_bytes(midi_writing.to_bytes(said))
    tempo = b"\0\xff\x51\3\7\xa1\x20"
    data = (tmp_path / "said.mid").read_bytes()
    assert data.count(tempo) == 1
    at = data.index(b"MTrk") + 4
    length = int.from_bytes(data[at : at + 4], "big") - len(tempo)
    plain = (data[:at] + length.to_bytes(4, "big") + data[at + 4 :]).replace(tempo, b"")
    (tmp_path / "plain.mid").write_bytes(plain)
    for suffix in ("mid", "musicxml", "abc"):
        (plain_sequence,), (said,) = (files.read(tmp_path / f"{name}.{suffix}") for name in ("plain", "said"))
        assert not plain_sequence.tempos and [t.qpm for t in said.tempos] == [120.0]
        assert notes(plain_sequence) == notes(said)
        assert [n[1] for n in notes(said)] == [0.0, 0.5, 1.0, 1.5]


def test_abc_is_read_as_it_is_written_where_that_is_asked_for(tmp_path):
    (tmp_path / "song.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\n|: C D E F :|\n")
    remarks: list[str] = []
    for repeats, count in ((True, 8), (False, 4)):
        (sequence,) = files.read(tmp_path / "song.abc", remark=remarks.append, repeats=repeats)
        assert len(sequence.notes) == count
    assert remarks == []
