import os
import zipfile

import pytest

from musejax import cli, errors
from musejax.music import abc_reading, files, noteseq, score_annotations

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


@pytest.mark.parametrize("suffix", [".xml", ".musicxml", ".mxl"])
def test_musicxml_has_fermatas_and_tied_notes(tmp_path, suffix):
    path = tmp_path / f"score{suffix}"
    if suffix == ".mxl":
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


def test_standard_output_works_after_abc(tmp_path, capfd):
    with abc_reading.quiet_stdout():
        os.write(1, b"lost")
    os.write(1, b"kept")
    assert capfd.readouterr().out == "kept"


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
