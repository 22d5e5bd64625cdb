"""What the VAE family means: sampling is the forward pass, z is read, lengths are respected, the bound is a bound."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import vocabulary
from musejax.base import Choice, Request
from musejax.decoding import constraints
from musejax.models import music_vae
from musejax.models.music_vae import scheduled_sampling

MELODY = vocabulary.melody(60, 65)
SIZES = {"latent": 4, "encoder_hidden": 6, "encoder_layers": 2, "hidden": 8, "num_layers": 2, "segment": 4}
UNDER = {"conductor": 5, "conductor_layers": 2}
NETS = {
    "flat": (MELODY, {}),
    "hierarchical": (MELODY, UNDER),
    "places": (MELODY, {"places": 8, "factors": 5}),
    "places under a conductor": (MELODY, {"places": 8, "factors": 5, "conductor": 5}),
    "transformer": (MELODY, {"heads": 2}),
    "transformer under a conductor": (MELODY, {"heads": 2, **UNDER}),
    "transformer of places": (MELODY, {"heads": 2, "places": 8, "factors": 5, "conductor": 5}),
    "told the key": (vocabulary.chorale(), {"conditions": ("key",)}),
    "trio": (vocabulary.trio(), {}),
    "trio, a decoder each": (vocabulary.trio(), UNDER),
    "switches": (vocabulary.drum_bits(), {}),
    "nade": (vocabulary.drum_bits(), {"nade": 3, **UNDER}),
    "groove": (vocabulary.groove(), {}),
    "groove, transformer": (vocabulary.groove(), {"heads": 2, "humanize": True}),
    "groove, humanised": (vocabulary.groove(), {"humanize": True, **UNDER}),
}
# Its encoder and decoder are those under a conductor, its one segment that of the groove.
SLOW = ("transformer",)
FRAMES = 8


@functools.cache
def make(name, **fields):
    table, more = NETS[name]
    model = tiny.compiled(music_vae.make(music_vae.Config(**{**SIZES, **more, **fields}), table))
    batch = tiny.random_batch(table, 2, FRAMES, seed=1)
    params, state = model.init(jax.random.key(0), batch)
    # Larger than at the start of training, so that everything has a say.
    return model, batch, jax.tree.map(lambda p: p * 2, params), state


def decoded(name):
    """Two pieces drawn with vectors of their own, and these."""
    model, batch, params, state = make(name)
    z = 3 * jax.random.normal(jax.random.key(5), (2, SIZES["latent"]))
    told = {n: jnp.asarray(batch[n]) for n, _ in NETS[name][0].conditions}
    table = NETS[name][0]
    no_end = constraints.no_end_before(table, FRAMES) if table.has("end") else None
    request = Request(num=2, length=FRAMES, choice=Choice(), conditions=told, constraint=no_end)
    return jax.jit(model.latent.decode)(params, state, jax.random.key(2), z, request), z


def with_vector(model, params, z):
    """Parameters whose encoder gives this vector for every piece, with almost no spread."""
    encoder = {**params["encoder"]}
    encoder["mean"] = {"kernel": 0 * encoder["mean"]["kernel"], "bias": z}
    encoder["scale"] = {"kernel": 0 * encoder["scale"]["kernel"], "bias": jnp.full_like(z, -40.0)}
    return {**params, "encoder": encoder}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in NETS])
def test_what_the_sampler_says_of_its_draw_is_the_likelihood_given_the_vector(name):
    model, batch, params, state = make(name)
    out, z = decoded(name)
    field = "frames" if "frames" in out else "tokens"
    filled = {**batch, field: np.asarray(out[field]), "pad_mask": np.ones((2, FRAMES), np.int32)}
    filled["loss_mask"] = filled["pad_mask"]
    for row in range(2):
        one = {k: np.asarray(v)[row : row + 1] for k, v in filled.items()}
        if model.latent.costs is not None:
            nats = jax.jit(model.latent.costs)(params, state, one, z[row : row + 1])[0]
            np.testing.assert_allclose(nats.sum(), -out["log_prob"][row], rtol=1e-4)
            continue
        _, (_, info) = jax.jit(functools.partial(model.loss, step=0, train=False))(
            with_vector(model, params, z[row]), state, jax.random.key(0), one
        )
        np.testing.assert_allclose(info["reconstruction"] * FRAMES, -out["log_prob"][row], rtol=1e-3)


def test_streams_of_a_trio_keep_to_their_own_ids():
    out, _ = decoded("trio")
    tokens = np.asarray(out["tokens"])
    assert tokens.shape == (2, FRAMES, 3)
    assert tokens[..., 0].max() < 90 <= tokens[..., 1].min() and tokens[..., 1].max() < 180 <= tokens[..., 2].min()


@pytest.mark.parametrize("name", ["flat", "hierarchical", "transformer"])
def test_another_vector_is_another_piece_and_each_row_has_its_own(name):
    model, _, params, state = make(name)
    # Far apart, so that near temperature 0 there is one likeliest token.
    decoder = {**params["decoders_0"], "output": jax.tree.map(lambda p: p * 300, params["decoders_0"]["output"])}
    params = {**params, "decoders_0": decoder}
    vectors = 6 * jax.random.normal(jax.random.key(1), (8, SIZES["latent"]))
    request = Request(num=8, length=FRAMES, choice=Choice(temperature=1e-3))
    decode = jax.jit(model.latent.decode)
    first = np.asarray(decode(params, state, jax.random.key(0), vectors, request)["tokens"])
    again = np.asarray(decode(params, state, jax.random.key(1), vectors[::-1], request)["tokens"])
    np.testing.assert_array_equal(first, again[::-1])
    assert len(np.unique(first, axis=0)) > 2


@pytest.mark.parametrize("name", ["flat", "transformer"])
def test_the_encoder_reads_a_piece_to_its_end_and_no_further(name):
    model, batch, params, state = make(name)
    batch = {k: v[:1] for k, v in batch.items()}
    batch["pad_mask"] = (np.arange(FRAMES) < 5)[None].astype(np.int32)
    encode = jax.jit(model.latent.encode)
    short = {k: v[:, :5] for k, v in batch.items()}
    for a, b in zip(encode(params, state, batch), encode(params, state, short), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for at in (0, 4):
        changed = {**batch, "tokens": batch["tokens"].copy()}
        changed["tokens"][0, at] = (changed["tokens"][0, at] + 1) % MELODY.size
        assert np.abs(encode(params, state, changed)[0] - encode(params, state, batch)[0]).max() > 1e-5


def test_under_a_conductor_a_segment_of_places_has_a_share_of_the_vector():
    model, batch, params, state = make("places under a conductor")
    encode = jax.jit(model.latent.encode)
    changed = {**batch, "tokens": batch["tokens"].copy()}
    changed["tokens"][:, 1] = (changed["tokens"][:, 1] + 1) % MELODY.size
    for told, (own, other) in ((0.0, (True, False)), (1.0, (True, True))):
        rng = np.random.default_rng(0)
        others = jax.tree.map(lambda p, k=told, r=rng: p + k * r.normal(size=p.shape), params["encoder"]["others"])
        now = {**params, "encoder": {**params["encoder"], "others": others}}
        moved = np.abs(encode(now, state, changed)[0] - encode(now, state, batch)[0])[0]
        assert ((moved[:2] > 1e-5).any(), (moved[2:] > 1e-5).any()) == (own, other)

    # Of a segment that is not there nothing is known.
    half = {**batch, "pad_mask": np.tile(np.arange(FRAMES) < 4, (2, 1)).astype(np.int32)}
    for one in (half, {k: v[:, :4] for k, v in half.items()}):
        mean, scale = encode(params, state, one)
        np.testing.assert_array_equal(mean[:, 2:], 0.0)
        np.testing.assert_array_equal(scale[:, 2:], 1.0)
        assert np.abs(mean[:, :2]).min() > 0


@pytest.mark.parametrize("name", ["hierarchical", "transformer under a conductor"])
def test_under_a_conductor_a_segment_knows_the_one_before_by_its_last_frame_alone(name):
    model, batch, params, state = make(name)
    loss = jax.jit(functools.partial(model.loss, step=0, train=False))
    params = with_vector(model, params, jnp.ones(SIZES["latent"]))

    def cost_of_second_segment(tokens):
        later = np.zeros((2, FRAMES), np.int32)
        later[:, 4:] = 1
        one = {**batch, "tokens": tokens, "pad_mask": np.ones((2, FRAMES), np.int32), "loss_mask": later}
        return float(loss(params, state, jax.random.key(0), one)[1][1]["reconstruction"])

    for at, known in ((1, False), (3, True)):
        tokens = batch["tokens"].copy()
        tokens[:, at] = (tokens[:, at] + 1) % MELODY.size
        moved = abs(cost_of_second_segment(tokens) - cost_of_second_segment(batch["tokens"]))
        assert (moved > 1e-5) == known


def test_importance_weights_average_to_the_probability_of_the_piece():
    table = vocabulary.melody(60, 60)
    model = tiny.compiled(music_vae.make(music_vae.Config(**{**SIZES, "latent": 1, "num_layers": 1}), table))
    pieces = np.array(list(itertools.product(range(table.size), repeat=2)), np.int32)
    mask = np.ones_like(pieces)
    batch = {"tokens": pieces, "pad_mask": mask, "loss_mask": mask}
    params, state = model.init(jax.random.key(0), batch)
    params = jax.tree.map(lambda p: p * 3, params)
    keys = jax.random.split(jax.random.key(1), 400)
    estimate = jax.jit(jax.vmap(functools.partial(model.likelihood.estimate, params, state), (0, None)))
    weights = np.exp(-np.asarray(estimate(keys, batch), np.float64))
    np.testing.assert_allclose(weights.mean(0).sum(), 1.0, rtol=0.05)
    elbo, tighter = -np.log(weights).mean(0), -np.log(weights.mean(0))
    assert (elbo >= tighter - 1e-9).all() and elbo.sum() > tighter.sum()


@pytest.mark.parametrize(
    ("fields", "step", "share"),
    [
        ({"sampling": "constant", "sampling_rate": 0.3}, 10, 0.3),
        ({"sampling": "exponential", "sampling_rate": 0.9}, 0, 0.0),
        ({"sampling": "exponential", "sampling_rate": 0.9}, 2, 0.19),
        ({"sampling": "inverse_sigmoid", "sampling_rate": 10.0}, 0, 1 / 11),
        ({"sampling": "inverse_sigmoid", "sampling_rate": 10.0}, 10**6, 1.0),
    ],
)
def test_the_share_of_drawn_inputs_follows_its_schedule(fields, step, share):
    config = music_vae.Config(**fields)
    np.testing.assert_allclose(scheduled_sampling.sampled_share(config, step), share, rtol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "flat",
        "transformer",
        pytest.param("trio, a decoder each", marks=pytest.mark.slow),
        "nade",
        "groove",
    ],
)
def test_scheduled_sampling_of_no_inputs_is_teacher_forcing_and_of_all_is_not(name):
    plain, batch, params, state = make(name)
    found = {}
    for rate in (0.0, 1.0):
        model, *_ = make(name, sampling="constant", sampling_rate=rate)
        found[rate] = jax.jit(jax.value_and_grad(lambda p, m=model: m.loss(
            p, state, jax.random.key(3), batch, step=5, train=True)[0]))(params)  # fmt: skip
    expected = jax.jit(lambda p: plain.loss(p, state, jax.random.key(3), batch, step=5, train=True)[0])(params)
    np.testing.assert_allclose(found[0.0][0], expected, rtol=1e-5)
    assert abs(found[1.0][0] - expected) > 1e-3
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(found[1.0][1]))


def test_free_bits_are_free_in_total_and_in_each_dimension():
    def loss(**fields):
        model, batch, params, state = make("flat", max_beta=1.0, beta_rate=0.0, **fields)
        params = with_vector(model, params, jnp.asarray([3.0, 0.0, 0.0, 0.0]))
        params["encoder"]["scale"]["bias"] = jnp.full((4,), np.log(np.e - 1))  # a scale of 1: the rest is prior
        total, (_, info) = model.loss(params, state, jax.random.key(0), batch, step=9, train=True)
        return float((total - info["reconstruction"]) * info["weight"] / 2), float(info["kl"])

    (whole, kl), (none, _), (less, _), (each, _) = (
        loss(), loss(free_bits=20.0), loss(free_bits=2.0), loss(free_bits_per_dimension=1.0)
    )  # fmt: skip
    np.testing.assert_allclose([whole, kl], 4.5, rtol=1e-3)
    np.testing.assert_allclose(none, 0.0, atol=1e-4)
    np.testing.assert_allclose([less, each], [4.5 - 2 * np.log(2), 4.5 - np.log(2)], rtol=1e-3)


def test_beta_rises_to_its_largest_value():
    def penalty(step):
        model, batch, params, state = make("flat", max_beta=0.5, beta_rate=0.9)
        total, (_, info) = model.loss(params, state, jax.random.key(0), batch, step=step, train=True)
        return float((total - info["reconstruction"]) * info["weight"] / 2 / info["kl"])

    np.testing.assert_allclose([penalty(0), penalty(1), penalty(1000)], [0.0, 0.05, 0.5], atol=1e-4)


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        (MELODY, {"latent": 0}, "latent is 0; it must be at least 1"),
        (MELODY, {"places": 6, **UNDER}, "places is 6; it must be a multiple of segment, which is 4"),
        (MELODY, {"places": 12, **UNDER}, "latent is 4; it must be a multiple of 3, the number of segments"),
        (MELODY, {"heads": 3}, "width is 8 and heads 3"),
        (MELODY, {"nade": 4}, "nade does not fit codec melody"),
        (MELODY, {"beta_rate": 1.0}, "beta_rate is 1.0"),
        (MELODY, {"conditions": ("key",)}, "'key' is not a condition of codec melody"),
        (MELODY, {"sampling": "constant", "sampling_rate": 2.0}, "sampling_rate is 2.0"),
        (vocabulary.performance(), {}, "has no frames"),
        (vocabulary.groove(), {"nade": 4}, "nade does not fit codec groove"),
        (vocabulary.groove(), {"spread": 0.0}, "spread is 0.0; it must be above 0"),
        (MELODY, {"humanize": True}, "humanize does not fit codec melody"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(table, fields, message):
    with pytest.raises(ValueError, match=message):
        music_vae.make(music_vae.Config(**{**SIZES, **fields}), table)
