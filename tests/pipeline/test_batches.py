import numpy as np
import pytest
import toy

from musejax.pipeline import batches, dataset


def numbered(lengths, vocabulary=toy.VOCABULARY):
    """Pieces in which a condition counts the frames and another names the piece, so that windows can be traced."""
    return [
        dataset.Item(
            str(i), str(i),
            {"tokens": np.full(n, 2 + i % 8, np.int32), "place": np.arange(1, n + 1), "piece": np.full(n, i + 1)},
        )
        for i, n in enumerate(lengths)
    ]  # fmt: skip


def make(lengths, **kwargs):
    return batches.Batches(numbered(lengths), toy.VOCABULARY, **{"batch_size": 4, "window": 8, **kwargs})


def test_a_batch_is_a_function_of_seed_and_index():
    one, same, other = toy.source(seed=3, transpose=2), toy.source(seed=3, transpose=2), toy.source(seed=4, transpose=2)
    same[0]
    for index in (5, 0, 117):
        for field, value in one[index].items():
            np.testing.assert_array_equal(value, same[index][field])
        assert (one[index]["tokens"] != other[index]["tokens"]).any()


def test_every_piece_is_visited_in_every_epoch_once_for_each_window_it_fills():
    lengths = [3, 8, 9, 17, 24, 5, 40, 12]
    fills = [1, 1, 1, 2, 3, 1, 5, 2]  # 12 / 8 = 1.5 rounds to the even 2
    source = make(lengths)
    epochs = []
    for epoch in range(2):
        rows = [source[i]["piece"] for i in range(epoch * 4, epoch * 4 + 4)]
        pieces = np.concatenate(rows)[:, 0]
        assert np.bincount(pieces, minlength=9)[1:].tolist() == fills
        epochs.append(pieces.tolist())
    assert epochs[0] != epochs[1]


def test_windows_are_cut_whole_and_short_pieces_padded_on_the_right():
    source = make([5, 20])
    starts = set()
    for index in range(40):
        batch = source[index]
        for place, piece, mask in zip(batch["place"], batch["piece"], batch["pad_mask"], strict=True):
            if piece[0] == 1:
                assert place.tolist() == [1, 2, 3, 4, 5, 0, 0, 0]
                assert mask.tolist() == [1] * 5 + [0] * 3
            else:
                assert (np.diff(place) == 1).all() and (piece == piece[0]).all() and mask.all()
                starts.add(int(place[0]))
    assert starts == set(range(1, 14))  # every start, the first and the last included


def test_context_is_read_but_not_scored_save_at_the_beginning_of_a_piece():
    source = make([5, 20], context=3)
    seen = set()
    for index in range(20):
        batch = source[index]
        for place, pad, loss in zip(batch["place"], batch["pad_mask"], batch["loss_mask"], strict=True):
            inside = bool(place[0] > 1)
            seen.add(inside)
            expected = pad.copy()
            if inside:
                expected[:3] = 0
            np.testing.assert_array_equal(loss, expected)
    assert seen == {True, False}


def test_whole_gives_every_piece_once_with_right_padding():
    lengths = [3, 64, 65, 100, 200, 7, 9]
    seen = []
    for indices, batch in batches.whole(numbered(lengths), 3):
        assert batch["tokens"].shape == (3, batches.bucket(max(lengths[i] for i in indices)))
        for row, index in enumerate(indices):
            n = lengths[index]
            assert batch["place"][row, :n].tolist() == list(range(1, n + 1))
            assert not batch["tokens"][row, n:].any()
            assert batch["pad_mask"][row].sum() == batch["loss_mask"][row].sum() == n
            assert batch["pad_mask"][row, :n].all()
        for row in range(len(indices), 3):
            assert not batch["pad_mask"][row].any() and not batch["loss_mask"][row].any()
        seen += indices
    assert sorted(seen) == list(range(len(lengths)))


def test_windows_of_one_length_are_padded_to_a_whole_bar_alone():
    for length, padded in ((32, 32), (24, 32), (7, 16)):
        for _, batch in batches.whole(numbered([length] * 3), 2):
            assert batch["tokens"].shape == (2, padded)
            assert set(batch["pad_mask"].sum(1)) <= {length, 0}


def test_buckets_are_few_and_less_than_half_too_long():
    sizes = [batches.bucket(n) for n in range(1, 5000)]
    assert all(size >= n for n, size in enumerate(sizes, 1))
    assert all(size < 1.5 * n for n, size in enumerate(sizes, 1) if n > 128)
    assert len(set(sizes)) < 30


def test_derived_fields_are_those_of_whole_pieces():
    def features(batch):
        return {**batch, "so_far": np.cumsum(batch["tokens"], axis=1)}

    items = numbered([5, 70, 20])
    for item, plain in zip(batches.derive(items, features), items, strict=True):
        assert set(item.arrays) == {*plain.arrays, "so_far"}
        np.testing.assert_array_equal(item.arrays["so_far"], np.cumsum(plain.arrays["tokens"]))
        assert item.length == plain.length and item.name == plain.name


def test_transposition_stays_within_the_limits_of_a_piece():
    items = [dataset.Item("a", "a", {"tokens": np.array([2, 5, 9] * 4, np.int32)})]
    source = batches.Batches(items, toy.VOCABULARY, batch_size=8, window=8, transpose=6)
    tokens = np.concatenate([source[i]["tokens"] for i in range(10)])
    assert tokens.min() == 2 and tokens.max() == toy.SIZE - 1
    assert {int(row.min()) for row in tokens} == {2, 3, 4}


@pytest.mark.parametrize("seed", [0, 2**31])
def test_any_seed_will_do(seed):
    assert toy.source(seed=seed)[1 << 30]["tokens"].shape == (4, 8)
