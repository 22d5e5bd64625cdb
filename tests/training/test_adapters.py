import functools

import jax
import numpy as np
import pytest
import tiny

from musejax.decoding import autoregressive
from musejax.training import adapters, restoring, settings, step

CONFIG = adapters.Config(rank=2, alpha=6.0)
NETS = [
    ("recurrent", "basic-rnn"),
    ("transformer", "music-transformer-jsb16"),
    ("dense_vae", "roll-vae"),
]
nets = pytest.mark.parametrize(("family", "preset"), NETS, ids=[p for _, p in NETS])


@functools.cache
def adapted(family, preset):
    """A model, its adapted form, adapters that do something, and the same merged."""
    t = tiny.make(family, preset)
    model = adapters.adapt(t.model, t.params, t.state, CONFIG)
    own, _ = model.init(jax.random.key(3), t.batch)
    leaves, tree = jax.tree.flatten(own)
    rng = np.random.default_rng(0)
    busy = jax.tree.unflatten(tree, [x + 0.2 * rng.standard_normal(x.shape).astype(np.float32) for x in leaves])
    return t, model, own, busy, adapters.merge(t.params, busy, CONFIG)


@functools.cache
def losses(family, preset):
    """The compiled losses of the adapted model and of the base."""
    t, model, *_ = adapted(family, preset)
    return [
        jax.jit(lambda p, m=m: m.loss(p, t.state, jax.random.key(1), t.batch, step=0, train=False)[0])
        for m in (model, t.model)
    ]


@nets
def test_training_starts_exactly_from_the_base(family, preset):
    t, _, own, busy, _ = adapted(family, preset)
    apart, base = losses(family, preset)
    assert apart(own) == base(t.params)
    assert apart(busy) != base(t.params)


@nets
def test_merged_equals_kept_apart(family, preset):
    _, _, _, busy, merged = adapted(family, preset)
    apart, base = losses(family, preset)
    np.testing.assert_allclose(apart(busy), base(merged), rtol=1e-5)


def test_so_are_its_samples_and_its_likelihood():
    family, preset = NETS[0]
    t, model, _, busy, merged = adapted(family, preset)
    request, field = tiny.request(t.vocabulary, 3), tiny.field(t.vocabulary)
    apart = jax.jit(model.sample)(busy, t.state, jax.random.key(1), request)
    whole = tiny.sampler(family, preset)(merged, t.state, jax.random.key(1), request)
    np.testing.assert_array_equal(apart[field], whole[field])
    np.testing.assert_allclose(apart["log_prob"], whole["log_prob"], rtol=1e-4)
    nll = jax.jit(model.likelihood.nll)(busy, t.state, t.batch)
    np.testing.assert_allclose(nll, tiny.scorer(family, preset)(merged, t.state, t.batch), rtol=1e-4, atol=1e-5)


def test_a_loop_over_tokens_lays_an_adapted_model_out_once():
    t, model, _, busy, merged = adapted("recurrent", "basic-rnn")
    args = (t.state, jax.random.key(1), tiny.request(t.vocabulary, 3))
    sampled = [
        autoregressive.sample_request(m.decoder, t.vocabulary, p, *args) for m, p in ((model, busy), (t.model, merged))
    ]
    np.testing.assert_array_equal(sampled[0]["tokens"], sampled[1]["tokens"])


def test_the_latent_space_of_an_adapted_vae_is_that_of_the_merged_one():
    t, model, _, busy, merged = adapted("dense_vae", "roll-vae")
    for apart, whole in zip(
        model.latent.encode(busy, t.state, t.batch), t.model.latent.encode(merged, t.state, t.batch), strict=True
    ):
        np.testing.assert_allclose(apart, whole, rtol=1e-5, atol=1e-6)


def test_the_product_is_the_one_that_is_written():
    params = {"net": {"kernel": np.ones((5, 6), np.float32), "bias": np.ones(6, np.float32)}}
    own = adapters.init(jax.random.key(0), params, adapters.Config(rank=2))
    assert {p: x.shape for p, x in restoring.flat(own).items()} == {"net/kernel/a": (5, 2), "net/kernel/b": (2, 6)}
    assert not own["net"]["kernel"]["b"].any()
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 2)).astype(np.float32), rng.standard_normal((2, 6)).astype(np.float32)
    found = adapters.merge(params, {"net": {"kernel": {"a": a, "b": b}}}, adapters.Config(rank=2, alpha=3.0))
    np.testing.assert_allclose(found["net"]["kernel"], 1 + 1.5 * (a @ b), rtol=1e-6)
    np.testing.assert_array_equal(found["net"]["bias"], params["net"]["bias"])


def test_patterns_choose_and_matrices_that_adapters_would_outgrow_are_passed_over():
    t = tiny.make("recurrent", "basic-rnn")
    paths = {p.rpartition("/")[0] for p in restoring.flat(adapters.init(jax.random.key(0), t.params, CONFIG))}
    assert paths == {f"stack/layer_{i}/{name}" for i in (0, 1) for name in ("input", "recurrent")} | {"output/kernel"}
    few = adapters.Config(rank=2, patterns=("*/recurrent",))
    assert len(restoring.flat(adapters.init(jax.random.key(0), t.params, few))) == 4
    with pytest.raises(ValueError, match="match no matrix"):
        adapters.init(jax.random.key(0), t.params, adapters.Config(rank=100))
    with pytest.raises(ValueError, match="match no matrix"):
        adapters.init(jax.random.key(0), t.params, adapters.Config(rank=2, patterns=("organ",)))
    for wrong in (adapters.Config(rank=-1), adapters.Config(rank=2, alpha=0.0)):
        with pytest.raises(ValueError, match="rank must be at least 1"):
            adapters.init(jax.random.key(0), t.params, wrong)


def test_every_adapter_trains_in_any_precision():
    t, model, *_ = adapted("recurrent", "basic-rnn")
    for precision in ("float32", "bfloat16"):
        s = step.make_step(model, settings.Optimizer(warmup_steps=0, precision=precision), steps=10, seed=0)
        ts = s.init(jax.random.key(0), t.batch)
        before = jax.tree.map(np.asarray, ts.params)
        for _ in range(2):  # in the first step no gradient passes b, which is 0
            ts, info = s.update(ts, t.batch)
        assert np.isfinite(info["loss"])
        assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), ts.params, before)))


def test_a_family_with_its_own_step_has_no_adapters():
    t = tiny.make("dense_gan", "sketch-gan")
    with pytest.raises(ValueError, match="its own training step"):
        adapters.adapt(t.model, t.params, t.state, CONFIG)
