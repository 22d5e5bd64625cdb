"""What MuseGAN means: forms, latents that change by bar, binary cells, a given track, training towards the data."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import vocabulary
from musejax.base import Request
from musejax.models import musegan
from musejax.models.musegan import musegan_critic
from musejax.models.musegan import musegan_generator as nets
from musejax.training import checkpoints, settings, step

TABLE = vocabulary.rolls("rolls-small", ("low", "mid", "high"), 60, 71)
FRAMES = 32
SMALL = musegan.Config(bars=2, latent=3, width=8, critic_width=4, refiner=1, critic_updates=2)


@functools.cache
def make(**fields):
    """A small model; its weights are larger than at the start of training, so that everything has a say."""
    model = musegan.make(dataclasses.replace(SMALL, **fields), TABLE)
    return model, *tiny.filled(model, {}, 8**0.5)


def frames_of(rng, rows=4):
    return (rng.random((rows, FRAMES, TABLE.size)) < 0.1).astype(np.int32)


def cells(out):
    """[N, bars, F, K, P] of sampled arrays."""
    return np.asarray(out["frames"]).reshape(-1, 2, 16, 3, 12)


def decode(fields, z, **more):
    model, params, state = make(**fields)
    request = Request(num=len(z), length=FRAMES, **more)
    return cells(jax.jit(model.latent.decode)(params, state, jax.random.key(1), z, request))


def vectors(fields, num=4):
    return np.random.default_rng(3).normal(size=(num, make(**fields)[0].latent.size)).astype(np.float32)


@pytest.mark.parametrize("form", ["jamming", "composer", "hybrid"])
def test_which_tracks_a_latent_vector_reaches(form):
    fields = {"form": form, "binarise": "threshold"}
    parts, z = make(**fields)[0].latent.parts, vectors(fields)
    shared = ["shared", "shared-bars"] if form != "jamming" else []
    private = [t + s for t in TABLE.tracks for s in ("", "-bars")] if form != "composer" else []
    assert list(parts) == shared + private
    assert sorted(i for ends in parts.values() for i in range(*ends)) == list(range(z.shape[1]))
    before = decode(fields, z)
    for name, (first, end) in parts.items():
        z_moved = z.copy()
        z_moved[:, first:end] *= -2
        moved = decode(fields, z_moved)
        changed = (moved != before).any((0, 1, 2, 4)).tolist()
        owner = name.removesuffix("-bars")
        assert changed == [owner in ("shared", track) for track in TABLE.tracks]


def test_bars_are_alike_unless_a_vector_changes_by_bar():
    for fields, alike in (({"by_bar": False}, True), ({"fixed": False}, False), ({}, False)):
        fields = {"form": "composer", "binarise": "threshold", **fields}
        found = decode(fields, vectors(fields))
        assert (found[:, 0] == found[:, 1]).all() == alike


def test_a_critic_of_jamming_hears_its_own_track_alone():
    model, params, state = make(form="jamming", binarise="threshold")
    x = jax.random.uniform(jax.random.key(0), (1, 2, 16, 12, 3))
    critic = musegan_critic.Critic(musegan_critic.Kind(4, False, False, False), True)
    slope = jax.jit(jax.jacobian(lambda x: critic.apply({"params": params["critic"]}, x)[0]))(x)[:, 0]
    reached = np.abs(np.asarray(slope)).sum((1, 2, 3)) > 0
    np.testing.assert_array_equal(reached, np.eye(3, dtype=bool))


@pytest.mark.parametrize("binarise", ["threshold", "deterministic", "stochastic"])
def test_cells_are_binary_and_only_stochastic_neurons_draw(binarise):
    fields = {"form": "composer", "binarise": binarise}
    model, params, state = make(**fields)
    z, run = vectors(fields), jax.jit(model.latent.decode)
    request = Request(num=4, length=FRAMES)
    first, other = (np.asarray(run(params, state, jax.random.key(k), z, request)["frames"]) for k in (1, 2))
    assert set(np.unique(first)) <= {0, 1} and 0 < first.mean() < 1
    assert (first != other).any() == (binarise == "stochastic")


def test_before_its_stage_refined_cells_are_those_of_the_threshold():
    fields = {"form": "composer", "binarise": "deterministic"}
    model, params, state = make(**fields)
    z, request = vectors(fields), Request(num=4, length=FRAMES)
    run = functools.partial(jax.jit(model.latent.decode), params)
    early, late = (np.asarray(run({**state, "stage": jnp.asarray(s)}, jax.random.key(0), z, request)["frames"])
                   for s in (0.0, 1.0))  # fmt: skip
    assert (early != late).any()
    heads = {k: v for k, v in params["generator"].items() if k != "refiners"}
    plain = make(form="composer", binarise="threshold")[0]
    stats = {"batch_stats": {k: v for k, v in state["generator"]["batch_stats"].items() if k != "refiners"}}
    same = jax.jit(plain.latent.decode)(
        {"generator": heads, "critic": params["critic"]}, {**state, "generator": stats}, jax.random.key(0), z, request
    )
    np.testing.assert_array_equal(same["frames"], early)


def test_a_straight_through_value_is_the_binary_one_with_the_gradient_of_its_probability():
    logits = jnp.asarray([-1.0, 0.2, 3.0])
    hard = jnp.asarray([0.0, 1.0, 1.0])
    value, slope = jax.value_and_grad(
        lambda x: (nets.straight_through(jax.nn.sigmoid(x), hard) * jnp.asarray([1.0, 2.0, 3.0])).sum()
    )(logits)
    assert value == 5.0
    p = 1 / (1 + np.exp(-np.asarray(logits)))
    np.testing.assert_allclose(slope, p * (1 - p) * [1, 2, 3], rtol=1e-5)


def test_a_given_track_is_kept_and_the_others_follow_it():
    fields = {"given": "mid", "form": "hybrid"}
    model, params, state = make(**fields)
    assert not [name for name in model.latent.parts if name.startswith("mid")]
    rng = np.random.default_rng(0)
    z = np.tile(vectors(fields, 1), (4, 1))
    given = frames_of(rng)
    found = decode(fields, z, given=jnp.asarray(given))
    np.testing.assert_array_equal(found[..., 1, :], cells({"frames": given})[..., 1, :])
    assert (found[0][..., [0, 2], :] != found[1][..., [0, 2], :]).any()
    other = given.reshape(4, FRAMES, 3, 12).copy()
    other[:, :, [0, 2]] = 0
    again = decode(fields, z, given=jnp.asarray(other.reshape(4, FRAMES, -1)))
    np.testing.assert_array_equal(found, again)
    with pytest.raises(ValueError, match="track mid is missing"):
        model.sample(params, state, jax.random.key(0), Request(num=1, length=FRAMES))


def test_training_with_spectral_normalisation_renews_state_and_moves_samples_to_the_data():
    """Data of one lasting chord: after training samples are nearer to it by the validation's own measure."""
    fields = {"form": "composer", "loss": "hinge", "penalty": 0.0, "spectral": True, "binarise": "threshold"}
    model = musegan.make(dataclasses.replace(SMALL, bars=1, given="low", **fields), TABLE)
    mask, frames = np.ones((8, 16), np.int32), np.zeros((8, 16, 3, 12), np.int32)
    frames[:, :, [0, 1, 2], [0, 4, 7]] = np.random.default_rng(0).random((8, 1, 1)) < 0.9
    batch = {"frames": frames.reshape(8, 16, -1), "loss_mask": mask, "pad_mask": mask}
    s = step.make_step(
        model, settings.Optimizer(name="adam", learning_rate=1e-2, warmup_steps=1, b1=0.5), steps=20, seed=0
    )
    ts = s.init(jax.random.key(0), batch)
    loss = jax.jit(functools.partial(model.loss, step=0, train=False))
    state = jax.tree.map(np.asarray, ts.state)
    before, (left, _) = loss(ts.params, ts.state, jax.random.key(5), batch)
    assert checkpoints.digest(left) == checkpoints.digest(state)
    for _ in range(20):
        ts, info = s.update(ts, batch)
        assert np.isfinite(info["loss"])
    assert s.update._cache_size() == 1
    # The vector of a matrix with one column is 1 for ever.
    moved = jax.tree.map(lambda a, b: b.shape[-1:] == (1,) or bool((np.asarray(a) != b).any()), ts.state, state)
    assert all(jax.tree.leaves({k: moved[k] for k in ("generator", "critic")}))
    assert loss(ts.params, ts.state, jax.random.key(5), batch)[0] < 0.5 * before


@pytest.mark.slow
def test_once_binary_neurons_are_used_the_refiners_can_learn_alone():
    model = musegan.make(dataclasses.replace(SMALL, bars=1, form="composer", refine_after=2, refine_alone=True), TABLE)
    frames, mask = np.random.default_rng(0).random((8, 16, TABLE.size)) < 0.1, np.ones((8, 16), np.int32)
    batch = {"frames": frames.astype(np.int32), "loss_mask": mask, "pad_mask": mask}
    s = step.make_step(model, settings.Optimizer(name="adam", warmup_steps=1), steps=4, seed=0)
    ts, moved = s.init(jax.random.key(0), batch), []
    for _ in range(3):
        before = jax.tree.map(np.asarray, ts.params["generator"])
        ts, _ = s.update(ts, batch)
        part = jax.tree.map(lambda a, b: bool((np.asarray(a) != b).any()), ts.params["generator"], before)
        moved.append({name: any(jax.tree.leaves(tree)) for name, tree in part.items()})
    assert moved[1]["shared"] and moved[1]["heads"]
    assert moved[2] == {"shared": False, "heads": False, "refiners": True}


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        (TABLE, {"latent": 0}, "latent is 0; it must be at least 1"),
        (TABLE, {"given": "soprano"}, "given is 'soprano'; the tracks are low, mid, high"),
        (TABLE, {"given": "low", "form": "jamming"}, "given does not fit form = jamming"),
        (TABLE, {"fixed": False, "by_bar": False}, "fixed and by_bar are both False"),
        (TABLE, {"penalty": -1.0}, "penalty is -1.0"),
        (TABLE, {"critic_rate": 0.0}, "critic_rate is 0.0"),
        (vocabulary.pianoroll(), {}, "codec pianoroll-88 has no rolls of tracks"),
        (vocabulary.melody(), {}, "codec melody has no rolls of tracks"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(table, fields, message):
    with pytest.raises(ValueError, match=message):
        musegan.make(dataclasses.replace(SMALL, **fields), table)
