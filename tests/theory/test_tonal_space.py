import numpy as np

from musejax.theory import tonal_space


def _distance(a, b):
    return np.linalg.norm(tonal_space.PLACES[a] - tonal_space.PLACES[b])


def test_circles_have_their_radius():
    radii = np.linalg.norm(tonal_space.PLACES, axis=2)
    np.testing.assert_allclose(radii, np.tile([1.0, 1.0, 0.5], (12, 1)))


def test_steps_on_a_circle_close_it():
    # Four minor thirds and three major ones are an octave.
    np.testing.assert_allclose(tonal_space.PLACES[[0, 3, 6, 9], 1].sum(0), 0, atol=1e-12)
    np.testing.assert_allclose(tonal_space.PLACES[[0, 4, 8], 2].sum(0), 0, atol=1e-12)
    # A fifth is a twelfth of its circle: neighbours are 2 sin 15 degrees apart.
    fifth = tonal_space.PLACES[0, 0] - tonal_space.PLACES[7, 0]
    np.testing.assert_allclose(np.linalg.norm(fifth), 2 * np.sin(np.pi / 12))


def test_fifths_are_near_and_tritones_far():
    assert _distance(0, 7) < _distance(0, 2) < _distance(0, 6)
