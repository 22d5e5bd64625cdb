"""Weights move to another vocabulary by event: worked out by hand, and by the likelihood of the same music."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
import toy

from musejax import codecs, registry
from musejax import vocabulary as vocabularies
from musejax.models import coconet, deep_bach, dense_vae, music_vae, recurrent, transformer
from musejax.training import restoring, settings, step
from musejax.vocabulary import EventRange

OLD = vocabularies.melody(60, 62)  # hold, note_off, 60, 61, 62
NEW = dataclasses.replace(  # 59 to 63, rest, hold
    OLD, ranges=(EventRange("pitch", 59, 63), EventRange("rest"), EventRange("hold"))
)
TOKEN = recurrent.Config(hidden=4, num_layers=1, inputs="embed", embed=3)


def shapes(model, vocabulary):
    return restoring.flat(jax.eval_shape(model.init, jax.random.key(0), vocabulary.example_batch())[0])


def noisy(model, vocabulary, seed=0):
    """Random parameters, none of which is 0: a row in a wrong place shows."""
    like, _ = jax.eval_shape(model.init, jax.random.key(0), vocabulary.example_batch())
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: 0.3 * rng.standard_normal(x.shape).astype(np.float32), like)


def source(make, config, vocabulary, seed=0):
    model = make(config, vocabulary)
    return restoring.Source(model, vocabulary, noisy(model, vocabulary, seed), {})


def moved(trained, model, vocabulary, seed=7):
    """What a new model's parameters become, and the report."""
    params = noisy(model, vocabulary, seed)
    plan = restoring.plan(trained, model, vocabulary, params)
    return restoring.place(plan, params), params, restoring.report(plan, params)


def test_rows_and_columns_move_by_event_and_the_rest_is_new():
    trained = source(recurrent.make, TOKEN, OLD)
    params, fresh, report = moved(trained, recurrent.make(TOKEN, NEW), NEW)
    before, now, random = (np.asarray(p["embed"]) for p in (trained.params, params, fresh))
    # New ids: 59 60 61 62 63 rest hold, then what stands before the first; old ones: hold off 60 61 62 and the same.
    for new, old in {1: 2, 2: 3, 3: 4, 6: 0, 7: 5}.items():
        np.testing.assert_array_equal(now[new], before[old])
    for new in (0, 4, 5):
        np.testing.assert_array_equal(now[new], random[new])
    for name in ("kernel", "bias"):
        before, now, random = (np.asarray(p["output"][name]) for p in (trained.params, params, fresh))
        np.testing.assert_array_equal(now[..., [1, 2, 3, 6]], before[..., [2, 3, 4, 0]])
        np.testing.assert_array_equal(now[..., [0, 4, 5]], random[..., [0, 4, 5]])
    for name in ("input", "recurrent", "bias"):
        old, new = (p["stack"]["layer_0"][name] for p in (trained.params, params))
        np.testing.assert_array_equal(old, new)
    assert set(report.grown) == {"embed", "output/kernel", "output/bias"}
    assert len(report.restored) == 3 and not report.random
    assert report.lines() == [
        "restored 3 of 6 parameters, 3 grown, 0 left at random",
        "grown: embed, output/bias, output/kernel",
    ]


def test_a_number_that_stands_for_an_id_moves_between_equal_tables_alone():
    scalar = dataclasses.replace(TOKEN, inputs="scalar")
    trained = source(recurrent.make, scalar, OLD)
    same = dataclasses.replace(OLD, name="other")
    assert len(moved(trained, recurrent.make(scalar, same), same)[2].restored) == 5
    assert "stack/layer_0/input" in moved(trained, recurrent.make(scalar, NEW), NEW)[2].random


def test_another_shape_or_name_is_left_at_random():
    trained = source(recurrent.make, TOKEN, OLD)
    wider = recurrent.make(dataclasses.replace(TOKEN, hidden=5), OLD)
    params, fresh, report = moved(trained, wider, OLD)
    assert report.restored == ("embed", "output/bias")
    np.testing.assert_array_equal(params["stack"]["layer_0"]["input"], fresh["stack"]["layer_0"]["input"])
    deeper = recurrent.make(dataclasses.replace(TOKEN, num_layers=2), OLD)
    assert all("layer_1" in path for path in moved(trained, deeper, OLD)[2].random)


def test_more_conditions_are_rows_of_their_own():
    chorales, token = codecs.get("chorale").vocabulary, dataclasses.replace(TOKEN, inputs="one_hot")
    trained = source(recurrent.make, dataclasses.replace(token, conditions=("key", "beat")), chorales)
    model = recurrent.make(dataclasses.replace(token, conditions=("beat", "fermata")), chorales)
    params, fresh, report = moved(trained, model, chorales)
    assert report.grown == ("stack/layer_0/input",)
    old, new, random = (np.asarray(p["stack"]["layer_0"]["input"]) for p in (trained.params, params, fresh))
    events = 2 * chorales.size  # the token before, and the one a frame before; then beat 32, key 15 | fermata 2, stream
    np.testing.assert_array_equal(new[: events + 32], old[: events + 32])
    np.testing.assert_array_equal(new[events + 32 : events + 34], random[events + 32 : events + 34])
    np.testing.assert_array_equal(new[-4:], old[-4:])


def test_a_family_that_does_not_say_moves_between_equal_tables_alone():
    trained = restoring.Source(toy.make(), toy.VOCABULARY, toy.make().init(jax.random.key(0), None)[0], {})
    whole = restoring.plan(trained, toy.make(), toy.VOCABULARY, trained.params)
    assert set(whole) == {"table", "bias"}
    # As many events, in another order.
    turned = dataclasses.replace(toy.VOCABULARY, ranges=toy.VOCABULARY.ranges[::-1])
    assert not restoring.plan(trained, toy.make(), turned, trained.params)


def reordered(vocabulary):
    """The same events in the opposite order of ranges, and the new id of each old one."""
    other = dataclasses.replace(vocabulary, ranges=vocabulary.ranges[::-1])
    return other, np.array([other.id(*vocabulary.event(i)) for i in range(vocabulary.size)])


def small(family, config):
    return family.FAMILY.tiny(config)


CHORALE, MELODY = codecs.get("chorale").vocabulary, vocabularies.melody(60, 69, beat=True)
LOOKAHEAD = dataclasses.replace(transformer.CHORALES, lookahead=True, bars_left=0.5)
NETS = {
    "lstm": (recurrent, TOKEN, MELODY),
    "gru one-hot": (recurrent, dataclasses.replace(TOKEN, cell="gru", inputs="one_hot", conditions=("beat",)), CHORALE),
    "tied": (recurrent, dataclasses.replace(TOKEN, tied=True), CHORALE),
    "transformer": (transformer, dataclasses.replace(transformer.SERIAL, tied=False), CHORALE),
    "transformer tied": (transformer, transformer.PERFORMANCE, codecs.get("performance").vocabulary),
    "voices": (recurrent, recurrent.PRESETS["chorale-voices"][1], CHORALE),
    "voices ahead": (transformer, LOOKAHEAD, CHORALE),
    "melody frames": (transformer, transformer.MELODIES, MELODY),
    "deep bach": (deep_bach, deep_bach.SMALL, CHORALE),
    "deep bach as published": (deep_bach, deep_bach.Config(), CHORALE),
}


@pytest.mark.parametrize("name", NETS)
def test_the_same_music_in_another_order_of_events_is_as_likely(name):
    family, config, vocabulary = NETS[name]
    config = small(family, config)
    trained = source(family.make, config, vocabulary)
    other, ids = reordered(vocabulary)
    model = family.make(config, other)
    params, _, report = moved(trained, model, other)
    assert not report.grown and not report.random
    batch = tiny.random_batch(vocabulary, 2, 8)
    if name == "voices ahead":
        batch["infill_mask"] = np.random.default_rng(1).integers(0, 2, batch["tokens"].shape).astype(np.int32)
    there = {**batch, "tokens": ids[batch["tokens"]].astype(np.int32)}
    expected = jax.jit(trained.model.likelihood.nll)(trained.params, {}, batch)
    np.testing.assert_allclose(jax.jit(model.likelihood.nll)(params, {}, there), expected, rtol=2e-4, atol=2e-5)


TWO = vocabularies.rolls("two", ("high", "low"), 60, 65)
LATENT = music_vae.Config(latent=3, encoder_hidden=4, hidden=5, num_layers=1, conditions=("beat",))
SEGMENTS = {"latent": 4, "conductor": 6, "places": 8, "factors": 6, "segment": 4}
SEEN = {
    "vae": (music_vae, LATENT, MELODY),
    "vae of places": (music_vae, dataclasses.replace(LATENT, places=8, factors=6), MELODY),
    "vae of transformer blocks": (music_vae, dataclasses.replace(LATENT, hidden=8, heads=2), MELODY),
    "vae of blocks and places": (
        music_vae,
        dataclasses.replace(LATENT, hidden=8, heads=2, places=8, factors=6),
        MELODY,
    ),
    "vae of segments": (music_vae, dataclasses.replace(LATENT, **SEGMENTS), MELODY),
    "coconet": (coconet, small(coconet, coconet.FRAMES), codecs.get("chorale-pitches").vocabulary),
    "dense vae": (dense_vae, dense_vae.Config(frames=4, layers=(6,)), TWO),
    "switches": (recurrent, small(recurrent, recurrent.PRESETS["rnn-nade"][1]), TWO),
}


@pytest.mark.parametrize("name", SEEN)
def test_so_is_it_for_nets_that_see_frames_whole(name):
    family, config, vocabulary = SEEN[name]
    if name == "switches":
        config = dataclasses.replace(config, nade=0)  # keys that are drawn in another order are another model
    trained = source(family.make, config, vocabulary)
    other, ids = reordered(vocabulary)
    model = family.make(config, other)
    params, _, report = moved(trained, model, other)
    assert not report.grown and not report.random
    batch = tiny.random_batch(vocabulary, 2, 8)
    there = dict(batch)
    if vocabulary.kind == "bits":
        there["frames"] = np.zeros_like(batch["frames"])
        there["frames"][..., ids] = batch["frames"]
    else:
        there["tokens"] = ids[batch["tokens"]].astype(np.int32)

    def cost(model, params, batch):
        if model.likelihood.nll is not None:
            return jax.jit(model.likelihood.nll)(params, {}, batch)
        return jax.jit(model.likelihood.estimate)(params, {}, jax.random.key(3), batch)

    np.testing.assert_allclose(cost(model, params, there), cost(trained.model, trained.params, batch), rtol=2e-4)


def test_keys_that_are_added_leave_those_that_were_there():
    config, few = small(recurrent, recurrent.PRESETS["pianoroll-nade"][1]), vocabularies.pianoroll(30, 40)
    trained = source(recurrent.make, config, few)
    many = vocabularies.pianoroll(28, 45)
    params, _, report = moved(trained, recurrent.make(config, many), many)
    assert not report.random
    np.testing.assert_array_equal(params["nade"]["writes"][2:13], trained.params["nade"]["writes"])
    np.testing.assert_array_equal(params["skip"]["kernel"][2:13, 2:13], trained.params["skip"]["kernel"])


def larger(vocabulary):
    return dataclasses.replace(
        vocabulary, ranges=tuple(dataclasses.replace(r, max=r.max + 1) for r in vocabulary.ranges)
    )


@pytest.mark.parametrize(("family", "preset"), tiny.FORMS, ids=[p for _, p in tiny.FORMS])
def test_every_axis_that_grows_with_the_vocabulary_says_what_stands_along_it(family, preset):
    model, config, vocabulary = tiny.bind(family, preset)
    if model.info.axes is None:
        assert family in ("musegan", "dense_gan")
        return
    more = larger(vocabulary)
    other = registry.get("family", family).make(config, more)
    before, now = shapes(model, vocabulary), shapes(other, more)
    assert set(before) == set(now)
    for found, axes in ((before, model.info.axes()), (now, other.info.axes())):
        for path, by_axis in axes.items():
            for axis, labels in by_axis.items() if path in found else ():
                assert len(set(labels)) == len(labels) == found[path].shape[axis], (path, axis)
    for path, shape in before.items():
        for axis, size in enumerate(shape.shape):
            assert size == now[path].shape[axis] or axis in model.info.axes()[path], (path, axis)


def test_a_step_begins_with_the_trained_weights_state_and_average():
    optimizer = settings.Optimizer(warmup_steps=1, ema_decay=0.9)
    batch = toy.source()[0]
    trained = step.make_step(toy.make(), optimizer, steps=5, seed=0)
    ts, _ = trained.update(trained.init(jax.random.key(0), batch), batch)
    old = restoring.Source(toy.make(), toy.VOCABULARY, jax.tree.map(np.asarray, ts.params), {"seen": np.asarray(32.0)})
    begun = restoring.begin(trained, old, toy.make(), toy.VOCABULARY)
    first = begun.init(jax.random.key(5), batch)
    for tree in (first.params, first.ema):
        jax.tree.map(np.testing.assert_array_equal, tree, old.params)
    assert first.state["seen"] == 32 and first.step == 0
    assert isinstance(first.params["table"], jnp.ndarray)
    begun.update(first, batch)
