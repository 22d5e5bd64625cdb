"""Guidance: at scale 1 the model itself, at 0 the model that knows nothing, and between rows nothing is mixed up."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax.base import Request
from musejax.decoding import autoregressive, beam, guidance
from musejax.nn import losses

PRESETS = [("recurrent", "chorale-voices"), ("transformer", "chorale-frames")]
# Guidance sees a decoder, whatever its layers; the second takes long to compile.
every_preset = pytest.mark.parametrize(
    "preset", [PRESETS[0], pytest.param(PRESETS[1], marks=pytest.mark.slow)], ids=[p for _, p in PRESETS]
)
NUM = 3


def names(t):
    return {n: size for n, size in t.vocabulary.conditions if n in t.config.conditions}


@functools.cache
def params(preset):
    """Parameters with which conditions are heard: a fresh net's last layers are near 0."""
    return jax.tree.map(lambda p: p * 2, tiny.make(*preset).params)


@functools.cache
def sampler(preset):
    """The compiled sampler of the guided model."""
    t = tiny.make(*preset)

    def sample(params, key, request, scale):
        pair = guidance.guided(t.model.decoder, names(t), scale)
        return autoregressive.sample_request(pair, t.vocabulary, params, t.state, key, request)

    return jax.jit(sample)


def request(preset):
    """Pieces with conditions and given cells, each with others."""
    t = tiny.make(*preset)
    rng = np.random.default_rng(5)
    conditions = {
        n: jnp.asarray(rng.integers(0, size, (NUM, tiny.FRAMES)), jnp.int32) for n, size in t.vocabulary.conditions
    }
    shape = (NUM, tiny.FRAMES, t.vocabulary.streams)
    given = jnp.asarray(rng.integers(0, t.vocabulary.id("hold"), shape), jnp.int32)
    # The last frame is given, so that no piece ends early.
    mask = (rng.random(shape) < 0.6).astype(np.int32)
    mask[:, -1] = 0
    return Request(NUM, tiny.FRAMES, given=given, infill_mask=jnp.asarray(mask), conditions=conditions)


def unknown(preset, asked):
    """The same request with its conditions unknown."""
    t = tiny.make(*preset)
    conditions = {**asked.conditions, **{n: jnp.full_like(asked.conditions[n], id) for n, id in names(t).items()}}
    return dataclasses.replace(asked, conditions=conditions)


@every_preset
def test_scale_1_is_the_model_and_scale_0_knows_no_conditions(preset):
    t, key, asked = tiny.make(*preset), jax.random.key(1), request(preset)
    plain = functools.partial(tiny.sampler(*preset), params(preset), t.state, key)
    found = []
    for scale, expected in ((1.0, plain(asked)), (0.0, plain(unknown(preset, asked)))):
        out = sampler(preset)(params(preset), key, asked, scale)
        np.testing.assert_array_equal(out["tokens"], expected["tokens"])
        np.testing.assert_allclose(out["log_prob"], expected["log_prob"], rtol=1e-4)
        for n, c in asked.conditions.items():
            np.testing.assert_array_equal(out[n], c)
        found.append(np.asarray(out["tokens"]))
    assert (found[0] != found[1]).any(), "the test would pass without guidance"


@every_preset
def test_a_step_mixes_what_the_model_says_with_and_without_conditions(preset):
    t, asked = tiny.make(*preset), request(preset)
    pair = t.model.decoder

    def log_p(pair, params, asked):
        layout = autoregressive.lay_out(pair, t.vocabulary, params, t.state, asked)
        here = {n: c[:, 0] for n, c in layout.conditions.items()}
        return jax.nn.log_softmax(layout.step(layout.cache, jnp.full((NUM,), pair.start), jnp.asarray(0), here)[0])

    plain = jax.jit(functools.partial(log_p, pair))
    known, without = (plain(params(preset), r) for r in (asked, unknown(preset, asked)))
    found = jax.jit(functools.partial(log_p, guidance.guided(pair, names(t), 3.0)))(params(preset), asked)
    np.testing.assert_allclose(found, jax.nn.log_softmax(without + 3.0 * (known - without)), rtol=1e-3, atol=1e-4)
    assert np.abs(known - without).max() > 1e-2


@every_preset
def test_beam_search_keeps_both_halves_in_step(preset):
    t, asked = tiny.make(*preset), request(preset)
    pair = guidance.guided(t.model.decoder, names(t), 2.0)

    def search(params, request):
        return beam.search(pair, t.vocabulary, params, t.state, request, beams=3)

    out = jax.jit(search)(params(preset), asked)
    tokens, mask = np.asarray(out["tokens"]), np.asarray(asked.infill_mask)
    np.testing.assert_array_equal(np.where(mask == 0, tokens, 0), np.where(mask == 0, asked.given, 0))
    # What was found, given to the sampler as a whole, has the same likelihood under the guided model.
    again = jax.jit(functools.partial(nats, preset))(params(preset), asked, jnp.asarray(tokens))
    np.testing.assert_allclose(out["log_prob"], -(np.asarray(again) * mask).sum((1, 2)), rtol=1e-4)


def nats(preset, params, asked, tokens):
    """The cost of each cell under the guided model at scale 2, one step after the other."""
    t = tiny.make(*preset)
    pair = guidance.guided(t.model.decoder, names(t), 2.0)
    order = pair.order or tuple(range(t.vocabulary.streams))
    layout = autoregressive.lay_out(pair, t.vocabulary, params, t.state, asked)
    serial = tokens[..., order].reshape(NUM, -1)
    before = jnp.pad(serial, ((0, 0), (1, 0)), constant_values=pair.start)[:, :-1]

    def one(cache, at):
        pos, previous, value, conditions = at
        logits, cache = layout.step(cache, previous, pos, conditions)
        return cache, losses.categorical_nll(logits, value)

    swapped = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (before, serial, layout.conditions))
    cost = jax.lax.scan(one, layout.cache, (jnp.arange(serial.shape[1]), *swapped))[1]
    return autoregressive.by_frame(jnp.swapaxes(cost, 0, 1), order)


def test_what_cannot_be_guided_is_refused():
    pair = tiny.make(*PRESETS[0]).model.decoder
    with pytest.raises(ValueError, match="logits"):
        guidance.guided(pair._replace(draw=lambda params, choice: None), {}, 2.0)
    model = guidance.guided(pair, {"genre": 3}, 2.0)
    with pytest.raises(ValueError, match="guidance needs conditions genre; the given conditions are beat"):
        model.step({}, {}, ((), ()), jnp.zeros((1,), jnp.int32), jnp.asarray(0), {"beat": jnp.zeros((1,), jnp.int32)})
