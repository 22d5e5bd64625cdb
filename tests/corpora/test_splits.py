import collections

import pytest

from musejax.corpora import corpus, splits


def test_a_group_keeps_its_split():
    # Fixed for ever: another answer would move pieces between the splits of published runs.
    assert [splits.split_of(g) for g in ("a", "b", "pop909/001", "31")] == ["train", "train", "train", "train"]
    assert next(f"{i}" for i in range(999) if splits.split_of(f"{i}") == "test") == "39"
    assert next(f"{i}" for i in range(999) if splits.split_of(f"{i}") == "valid") == "9"


@pytest.mark.parametrize(("valid", "test"), [(0.05, 0.05), (0.09, 0.0), (0.2, 0.3)])
def test_fractions(valid, test):
    count = collections.Counter(splits.split_of(str(i), valid, test) for i in range(20_000))
    assert set(count) <= set(corpus.SPLITS)
    assert abs(count["valid"] / 20_000 - valid) < 0.01
    assert abs(count["test"] / 20_000 - test) < 0.01
