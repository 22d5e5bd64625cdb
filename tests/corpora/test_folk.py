import collections

import numpy as np
import pytest

from musejax import errors
from musejax.corpora import folk, melody_groups, parallel

TUNE = "X:1\nT:A tune\nM:4/4\nL:1/8\nK:D\nD2E2 F2G2|A2F2 D4|B2A2 G2F2|E2C2 D4|F2A2 d2c2|B2G2 E2A2|F2D2 D4|\n"


def test_a_variant_in_another_key_is_of_the_same_group():
    other = "X:2\nT:Another\nM:3/4\nL:1/8\nK:G\nG2B2d2|g4f2|e2c2A2|F2G2A2|B2d2B2|c2A2F2|G6|G,2B,2D2|E2D2B,2|A,6|\n"
    texts = [TUNE, TUNE.replace("K:D", "K:D\nM:2/4").replace("X:1", "X:3"), other]
    tunes = [folk.Tune(f"t/{i}", text) for i, text in enumerate(texts)]
    found, report = parallel.sift(parallel.read_all(folk.read, tunes, processes=1))
    shifted = found[0]._replace(name="up", melody=found[0].melody + np.array([5, 0], np.int32))
    groups = folk.groups([*found, shifted])
    assert groups[0] == groups[1] == groups[3] != groups[2]
    assert report.used == 3


def test_what_cannot_be_read_has_a_reason():
    with pytest.raises(errors.UserError):
        folk.read(folk.Tune("t", "X:1\nT:nothing\n"))


def test_short_tunes_join_their_twins_only():
    short = np.array([(60, 4), (62, 4), (64, 8)], np.int32)
    assert folk.marks(short) == folk.marks(short + np.array([3, 0], np.int32))
    assert not folk.marks(short) & folk.marks(short + np.array([0, 1], np.int32))


def test_all_tunes_are_listed():
    count = collections.Counter(tune.name.split("/")[0] for tune in folk.tunes())
    assert count == {"essenFolksong": 8514, "oneills1850": 2009, "airdsAirs": 1180, "ryansMammoth": 1059}
    assert len({tune.name for tune in folk.tunes()}) == 12_762


@pytest.mark.slow
def test_the_corpus_loads_without_a_giant_group(monkeypatch):
    first = folk.load("folk-tunes", "terms")
    monkeypatch.setattr(folk, "tunes", lambda: pytest.fail("read again"))
    again = folk.load("folk-tunes", "terms")
    assert [(p.name, p.group, p.split) for p in first.pieces] == [(p.name, p.group, p.split) for p in again.pieces]
    assert first.report.to_json() == {"used": 12_762, "discarded": {}, "files": []}
    sizes = collections.Counter(p.group for p in first.pieces)
    assert len(sizes) > 10_000
    assert max(sizes.values()) < 20
    of_group = {(p.group, p.split) for p in first.pieces}
    assert len(of_group) == len(sizes)
    share = collections.Counter(p.split for p in first.pieces)
    assert all(0.04 < share[split] / 12_762 < 0.06 for split in ("valid", "test"))
    sequence = first.pieces[0].sequence()
    assert sequence.time_signatures
    assert sequence.key_signatures
    assert melody_groups.from_sequence(sequence).shape[1] == 2


def test_tunes_keep_the_groups_that_shipped_runs_were_trained_with(monkeypatch):
    one, other, third = "CDEFGABcdcBAGFED|" * 2, "cBcGAFEDCDEFGGAB|" * 2, "GGAAGGEECCDDEEDD|" * 2
    texts = [one, one.replace("|", "||"), other, third]
    tunes = [folk.Tune(f"t/{i}", f"X:1\nM:4/4\nL:1/4\nK:C\n{text}\n") for i, text in enumerate(texts)]
    found, _ = parallel.sift(parallel.read_all(folk.read, tunes, processes=1))
    monkeypatch.setattr(folk, "published_groups", lambda: {"t/0": "old", "t/2": "other"})
    new = folk.groups(found)
    assert new[0] == new[1]
    assert folk.assigned_groups(found) == ["old", "old", "other", new[3]]


def test_every_published_group_is_of_a_tune():
    known = folk.published_groups()
    assert len(known) == 12_760 and all(len(group) == 16 for group in known.values())
    assert set(known) <= {tune.name for tune in folk.tunes()}
