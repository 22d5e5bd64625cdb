import collections
import json

import pytest

from musejax import errors
from musejax.corpora import bach, bach_test, cache, melody_groups, parallel, splits, tunes, wheel
from musejax.music import noteseq


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
    sopranos = [c.melody for c in some]
    pairs = tunes.matching_pairs(sopranos, sopranos)
    assert pairs
    assert all(groups[i] == groups[j] for i, j in pairs)
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
    pieces = json.loads((data / "Jsb16thSeparated.json").read_text())
    seen = [melody_groups.from_frames(frame[0] for frame in piece) for piece in pieces["train"] + pieces["valid"]]
    known = {groups[i] for i, _ in tunes.matching_pairs([c.melody for c in found], seen)}
    assert {c.name for c, g in zip(found, groups, strict=True) if g not in known} == bach_test.PIECES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("bwv64.2", "bwv91.6", True),  # Gelobet seist du, Jesu Christ.
        ("bwv56.5", "bwv301", True),  # Du, o schönes Weltgebäude.
        ("bwv145-a", "bwv365", True),  # Jesus, meine Zuversicht.
        ("bwv328", "bwv120.6", True),  # The Te Deum, whole and in part.
        ("bwv248.42-4", "bwv344", False),  # Hilf, Herr Jesu, laß gelingen: one text, two tunes.
        ("bwv405", "bwv406", False),  # O wie selig: one text, two tunes.
        ("bwv404", "bwv353", False),  # O Traurigkeit; Jesu, der du meine Seele: ten notes in common.
    ],
)
def test_hymn_tunes_are_told_apart(one, other, same):
    pair = [bach.read(wheel.folder("bach") / f"{name}.mxl").melody for name in (one, other)]
    assert tunes.matching_pairs(pair, pair) == ([(0, 1)] if same else [])


@pytest.mark.slow
def test_the_corpus_loads_and_comes_back_from_the_cache(monkeypatch):
    first = bach.load("bach-chorales", "terms")
    monkeypatch.setattr(bach, "read_all", lambda: pytest.fail("read again"))
    again = bach.load("bach-chorales", "terms")
    rows = [(p.name, p.group, p.split) for p in first.pieces]
    assert rows == [(p.name, p.group, p.split) for p in again.pieces]
    assert collections.Counter(split for *_, split in rows) == {"train": 342, "valid": 31, "test": 34}
    assert len({(group, split) for _, group, split in rows}) == len({group for _, group, _ in rows})
    assert first.pieces[0].sequence() == again.pieces[0].sequence()
