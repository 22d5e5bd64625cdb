"""How near rolls are to real music: read as the codec reads them, distances, neighbours."""

import numpy as np
import pieces
import pytest

from musejax import codecs
from musejax.evaluation import gan_likeness
from musejax.reports import metrics

CODEC = codecs.get("rolls-chorale")
TABLE = CODEC.vocabulary


def test_rolls_are_read_as_through_note_sequences():
    rolls = np.stack([pieces.chorale_roll(seed) for seed in range(3)])
    sequences = []
    for roll in rolls:
        beat = np.arange(32, dtype=np.int32) % 16
        sequences.append(CODEC.decode({"frames": roll.reshape(32, -1), "beat": beat}, 100.0))
    known = metrics.batch([metrics.on_grid(s) for s in sequences], [False] * 4, 4)
    found = gan_likeness.batch(TABLE, rolls)
    for name in ("sounding", "onset", "frames", "bar", "beat", "drums"):
        np.testing.assert_array_equal(getattr(found, name), getattr(known, name))


def test_a_hit_of_a_drum_is_an_onset_wherever_it_is_lit():
    band = codecs.get("rolls-band-12").vocabulary
    rolls = np.zeros((1, 48, 5, 84), bool)
    rolls[0, 3:6, :2, 7] = True
    begun = gan_likeness.find_onsets(band, rolls)
    assert [tuple(i) for i in np.argwhere(begun)[:, 1:]] == [(3, 0, 7), (3, 1, 7), (4, 0, 7), (5, 0, 7)]


def test_the_distance_is_a_mean_of_shares():
    td = np.array([[np.nan, 2.0, 1.0], [2.0, np.nan, 4.0], [1.0, 4.0, np.nan]])
    real = {"eb": np.array([0.2, 0.005, 0.0]), "qn": np.ones(3), "td": td, "dp": np.full(3, np.nan)}
    moved = td * [[1, 1, 2], [1, 1, np.nan], [2, np.nan, 1]]
    found = {"eb": np.array([0.1, 0.025, 0.0]), "qn": np.zeros(3), "td": moved, "dp": np.full(3, np.nan)}
    # EB: half, a difference of .02, nothing; TD: nothing, twice as much, and where only real music has one all of it.
    expected = [0.5, 0.02, 0.0, 0.0, 1.0, 1.0]
    kinds = ("eb", "qn", "td", "dp")
    assert gan_likeness.distance(found, real, kinds, 4) == pytest.approx(np.mean(expected))
    assert gan_likeness.distance(found, real, kinds, 12) == pytest.approx(np.mean([*expected, 1, 1, 1]))


def test_neighbours_and_variety():
    training = np.stack([pieces.chorale_roll(seed) for seed in range(5)])
    own = np.zeros((3, 32, 4, 46), bool)
    own[0] = training[2]
    own[1] = np.roll(training[3], 2, -1)
    own[2, 0, 0, 20:24] = True
    near = gan_likeness.nearest(own, training, [0])
    assert near[0] == 0 < near[1]
    np.testing.assert_array_equal(gan_likeness.nearest(own, training, range(-2, 3))[:2], 0)
    one, other = np.zeros((2, 1, 8), bool)
    one[0, :4], other[0, 2:5] = True, True
    np.testing.assert_allclose(gan_likeness.jaccard(*(x.astype(np.float32) for x in (one, other))), [[1 - 2 / 5]])
    rolls = np.concatenate([own, own[:1], np.roll(own[:1], 1, -1), np.zeros_like(own[:1])])
    found = gan_likeness.variety(TABLE, rolls, training, 2)
    assert (found["pieces"], found["distinct"], found["distinct_in_any_key"], found["silent"]) == (6, 5, 4, 1)
    assert found["in_training"] == 4
    assert found["among"]["tenth"] == 0
