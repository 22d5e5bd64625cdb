import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
import toy

from musejax.training import settings, step

PLAIN = settings.Optimizer(warmup_steps=1, learning_rate=0.01)


def updated(model, optimizer, batch, times=2):
    s = step.make_step(model, optimizer, steps=10, seed=0)
    ts = s.init(jax.random.key(0), batch)
    for _ in range(times):
        ts, info = s.update(ts, batch)
    return ts, info


def assert_close(a, b, **kwargs):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **kwargs), a, b)


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("masks", ["full", "unequal", "one part empty"])
def test_accumulation_equals_the_whole_batch(parts, masks):
    batch = toy.source(batch_size=8)[0]
    if masks == "unequal":
        batch["loss_mask"][:] = np.arange(8)[None] < np.arange(1, 9)[:, None]
    elif masks == "one part empty":
        batch["loss_mask"][:2] = 0
    whole, info = updated(toy.make(), PLAIN, batch)
    cut, info_cut = updated(toy.make(), dataclasses.replace(PLAIN, accumulate=parts), batch)
    assert_close(whole.params, cut.params, atol=1e-5)
    assert_close(whole.state, cut.state)
    for name in ("loss", "weight", "grad_norm"):
        np.testing.assert_allclose(info[name], info_cut[name], rtol=1e-5)


def test_a_batch_without_a_scored_cell_changes_nothing_but_the_step():
    batch = toy.source()[0]
    batch["loss_mask"][:] = 0
    s = step.make_step(toy.make(), PLAIN, steps=10, seed=0)
    ts = s.init(jax.random.key(0), batch)
    before = jax.tree.map(np.asarray, ts.params)
    ts, info = s.update(ts, batch)
    assert info["weight"] == 0 and info["loss"] == 0
    assert_close(ts.params, before)


def test_bfloat16_gives_a_finite_loss_and_float32_parameters():
    t = tiny.make("recurrent", "basic-rnn")
    ts, info = updated(t.model, dataclasses.replace(PLAIN, precision="bfloat16"), t.batch)
    exact, _ = updated(t.model, PLAIN, t.batch)
    assert np.isfinite(info["loss"])
    assert {x.dtype for x in jax.tree.leaves((ts.params, ts.state))} == {jnp.dtype("float32")}
    gap = [np.abs(a - b).max() for a, b in zip(jax.tree.leaves(ts.params), jax.tree.leaves(exact.params), strict=True)]
    assert 0 < max(gap) < 0.05


def test_the_average_follows_the_parameters():
    batch = toy.source()[0]
    s = step.make_step(toy.make(), dataclasses.replace(PLAIN, ema_decay=0.3), steps=10, seed=0)
    ts = s.init(jax.random.key(0), batch)
    average = np.asarray(ts.params["table"])
    for i in range(6):
        ts, _ = s.update(ts, batch)
        decay = min(0.3, (1 + i) / (10 + i))
        average = decay * average + (1 - decay) * np.asarray(ts.params["table"])
    np.testing.assert_allclose(ts.averaged["table"], average, rtol=1e-5)
    assert (np.asarray(ts.averaged["table"]) != np.asarray(ts.params["table"])).any()
    assert updated(toy.make(), PLAIN, batch)[0].ema is None


def test_the_schedule_warms_up_and_falls():
    rate = step.make_schedule(settings.Optimizer(learning_rate=0.1, warmup_steps=10, final_fraction=0.2), 110)
    rates = np.array([float(rate(i)) for i in range(111)])
    np.testing.assert_allclose(rates[:11], np.linspace(0, 0.1, 11), atol=1e-7)
    np.testing.assert_allclose(rates[60], 0.06, rtol=1e-5)  # half of the cosine
    np.testing.assert_allclose(rates[110], 0.02, rtol=1e-5)
    assert (np.diff(rates[10:]) < 0).all()
    constant = step.make_schedule(settings.Optimizer(learning_rate=0.1, warmup_steps=10, schedule="constant"), 110)
    np.testing.assert_allclose([constant(5), constant(10), constant(109)], [0.05, 0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_without_a_warm_up_the_rate_is_whole_from_the_first_update_on(schedule):
    rate = step.make_schedule(settings.Optimizer(learning_rate=0.1, warmup_steps=0, schedule=schedule), 110)
    np.testing.assert_allclose(rate(0), 0.1, rtol=1e-6)
    assert rate(50) > 0.04


def test_a_run_shorter_than_its_warm_up_still_learns():
    rate = step.make_schedule(settings.Optimizer(learning_rate=0.1, warmup_steps=100), 3)
    assert max(float(rate(i)) for i in range(3)) > 0.05


@pytest.mark.parametrize("name", ["adam", "adamw", "muon"])
def test_every_optimiser_lowers_the_loss(name):
    batch = toy.source()[0]
    optimizer = settings.Optimizer(name=name, warmup_steps=1, learning_rate=0.05, weight_decay=0.01)
    _, first = updated(toy.make(), optimizer, batch, 1)
    ts, last = updated(toy.make(), optimizer, batch, 8)
    assert last["loss"] < first["loss"] - 0.05
    assert int(ts.step) == 8


def test_weight_decay_acts_on_matrices_only():
    batch = toy.source()[0]
    batch["loss_mask"][:] = 0
    s = step.make_step(toy.make(), dataclasses.replace(PLAIN, weight_decay=0.5, clip=0.0), steps=10, seed=0)
    ts = s.init(jax.random.key(0), batch)
    ts = ts.replace(params={**ts.params, "bias": ts.params["bias"] + 1})
    before = jax.tree.map(np.asarray, ts.params)
    for _ in range(2):
        ts, _ = s.update(ts, batch)
    np.testing.assert_allclose(ts.params["bias"], before["bias"])
    assert np.abs(ts.params["table"]).sum() < np.abs(before["table"]).sum()


def test_clipping_limits_the_gradient_that_is_used():
    batch = toy.source()[0]
    s = step.make_optimizer(settings.Optimizer(name="adam", clip=1.0, warmup_steps=1), 10)
    params = {"w": jnp.zeros((3,))}
    big, small = {"w": jnp.full((3,), 100.0)}, {"w": jnp.full((3,), 1.0) / jnp.sqrt(3.0)}
    moments = [s.update(g, s.init(params), params)[1][1][0].mu["w"] for g in (big, small)]
    np.testing.assert_allclose(*moments, rtol=1e-5)
    assert updated(toy.make(), PLAIN, batch)[1]["grad_norm"] > 0


def test_randomness_comes_from_the_step_and_the_seed():
    batch = toy.source()[0]
    runs = [step.make_step(toy.make(dropout=0.5), PLAIN, steps=10, seed=seed) for seed in (0, 0, 1)]
    losses = []
    for s in runs:
        ts = s.init(jax.random.key(0), batch)
        out = []
        for _ in range(3):
            ts, info = s.update(ts, batch)
            out.append(float(info["loss"]))
        losses.append(out)
    assert losses[0] == losses[1] != losses[2]
