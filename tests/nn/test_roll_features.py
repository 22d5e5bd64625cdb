import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from musejax import codecs, vocabulary
from musejax.evaluation import musegan_statistics
from musejax.evaluation import note_rolls as roll_batches
from musejax.nn import losses, roll_features

BAND = codecs.get("rolls-band-12").vocabulary


def test_frames_come_back_and_cells_that_do_not_count_are_silent():
    layout = roll_features.Layout(BAND, 1)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 2, (2, 48, 420)).astype(np.int32)
    mask = np.ones((2, 48), np.int32)
    x = layout.read({"frames": frames, "loss_mask": mask})
    assert x.shape == (2, 1, 48, 84, 5)
    np.testing.assert_array_equal(layout.to_frames(x), frames)
    np.testing.assert_array_equal(x[1, 0, 7, :, 3], frames[1, 7, 3 * 84 : 4 * 84])
    mask[0, 40:] = 0
    masked = layout.read({"frames": frames, "loss_mask": mask})
    assert not masked[0, 0, 40:].any() and masked[0, 0, 39].any()
    short = layout.read({"frames": frames[:, :10], "loss_mask": mask[:, :10]})
    np.testing.assert_array_equal(layout.to_frames(short)[:, :10], frames[:, :10])
    assert not layout.to_frames(short)[:, 10:].any()


def test_chroma_and_onsets_of_a_note():
    x = np.zeros((1, 2, 8, 14, 1), np.float32)
    x[0, 0, 6:, 13], x[0, 1, :3, 13], x[0, 1, 2, 1] = 1, 1, 1
    classes = np.asarray(roll_features.chroma(jnp.asarray(x)))
    assert classes.shape == (1, 2, 4, 12, 1)
    np.testing.assert_allclose(classes[0, :, :, 1, 0], [[0, 0, 0, 1], [1, 1, 0, 0]])
    assert np.abs(classes).sum() == 3
    begun = np.asarray(roll_features.onsets(jnp.asarray(x)))[0, :, :, 0, 0]
    assert [tuple(map(int, i)) for i in np.argwhere(begun)] == [(0, 6), (1, 2)]


def test_features_are_musegans_statistics():
    """Of a piece in which no track is silent for a bar, by the code that measures NoteSequences."""
    table = vocabulary.rolls("r", ("drums", "a", "b"), 36, 71, drums=("drums",))
    rng = np.random.default_rng(1)
    x = (rng.random((1, 3, 16, 36, 3)) < 0.08).astype(np.float32)
    cells = np.zeros((1, 3, 48, 128), bool)
    cells[0, :, :, 36:72] = x[0].reshape(48, 36, 3).transpose(2, 0, 1) > 0
    onset = cells.copy()
    onset[:, :, 1:] &= ~cells[:, :, :-1]
    drums = roll_features.Layout(table, 3).drums
    batch = roll_batches.Rolls(cells, onset, np.array([48]), np.array([16]), 4, np.array(drums))
    known, found = musegan_statistics.statistics(batch), np.asarray(roll_features.features(jnp.asarray(x), drums))[0]
    assert len(found) == 4 + 7 + 7 + 1
    np.testing.assert_allclose(found[0], known["eb"][0], atol=1e-6)
    for at, track in ((4, 1), (11, 2)):
        assert known["eb"][track] == 0
        np.testing.assert_allclose(found[at], 0.0, atol=1e-6)
        np.testing.assert_allclose(found[at + 4], known["pp"][track], rtol=1e-5)
        np.testing.assert_allclose(found[at + 3], known["pp_as_coded"][track], rtol=1e-5)
        np.testing.assert_allclose(found[at + 5] * 6, known["upc"][track], rtol=1e-5)
        np.testing.assert_allclose(found[at + 1], cells[0, track].sum() / 48, rtol=1e-5)
        np.testing.assert_allclose(found[at + 2], onset[0, track].sum() / 48, rtol=1e-5)
    np.testing.assert_allclose(found[-1], known["td"][1, 2], rtol=1e-4)


def test_hits_on_16ths():
    x = np.zeros((1, 1, 96, 12, 1), np.float32)
    x[0, 0, [0, 6, 7, 90], 3] = 1  # 7 goes on from 6 in a roll
    x[0, 0, 50, 5] = 1
    found = np.asarray(roll_features.features(jnp.asarray(x), (True,)))[0]
    np.testing.assert_allclose(found, [0.0, 5 / 96, 4 / 96, 3 / 4], rtol=1e-5)


distance = jax.jit(losses.energy_distance)


@hypothesis.settings(deadline=None, max_examples=20)
@hypothesis.given(seed=st.integers(0, 10**6), m=st.integers(2, 6))
def test_the_energy_distance_is_that_of_its_definition_and_padding_does_not_count(seed, m):
    rng = np.random.default_rng(seed)
    x, y, padded = rng.normal(size=(4, 3)), rng.normal(size=(m, 3)) + 1, 6 - m

    def apart(a, b, own=False):
        found = [np.linalg.norm(p - q) for i, p in enumerate(a) for j, q in enumerate(b) if not (own and i == j)]
        return np.mean(found)

    expected = 2 * apart(x, y) - apart(x, x, True) - apart(y, y, True)
    filled = np.concatenate([y, rng.normal(size=(padded, 3))])
    real = np.concatenate([np.ones(m), np.zeros(padded)])
    found = distance(*(jnp.asarray(a, jnp.float32) for a in (x, filled, real)))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_energy_distance_of_one_distribution_is_0_on_average_and_sees_a_collapse():
    rng = np.random.default_rng(0)
    ones = jnp.ones(16)

    def mean(scale):
        draws = []
        for _ in range(200):
            x, y = (jnp.asarray(rng.normal(size=(16, 2)) * by, jnp.float32) for by in (scale, 1.0))
            draws.append(float(distance(x, y, ones)))
        return np.mean(draws), np.std(draws) / 200**0.5

    same, error = mean(1.0)
    assert abs(same) < 4 * error
    assert mean(0.0)[0] > 0.3
