"""GrooVAE: what it draws is a groove, training learns how drums are played, humanising keeps every hit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from played import played

import musejax
from musejax import codecs, errors, zoo
from musejax.base import Choice, Request
from musejax.models import music_vae
from musejax.music import timing
from musejax.training import settings as configs
from musejax.training import step

CODEC = codecs.get("groove")
FRAMES = 16


@functools.cache
def make(humanize):
    sizes = {"latent": 4, "encoder_hidden": 6, "hidden": 12, "num_layers": 1}
    return tiny.compiled(music_vae.make(music_vae.Config(**sizes, humanize=humanize), CODEC.vocabulary))


def grooves(num, seed=0):
    """A bar of kick and hats: the hats softer off the beat and late there, each groove louder or softer as a whole."""
    rng = np.random.default_rng(seed)
    frames = np.zeros((num, FRAMES, 27), np.float32)
    frames[:, ::8, 0], frames[:, ::8, 9] = 1, 0.9
    frames[:, ::2, 2] = 1
    frames[:, ::4, 11], frames[:, 2::4, 11], frames[:, 2::4, 20] = 0.8, 0.4, 0.25
    frames[..., 9:18] *= rng.uniform(0.5, 1.0, (num, 1, 1)).astype(np.float32)
    mask = np.ones((num, FRAMES), np.int32)
    return {"frames": frames, "pad_mask": mask, "loss_mask": mask}


@functools.cache
def trained(humanize):
    """The model after a little training, and its loss at each step."""
    optimizer = configs.Optimizer(learning_rate=3e-2, warmup_steps=5)
    trainer, batch, costs = step.make_step(make(humanize), optimizer, steps=120, seed=0), grooves(16), []
    ts = trainer.init(jax.random.key(0), batch)
    for _ in range(120):
        ts, info = trainer.update(ts, batch)
        costs.append(float(info["loss"]))
    return zoo.Loaded(
        make(humanize),
        {"params": ts.params, "state": ts.state},
        CODEC,
        {"training": {"window": FRAMES}, "data": {}},
        "grooves",
    ), np.array(costs)


def test_training_learns_how_drums_are_played():
    loaded, costs = trained(True)
    assert costs[-10:].mean() < costs[:10].mean() - 5
    batch = grooves(4, seed=9)
    z = loaded.model.latent.encode(loaded.variables["params"], {}, batch)[0]
    free = np.ones(batch["frames"].shape, np.int32)
    free[..., :9] = 0
    request = Request(num=4, length=FRAMES, choice=Choice(temperature=1e-3), given=batch["frames"], infill_mask=free)
    out = jax.jit(loaded.model.latent.decode)(*loaded.variables.values(), jax.random.key(0), z, request)
    frames = np.asarray(out["frames"])
    np.testing.assert_array_equal(frames[..., :9], batch["frames"][..., :9])
    # Hats off the beat are late and softer than those on it.
    np.testing.assert_allclose(frames[:, 2::4, 20], 0.25, atol=0.1)
    np.testing.assert_allclose(frames[:, ::4, 20], 0.0, atol=0.1)
    assert (frames[:, ::4, 11].mean(1) - frames[:, 2::4, 11].mean(1) > 0.15).all()


def test_what_is_drawn_is_a_groove_that_the_codec_reads_again():
    model, batch = make(False), tiny.random_batch(CODEC.vocabulary, 3, FRAMES)
    params, state = model.init(jax.random.key(0), batch)
    out = jax.jit(model.sample)(params, state, jax.random.key(1), Request(num=3, length=FRAMES))
    frames = np.asarray(out["frames"])
    hit = frames[..., :9]
    assert set(np.unique(hit)) == {0, 1}
    assert (frames[..., 9:18] >= 0).all() and (frames[..., 9:18] <= 1).all() and (np.abs(frames[..., 18:]) <= 0.5).all()
    assert not frames[..., 9:][np.tile(hit, 2) == 0].any()
    for row in frames:
        sequence = CODEC.decode({"frames": row}, 100.0)
        assert len(sequence.notes) == row[:, :9].sum()
        again = CODEC.prime(sequence)["frames"]
        played = row[: len(again)]
        np.testing.assert_array_equal(again[:, :9], played[:, :9])
        np.testing.assert_allclose(
            again[:, 9:18], np.maximum(played[:, 9:18], played[:, :9] / 127), atol=0.5 / 127 + 1e-6
        )
        np.testing.assert_allclose(again[1:, 18:], played[1:, 18:], atol=1e-4)


def test_whole_rows_that_are_given_stay_and_are_not_counted():
    model, batch = make(False), tiny.random_batch(CODEC.vocabulary, 2, FRAMES)
    params, state = model.init(jax.random.key(0), batch)
    free = (np.arange(FRAMES) >= 6)[None].repeat(2, 0).astype(np.int32)
    request = Request(num=2, length=FRAMES, given=jnp.asarray(batch["frames"]), infill_mask=jnp.asarray(free))
    z = jnp.zeros((2, 4))
    out = jax.jit(model.latent.decode)(params, state, jax.random.key(1), z, request)
    np.testing.assert_array_equal(out["frames"][:, :6], batch["frames"][:, :6])
    every = request.replace(infill_mask=jnp.zeros_like(request.infill_mask))
    nothing = jax.jit(model.latent.decode)(params, state, jax.random.key(1), z, every)
    np.testing.assert_array_equal(nothing["log_prob"], 0.0)


@pytest.mark.parametrize(("humanize", "read"), [(True, False), (False, True)])
def test_a_net_that_humanises_reads_hits_alone(humanize, read):
    model, batch = make(humanize), tiny.random_batch(CODEC.vocabulary, 2, FRAMES)
    params, state = model.init(jax.random.key(0), batch)
    encode = jax.jit(model.latent.encode)
    flat = {**batch, "frames": np.where(np.arange(27) < 9, batch["frames"], 0.0).astype(np.float32)}
    apart = np.abs(encode(params, state, flat)[0] - encode(params, state, batch)[0]).max()
    assert (apart > 1e-6) == read


def test_humanised_drums_are_the_same_drums_played():
    loaded, _ = trained(True)
    frames = np.concatenate([grooves(1)["frames"][0], grooves(1)["frames"][0][:8]])  # a bar and a half
    stiff = frames.copy()
    stiff[:, 9:18], stiff[:, 18:] = frames[:, :9] * 0.5, 0
    found = musejax.humanize(loaded, CODEC.decode({"frames": stiff}, 90.0), 1, temperature=1e-3).sequence
    assert found.tempos[0].qpm == 90.0
    again = CODEC.prime(found)["frames"]
    np.testing.assert_array_equal(again[:, :9], stiff[: len(again), :9])
    assert len(again) > 16 and np.ptp(again[again[:, 2] > 0, 11]) > 0.1 and np.abs(again[:, 20]).max() > 0.1


def test_every_hit_and_all_that_is_no_hit_is_kept():
    loaded, source = trained(True)[0], played()
    flam = source.notes.add()
    flam.CopyFrom(next(n for n in source.notes if n.is_drum))
    flam.start_time, flam.pitch = flam.start_time + 0.02, 40  # of the same class, in the same 16th
    unknown = source.notes.add()
    unknown.CopyFrom(flam)
    unknown.pitch = 110  # of none of the nine classes
    said = []
    result = musejax.humanize(loaded, source, 1, say=said.append).sequence
    assert len(said) == 1 and "does not read 32 notes of other parts" in said[0]
    assert len(result.notes) == len(source.notes)
    moved = 0
    for index, (note, before) in enumerate(zip(result.notes, source.notes, strict=True)):
        if not before.is_drum or index == len(source.notes) - 1:
            assert note == before
            continue
        assert (note.pitch, note.instrument, note.is_drum) == (before.pitch, before.instrument, True)
        assert note.end_time - note.start_time == pytest.approx(before.end_time - before.start_time)
        frames = timing.to_quarters(source, np.array([note.start_time, before.start_time])) * 4
        assert abs(frames[0] - np.round(frames[1])) < 0.75
        moved += note.start_time != before.start_time
    assert moved and list(result.tempos) == list(source.tempos)
    first = [n for n in result.notes if n.is_drum and n.pitch in (38, 40)]
    assert first[-1].start_time - first[0].start_time == pytest.approx(0.02)


def test_only_a_model_that_humanises_does():
    with pytest.raises(errors.UserError, match="grooves does not humanise drums"):
        musejax.humanize(
            trained(True)[0]._replace(model=make(False)), CODEC.decode({"frames": grooves(1)["frames"][0]}, 90)
        )
