import collections
import json

import pytest

from musejax import errors, noteseq
from musejax.corpora import bach, bach_test, cache, melodies, parallel, splits, wheel


def score(*names):
    s = noteseq.load().NoteSequence()
    s.tempos.add(qpm=120)
    for part, name in enumerate(names):
        s.part_infos.add(part=part, name=name)
        s.notes.add(part=part, pitch=80 - part, velocity=80, end_time=1.0)
    return s


@pytest.mark.parametrize(
    ("names", "pitch"),
    [
        (("Soprano", "Alto", "Tenor", "Bass"), 80),
        (("Horn", "Soprano", "Alto", "Tenor", "Bass"), 79),
        (("I", "II", "III", "IV"), 80),
    ],
)
def test_the_soprano_is_found(names, pitch):
    assert bach.soprano(score(*names)).tolist() == [[pitch, 8]]


@pytest.mark.parametrize("names", [("Piano",), ("Horn", "Soprano", "Alto", "Tenor", "Continuo"), ()])
def test_other_settings_are_left_out(names):
    with pytest.raises(errors.UserError, match="neither four parts nor four named voices"):
        bach.soprano(score(*names))


@pytest.fixture(scope="module")
def some():
    """Every sixth chorale."""
    paths = sorted(wheel.folder("bach").glob("*.mxl"))[::6]
    return [c for c in parallel.read_all(bach.read, paths, processes=1) if not isinstance(c, str)]


def test_groups_are_of_one_melody_and_of_one_split(some):
    groups = bach.groups(some)
    assert bach.groups(some[::-1]) == groups[::-1]
    for one, other in zip(some, groups, strict=True):
        alone = {c.name for c, g in zip(some, groups, strict=True) if bach.marks(c.melody) & bach.marks(one.melody)}
        assert alone <= {c.name for c, g in zip(some, groups, strict=True) if g == other}
    assert 1 < max(collections.Counter(groups).values()) < len(some) / 5


def test_cached_pieces_have_fermatas_and_splits(some):
    entries = [cache.Entry(c.name, g, c.data) for c, g in zip(some, bach.groups(some), strict=True)]
    with_fermatas = [any(a.text == "fermata" for a in cache.unpack(e.data).text_annotations) for e in entries]
    assert sum(with_fermatas) > 0.95 * len(entries)  # 404 of the 408 files have them.
    for e in entries:
        split = bach._split(e)
        assert (split == "test") == (e.name in bach_test.PIECES)
        assert split == "test" or split == splits.split_of(e.group, bach._VALID, 0.0)


def all_with_groups():
    found, report = bach.read_all()
    assert dict(report.discarded) == {"neither four parts nor four named voices": 1}
    return found, bach.groups(found)


@pytest.mark.slow
def test_the_test_split_is_what_jsb16_does_not_train_on(data):
    found, groups = all_with_groups()
    assert len(found) == 407
    seen = set()
    pieces = json.loads((data / "Jsb16thSeparated.json").read_text())
    for piece in pieces["train"] + pieces["valid"]:
        seen |= bach.marks(melodies.of_frames(frame[0] for frame in piece))
    known = {g for c, g in zip(found, groups, strict=True) if bach.marks(c.melody) & seen}
    assert {c.name for c, g in zip(found, groups, strict=True) if g not in known} == bach_test.PIECES


@pytest.mark.slow
def test_the_corpus_loads_and_comes_back_from_the_cache(monkeypatch):
    first = bach.load("bach-chorales", "terms")
    monkeypatch.setattr(bach, "read_all", lambda: pytest.fail("read again"))
    again = bach.load("bach-chorales", "terms")
    rows = [(p.name, p.group, p.split) for p in first.pieces]
    assert rows == [(p.name, p.group, p.split) for p in again.pieces]
    assert collections.Counter(split for *_, split in rows) == {"train": 344, "valid": 32, "test": 31}
    assert len({(group, split) for _, group, split in rows}) == len({group for _, group, _ in rows})
    assert first.pieces[0].sequence() == again.pieces[0].sequence()
