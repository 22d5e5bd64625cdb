import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
import toy

from musejax.training import checkpoints, freezing, loop, restoring, settings, step

PLAIN = settings.Optimizer(
    learning_rate=0.05, warmup_steps=0, schedule="constant", weight_decay=0.3, clip=0.5, ema_decay=0.8
)


def trained(optimizer, steps=4, model=None, batch=None, restored=()):
    """The states of a run from its first to its last."""
    batch = toy.source()[0] if batch is None else batch
    s = step.make_step(model or toy.make(), optimizer, steps=10, seed=0, restored=restored)
    ts = s.init(jax.random.key(0), batch)
    found = [jax.tree.map(np.asarray, ts)]
    for _ in range(steps):
        ts, _ = s.update(ts, batch)
        found.append(jax.tree.map(np.asarray, ts))
    return found


@pytest.mark.parametrize("name", ["adamw", "adam", "muon"])
def test_what_is_frozen_stays_bit_for_bit_and_its_average_too(name):
    states = trained(dataclasses.replace(PLAIN, name=name, freeze=("table",)))
    for found in (states[-1].params, states[-1].ema):
        assert checkpoints.digest(found["table"]) == checkpoints.digest(states[0].params["table"])
    assert (states[-1].params["bias"] != states[0].params["bias"]).any()


def test_patterns_freeze_parts_of_a_net():
    t = tiny.make("recurrent", "basic-rnn")
    frozen = dataclasses.replace(PLAIN, freeze=("stack/layer_0/*", "output/bias"))
    states = trained(frozen, 2, t.model, t.batch)
    before, after = restoring.flat(states[0].params), restoring.flat(states[-1].params)
    still = {path for path in before if np.array_equal(before[path], after[path])}
    assert still == {path for path in before if path.startswith("stack/layer_0/") or path == "output/bias"}
    assert {"output/bias", "stack/layer_0/input"} < still < set(before)


def test_what_thaws_starts_as_if_the_run_began_there():
    late, plain = trained(dataclasses.replace(PLAIN, unfreeze=("3:*",)), 6), trained(PLAIN, 3)
    for state in late[:4]:
        jax.tree.map(np.testing.assert_array_equal, state.params, late[0].params)
    for i in range(4):  # moments and their corrections begin with the first step that counts
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), late[3 + i].params, plain[i].params)


def test_layers_thaw_one_after_the_other_under_one_schedule():
    optimizer = dataclasses.replace(
        PLAIN, name="adam", schedule="cosine", final_fraction=0.0, freeze=("*",), unfreeze=("1:bias", "4:table")
    )
    states = trained(optimizer, 6)
    moved = [
        {n for n in ("table", "bias") if (after.params[n] != before.params[n]).any()}
        for before, after in zip(states, states[1:])
    ]
    assert moved == [set(), {"bias"}, {"bias"}, {"bias"}, {"table", "bias"}, {"table", "bias"}]
    # The first step of Adam is as long as the learning rate, which is by then the schedule's of that step.
    schedule = step.make_schedule(optimizer, 10)
    for name, at in (("bias", 1), ("table", 4)):
        change = states[at + 1].params[name] - states[at].params[name]
        np.testing.assert_allclose(np.abs(change).max(), schedule(at), rtol=1e-3)


def test_restored_parts_move_by_their_share():
    whole, part = (
        trained(dataclasses.replace(PLAIN, restored_rate=rate), 1, restored=("table",)) for rate in (1.0, 0.25)
    )
    for name, share in (("table", 0.25), ("bias", 1.0)):
        full = whole[1].params[name] - whole[0].params[name]
        np.testing.assert_allclose(part[1].params[name] - part[0].params[name], share * full, atol=1e-7)


def test_clipping_counts_what_trains_alone():
    optimizer = freezing.make_optimizer(
        settings.Optimizer(clip=1.0, freeze=("huge",), unfreeze=("2:late",)), lambda start: optax.sgd(1.0)
    )
    params = {"huge": jnp.zeros(2), "late": jnp.zeros(1), "own": jnp.zeros(2)}
    gradients = {"huge": jnp.array([1e4, 0.0]), "late": jnp.array([12.0]), "own": jnp.array([3.0, 4.0])}
    state, found = optimizer.init(params), []
    for _ in range(3):
        updates, state = optimizer.update(gradients, state, params)
        found.append(updates)
    np.testing.assert_allclose(found[0]["own"], [-0.6, -0.8], rtol=1e-6)  # of length 5
    np.testing.assert_allclose(found[2]["own"], [-3 / 13, -4 / 13], rtol=1e-6)  # of length 13
    assert [float(u["late"][0]) for u in found] == pytest.approx([0.0, 0.0, -12 / 13])
    assert not any(u["huge"].any() for u in found)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"freeze": ("organ/*",)}, "freeze: 'organ/\\*' matches no parameter; the parameters are bias, table"),
        ({"unfreeze": ("9:organ",)}, "unfreeze: 'organ' matches no parameter"),
        ({"unfreeze": ("table",)}, "unfreeze is 'table'; give STEP:PATTERN"),
        ({"unfreeze": ("-1:table",)}, "give STEP:PATTERN"),
        ({"freeze": ("*",)}, "freeze \\* leaves no parameter to train"),
    ],
)
def test_patterns_that_mean_nothing(fields, message):
    with pytest.raises(ValueError, match=message):
        freezing.assign_groups(dataclasses.replace(PLAIN, **fields), ["bias", "table"])


def test_a_family_with_its_own_step_says_that_it_freezes_nothing():
    t = tiny.make("dense_gan", "sketch-gan")
    with pytest.raises(ValueError, match="its own training step"):
        step.make_step(t.model, dataclasses.replace(PLAIN, freeze=("critic/*",)), steps=2, seed=0)


def test_a_run_that_thaws_resumes_bit_for_bit(tmp_path):
    optimizer = dataclasses.replace(PLAIN, unfreeze=("3:table",))
    training = settings.Training(steps=8, batch_size=4, window=8, eval_every=4, save_every=2, log_every=4)
    model = toy.make(dropout=0.3)
    s = step.make_step(model, optimizer, steps=8, seed=0)
    ends = []
    for name, stops in (("whole", (8,)), ("cut", (2, 6, 8))):  # before, and after it has thawed
        for steps in stops:
            cut = dataclasses.replace(training, steps=steps)
            result = loop.train(model, s, toy.plain_stream(), toy.validation, cut, tmp_path / name)
        ends.append(checkpoints.digest(result.train_state))
    assert ends[0] == ends[1]
