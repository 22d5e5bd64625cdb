"""RL Tuner: its targets by hand and by dynamic programming, its memory, its exploration, and the policy of G."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import table_net as net
import tiny

from musejax.base import Request
from musejax.training import settings as training
from musejax.training import step as steps
from musejax.tuning import policy_gradient, prior_product, q_learning
from musejax.tuning import tuning_settings as configs

PRIOR = {"params": net.params(1), "state": {}}
EARNED = np.random.default_rng(0).normal(size=(net.SIZE + 1, net.SIZE)).astype(np.float32)


def by_transition(arrays):
    """What a token earns, by the token before: a decision process whose states are the rows of the table."""
    before = jnp.pad(arrays["tokens"], ((0, 0), (1, 0)), constant_values=net.SIZE)[:, :-1]
    return jnp.asarray(EARNED)[before, arrays["tokens"]]


def test_targets_by_hand():
    values = jnp.asarray([[[1.0, 2.0], [0.5, -1.0], [3.0, 4.0]]])
    rewards, ones = jnp.asarray([[10.0, 20.0, 30.0]]), jnp.ones((1, 3))
    log_prior = jnp.log(jnp.asarray([[[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]]]))
    # Of a token counts what the values behind it promise; behind the last there is nothing.
    q = [10 + 0.5 * 0.5, 20 + 0.5 * 4.0, 30]
    psi = [10 + 0.5 * np.log(np.exp(0.5) + np.exp(-1)), 20 + 0.5 * np.log(np.exp(3) + np.exp(4)), 30]
    g = [
        10 + 0.5 * np.log(0.25 * np.exp(0.5) + 0.75 * np.exp(-1)),
        20 + 0.5 * np.log(0.9 * np.exp(3) + 0.1 * np.exp(4)),
        30,
    ]
    for method, by_hand in (("q", q), ("psi", psi), ("g", g)):
        found = q_learning.compute_targets(method, rewards, ones, values, log_prior, 0.5)
        np.testing.assert_allclose(found, [by_hand], rtol=1e-6)
    ended = q_learning.compute_targets("q", rewards, jnp.asarray([[1.0, 1.0, 0.0]]), values, None, 0.5)
    np.testing.assert_allclose(ended, [[10.25, 20.0, 30.0]])


def solved(method, discount):
    """The values of all states and tokens by going through the process backwards."""
    log_p = np.asarray(jax.nn.log_softmax(PRIOR["params"]["table"]))
    earned = EARNED + (0.0 if method == "g" else log_p)
    last = earned[: net.SIZE]  # the second token ends the piece
    ahead = {"q": last.max(1), "psi": np.log(np.exp(last).sum(1)), "g": np.log(np.exp(last + log_p[: net.SIZE]).sum(1))}
    return np.vstack([last, earned[net.SIZE] + discount * ahead[method]])


TUNING = configs.Tuning(
    base="none", discount=0.9, replay=512, minibatch=128, updates=10, target_rate=0.2,
    exploration=configs.Exploration(first=1.0, last=1.0),
)  # fmt: skip
OPTIMIZER = training.Optimizer(name="adam", learning_rate=0.05, warmup_steps=0, clip=0.0, final_fraction=0.0)
BATCH = {"tokens": np.zeros((256, 2), np.int32), "loss_mask": np.ones((256, 2), np.int32)}


@pytest.mark.parametrize("method", ["q", "psi", "g"])
def test_training_finds_the_values_of_a_small_process(method):
    tuning = dataclasses.replace(TUNING, method=method)
    model = q_learning.make_tunable(
        policy_gradient.Task(net.make(), net.VOCABULARY, PRIOR, by_transition, tuning, net.LENGTH)
    )
    step = steps.make_step(model, OPTIMIZER, steps=40, seed=0)
    ts = step.init(jax.random.key(0), BATCH)
    for _ in range(40):
        ts, info = step.update(ts, BATCH)
    np.testing.assert_allclose(ts.params["table"], solved(method, TUNING.discount), atol=0.03)
    assert float(info["loss"]) < 1e-2 and float(info["exploration"]) == 1.0
    assert ts.opt_state["replay"].count == 40 * 256
    if method == "g":
        np.testing.assert_array_equal(ts.state["prior"]["table"], PRIOR["params"]["table"])


def test_psi_and_g_have_one_policy():
    psi, g = (solved(method, 0.9) for method in ("psi", "g"))
    log_p = jax.nn.log_softmax(PRIOR["params"]["table"])
    np.testing.assert_allclose(jax.nn.softmax(psi), jax.nn.softmax(g + log_p), rtol=1e-5)


def empty(size):
    none = jnp.zeros((size, 2))
    return q_learning.Replay(none.astype(jnp.int32), {}, none, none, jnp.zeros((), jnp.int32))


def numbered(first, num):
    x = jnp.repeat(jnp.arange(first, first + num)[:, None], 2, axis=1)
    return x, {}, x * 1.0, jnp.ones((num, 2))


def test_the_memory_forgets_its_oldest_melodies():
    memory = q_learning.put(empty(5), *numbered(1, 3))
    drawn = q_learning.take(memory, jax.random.key(0), 200)
    assert set(drawn.tokens[:, 0].tolist()) == {1, 2, 3}  # nothing that was never put in
    memory = q_learning.put(memory, *numbered(4, 3))
    assert sorted(memory.tokens[:, 0].tolist()) == [2, 3, 4, 5, 6]
    assert sorted(memory.rewards[:, 1].tolist()) == [2, 3, 4, 5, 6]
    assert int(memory.count) == 6


def test_exploration_falls_in_a_straight_line():
    explore = configs.Exploration(first=0.9, last=0.1, steps=4)
    shares = [float(q_learning.exploration_share(explore, jnp.asarray(s))) for s in (0, 1, 2, 4, 9)]
    np.testing.assert_allclose(shares, [0.9, 0.7, 0.5, 0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize("kind", ["boltzmann", "greedy"])
def test_exploring_mixes_the_policy_with_all_tokens(kind):
    bold = q_learning.add_exploration(net.make(), net.VOCABULARY, kind, jnp.asarray(0.3))
    out = bold.sample(PRIOR["params"], {}, jax.random.key(0), Request(num=20000, length=1))
    found = np.bincount(np.asarray(out["tokens"][:, 0]), minlength=net.SIZE) / 20000
    row = PRIOR["params"]["table"][net.SIZE]
    own = jax.nn.softmax(row) if kind == "boltzmann" else jax.nn.one_hot(row.argmax(), net.SIZE)
    np.testing.assert_allclose(found, 0.7 * own + 0.1, atol=0.015)


def test_a_product_is_the_prior_times_what_is_added():
    t = tiny.make("recurrent", "basic-rnn")
    both = prior_product.make(t.model, t.vocabulary)
    params, state = both.init(jax.random.key(1), t.batch)
    prior = t.model.decoder.logits(state["prior"], {}, t.batch)
    wanted = jax.nn.log_softmax(t.model.decoder.logits(params, {}, t.batch) + jax.nn.log_softmax(prior))
    nll = both.likelihood.nll(params, state, t.batch)
    picked = np.take_along_axis(np.asarray(wanted), t.batch["tokens"][..., None], -1)[..., 0]
    np.testing.assert_allclose(nll, -picked, rtol=1e-5, atol=1e-5)
    out = both.sample(params, state, jax.random.key(0), Request(num=2, length=8))
    drawn = {"tokens": out["tokens"], "pad_mask": np.ones((2, 8)), "loss_mask": np.ones((2, 8))}
    np.testing.assert_allclose(-both.likelihood.nll(params, state, drawn).sum(1), out["log_prob"], rtol=1e-4)
    loss, _ = both.loss(params, state, None, t.batch, step=0, train=False)
    mask = t.batch["loss_mask"]
    np.testing.assert_allclose(loss, (nll * mask).sum() / mask.sum(), rtol=1e-5)


def test_families_that_have_no_logits_are_refused():
    t = tiny.make("recurrent", "rnn-nade")
    prior = {"params": t.params, "state": t.state}
    with pytest.raises(ValueError, match="method q needs a model that gives a logit for each token"):
        q_learning.make_tunable(
            policy_gradient.Task(
                t.model, t.vocabulary, prior, by_transition, dataclasses.replace(TUNING, method="q"), 8
            )
        )
