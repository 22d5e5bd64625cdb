"""Paths, directions, walks and neighbours of latent vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax.decoding import latent_paths


def angle(a, b):
    return float(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


@pytest.mark.parametrize("kind", ["any", "equal", "parallel", "opposite", "nearly opposite", "from zero"])
def test_a_path_joins_its_ends_in_even_steps_and_never_breaks(kind):
    rng = np.random.default_rng(0)
    a = rng.normal(size=8).astype(np.float32)
    b = {
        "any": rng.normal(size=8).astype(np.float32),
        "equal": a,
        "parallel": 2 * a,
        "opposite": -a,
        "nearly opposite": -a + np.float32(1e-4),
        "from zero": a,
    }[kind]
    a = np.zeros_like(a) if kind == "from zero" else a
    path = np.asarray(latent_paths.path(jnp.asarray(a), jnp.asarray(b), 9))
    np.testing.assert_allclose(path[[0, -1]], [a, b], atol=2e-3 if "opposite" in kind else 1e-5)
    lengths = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(np.diff(lengths), np.diff(lengths).mean(), atol=1e-4)
    if kind != "from zero":
        turns = [angle(x, y) for x, y in zip(path, path[1:])]
        np.testing.assert_allclose(turns, angle(a, b) / 8, atol=2e-3)


def test_an_attribute_vector_points_where_the_attribute_grows():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 6)).astype(np.float32)
    values = 3 * z[:, 2] + 0.1 * rng.normal(size=400)
    found = np.asarray(latent_paths.attribute(jnp.asarray(z), jnp.asarray(values)))
    assert found.argmax() == 2 and found[2] > 2.0 and np.abs(np.delete(found, 2)).max() < 0.5
    with pytest.raises(ValueError, match="share is 0.9"):
        latent_paths.attribute(jnp.asarray(z), jnp.asarray(values), 0.9)


def test_a_walk_turns_by_the_same_angle_each_time_and_keeps_its_length():
    start = jnp.asarray([3.0, 0.0, 4.0, 0.0])
    found = np.asarray(latent_paths.walk(jax.random.key(0), start, 6, 0.3))
    np.testing.assert_allclose(found[0], start, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 5.0, rtol=1e-5)
    np.testing.assert_allclose([angle(a, b) for a, b in zip(found, found[1:])], 0.3, rtol=1e-3)
    assert angle(found[0], found[2]) != pytest.approx(0.6, abs=1e-3)  # not along one circle


def test_neighbours_are_told_by_angle():
    bank = jnp.asarray([[1.0, 0.0], [0.0, 5.0], [-1.0, 0.1]])
    indices, cosines = latent_paths.nearest(jnp.asarray([[0.1, 0.2]]), bank, 2)
    np.testing.assert_array_equal(indices, [[1, 0]])
    assert cosines[0, 0] > cosines[0, 1]
