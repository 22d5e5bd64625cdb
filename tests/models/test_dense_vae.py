"""The dense VAE: the sketch's shape and loss by hand, a bound that is one, windows, the likeliest piece."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from scipy import special

from musejax import errors, vocabulary, zoo
from musejax.base import Choice, Request
from musejax.models import dense_vae
from musejax.training import settings as configs
from musejax.training import step


def test_the_sketch_has_the_page_s_shape():
    model = zoo.create("sketch-vae")
    table = model.info.vocabulary
    params, _ = model.init(jax.random.key(0), tiny.random_batch(table, 1, 100))
    shapes = {name: layer["kernel"].shape for name, layer in params.items()}
    assert shapes == {"mean": (100, 2), "scale": (100, 2), "output": (2, 100)}


def test_the_sketch_s_loss_is_squared_error_plus_kl():
    model = zoo.create("sketch-vae")
    table = model.info.vocabulary
    batch = tiny.random_batch(table, 2, 100)
    batch["loss_mask"][:] = batch["pad_mask"][:] = 1
    params, state = model.init(jax.random.key(0), batch)
    params["scale"]["bias"] = jnp.full((2,), -40.0)  # z is its mean
    params["scale"]["kernel"] = jnp.zeros((100, 2))
    total, (_, info) = model.loss(params, state, jax.random.key(0), batch, step=0, train=True)
    x = batch["tokens"] / 99
    p = jax.tree.map(np.asarray, params)
    z = x @ p["mean"]["kernel"] + p["mean"]["bias"]
    rebuilt = special.expit(z @ p["output"]["kernel"] + p["output"]["bias"])
    kl = 0.5 * (z**2 + 1e-8 - 1).sum(1) - 2 * np.log(1e-4)
    np.testing.assert_allclose(total * 200, ((rebuilt - x) ** 2).sum() + kl.sum(), rtol=1e-3)
    np.testing.assert_allclose(info["kl"], kl.mean(), rtol=1e-3)


@functools.cache
def small(kind):
    """A window of two frames of which every piece can be listed."""
    table = vocabulary.melody(60, 60) if kind == "tokens" else vocabulary.pianoroll(60, 61)
    model = tiny.compiled(dense_vae.make(dense_vae.Config(frames=2, latent=1, layers=(5,), spread=0.3), table))
    ids = range(table.size) if kind == "tokens" else list(itertools.product((0, 1), repeat=2))
    pieces = np.array(list(itertools.product(ids, repeat=2)), np.int32)
    mask = np.ones(pieces.shape[:2], np.int32)
    batch = {"tokens" if kind == "tokens" else "frames": pieces, "pad_mask": mask, "loss_mask": mask}
    params, state = model.init(jax.random.key(0), batch)
    params = jax.tree.map(lambda p: p * 2, params)
    # A posterior wider than the prior, so that few weights are large.
    params["scale"] = {"kernel": params["scale"]["kernel"] / 4, "bias": jnp.full((1,), 1.5)}
    return model, batch, params, state


@pytest.mark.parametrize("kind", ["tokens", "bits"])
def test_importance_weights_average_to_the_probability_of_the_piece(kind):
    model, batch, params, state = small(kind)
    keys = jax.random.split(jax.random.key(1), 2000)
    estimate = jax.jit(jax.vmap(functools.partial(model.likelihood.estimate, params, state), (0, None)))
    weights = np.exp(-np.asarray(estimate(keys, batch), np.float64))
    np.testing.assert_allclose(weights.mean(0).sum(), 1.0, rtol=0.05)


@pytest.mark.parametrize("kind", ["tokens", "bits"])
def test_a_long_piece_costs_what_its_windows_cost(kind):
    model, batch, params, state = small(kind)
    # Without spread of z every draw is the same.
    params = {**params, "scale": {"kernel": 0 * params["scale"]["kernel"], "bias": jnp.full((1,), -40.0)}}
    cost = functools.partial(model.likelihood.estimate, params, state, jax.random.key(0))
    field = next(iter(batch))
    parts = {name: a[[1, 2]] for name, a in batch.items()}
    long = {name: np.concatenate([a[1], a[2], a[3][:1]])[None] for name, a in batch.items()}
    short = {name: np.concatenate([a[1], a[2]])[None] for name, a in batch.items()}
    assert long[field].shape[1] == 5
    np.testing.assert_allclose(cost(short)[0], cost(parts).sum(), rtol=1e-3)
    assert cost(long)[0] != pytest.approx(float(cost(short)[0]), rel=1e-3)
    padded = {name: np.pad(a, [(0, 0), (0, 3)] + [(0, 0)] * (a.ndim - 2)) for name, a in short.items()}
    np.testing.assert_allclose(cost(padded), cost(short), rtol=1e-5)


@pytest.mark.parametrize("kind", ["tokens", "bits"])
def test_what_the_sampler_says_of_its_draw_is_the_likelihood_given_the_vector(kind):
    model, batch, params, state = small(kind)
    z = jnp.asarray([[-2.0], [0.5], [2.0]])
    out = model.latent.decode(params, state, jax.random.key(2), z, Request(num=3, length=2))
    # The probabilities of all pieces given one vector, of which the one that was drawn is one.
    field = next(iter(batch))
    fixed = {**params, "mean": {"kernel": 0 * params["mean"]["kernel"], "bias": jnp.zeros(1)}}
    fixed["scale"] = {"kernel": 0 * params["scale"]["kernel"], "bias": jnp.full((1,), -40.0)}
    for row in range(3):
        fixed["mean"]["bias"] = z[row]
        weights = model.likelihood.estimate(fixed, state, jax.random.key(0), batch)
        noise = jax.random.normal(jax.random.key(0), (len(batch[field]), 1))[:, 0]
        log_ratio = 0.5 * ((z[row, 0] + 1e-4 * noise) ** 2 - noise**2) - np.log(1e-4)
        cost = np.asarray(weights - log_ratio)
        np.testing.assert_allclose(np.exp(-cost).sum(), 1.0, rtol=1e-2)
        drawn = np.asarray(out[field][row])
        (same,) = [i for i, piece in enumerate(batch[field]) if (piece == drawn).all()]
        np.testing.assert_allclose(cost[same], -out["log_prob"][row], atol=2e-2)


def test_the_likeliest_piece_is_the_decoder_s_numbers_to_the_nearest_id():
    model = zoo.create("sketch-vae")
    table = model.info.vocabulary
    params, state = model.init(jax.random.key(0), tiny.random_batch(table, 1, 100))
    z = jax.random.normal(jax.random.key(1), (3, 2))
    request = Request(num=3, length=100, choice=Choice(top_k=1))
    out = jax.jit(model.latent.decode)(params, state, jax.random.key(0), z, request)
    given = special.expit(np.asarray(z @ params["output"]["kernel"] + params["output"]["bias"][None]))
    assert np.abs(np.asarray(out["tokens"]) - given * 99).max() <= 0.5 + 1e-3


def test_training_tells_two_kinds_of_window_apart():
    table = vocabulary.sketch()
    model = tiny.compiled(dense_vae.make(dense_vae.Config(frames=8, latent=2, layers=(16,)), table))
    rng = np.random.default_rng(0)
    low = rng.random((64, 1)) < 0.5
    tokens = (np.where(low, 10, 80) + rng.integers(0, 5, (64, 8))).astype(np.int32)
    batch = {"tokens": tokens, "pad_mask": np.ones_like(tokens), "loss_mask": np.ones_like(tokens)}
    trainer = step.make_step(model, configs.Optimizer(learning_rate=1e-2, warmup_steps=5), steps=300, seed=0)
    ts, costs = trainer.init(jax.random.key(0), batch), []
    for _ in range(300):
        ts, info = trainer.update(ts, batch)
        costs.append(float(info["loss"]))
    assert np.mean(costs[-20:]) < np.mean(costs[:20]) / 4
    z, _ = model.latent.encode(ts.params, ts.state, batch)
    request = Request(num=64, length=8, choice=Choice(top_k=1))
    again = np.asarray(jax.jit(model.latent.decode)(ts.params, ts.state, jax.random.key(3), z, request)["tokens"])
    assert np.abs(again - np.where(low, 12, 82)).max() < 10
    free = jax.jit(model.sample)(ts.params, ts.state, jax.random.key(3), request)
    assert 8 < (np.asarray(free["tokens"]).mean(1) < 47).sum() < 56


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        (vocabulary.sketch(), {"frames": 0}, "frames is 0; it must be at least 1"),
        (vocabulary.sketch(), {"layers": (4, 0)}, r"layers is \(4, 0\); each layer must have 1 unit or more"),
        (vocabulary.sketch(), {"spread": 0.0}, "spread is 0.0; it must be above 0"),
        (vocabulary.sketch(), {"beta": -1.0}, "beta is -1.0; it must be at least 0"),
        (vocabulary.performance(), {}, "has no frames"),
        (vocabulary.groove(), {}, "rows of real numbers"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(table, fields, message):
    with pytest.raises(ValueError, match=message):
        dense_vae.make(dense_vae.Config(**fields), table)


def test_more_than_a_window_is_refused_in_one_line():
    model, _, params, state = small("tokens")
    with pytest.raises(errors.UserError, match="length is 3; this model writes windows of 2 frames at most"):
        model.sample(params, state, jax.random.key(0), Request(num=1, length=3))
