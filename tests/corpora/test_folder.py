import collections

import musicxml_text
import pytest

from musejax import cli, corpora, errors
from musejax.corpora import corpus, folder
from musejax.music import noteseq
from musejax.pipeline import dataset

ABC = "X:{n}\nT:Tune\nM:4/4\nL:1/4\nK:{key}\n{notes}|\n"


def midi_file(path, pitches, drums=False):
    note_seq = noteseq.load()
    s = note_seq.NoteSequence(ticks_per_quarter=220)
    for i, pitch in enumerate(pitches):
        s.notes.add(pitch=pitch, velocity=80, start_time=i / 2, end_time=(i + 1) / 2, is_drum=drums)
    s.total_time = len(pitches) / 2
    path.parent.mkdir(exist_ok=True)
    note_seq.midi_io.note_sequence_to_pretty_midi(s).write(str(path))


def test_a_folder_is_read_and_what_is_broken_counted(tmp_path):
    midi_file(tmp_path / "a.mid", [60, 62, 64, 65])
    midi_file(tmp_path / "sub" / "up.MIDI", [65, 67, 69, 70])
    midi_file(tmp_path / "beat.mid", [36, 38, 36, 42], drums=True)
    (tmp_path / "tunes.abc").write_text(
        ABC.format(n=1, key="C", notes="C D E F") + ABC.format(n=2, key="D", notes="d2B2")
    )
    (tmp_path / "broken.mid").write_bytes(b"noise")
    (tmp_path / "empty.mid").write_bytes(b"")
    (tmp_path / "empty.xml").write_bytes(b"")
    (tmp_path / "readme.txt").write_text("no music")
    (tmp_path / ".hidden.mid").write_bytes(b"noise")
    found = corpora.load(tmp_path)
    names = ["a.mid", "beat.mid", "tunes.abc#1", "tunes.abc#2", "sub/up.MIDI"]
    assert [p.name for p in found.pieces] == names
    assert found.report.used == 5
    assert sum(found.report.discarded.values()) == 3
    assert found.report.discarded["the file is empty"] == 2
    assert not any(str(tmp_path) in reason for reason in found.report.discarded)
    a, beat, abc, other, up = found.pieces
    assert a.group == up.group == abc.group  # One melody in two keys and two formats.
    assert len({a.group, beat.group, other.group}) == 3
    assert a.split == up.split
    assert [n.pitch for n in up.sequence().notes] == [65, 67, 69, 70]


def test_the_same_over_processes(tmp_path):
    for i in range(6):
        midi_file(tmp_path / f"{i}.mid", [60 + i, 62, 64])
    alone, together = folder.load(tmp_path, processes=1), folder.load(tmp_path, processes=2)
    assert [(p.name, p.group, p.split) for p in alone.pieces] == [(p.name, p.group, p.split) for p in together.pieces]
    assert [p.sequence() for p in alone.pieces] == [p.sequence() for p in together.pieces]


def test_a_folder_with_nothing_usable_is_an_error_with_counts(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.mid").write_bytes(b"" if i else b"noise")
    with pytest.raises(errors.UserError) as e:
        corpora.load(tmp_path)
    assert "none of 3 files" in str(e.value)
    assert "2 x the file is empty" in str(e.value)
    assert "\n" not in str(e.value)


def test_a_folder_without_music_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(errors.UserError, match=r"holds no file ending in \.mid"):
        corpora.load(str(tmp_path))


def test_paths_come_in_a_fixed_order(tmp_path):
    for name in ("b.mid", "a.xml", "c/d.abc", "c/.x/e.mid"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in folder.paths(tmp_path)] == ["a.xml", "b.mid", "c/d.abc"]
    assert collections.Counter(folder.paths(tmp_path)).most_common(1)[0][1] == 1


def test_a_lost_tune_is_counted(tmp_path):
    tune = "X:1\nT:one\nM:4/4\nL:1/4\nK:C\nCDEF|G4|\nw: la la\n\n"
    (tmp_path / "one.abc").write_text(tune + "X:2\nT:no key, no notes\n\n" + tune)
    corpus = folder.load(tmp_path)
    assert len(corpus.pieces) == corpus.report.used == 2
    ((reason, count),) = corpus.report.discarded.items()
    assert count == 1
    assert corpus.report.files == [("one.abc, tune 2 (X:2, 'no key, no notes')", reason)]


def test_what_is_left_out_of_files_is_counted_by_kind(tmp_path, capfd):
    grace = "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>"
    for number, (more, alter) in enumerate(((grace, ""), ("", ""), ("", "<alter>0.5</alter>"))):
        text = musicxml_text.score([grace + more + musicxml_text.notes("C4 D4 E4 F4")])
        (tmp_path / f"{number}.musicxml").write_text(text.replace("<step>C</step>", f"<step>C</step>{alter}"))
    midi_file(tmp_path / "plain.mid", [60, 62, 64])
    alone, together = (folder.load(tmp_path, processes).report for processes in (1, 2))
    assert alone == together and alone.used == 4 and not alone.discarded
    assert alone.to_json()["losses"] == [
        {"remark": "4 grace notes are left out", "number": 4, "files": 3},
        {"remark": "1 note is moved to the nearest semitone", "number": 1, "files": 1},
    ]
    lines = ["in 3 files 4 grace notes are left out", "in 1 file 1 note is moved to the nearest semitone"]
    assert corpus.lost("songs", alone.to_json()) == [f"songs: {line}" for line in lines]
    out = tmp_path / "songs.npz"
    with pytest.raises(SystemExit) as status:
        cli.main(["prepare", str(tmp_path), "--codec", "pianoroll-88", "--out", str(out)])
    assert not status.value.code
    said = capfd.readouterr().err
    assert all(f"{tmp_path}: {line}\n" in said for line in lines)
    assert dataset.load(out).report["losses"] == alone.to_json()["losses"]
