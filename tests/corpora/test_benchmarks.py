import collections
import hashlib
import json

import numpy as np
import pytest

from musejax import corpora, errors, vocabulary
from musejax.corpora import benchmarks, download, pop909


def splits(corpus):
    return dict(collections.Counter(p.split for p in corpus.pieces))


def test_jsb16_from_a_made_file(tmp_path, monkeypatch):
    content = {s: [[[81, 60, -1, 36]] * 3 + [[-1, 60, 55, 40]] * 15] for s in ("train", "valid", "test")}
    text = json.dumps(content).encode()
    entry = download.Entry("made.json", "http://127.0.0.1:1/", hashlib.sha256(text).hexdigest(), len(text))
    monkeypatch.setitem(benchmarks.FILES, "jsb16", entry)
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    (tmp_path / "made.json").write_bytes(text)
    corpus = corpora.load("jsb16")
    assert (corpus.codec, splits(corpus)) == ("chorale-pitches", {"train": 1, "valid": 1, "test": 1})
    arrays = corpus.pieces[0].arrays
    table = vocabulary.chorale(holds=False, name="chorale-pitches")
    assert [table.event(t) for t in arrays["tokens"][0]] == [("pitch", 81), ("pitch", 60), ("rest", 0), ("pitch", 36)]
    assert arrays["tokens"].dtype == arrays["beat"].dtype == np.int32
    assert arrays["beat"].tolist() == [*range(16), 0, 1]


def test_other_pitches_are_an_error(tmp_path, monkeypatch):
    text = b'{"train": [[[82, 60, 50, 40]]], "valid": [], "test": []}'
    entry = download.Entry("made.json", "http://127.0.0.1:1/", hashlib.sha256(text).hexdigest())
    monkeypatch.setitem(benchmarks.FILES, "jsb16", entry)
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    (tmp_path / "made.json").write_bytes(text)
    with pytest.raises(errors.UserError, match="outside 36..81"):
        corpora.load("jsb16")


def test_jsb16(data):
    corpus = corpora.load("jsb16")
    assert splits(corpus) == {"train": 229, "valid": 76, "test": 77}
    assert sum(len(p.arrays["tokens"]) for p in corpus.pieces if p.split == "test") == 18_900
    tokens = np.concatenate([p.arrays["tokens"] for p in corpus.pieces])
    assert (tokens.min(), tokens.max()) == (0, 46)
    reference = json.loads((data / "Jsb16thSeparated.json").read_text())["test"][5]
    piece = next(p for p in corpus.pieces if p.name == "jsb16/test/5")
    assert np.array_equal(np.where(piece.arrays["tokens"] == 0, -1, piece.arrays["tokens"] + 35), reference)


@pytest.mark.parametrize(
    ("name", "pieces", "frames"),
    [
        ("bl-jsb", (229, 76, 77), 4_725),
        ("bl-nottingham", (694, 173, 170), 44_463),
        ("bl-musedata", (524, 135, 124), 64_339),
        ("bl-piano-midi", (87, 12, 25), 19_036),
    ],
)
def test_piano_rolls(data, name, pieces, frames):
    corpus = corpora.load(name)
    assert corpus.codec == "pianoroll-88"
    assert splits(corpus) == dict(zip(("train", "valid", "test"), pieces, strict=True))
    test = [p.arrays for p in corpus.pieces if p.split == "test"]
    assert sum(len(a["frames"]) for a in test) == frames
    assert all(a["frames"].dtype == np.uint8 and a["frames"].shape[1] == 88 and a["frames"].max() == 1 for a in test)
    assert all(np.array_equal(a["beat"], np.arange(len(a["frames"])) % 32) for a in test)


def test_without_the_file_and_a_network_the_address_is_named(no_data, monkeypatch):
    monkeypatch.setattr(download.urllib.request, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no route")))
    for name in ("bl-jsb", "pop909", "maestro"):
        with pytest.raises(errors.UserError, match="https://.*no route.*MUSEJAX_DATA"):
            corpora.load(name)


def test_a_song_keeps_the_tracks_asked_for(data):
    import zipfile

    with zipfile.ZipFile(data / "pop909.zip") as archive:
        song = archive.read("POP909/001/001.mid")
    whole = pop909.read(("001", song, pop909.TRACKS["pop909"])).piece().sequence()
    piano = pop909.read(("001", song, pop909.TRACKS["pop909-piano"])).piece().sequence()
    assert [i.name for i in whole.instrument_infos] == ["MELODY", "BRIDGE", "PIANO"]
    assert [i.name for i in piano.instrument_infos] == ["PIANO"]
    assert list(piano.notes) == [n for n in whole.notes if n.instrument == 2]
    assert piano.total_time == max(n.end_time for n in piano.notes)
    with pytest.raises(errors.UserError, match="no track DRUMS"):
        pop909.read(("001", song, ("DRUMS",)))


@pytest.mark.slow
@pytest.mark.parametrize("name", pop909.TRACKS)
def test_pop909(data, name):
    corpus = corpora.load(name)
    assert len(corpus.pieces) == corpus.report.used == 909
    assert splits(corpus) == {"train": 826, "valid": 40, "test": 43}
    assert {p.name for p in corpus.pieces} == {f"pop909/{i:03}" for i in range(1, 910)}
    # The bars of the beat files, but for the piano alone.
    second = next(p for p in corpus.pieces if p.name == "pop909/002").sequence()
    assert [s.numerator for s in second.time_signatures] == ([2] if name == "pop909-piano" else [4])
