import pytest

from musejax import errors
from musejax.generation import inputs
from musejax.music import midi_writing, noteseq

TUNES = "X:1\nT:One\nM:4/4\nL:1/4\nK:C\nCDEF|\n\nX:2\nT:Two\nM:4/4\nL:1/4\nK:C\nGABc|\n"


def read(music, **options):
    said = []
    return inputs.read(music, as_written=False, say=said.append, **options), said


def test_a_sequence_stays_itself_and_a_path_is_read(tmp_path):
    sequence = noteseq.load().NoteSequence()
    assert read(sequence)[0] is sequence
    (tmp_path / "two.abc").write_text(TUNES)
    first, said = read(tmp_path / "two.abc")
    assert [n.pitch for n in first.notes] == [60, 62, 64, 65]
    assert said == [f"{tmp_path / 'two.abc'}: it holds 2 pieces; the first is used"]
    with pytest.raises(errors.UserError, match="none.mid: No such file"):
        read(tmp_path / "none.mid")


def test_repeats_are_played_unless_as_written(tmp_path):
    (tmp_path / "twice.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\n|:CDEF:|\n")
    for as_written, count in ((False, 8), (True, 4)):
        music = inputs.read(str(tmp_path / "twice.abc"), as_written=as_written, say=lambda text: None)
        assert len(music.notes) == count


def test_folders_files_and_sequences_come_together(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "two.abc").write_text(TUNES)
    (folder / "noise.mid").write_bytes(b"MThd")
    sequence = inputs.read(folder / "two.abc", as_written=False, say=lambda text: None)
    (tmp_path / "one.mid").write_bytes(midi_writing.to_bytes(sequence))
    said = []
    every = inputs.read_all([folder, tmp_path / "one.mid", sequence], as_written=False, say=said.append)
    assert len(every) == 4 and every[-1] is sequence
    assert any("passed over 1 file" in line for line in said)
    assert inputs.read_all(sequence, as_written=False, say=said.append) == [sequence]
