"""Keys of a frame one after the other: the form for training and the form for drawing are one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax.base import Choice
from musejax.decoding import draws
from musejax.nn import nade

V, H, W = 6, 4, 3


def make(head):
    net = nade.Nade(V, H, head)
    keys = jax.random.split(jax.random.key(0), 4)
    context = nade.Context(
        jax.random.normal(keys[0], (5, 1, V)),
        jax.random.normal(keys[1], (5, 1, H)),
        jax.random.normal(keys[2], (5, 1, V, W)) if head else None,
    )
    bits = jnp.asarray(np.random.default_rng(0).integers(0, 2, (5, 1, V)))
    variables = jax.tree.map(lambda p: p * 10, net.init(keys[3], context, bits))
    return net, variables, context, bits


@pytest.mark.parametrize("head", [0, W])
def test_one_key_at_a_time_gives_what_one_pass_gives(head):
    net, variables, context, bits = make(head)
    whole = net.apply(variables, context, bits)[:, 0]
    row = jax.tree.map(lambda x: x[:, 0], context)
    for at in range(V):
        below = bits[:, 0].at[:, at:].set(0)
        one = net.apply(variables, row, below, jnp.asarray(at), method="one")
        np.testing.assert_allclose(one, whole[:, at], atol=1e-5)


@pytest.mark.parametrize("head", [0, W])
def test_a_key_knows_the_keys_below_it_and_no_others(head):
    net, variables, context, bits = make(head)
    before = net.apply(variables, context, bits)[:, 0]
    for at in range(V):
        after = net.apply(variables, context, bits.at[:, 0, at].set(1 - bits[:, 0, at]))[:, 0]
        np.testing.assert_allclose(after[:, : at + 1], before[:, : at + 1], atol=1e-6)
        assert at == V - 1 or (np.abs(after[:, at + 1 :] - before[:, at + 1 :]) > 1e-4).any()


def test_an_interval_means_the_same_in_every_register():
    net, variables, context, _ = make(W)
    flat = nade.Context(*(jnp.zeros_like(x) for x in context))
    weights = {"params": {**variables["params"], "writes": jnp.zeros((V, H))}}
    two = net.apply(weights, flat, jnp.zeros((5, 1, V), int).at[:, 0, 1].set(1))[0, 0]
    three = net.apply(weights, flat, jnp.zeros((5, 1, V), int).at[:, 0, 2].set(1))[0, 0]
    np.testing.assert_allclose(two[2:-1], three[3:], atol=1e-6)
    assert np.abs(np.asarray(two)).max() > 1e-3


def test_draws_follow_the_joint_distribution():
    net, variables, context, _ = make(W)
    row = jax.tree.map(lambda x: jnp.broadcast_to(x[:1, 0], (20000, *x.shape[2:])), context)
    draw = draws.ordered(
        V,
        Choice(),
        lambda out, bits, at: net.apply(variables, out, bits, at, method="one"),
        lambda out, bits: jnp.zeros(len(bits)),
    )
    drawn = np.asarray(draw.draw(row, None, jax.random.uniform(jax.random.key(1), (20000, V))))
    every = np.array([[i >> k & 1 for k in range(V)] for i in range(2**V)])
    logits = np.asarray(
        net.apply(
            variables, jax.tree.map(lambda x: jnp.broadcast_to(x[:1], (2**V, *x.shape[1:])), context), every[:, None]
        )
    )[:, 0]
    expected = np.exp(-(np.log1p(np.exp(logits)) - logits * every).sum(-1)) * 20000
    found = np.bincount(drawn @ (1 << np.arange(V)), minlength=2**V)
    common = expected > 5
    assert common.sum() > 5
    chi = ((found - expected)[common] ** 2 / expected[common]).sum()
    assert chi < common.sum() + 5 * np.sqrt(2 * common.sum())
    forbidden = jnp.arange(V)[None] != 2
    assert not np.asarray(draw.draw(row, forbidden, jnp.zeros((20000, V))))[:, 2].any()
