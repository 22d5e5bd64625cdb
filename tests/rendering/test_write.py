import os

import pytest

from musejax import errors, rendering
from musejax.music import atomic_files, noteseq

_HEADS = {
    ".mid": b"MThd",
    ".midi": b"MThd",
    ".wav": b"RIFF",
    ".mp3": b"\xff\xfb",
    ".png": b"\x89PNG",
    ".xml": b"<?xml",
    ".musicxml": b"<?xml",
    ".abc": b"X:1",
}


@pytest.mark.parametrize("suffix", rendering.FORMATS)
def test_the_suffix_names_the_format_and_bytes_repeat(suffix, chorale, tmp_path):
    for name in ("one", "two"):
        rendering.write(chorale, tmp_path / (name + suffix.upper()))
    one, two = ((tmp_path / (name + suffix.upper())).read_bytes() for name in ("one", "two"))
    assert one.startswith(_HEADS[suffix])
    assert one == two
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["piece.ogg", "piece"])
def test_an_unknown_suffix_says_what_would_work(name, chorale, tmp_path):
    with pytest.raises(
        errors.UserError,
        match=r"(names no format|has no suffix); use one of \.mid, .*\.wav, \.mp3, \.png, .*\.abc",
    ) as e:
        rendering.write(chorale, tmp_path / name)
    assert "\n" not in str(e.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", rendering.FORMATS)
def test_no_notes_no_file(suffix, tmp_path):
    with pytest.raises(errors.UserError, match="no notes"):
        rendering.write(noteseq.load().NoteSequence(), tmp_path / f"empty{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "piece.mid"
    atomic_files.write_bytes(path, b"before")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.UserError) as e:
        atomic_files.write_bytes(path, b"after")
    assert str(e.value) == f"{path}: cannot be written (No space left on device)"
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["piece.mid"]


def test_an_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic_files.write_bytes(tmp_path / "piece.mid", b"data")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_and_a_folder_as_file_are_user_errors(chorale, tmp_path):
    with pytest.raises(errors.UserError, match="cannot be written"):
        rendering.write(chorale, tmp_path / "no" / "piece.mid")
    (tmp_path / "folder.mid").mkdir()
    with pytest.raises(errors.UserError, match="cannot be written"):
        rendering.write(chorale, tmp_path / "folder.mid")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.mid"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
def test_a_new_file_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_files.write_bytes(tmp_path / "piece.mid", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "piece.mid").stat().st_mode & 0o777 == 0o640
