"""The Groove MIDI Dataset's layout: a made archive of the published form becomes pieces in the published splits."""

import csv
import io
import zipfile

import pytest

from musejax import codecs, corpora, errors
from musejax.corpora import download, groove_midi
from musejax.music import noteseq

FIELDS = ("drummer", "session", "id", "style", "midi_filename", "split")
ROWS = [
    ("drummer1", "drummer1/session1", "drummer1/session1/1", "funk", "drummer1/session1/1.mid", "train"),
    ("drummer1", "drummer1/session1", "drummer1/session1/2", "rock", "drummer1/session1/2.mid", "test"),
    ("drummer2", "drummer2/session3", "drummer2/session3/9", "rock", "drummer2/session3/9.mid", "validation"),
]


def made(path, rows=ROWS):
    note_seq, table = noteseq.load(), io.StringIO()
    csv.writer(table).writerows([FIELDS, *rows])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("groove/info.csv", table.getvalue())
        for i, row in enumerate(rows):
            s = note_seq.NoteSequence(ticks_per_quarter=480)
            for beat in range(16):
                begin = beat / 2 + 0.02
                s.notes.add(pitch=36, velocity=70 + i, start_time=begin, end_time=begin + 0.1, is_drum=True)
            s.total_time = 8.0
            file = path.parent / "one.mid"
            note_seq.midi_io.note_sequence_to_pretty_midi(s).write(str(file))
            archive.write(file, f"groove/{row[4]}")


def test_the_published_archive_is_read_with_its_splits(tmp_path, monkeypatch):
    path = tmp_path / groove_midi.FILE.name
    made(path)
    entry = download.Entry(path.name, groove_midi.FILE.url, download._sha256(path))
    monkeypatch.setattr(groove_midi, "FILE", entry)
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    corpus = corpora.load("groove-midi")
    found = {p.name: p.split for p in corpus.pieces}
    assert found == {f"groove-midi/{row[4]}": {"validation": "valid"}.get(row[5], row[5]) for row in ROWS}
    assert len({p.group for p in corpus.pieces}) == 3
    (arrays,) = codecs.get("groove").encode(corpus.pieces[0].sequence())
    kicks = arrays["frames"][:, 0]
    assert kicks.sum() == 16 and (arrays["frames"][kicks > 0, 18] > 0).all()  # each a little late


def test_another_archive_is_refused(tmp_path, monkeypatch):
    made(tmp_path / groove_midi.FILE.name)
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    with pytest.raises(errors.UserError, match="bytes where 3260318 were expected"):
        corpora.load("groove-midi")
