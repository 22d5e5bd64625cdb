import csv
import hashlib
import json
import zipfile

import pytest

from musejax import corpora, errors
from musejax.corpora import download, maestro, published
from musejax.music import noteseq

FIELDS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration")
ROWS = [
    ("Bach", 'Fugue, "a"', "train", "2004", "2004/one.midi", "2004/one.wav", "1.0"),
    ("Bach", 'Fugue, "a"', "train", "2006", "2006/two.midi", "2006/two.wav", "1.0"),
    ("Haydn", "Sonata", "validation", "2004", "2004/three.midi", "2004/three.wav", "1.0"),
    ("Chopin", "Étude", "test", "2004", "2004/four.midi", "2004/four.wav", "1.0"),
    ("Chopin", "Lost", "test", "2004", "2004/lost.midi", "2004/lost.wav", "1.0"),
]


def made(folder, table="csv"):
    root = folder / "maestro-v3.0.0"
    note_seq = noteseq.load()
    for i, row in enumerate(ROWS[:4]):
        s = note_seq.NoteSequence(ticks_per_quarter=384)
        s.notes.add(pitch=60 + i, velocity=80, end_time=1.0)
        s.control_changes.add(time=0.5, control_number=64, control_value=100)
        (root / row[4]).parent.mkdir(parents=True, exist_ok=True)
        note_seq.midi_io.note_sequence_to_pretty_midi(s).write(str(root / row[4]))
    if table == "csv":
        with (root / "maestro-v3.0.0.csv").open("w", newline="", encoding="utf-8") as f:
            csv.writer(f).writerows([FIELDS, *ROWS])
    else:
        columns = {name: {str(i): row[k] for i, row in enumerate(ROWS)} for k, name in enumerate(FIELDS)}
        (root / "maestro-v3.0.0.json").write_text(json.dumps(columns))
    return root


def check(corpus):
    assert [(p.name, p.split) for p in corpus.pieces] == [
        ("maestro/2004/one.midi", "train"),
        ("maestro/2006/two.midi", "train"),
        ("maestro/2004/three.midi", "valid"),
        ("maestro/2004/four.midi", "test"),
    ]
    assert corpus.pieces[0].group == corpus.pieces[1].group
    assert len({p.group for p in corpus.pieces}) == 3
    assert corpus.report.to_json() == {"used": 4, "discarded": {"the file is missing": 1}, "files": [], "losses": []}
    sequence = corpus.pieces[2].sequence()
    assert [(n.pitch, n.velocity, n.end_time) for n in sequence.notes] == [(62, 80, 1.0)]
    assert [c.control_number for c in sequence.control_changes] == [64]


@pytest.mark.parametrize("table", ["csv", "json"])
def test_a_folder_is_read_with_its_published_splits(tmp_path, monkeypatch, table):
    made(tmp_path, table)
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    check(corpora.load("maestro"))
    monkeypatch.setattr(published, "read", lambda task: pytest.fail("read again"))
    check(corpora.load("maestro"))


def test_the_archive_is_read_in_place(tmp_path, monkeypatch):
    root = made(tmp_path / "unpacked")
    path = tmp_path / "maestro-v3.0.0-midi.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*.*")):
            if file.is_file():
                archive.write(file, file.relative_to(root.parent))
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(maestro, "FILE", download.Entry(path.name, maestro.FILE.url, sha))
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    check(corpora.load("maestro"))


def test_what_is_wrong_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    root = tmp_path / "maestro-v3.0.0"
    root.mkdir()
    with pytest.raises(errors.UserError, match="has no maestro-v3.0.0.csv or"):
        corpora.load("maestro")
    (root / "maestro-v3.0.0.csv").write_text("a,b\n1,2\n")
    with pytest.raises(errors.UserError, match="columns canonical_composer"):
        corpora.load("maestro")
    with (root / "maestro-v3.0.0.csv").open("w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([FIELDS, ROWS[0]])
    with pytest.raises(errors.UserError, match="its only file could not be used .*1 x the file is missing"):
        corpora.load("maestro")
