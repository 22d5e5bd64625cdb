import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from musejax.base import Choice
from musejax.decoding import draws


def reference(logits, temperature=1.0, top_k=None, top_p=None, min_p=None):
    """Probabilities after the filters, one row at a time."""
    out = []
    for row in logits:
        p = np.exp(row / temperature - (row / temperature).max())
        p /= p.sum()
        if top_k is not None:
            p[np.argsort(-p)[top_k:]] = 0
            p /= p.sum()
        if top_p is not None:
            kept, reached = [], 0.0
            for token in np.argsort(-p):
                if reached >= top_p:
                    break
                kept.append(token)
                reached += p[token]
            p[[t for t in range(len(p)) if t not in kept]] = 0
            p /= p.sum()
        if min_p is not None:
            p[p < min_p * p.max()] = 0
            p /= p.sum()
        out.append(p)
    return np.array(out)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 0.3},
        {"temperature": 4.0},
        {"top_k": 1},
        {"top_k": 5},
        {"top_k": 99},
        {"top_p": 0.01},
        {"top_p": 0.6},
        {"top_p": 1.0},
        {"min_p": 0.2},
        {"min_p": 1.0},
        {"temperature": 1.5, "top_k": 8, "top_p": 0.8, "min_p": 0.1},
    ],
)
def test_filters_are_those_of_a_plain_reference(fields):
    logits = np.random.default_rng(0).normal(0, 2, (40, 12))
    found = jax.nn.softmax(draws.filter_logits(jnp.asarray(logits, jnp.float32), Choice(**fields)), axis=-1)
    expected = reference(logits, **fields)
    np.testing.assert_array_equal(np.asarray(found) > 0, expected > 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_temperature_near_zero_takes_the_likeliest():
    logits = jnp.asarray(np.random.default_rng(0).normal(0, 1, (200, 12)), jnp.float32)
    uniform = jnp.linspace(0, 0.999, 200)
    drawn = draws.categorical(Choice(temperature=0.0)).draw(logits, None, uniform)
    np.testing.assert_array_equal(drawn, logits.argmax(-1))


def test_draws_follow_the_distribution_and_never_return_a_forbidden_token():
    logits = np.random.default_rng(1).normal(0, 1.5, 14).astype(np.float32)
    logits[[0, 3, 4, 13]] = -np.inf
    uniform = jax.random.uniform(jax.random.key(0), (20_000,))
    drawn = draws.invert(jnp.tile(jnp.asarray(logits), (20_000, 1)), uniform)
    counts = np.bincount(drawn, minlength=14)
    possible = np.isfinite(logits)
    assert not counts[~possible].any()
    expected = np.exp(logits[possible]) / np.exp(logits[possible]).sum() * 20_000
    assert stats.chisquare(counts[possible], expected).pvalue > 0.001


@pytest.mark.parametrize("size", [12, 388, 5000])
def test_the_edges_of_every_token_belong_to_a_token_that_may_stand_there(size):
    rng = np.random.default_rng(size)
    logits = rng.normal(0, 3, (1, size)).astype(np.float32)
    logits[0, rng.random(size) < 0.6] = -np.inf
    weights = jnp.exp(jnp.asarray(logits) - logits.max())
    edges = np.asarray(jnp.cumsum(weights, axis=-1))[0]
    edges = edges / edges.max()
    uniform = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 2), [0.0, 1 - 2**-24]])
    uniform = uniform[uniform < 1].astype(np.float32)
    drawn = draws.invert(jnp.tile(jnp.asarray(logits), (len(uniform), 1)), jnp.asarray(uniform))
    assert np.isfinite(logits[0, np.asarray(drawn)]).all()


def test_what_is_not_allowed_is_dropped_before_the_filters():
    logits = jnp.asarray([[5.0, 4.0, 3.0, 2.0]])
    allowed = jnp.asarray([[False, False, True, True]])
    draw = draws.categorical(Choice(top_k=1)).draw
    assert [int(draw(logits, allowed, jnp.asarray([u]))[0]) for u in (0.0, 0.5, 0.999)] == [2, 2, 2]


def test_where_nothing_is_allowed_the_row_is_left_as_it_is():
    logits = jnp.asarray([[1.0, 2.0], [1.0, 2.0]])
    out = draws.restrict(logits, jnp.asarray([[False, False], [True, False]]))
    np.testing.assert_array_equal(out, [[1.0, 2.0], [1.0, -np.inf]])


def test_switches_are_drawn_each_on_its_own():
    logits = jnp.asarray([-2.0, 0.0, 1.0])
    uniform = jax.random.uniform(jax.random.key(0), (20_000, 3))
    tiled = jnp.tile(logits, (20_000, 1))
    for temperature in (1.0, 0.5):
        draw = draws.bernoulli(3, Choice(temperature=temperature))
        on = np.asarray(draw.draw(tiled, None, uniform))
        np.testing.assert_allclose(on.mean(0), jax.nn.sigmoid(logits / temperature), atol=0.015)
    off = draw.draw(tiled, jnp.asarray([[True, False, True]]), uniform)
    assert not np.asarray(off)[:, 1].any() and np.asarray(off)[:, 0].any()
    cost = draw.nll(logits[None], jnp.asarray([[1, 0, 1]]))
    p = np.asarray(jax.nn.sigmoid(logits))
    np.testing.assert_allclose(cost, [-np.log(p[0]) - np.log(1 - p[1]) - np.log(p[2])], rtol=1e-5)
