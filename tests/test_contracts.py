"""What holds of every family and preset in the zoo, with none left out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import codecs, registry, runs, zoo
from musejax.training import checkpoints

every_preset = pytest.mark.parametrize(("family", "preset"), tiny.PRESETS, ids=[p for _, p in tiny.PRESETS])
every_form = pytest.mark.parametrize(("family", "preset"), tiny.parameters(tiny.FORMS))


@every_preset
def test_the_table_counts_parameters(family, preset):
    codec, config = registry.get("family", family).presets[preset]
    vocabulary = codecs.get(codec).vocabulary
    entry = zoo.entry(preset)
    model = registry.get("family", family).make(config, vocabulary)
    assert entry == (preset, family, codec, runs.count(model, vocabulary), False)


@every_form
def test_a_step_is_finite_trains_every_parameter_and_is_traced_once(family, preset):
    t = tiny.make(family, preset)
    step = tiny.trained_step(family, preset)
    ts = step.init(jax.random.key(0), t.batch)
    before = jax.tree.map(np.asarray, ts.params)
    for _ in range(3):
        ts, info = step.update(ts, t.batch)
        assert np.isfinite(info["loss"])
        assert info["weight"] > 0
    moved = jax.tree.map(lambda a, b: bool((np.asarray(a) != b).any()), ts.params, before)
    still = [jax.tree_util.keystr(p) for p, m in jax.tree_util.tree_leaves_with_path(moved) if not m]
    assert not still, f"no gradient reaches {still}"
    assert step.update._cache_size() == 1


@pytest.mark.slow  # each operation of an eager loss is compiled by itself
@every_form
def test_jit_equals_eager(family, preset):
    t = tiny.make(family, preset)
    args = (t.params, t.state, jax.random.key(0), t.batch)
    eager, _ = t.model.loss(*args, step=0, train=False)
    np.testing.assert_allclose(eager, tiny.loss(family, preset)(*args), rtol=1e-5)


@every_form
def test_padding_and_unscored_cells_do_not_count(family, preset):
    t = tiny.make(family, preset)
    field = tiny.field(t.vocabulary)
    changed = {k: v.copy() for k, v in t.batch.items()}
    changed[field][-1, -2:] = 1 - changed[field][-1, -2:] if field == "frames" else 0
    loss = tiny.loss(family, preset)
    losses = [loss(t.params, t.state, jax.random.key(0), batch) for batch in (t.batch, changed)]
    np.testing.assert_allclose(*losses, rtol=1e-6)


@every_form
def test_samples_have_the_codec_shapes_and_decode(family, preset):
    t = tiny.make(family, preset)
    out = tiny.sampler(family, preset)(t.params, t.state, jax.random.key(1), tiny.request(t.vocabulary, 3))
    arrays = {k: np.asarray(v) for k, v in out.items()}
    field = tiny.field(t.vocabulary)
    assert arrays[field].shape == t.batch[field].shape
    if t.vocabulary.kind == "groove":  # real numbers have a density, which may be above 1
        assert np.abs(arrays[field]).max() <= 1 and np.isfinite(arrays["log_prob"]).all()
    else:
        assert arrays[field].min() >= 0
        assert arrays[field].max() < (2 if field == "frames" else t.vocabulary.size)
        assert (arrays.get("log_prob", np.full(3, -1)) < 0).all()
    assert (arrays["length"] >= 1).all() and (arrays["length"] <= tiny.FRAMES).all()
    assert ("log_prob" in arrays) == (t.model.likelihood is not None)
    codec = codecs.get(t.vocabulary.name)
    for row in range(3):
        n = arrays["length"][row]
        codec.decode({k: v[row, :n] for k, v in arrays.items() if k not in ("length", "log_prob")}, 120.0)


@every_form
def test_the_same_key_gives_the_same_music_and_another_does_not(family, preset):
    t = tiny.make(family, preset)
    sample, request = tiny.sampler(family, preset), tiny.request(t.vocabulary, 3)
    first, again, other = (sample(t.params, t.state, jax.random.key(k), request) for k in (1, 1, 2))
    field = tiny.field(t.vocabulary)
    np.testing.assert_array_equal(first[field], again[field])
    assert (np.asarray(first[field]) != np.asarray(other[field])).any()


@every_form
def test_piece_i_is_drawn_from_its_own_key(family, preset):
    t = tiny.make(family, preset)
    sample, request = tiny.sampler(family, preset), tiny.request(t.vocabulary, 3)
    field = tiny.field(t.vocabulary)
    block = sample(t.params, t.state, jax.random.key(1), request)[field]
    later = sample(t.params, t.state, jax.random.key(1), request.replace(first=jnp.asarray(1)))[field]
    np.testing.assert_array_equal(block[1:], later[:-1])


@every_form
def test_a_saved_model_is_the_model_that_was_saved(family, preset, tmp_path):
    t = tiny.make(family, preset)
    checkpoints.write_model(tmp_path / "checkpoints" / "best" / "1", t.params, t.state)
    like = jax.eval_shape(t.model.init, jax.random.key(0), t.batch)
    params, state, step = checkpoints.load(tmp_path, like, pytest.fail)
    assert step == 1
    assert checkpoints.digest((params, state)) == checkpoints.digest((t.params, t.state))


likelihoods = pytest.mark.parametrize(
    ("family", "preset"),
    tiny.parameters([(f, p) for f, p in tiny.FORMS if getattr(tiny.bind(f, p)[0].likelihood, "nll", None) is not None]),
)


@likelihoods
def test_the_likelihood_of_a_sample_is_what_the_sampler_said(family, preset):
    t = tiny.make(family, preset)
    request = tiny.request(t.vocabulary, 3)
    out = tiny.sampler(family, preset)(t.params, t.state, jax.random.key(1), request)
    nll = np.asarray(tiny.scorer(family, preset)(t.params, t.state, {**t.batch, **out}))
    nll = nll.reshape(3, tiny.FRAMES, -1).sum(-1)
    end = t.vocabulary.id("end") if t.vocabulary.has("end") else -1
    for row in range(3):
        n = int(out["length"][row])
        if "tokens" in out and (np.asarray(out["tokens"][row, n - 1]) == end).any():
            continue  # cells of the last frame beyond END are not drawn
        np.testing.assert_allclose(-nll[row, :n].sum(), out["log_prob"][row], rtol=1e-4)
