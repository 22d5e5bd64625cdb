"""What a vector says of its piece: counts worked out by hand on a model that is a table, and the VAE's own costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from musejax import codecs, vocabulary
from musejax.base import Info, Latent, Model
from musejax.evaluation import likelihood, reconstruction
from musejax.pipeline import dataset

TABLE = vocabulary.melody(60, 63)
HOLD, OFF, C, D = 0, 1, 2, 3


def item(name, group, tokens):
    return dataset.Item(name, group, {"tokens": np.array(tokens, np.int32)})


# The first two are of one group; the last is shorter, so that what pads it must not count.
ITEMS = [
    item("a@1", "x", [C, HOLD, D, HOLD]),
    item("a@2", "x", [C, HOLD, HOLD, OFF]),
    item("b@1", "y", [HOLD, D, D, D]),
    item("c@1", "z", [D, D]),
]
VECTORS = np.array([[0.0, 0.3], [1.0, 0.3], [2.0, 0.3], [3.0, 0.3]], np.float32)
# What is drawn from each vector: the piece but for one frame, a hold too many, nothing but holds, the piece.
DRAWN = np.array([[C, HOLD, C, HOLD], [C, HOLD, HOLD, HOLD], [HOLD] * 4, [D, D, D, D]], np.int32)


def table():
    """A model that knows its pieces by their sum of tokens, and gives a fixed answer for each vector."""
    sums = jnp.array([i.arrays["tokens"].sum() for i in ITEMS])

    def which(batch):
        return (jnp.asarray(batch["tokens"]).sum(1)[:, None] == sums[None]).argmax(1)

    def encode(params, state, batch):
        return jnp.asarray(VECTORS)[which(batch)], jnp.ones((len(batch["tokens"]), 2))

    def decode(params, state, key, z, request):
        drawn = jnp.asarray(DRAWN)[jnp.round(z[:, 0]).astype(int)]
        return {"tokens": jnp.pad(drawn, ((0, 0), (0, request.length - 4)))}

    def costs(params, state, batch, z):
        right = jnp.broadcast_to(jnp.arange(batch["tokens"].shape[1])[None] % 2 == 0, batch["tokens"].shape)[..., None]
        return jnp.zeros(right.shape), right.astype(jnp.float32)

    def never(*args, **kwargs):
        raise AssertionError

    return Model(Info(None), never, never, never, latent=Latent(2, encode, decode, costs))


def test_counts_are_those_of_a_count_by_hand():
    found = reconstruction.rebuild(table(), {"params": {}, "state": {}}, TABLE, ITEMS, batch_size=3)
    np.testing.assert_array_equal(found.means, VECTORS)
    np.testing.assert_array_equal(found.cells, [4, 4, 4, 2])
    np.testing.assert_array_equal(found.teacher_forced, [2, 2, 2, 1])
    np.testing.assert_array_equal(found.sampled, [3, 3, 1, 2])
    np.testing.assert_array_equal(found.idle, [2, 2, 1, 0])
    np.testing.assert_array_equal(found.onsets, [2, 1, 3, 2])
    np.testing.assert_array_equal(found.onsets_sampled, [1, 1, 0, 2])
    # Every piece against what is drawn from every other: its own group is never the source.
    against = np.array([[(i.arrays["tokens"] == d[: i.length]).sum() for d in DRAWN] for i in ITEMS])
    other = reconstruction.choose_other_pieces([i.group for i in ITEMS], 0)
    assert other is not None
    np.testing.assert_array_equal(found.without_z, against[np.arange(4), other])

    figures = reconstruction.figures(found, np.array([0, 0, 1, 2]))
    assert figures["accuracy_sampled"] == round(9 / 14, 5)
    assert figures["accuracy_onsets"] == 0.5
    assert figures["accuracy_all_hold"] == round(5 / 14, 5)
    assert (figures["active_dimensions"], figures["dimensions"]) == (1, 2)
    low, high = figures["accuracy_intervals"]["accuracy_sampled"]
    assert (low, high) == (0.25, 1.0)  # of tune b alone, and of tune c alone


def test_without_a_second_group_there_is_no_other_vector():
    found = reconstruction.rebuild(table(), {"params": {}, "state": {}}, TABLE, ITEMS[:2], batch_size=2)
    figures = reconstruction.figures(found, np.zeros(2, int))
    assert figures["accuracy_without_z"] is None
    assert "accuracy_without_z" not in figures["accuracy_intervals"]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(0, 3))
def test_every_piece_lends_its_vector_once_and_to_another_group(groups, seed):
    out = reconstruction.choose_other_pieces([str(g) for g in groups], seed)
    if 2 * max(np.bincount(groups)) > len(groups):
        assert out is None
    else:
        assert out is not None
        assert sorted(out) == list(range(len(groups)))
        assert (np.array(groups)[out] != groups).all()


@pytest.mark.parametrize(
    ("codec", "frames", "begins", "nothing"),
    [
        ("melody-90", [0, 1, 2, 89], [0, 0, 1, 1], [0]),
        ("drums", [0, 1, 511], [0, 1, 1], [0]),
        ("trio", [[0, 90, 180], [1, 91, 181], [2, 92, 180]], [[0, 0, 0], [0, 0, 1], [1, 1, 0]], [0, 90, 180]),
        ("drums-bits", [[0] * 9, [0] * 8 + [1]], [[0], [1]], [0]),
        ("chorale-pitches", [[0, 1, 2, 3]], None, None),
    ],
)
def test_where_notes_begin_and_what_stands_where_nothing_happens(codec, frames, begins, nothing):
    table = codecs.get(codec).vocabulary
    found, idle = reconstruction.find_onsets(table, np.array(frames)), reconstruction.idle_values(table)
    if begins is None:
        assert found is None and idle is None
    else:
        np.testing.assert_array_equal(found, np.array(begins, bool))
        np.testing.assert_array_equal(idle, nothing)


def test_rows_that_go_together_are_resampled_together():
    totals, weights = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 4.0, 4.0])
    together = np.array([1, 0, 1, 2])
    expected = likelihood.interval(np.array([2.0, 4.0, 4.0]), np.array([2.0, 6.0, 4.0]))
    assert likelihood.interval(totals, weights, together) == expected
    # Ten copies of each row, resampled together, tell no more than one.
    tenfold = likelihood.interval(np.repeat(totals, 10), np.repeat(weights, 10), np.repeat(np.arange(4), 10))
    assert tenfold == likelihood.interval(totals, weights)


@pytest.mark.parametrize(
    "preset", ["mel-2bar-small", pytest.param("trio-16bar-hierarchical", marks=pytest.mark.slow), "drums-2bar-nade"]
)
def test_costs_given_the_vector_are_those_in_the_bound_and_in_the_loss(preset):
    net = tiny.make("music_vae", preset)
    latent, score = net.model.latent, net.model.likelihood
    assert latent is not None and latent.costs is not None and score is not None and score.estimate is not None
    mean, scale = jax.jit(latent.encode)(net.params, net.state, net.batch)
    noise = jax.random.normal(jax.random.key(3), mean.shape)
    z = mean + scale * noise
    nats, right = jax.jit(latent.costs)(net.params, net.state, net.batch, z)
    given = np.asarray(jax.jit(score.estimate)(net.params, net.state, jax.random.key(3), net.batch))
    ratio = (0.5 * np.square(z) - 0.5 * np.square(noise) - np.log(scale)).sum(-1)
    np.testing.assert_allclose((np.asarray(nats).sum(-1) * net.batch["pad_mask"]).sum(1) + ratio, given, rtol=1e-4)
    assert set(np.unique(right)) <= {0.0, 1.0}
