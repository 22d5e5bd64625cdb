"""Cells in drawing order, what pieces are told, and rewards: their kinds, where they count, and their mistakes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import table_net as net

from musejax import vocabulary
from musejax.nn import losses
from musejax.tuning import rewards, rollouts, rules

CHORALE = vocabulary.chorale()


def test_cells_stand_in_the_order_in_which_they_are_drawn():
    x = jnp.arange(8).reshape(1, 2, 4)
    np.testing.assert_array_equal(rollouts.order_cells(x, (0, 3, 2, 1)), [[0, 3, 2, 1, 4, 7, 6, 5]])
    one = jnp.arange(3)[None]
    assert rollouts.order_cells(one, (0,)) is one


def test_cells_count_up_to_the_end():
    end = CHORALE.id("end")
    tokens = np.ones((2, 3, 4), np.int32)
    tokens[0, 1, 3] = tokens[0, 2] = end  # the second voice to be drawn ends the piece in the second frame
    batch = {"tokens": tokens, "pad_mask": np.ones((2, 3), np.int32)}
    mask = rollouts.sampled_mask(batch, CHORALE, (0, 3, 2, 1))
    np.testing.assert_array_equal(mask, [[1] * 6 + [0] * 6, [1] * 12])


def test_rewards_count_at_the_last_cell_that_they_are_of():
    mask = jnp.asarray([[1.0] * 6, [1, 1, 1, 0, 0, 0]])
    pieces = rollouts.spread_rewards(jnp.asarray([5.0, 7.0]), mask)
    np.testing.assert_array_equal(pieces, [[0, 0, 0, 0, 0, 5], [0, 0, 7, 0, 0, 0]])
    frames = rollouts.spread_rewards(jnp.asarray([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]]), mask)
    np.testing.assert_array_equal(frames, [[0, 1, 0, 2, 0, 3], [0, 1, 6, 0, 0, 0]])


def test_the_pieces_of_a_group_are_told_the_same():
    batch = {name: np.arange(12).reshape(4, 3) % size for name, size in CHORALE.conditions}
    told = rollouts.select_conditions(batch, CHORALE, 5, 2)
    np.testing.assert_array_equal(told["beat"], [[0, 1, 2, 2, 2]] * 2 + [[6, 7, 8, 8, 8]] * 2)
    assert set(told) == {"beat", "fermata", "key"}


def test_divergence_is_exact_and_what_was_drawn_has_it_on_average():
    policy, prior = net.params(3), net.params(4)
    exact, drawn = (
        rollouts.divergence(*(rollouts.score_cells(net.make(form), net.VOCABULARY, p, {}, net.batch_of(net.PIECES))
                              for p in (policy, prior)))
        for form in (True, False)
    )  # fmt: skip
    probs = np.exp(net.log_probs(policy))
    by_hand = (probs * (net.log_probs(policy) - net.log_probs(prior))).sum()
    for found in (exact, drawn):
        assert float((found.sum(1) * probs).sum()) == pytest.approx(float(by_hand), rel=1e-5)
    assert (np.asarray(exact) >= 0).all() and (np.asarray(drawn) < 0).any()


PIECES = {"tokens": net.PIECES, "length": np.full(len(net.PIECES), 2)}


def fails(arrays):
    raise RuntimeError("no more")


BAD = [
    (lambda a: a["tokens"].sum(), "reward mine returns shape () for 9 pieces of 2 frames; it must be (9,) or (9, 2)"),
    (lambda a: jnp.zeros((9, 3)), "returns shape (9, 3)"),
    (lambda a: [1.0] * 4, "returns shape (4,)"),
    (lambda a: a["tokens"][:, 0] / 0.0, "reward mine returns values that are not finite"),
    (lambda a: np.full(9, np.nan), "values that are not finite"),
    (lambda a: ["good"] * 9, "not numbers"),
    (lambda a: a["notes"], "reward mine fails: KeyError: 'notes'"),
    (fails, "reward mine fails: RuntimeError: no more"),
]


@pytest.mark.parametrize(("function", "says"), BAD, ids=[s[-30:] for _, s in BAD])
def test_a_reward_that_does_not_fit_is_one_line(function, says):
    with pytest.raises(ValueError) as error:
        rewards.prepare(function, PIECES, "mine")
    assert says in str(error.value) and "\n" not in str(error.value)


def test_the_sum_of_rewards_of_pieces_and_frames():
    whole, frames = (lambda a: a["length"]), (lambda a: a["tokens"])
    both = rewards.combine([(whole, 10.0), (frames, 1.0)])(jax.tree.map(jnp.asarray, PIECES))
    np.testing.assert_array_equal(both, net.PIECES + np.array([[0, 20]]))
    assert rewards.combine([(whole, 2.0)])(jax.tree.map(jnp.asarray, PIECES)).shape == (9,)


def test_a_critic_gives_its_log_probability_by_frame():
    critic = {"params": net.params(5), "state": {}}
    found = rewards.make_critic_reward(net.make(), net.VOCABULARY, critic)(jax.tree.map(jnp.asarray, PIECES))
    assert found.shape == (9, 2)
    np.testing.assert_allclose(found.sum(1), net.log_probs(critic["params"]), rtol=1e-6)


MELODIES = vocabulary.melody(48, 83)


def test_nearness_is_the_slope_of_the_energy_distance():
    rng = np.random.default_rng(0)
    drawn, reference = (rng.integers(0, MELODIES.size, (n, 16)).astype(np.int32) for n in (6, 9))
    reward = rewards.make_nearness_reward(MELODIES, reference)
    earned = np.asarray(reward({"tokens": jnp.asarray(drawn)}))
    x, y = (np.asarray(rewards.compute_features(MELODIES, jnp.asarray(t))) for t in (drawn, reference))
    far = np.linalg.norm(x[:, None] - y[None], axis=-1)
    own = np.linalg.norm(x[:, None] - x[None], axis=-1).sum(1) / 5
    np.testing.assert_allclose(earned, 2 * (own - far.mean(1)), rtol=1e-4, atol=1e-4)
    # 2 E|x - y| - E|x - x'| - E|y - y'| falls as fast as the mean reward rises, but for the half that each pair shares.
    distance = float(losses.energy_distance(jnp.asarray(x), jnp.asarray(y), jnp.ones(9)))
    among = np.linalg.norm(y[:, None] - y[None], axis=-1).sum() / 72
    assert distance == pytest.approx(-earned.mean() + own.mean() - among, rel=1e-3)


def test_variety_is_the_mean_surprise_of_a_melodys_runs_among_the_others():
    # Up a tone, up a tone, down a third: once from C, once from D with a hold between; then two runs of other notes.
    up, down = [14, 16, 18, 14, 0, 0], [16, 18, 0, 20, 16, 0]
    other = [14, 13, 14, 13, 14, 0]
    none = [14, 16, 18, 0, 0, 0]
    reward = rewards.make_variety_reward(MELODIES)
    found = reward({"tokens": jnp.asarray([up, down, other, none])})
    # Of 4 runs, 3 are the others' for the first two and one of these is the same; of the third, 2 and none; up to
    # transposition its two runs differ.
    expected = [-math.log(2 / 4), -math.log(2 / 4), -math.log(1 / 3), 0.0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    alone = reward({"tokens": jnp.asarray([up])})
    np.testing.assert_allclose(alone, [0.0], atol=1e-7)


def test_features_of_a_melody():
    # C4 held, E4, a note-off, C5 twice: of four notes 3 are C, 1 is E; intervals +4, +8, 0.
    ids = {"hold": 0, "off": 1}
    row = [60 - 46, ids["hold"], 64 - 46, ids["off"], 72 - 46, 72 - 46, 0, 0]
    (found,) = np.asarray(rewards.compute_features(MELODIES, jnp.asarray([row])))
    assert found[0] == 0.75 and found[4] == 0.25
    assert [found[12 + 12 + i] for i in (4, 8, 0)] == [0.25] * 3
    np.testing.assert_allclose(found[-3:], [4 / 8, 1 / 8, (60 + 64 + 72 + 72) / 4 / 12])
    assert found.sum() == pytest.approx(1 + 0.75 + found[-3:].sum())


def test_rules_are_a_reward_by_frame():
    rows = np.array([[14, 0, 20, 0] * 8], np.int32)
    reward = rewards.make_rules_reward(MELODIES, rules.Rules())
    np.testing.assert_allclose(reward({"tokens": rows}), rules.score(MELODIES, rows, rules.Rules()))
    with pytest.raises(ValueError, match="the music rules need a codec for a single melody"):
        rewards.make_rules_reward(CHORALE, rules.Rules())
