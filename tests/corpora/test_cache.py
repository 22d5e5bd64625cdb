import stat

import pytest

from musejax import errors
from musejax.corpora import cache, corpus
from musejax.music import noteseq


def entries():
    made = []
    for i in range(3):
        s = noteseq.load().NoteSequence()
        s.notes.add(pitch=60 + i, velocity=80, end_time=1.0)
        made.append(cache.Entry(f"piece/{i}", f"group{i % 2}", cache.pack(s)))
    return made


def test_what_is_stored_is_loaded(own_cache):
    report = corpus.Report(3)
    report.discarded["broken"] = 2
    cache.store("some", "stamp", entries(), report)
    found, said = cache.load("some", "stamp")
    assert found == entries()
    assert said == report
    assert [p.sequence().notes[0].pitch for p in (e.piece("test") for e in found)] == [60, 61, 62]
    assert found[0].piece("test").split == "test"
    assert [p.name for p in own_cache.iterdir()] == ["some.corpus"]


def test_only_the_owner_may_read_the_cache(own_cache):
    cache.store("some", "stamp", entries(), corpus.Report(3))
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700
    assert stat.S_IMODE((own_cache / "some.corpus").stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["stamp", "cut", "flip", "absent", "empty", "other json"])
def test_a_stale_or_damaged_cache_counts_as_absent(own_cache, damage):
    cache.store("some", "stamp", entries(), corpus.Report(3))
    path = own_cache / "some.corpus"
    whole = path.read_bytes()
    flipped = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    written = {"cut": whole[:-1], "flip": flipped, "empty": b"", "other json": b"[]\n"}
    if damage == "absent":
        path.unlink()
    elif damage in written:
        path.write_bytes(written[damage])
    assert cache.load("some", "another" if damage == "stamp" else "stamp") is None


def test_a_stamp_tells_sources_and_versions_apart(monkeypatch):
    assert cache.stamp("a") == cache.stamp("a")
    assert len({cache.stamp("a"), cache.stamp("b"), cache.stamp("a", "b")}) == 3
    before = cache.stamp("a")
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    assert cache.stamp("a") != before


def test_a_cache_that_cannot_be_kept_is_a_user_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUSEJAX_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(errors.UserError, match="MUSEJAX_CACHE"):
        cache.directory()


def test_a_failed_write_leaves_nothing(own_cache):
    (cache.directory() / "some").mkdir()
    with pytest.raises(errors.UserError, match="cannot be written"):
        cache.write(own_cache / "some", b"data")
    assert [p.name for p in own_cache.iterdir()] == ["some"]
