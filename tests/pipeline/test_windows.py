import collections

import numpy as np
import pytest

from musejax import errors, vocabulary
from musejax.pipeline import augment, dataset, windows

TABLE = vocabulary.melody(21, 108, name="melody-90", beat=True)
BAR = 4
# No two bars of these are alike, in any key.
UNALIKE = [10, 11, 13, 16, 20, 25, 31, 38, 46, 55, 65, 76, 12, 40, 30]


def tune(name, tokens, beat=None, bar=BAR):
    tokens = np.array(tokens, np.int32)
    beat = np.arange(len(tokens)) % bar if beat is None else np.array(beat)
    return dataset.Item(name, f"group of {name}", {"tokens": tokens, "beat": beat.astype(np.int32)})


def random_tunes(split, num, seed, low=40, high=44):
    """Tunes of few pitches, bars of 4 frames and some of 3, so that many windows are alike."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(num):
        sizes = rng.choice([BAR, BAR, BAR, 3], int(rng.integers(1, 9)))
        beat = np.concatenate([np.arange(n) for n in sizes])
        pitches = rng.integers(low, high, len(beat))
        out.append(tune(f"{split} {i}", np.where(rng.random(len(beat)) < 0.35, pitches, rng.integers(0, 2)), beat))
    return out


def random_splits():
    return {
        "train": random_tunes("train", 40, 0),
        "valid": random_tunes("valid", 20, 1),
        "test": random_tunes("test", 20, 2),
    }


def moved(item, semitones):
    return item._replace(arrays=augment.transpose(item.arrays, TABLE, semitones))


def kept(splits, split, bars=1):
    return [i.name for i in windows.cut(splits, TABLE, bars, BAR)[0][split]]


@pytest.mark.parametrize("bars", [1, 2])
def test_windows_are_whole_bars_from_a_bar_line_and_say_where_they_stand(bars):
    splits = random_splits()
    found, _ = windows.cut(splits, TABLE, bars, BAR)
    for split, items in found.items():
        pieces = {i.name: i for i in splits[split]}
        assert items
        for window in items:
            name, bar = window.name.rsplit("@", 1)
            piece = pieces[name]
            at = np.flatnonzero(piece.arrays["beat"] == 0)[int(bar) - 1]
            np.testing.assert_array_equal(window.arrays["beat"], np.tile(np.arange(BAR), bars))
            np.testing.assert_array_equal(piece.arrays["beat"][at : at + bars * BAR], window.arrays["beat"])
            tokens = piece.arrays["tokens"][at : at + bars * BAR]
            first = np.flatnonzero(tokens > 1)[0]
            np.testing.assert_array_equal(window.arrays["tokens"][first:], tokens[first:])
            assert not window.arrays["tokens"][:first].any()
            assert window.group == piece.group


def test_bars_of_another_length_are_not_in_a_window():
    item = tune("a", UNALIKE, [0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3])
    assert kept({"train": [item]}, "train", 1) == ["a@1", "a@3", "a@4"]
    assert kept({"train": [item]}, "train", 2) == ["a@3"]
    threes, _ = windows.cut({"train": [item]}, TABLE, 1, 3)
    assert [i.name for i in threes["train"]] == ["a@2"]
    pick_up = tune("b", range(10, 18), [2, 3, 0, 1, 2, 3, 0, 1])  # and a last bar that is not whole
    assert kept({"train": [pick_up]}, "train") == ["b@1"]
    assert not kept({"train": [tune("c", range(10, 14), [0, 1, 1, 2])]}, "train")


def test_no_held_out_window_was_seen_in_training_in_any_key():
    splits = random_splits()
    found, _ = windows.cut(splits, TABLE, 1, BAR)
    trained = {w.arrays["tokens"].tobytes() for i in found["train"] for w in (moved(i, k) for k in range(-6, 7))}
    tested = {w.arrays["tokens"].tobytes() for i in found["test"] for w in (moved(i, k) for k in range(-6, 7))}
    seen = trained | tested
    assert found["test"] and not [i for i in found["test"] if i.arrays["tokens"].tobytes() in trained]
    assert found["valid"] and not [i for i in found["valid"] if i.arrays["tokens"].tobytes() in seen]
    # Cut apart, they would share windows.
    apart = {split: windows.cut({split: items}, TABLE, 1, BAR)[0][split] for split, items in splits.items()}
    assert [i for i in apart["test"] if i.arrays["tokens"].tobytes() in trained]


def test_a_transposed_window_leaves_the_split_that_yields():
    a, b, c = ([30, 0, 34, 1], [30, 0, 34, 0], [30, 34, 0, 1])
    splits = {
        "train": [tune("x", a)],
        "valid": [moved(tune("v", a + b + c), -5)],
        "test": [moved(tune("t", a + b), 7), tune("u", b)],
    }
    found, counts = windows.cut(splits, TABLE, 1, BAR)
    assert {s: [i.name for i in items] for s, items in found.items()} == {
        "train": ["x@1"],
        "valid": ["v@3"],
        "test": ["t@2"],
    }
    assert counts["valid"] == {
        "pieces": 1, "windows": 3, "silent": 0, "repeated": 0, "in_train": 1, "in_test": 1, "kept": 1
    }  # fmt: skip
    assert counts["test"] == {"pieces": 2, "windows": 3, "silent": 0, "repeated": 1, "in_train": 1, "kept": 1}
    assert counts["train"] == {"pieces": 1, "windows": 1, "silent": 0, "repeated": 0, "kept": 1}


def test_nothing_is_lost_or_counted_twice():
    splits = random_splits()
    found, counts = windows.cut(splits, TABLE, 1, BAR)
    for split, items in splits.items():
        count, marks = counts[split], collections.Counter()
        for item in items:
            lines = np.append(np.flatnonzero(item.arrays["beat"] == 0), item.length)
            for at in lines[:-1][np.diff(lines) == BAR]:
                heard = item.arrays["tokens"][at : at + BAR]
                onsets = np.flatnonzero(heard > 1)
                mark = None
                if len(onsets):
                    heard = heard * (np.arange(BAR) >= onsets[0])
                    mark = tuple(np.where(heard > 1, heard - heard[heard > 1].min() + 1000, heard))
                marks[mark] += 1
        assert count["windows"] == marks.total()
        assert count["silent"] == marks.pop(None) > 0
        others = count.get("in_train", 0) + count.get("in_test", 0)
        assert count["kept"] == len(found[split]) > 0
        assert count["kept"] + count["repeated"] + others == marks.total()
        assert count["repeated"] > 0 and (others > 0) == (split != "train")
    names = [i.name for items in found.values() for i in items]
    assert len(set(names)) == len(names)


def test_cutting_twice_changes_nothing_but_names():
    once, _ = windows.cut(random_splits(), TABLE, 2, BAR)
    twice, _ = windows.cut(once, TABLE, 2, BAR)
    assert {s: [i.name for i in w] for s, w in twice.items()} == {
        s: [f"{i.name}@1" for i in w] for s, w in once.items()
    }


def test_what_a_transposition_does_not_move_is_not_taken_for_a_key():
    bits = vocabulary.pianoroll()
    frames = np.zeros((4, 88), np.int32)
    frames[[0, 2], [40, 44]] = 1
    up = np.roll(frames, 3, axis=1)
    assert windows.fingerprint({"frames": frames}, bits) == windows.fingerprint({"frames": up}, bits)
    assert windows.fingerprint({"frames": 0 * frames}, bits) is None
    drums = vocabulary.drum_bits()
    kick, snare = np.eye(9, dtype=np.int32)[:2, None]
    assert windows.fingerprint({"frames": kick}, drums) != windows.fingerprint({"frames": snare}, drums)
    sets = [{"tokens": np.array([n, 0])} for n in (1, 2)]
    assert windows.fingerprint(sets[0], vocabulary.drums()) != windows.fingerprint(sets[1], vocabulary.drums())


def data(**splits):
    return dataset.Dataset("made", TABLE, {"train": [], "valid": [], "test": [], **splits}, {"used": 1})


def test_counts_go_into_the_report_and_are_told():
    tokens = [30, 0, 34, 1] * 4 + [0] * 16 + [30, 0, 34, 1] * 4
    found = windows.cut_windows(data(train=[tune("x", tokens, bar=16)], valid=[moved(tune("v", tokens, bar=16), 2)]), 1)
    assert found.report["used"] == 1
    assert found.report["windows"]["splits"]["valid"]["in_train"] == 2
    assert windows.tell(found) == [
        "train: 1 of 3 windows of 1 pieces; left out 1 silent, 1 repeated",
        "valid: 0 of 3 windows of 1 pieces; left out 1 silent, 2 in train",
        "test: 0 of 0 windows of 0 pieces",
    ]
    whole = data(train=[tune("x", tokens)])
    assert windows.cut_windows(whole, 0) is whole and windows.tell(whole) == []


def test_what_cannot_be_cut_is_a_user_error():
    with pytest.raises(errors.UserError, match="has no 2 successive bars of 16 frames"):
        windows.cut_windows(data(train=[tune("x", range(2, 18), bar=16)]), 2)
    with pytest.raises(errors.UserError, match="codec melody has no bar lines"):
        windows.check(vocabulary.melody(), 2, 32)
    with pytest.raises(errors.UserError, match="--training.window 16 with --training.bars 2: .* 32 frames"):
        windows.check(TABLE, 2, 16)
    windows.check(TABLE, 2, 32)


def test_pieces_are_counted_whatever_their_parts_and_however_often_they_were_cut():
    names = ["a/1@1", "a/1@2@1", "a/2#0@1", "a/2#1@3", "a/1", "b#x@2", "b#x"]
    found = windows.pieces([tune(name, UNALIKE[:4]) for name in names])
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 0, 2, 2])


def test_unseen_windows_are_those_that_training_has_in_no_key():
    first, second = tune("a", UNALIKE[:4]), tune("b", UNALIKE[4:8])
    found = windows.unseen([moved(first, 5), second, moved(second, -3)], [first], TABLE)
    assert [i.name for i in found] == ["b", "b"]
    assert windows.unseen([first], [], TABLE) == [first]
