"""The policy gradient and preferences on nets whose pieces can all be enumerated, and on small nets of every kind."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import table_net as net
import tiny

from musejax.pipeline import stream
from musejax.training import loop
from musejax.training import settings as training
from musejax.training import step as steps
from musejax.tuning import policy_gradient, preferences, rewards, rollouts
from musejax.tuning import tuning_settings as configs

TUNING = configs.Tuning(base="none", leash=0.7)
PRIOR = {"params": net.params(1), "state": {}}
EARNED = np.random.default_rng(0).normal(size=net.PIECES.shape).astype(np.float32)
EARNED[:, 0] = EARNED[net.PIECES[:, 0], 0]  # what is earned at a token does not depend on later ones


def by_token(arrays):
    """What each token of each piece earns, from the table above."""
    index = arrays["tokens"][:, 0] * net.SIZE + arrays["tokens"][:, 1]
    return jnp.asarray(EARNED)[index]


def wanted(params, leash):
    """What is made larger, summed over all pieces."""
    log_p, log_q = net.log_probs(params), net.log_probs(PRIOR["params"])
    return (jnp.exp(log_p) * (EARNED.sum(1) - leash * (log_p - log_q))).sum()


def scored(params, tokens, with_logits):
    return rollouts.score_cells(net.make(with_logits), net.VOCABULARY, params, {}, net.batch_of(tokens))


@pytest.mark.parametrize("with_logits", [True, False])
@pytest.mark.parametrize("group", [2, 3])
def test_the_gradient_is_on_average_that_of_the_enumerated_expectation(with_logits, group):
    params = net.params(2)
    grids = np.meshgrid(*[np.arange(len(net.PIECES))] * group, indexing="ij")
    chosen = np.stack([g.ravel() for g in grids], axis=1)  # every way to draw a group
    weights = jnp.exp(net.log_probs(params))[chosen].prod(1)

    def one(params, rows):
        tokens, earned = jnp.asarray(net.PIECES)[rows], jnp.asarray(EARNED)[rows]
        sides = (scored(p, tokens, with_logits) for p in (params, PRIOR["params"]))
        return policy_gradient.surrogate(*sides, earned, jnp.ones(earned.shape), TUNING)[0]

    def total(params):
        losses = jax.vmap(lambda rows: one(params, rows))(chosen)
        return (losses * weights).sum()

    found = jax.grad(total)(params)["table"]
    expected = jax.grad(wanted)(params, TUNING.leash)["table"]
    np.testing.assert_allclose(found, -expected, atol=1e-5)
    assert np.abs(expected).max() > 0.05


def test_a_baseline_is_the_mean_of_the_others():
    earned = jnp.asarray([[1.0, 2.0], [3.0, 0.0], [5.0, 1.0], [7.0, 7.0]])
    np.testing.assert_allclose(policy_gradient.advantages(earned, 2), [[-2, 2], [2, -2], [-2, -6], [2, 6]])
    np.testing.assert_allclose(policy_gradient.advantages(earned, 4)[0], [1 - 5, 2 - 8 / 3], rtol=1e-6)


def test_normalised_gradients_do_not_depend_on_the_scale_of_the_reward():
    params, tuning = net.params(2), dataclasses.replace(TUNING, normalise=True, leash=0.0, group=3)

    def gradient(scale):
        def loss(params):
            sides = (scored(p, net.PIECES, True) for p in (params, PRIOR["params"]))
            return policy_gradient.surrogate(*sides, scale * jnp.asarray(EARNED), jnp.ones(EARNED.shape), tuning)[0]

        return jax.grad(loss)(params)["table"]

    np.testing.assert_allclose(gradient(1.0), gradient(50.0), rtol=2e-3, atol=1e-5)


OPTIMIZER = training.Optimizer(name="adam", learning_rate=0.05, warmup_steps=0, schedule="constant", clip=0.0)
STEPS = 150


def step_of(model, steps_=STEPS):
    return steps.make_step(model, OPTIMIZER, steps=steps_, seed=0)


def train(model, batch, count=STEPS):
    step = step_of(model)
    ts = step.init(jax.random.key(0), batch)
    for _ in range(count):
        ts, info = step.update(ts, batch)
    return ts, info


BATCH = {"tokens": np.zeros((256, 4), np.int32), "loss_mask": np.ones((256, 4), np.int32)}


def test_training_ends_at_the_prior_times_the_exponential_of_the_reward():
    model = policy_gradient.make_tunable(
        policy_gradient.Task(net.make(), net.VOCABULARY, PRIOR, by_token, TUNING, net.LENGTH)
    )
    ts, info = train(model, BATCH)
    best = net.log_probs(PRIOR["params"]) + EARNED.sum(1) / TUNING.leash
    best = np.exp(best - jax.nn.logsumexp(best))
    now = np.exp(net.log_probs(ts.params))
    assert np.abs(now - best).sum() < 0.1 < np.abs(np.exp(net.log_probs(PRIOR["params"])) - best).sum()
    assert float(info["loss"]) == pytest.approx(-float(wanted(ts.params, TUNING.leash)), abs=0.15)


def test_validation_estimates_what_is_made_larger():
    model = policy_gradient.make_tunable(
        policy_gradient.Task(net.make(), net.VOCABULARY, PRIOR, by_token, TUNING, net.LENGTH)
    )
    params = net.params(2)
    many = {k: np.tile(v, (20, 1)) for k, v in BATCH.items()}
    loss, (_, info) = model.loss(params, {}, jax.random.key(0), many, step=0, train=False)
    assert float(loss) == pytest.approx(-float(wanted(params, TUNING.leash)), abs=0.05)
    log_p, log_q = net.log_probs(params), net.log_probs(PRIOR["params"])
    assert float(info["kl"]) == pytest.approx(float((jnp.exp(log_p) * (log_p - log_q)).sum()), abs=0.03)
    nll = float((jnp.exp(log_p) * -log_q).sum()) / net.LENGTH
    assert float(info["nll_per_cell_under_prior"]) == pytest.approx(nll, abs=0.03)


def test_a_reward_that_is_called_back_gives_the_same_update():
    def called(arrays):
        assert isinstance(arrays["tokens"], np.ndarray)
        return [float(EARNED[int(a) * net.SIZE + int(b)].sum()) for a, b in arrays["tokens"]]

    def compiled(arrays):
        return by_token(arrays).sum(1)

    pieces = {"tokens": net.PIECES, "length": np.full(len(net.PIECES), 2)}
    ready = [rewards.prepare(f, pieces, "mine") for f in (called, compiled)]
    assert ready[1] is compiled and ready[0] is not called
    models = [
        policy_gradient.make_tunable(policy_gradient.Task(net.make(), net.VOCABULARY, PRIOR, f, TUNING, net.LENGTH))
        for f in ready
    ]
    first, second = (train(m, BATCH, 2)[0].params["table"] for m in models)
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_the_loss_of_preferences_is_the_formula():
    better, worse = jnp.asarray([0.5, -1.0, 2.0]), jnp.asarray([0.1, 1.0, 0.0])
    loss, info = preferences.loss(better, worse, jnp.asarray([1.0, 1.0, 0.0]), 2.0)
    by_hand = [-np.log(1 / (1 + np.exp(-2 * 0.4))), -np.log(1 / (1 + np.exp(-2 * -2.0)))]
    assert float(loss) == pytest.approx(np.mean(by_hand), rel=1e-6)
    assert float(info["margin"]) == pytest.approx(-0.8)
    assert float(info["accuracy"]) == 0.5


def test_the_best_and_the_worst_of_a_group():
    high, low, weight = preferences.best_and_worst(jnp.asarray([1.0, 3.0, 2.0, 5.0, 5.0, 5.0]), 3)
    assert (high.tolist(), low.tolist(), weight.tolist()) == ([1, 3], [0, 3], [1.0, 0.0])


@pytest.mark.parametrize("online", [True, False])
def test_preferences_raise_what_is_preferred(online):
    tuning = dataclasses.replace(TUNING, method="preferences", group=4, online=online, leash=0.5)
    model = preferences.make_tunable(
        policy_gradient.Task(net.make(), net.VOCABULARY, PRIOR, by_token, tuning, net.LENGTH)
    )
    ts, _ = train(model, BATCH, 60)

    def earns(params):
        return float((jnp.exp(net.log_probs(params)) * EARNED.sum(1)).sum())

    assert earns(ts.params) > earns(PRIOR["params"]) + 0.5


def test_given_pairs_go_through_the_one_loop(tmp_path):
    better, worse = {"tokens": net.PIECES[[4, 5, 7]]}, {"tokens": net.PIECES[[0, 1, 2]]}
    pairs = preferences.Pairs(better, worse, batch_size=4, seed=1)
    seen = np.concatenate([pairs[i]["tokens"] for i in range(3)])
    assert sorted(map(tuple, seen)) == sorted([*map(tuple, better["tokens"])] * 4)
    assert {(tuple(b), tuple(w)) for b, w in zip(pairs[0]["tokens"], pairs[0]["worse_tokens"])} <= {
        (tuple(b), tuple(w)) for b, w in zip(better["tokens"], worse["tokens"])
    }
    tuning = dataclasses.replace(TUNING, method="preferences")
    model = preferences.make_tunable(policy_gradient.Task(net.make(), net.VOCABULARY, PRIOR, None, tuning, net.LENGTH))
    config = training.Training(steps=30, batch_size=4, window=2, eval_every=30, save_every=30, log_every=10)
    result = loop.train(model, step_of(model, 30), stream.ArrayStream(pairs), None, config, tmp_path)
    gained = net.log_probs(result.train_state.params) - net.log_probs(PRIOR["params"])
    assert (gained[np.array([4, 5, 7])] > gained[np.array([0, 1, 2])] + 1).all()


def test_pairs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="they must have the same names and shapes"):
        preferences.Pairs({"tokens": net.PIECES}, {"tokens": net.PIECES[:2]}, batch_size=1)
    with pytest.raises(ValueError, match="there are 0 pairs, and batch_size is 4"):
        preferences.Pairs({"tokens": net.PIECES[:0]}, {"tokens": net.PIECES[:0]}, batch_size=4)


SLOW = pytest.mark.slow  # to compile
KINDS = [pytest.param("recurrent", "basic-rnn", id="basic-rnn"), pytest.param("recurrent", "rnn-nade", id="rnn-nade"),
         pytest.param("recurrent", "chorale-voices", id="chorale-voices", marks=SLOW),
         pytest.param("transformer", "music-transformer-jsb16", id="music-transformer-jsb16", marks=SLOW)]  # fmt: skip


@pytest.mark.parametrize(("family", "preset"), KINDS)
def test_any_left_to_right_model_and_codec_is_tuned(family, preset):
    t = tiny.make(family, preset)
    tuning = dataclasses.replace(TUNING, leash=0.1)
    model = policy_gradient.make_tunable(
        policy_gradient.Task(
            t.model,
            t.vocabulary,
            {"params": t.params, "state": t.state},
            lambda a: -1.0 * a["length"],
            tuning,
            tiny.FRAMES,
        )
    )
    step = step_of(model)
    ts = step.init(jax.random.key(0), t.batch)
    ts, first = step.update(ts, t.batch)
    assert float(first["kl"]) == pytest.approx(0, abs=1e-3)
    assert 0 < float(first["weight"]) <= t.batch[tiny.field(t.vocabulary)].size
    ts, info = step.update(ts, t.batch)
    assert all(np.isfinite(float(v)) for v in info.values())
    # Pieces are drawn from the model as it is: what was drawn is as likely as the sampler says.
    told = rollouts.select_conditions(t.batch, t.vocabulary, tiny.FRAMES, 1)
    pieces = rollouts.sample_rollouts(t.model, t.params, t.state, jax.random.key(1), 3, tiny.FRAMES, told)
    mask = rollouts.sampled_mask(pieces, t.vocabulary, rollouts.get_order(t.model, t.vocabulary))
    said = rollouts.score_cells(t.model, t.vocabulary, t.params, t.state, pieces)
    request = tiny.request(t.vocabulary, 3).replace(conditions=told)
    out = tiny.sampler(family, preset)(t.params, t.state, jax.random.key(1), request)
    np.testing.assert_allclose((said.log_prob * mask).sum(1), out["log_prob"], rtol=2e-4, atol=1e-3)
