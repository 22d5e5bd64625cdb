"""Rows of played drums: their likelihood beside scipy's, the draws beside its quantiles, hits that are given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from musejax.base import Choice
from musejax.decoding import groove_frames


def normals(out, spread):
    """scipy's truncated normals of velocity and offset: 18 columns."""
    mean = np.concatenate([special.expit(out[..., 9:18]), np.tanh(out[..., 18:]) / 2], axis=-1)
    low = np.repeat([0.0, -0.5], 9)
    return stats.truncnorm((low - mean) / spread, (low + 1 - mean) / spread, mean, spread)


@pytest.mark.parametrize("spread", [0.05, 0.3, 2.0])
def test_the_likelihood_is_that_of_switches_and_of_normals_that_are_cut_off(spread):
    rng = np.random.default_rng(0)
    out = rng.normal(0, 2, (5, 27))
    hit = rng.random((5, 9)) < 0.5
    rows = np.concatenate([hit, hit * rng.random((5, 9)), hit * (rng.random((5, 9)) - 0.5)], axis=-1)
    expected = -stats.bernoulli(special.expit(out[:, :9])).logpmf(hit).sum(1)
    expected -= (normals(out, spread).logpdf(rows[:, 9:]) * np.tile(hit, 2)).sum(1)
    found = groove_frames.nll(jnp.asarray(out, jnp.float32), jnp.asarray(rows, jnp.float32), spread)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


def test_the_probabilities_of_a_drum_that_is_hit_or_not_sum_to_one():
    out = np.random.default_rng(1).normal(0, 1, 27)
    grid = (np.arange(200) + 0.5) / 200
    velocity, offset = np.meshgrid(grid, grid - 0.5)
    rows = np.zeros((200 * 200 + 1, 27))
    rows[1:, 0], rows[1:, 9], rows[1:, 18] = 1, velocity.ravel(), offset.ravel()
    out[1:9] = -50  # the other drums are silent
    cost = groove_frames.nll(
        jnp.broadcast_to(jnp.asarray(out, jnp.float32), rows.shape), jnp.asarray(rows, jnp.float32), 0.2
    )
    density = np.exp(-np.asarray(cost, np.float64))
    np.testing.assert_allclose(density[0] + density[1:].mean(), 1.0, rtol=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 1e-4])
def test_a_draw_is_the_quantile_of_its_noise(temperature):
    rng = np.random.default_rng(2)
    out, uniform = rng.normal(0, 2, (6, 27)), rng.random((6, 27))
    draw = groove_frames.row_draw(Choice(temperature=temperature), 0.2)
    found = np.asarray(draw.draw(jnp.asarray(out, jnp.float32), None, jnp.asarray(uniform, jnp.float32)))
    hit = uniform[:, :9] < special.expit(out[:, :9] / temperature)
    np.testing.assert_array_equal(found[:, :9], hit)
    expected = normals(out, 0.2 * temperature).ppf(uniform[:, 9:]) * np.tile(hit, 2)
    np.testing.assert_allclose(found[:, 9:], expected, atol=1e-3)


def test_a_constraint_keeps_drums_silent():
    allowed = np.arange(27) >= 3
    draw = groove_frames.row_draw(Choice(), 0.1)
    found = np.asarray(draw.draw(jnp.full((2, 27), 9.0), jnp.asarray(allowed), jnp.full((2, 27), 0.5)))
    np.testing.assert_array_equal(found[:, :9], np.tile(np.arange(9) >= 3, (2, 1)))
    assert not found[:, [9, 10, 11, 18, 19, 20]].any() and found[:, 12:18].all()


def test_hits_that_are_given_are_certain_and_cost_nothing():
    rng = np.random.default_rng(3)
    rows = np.zeros((4, 27), np.float32)
    rows[:, :9] = rng.random((4, 9)) < 0.5
    free = np.tile(np.arange(27) >= 9, (4, 1)).astype(np.int32)
    out = groove_frames.sure(jnp.asarray(rng.normal(0, 1, (4, 27)), jnp.float32), jnp.asarray(rows), jnp.asarray(free))
    draw = groove_frames.row_draw(Choice(temperature=2.0), 0.1)
    found = draw.draw(out, None, jax.random.uniform(jax.random.key(0), (4, 27)))
    np.testing.assert_array_equal(found[:, :9], rows[:, :9])
    expected = -(normals(np.asarray(out), 0.1).logpdf(found[:, 9:]) * np.tile(rows[:, :9], 2)).sum(1)
    np.testing.assert_allclose(draw.nll(out, found), expected, rtol=1e-2, atol=1e-2)
