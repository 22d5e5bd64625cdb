"""The sampler over a small made-up model: four voices, or one, whose logits depend on all that came before."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax import vocabulary
from musejax.base import Choice, Decoder, Request
from musejax.decoding import autoregressive, constraints
from musejax.nn import losses

CHORALE = vocabulary.Vocabulary(
    name="small",
    version=1,
    ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 71), vocabulary.EventRange("end")),
    streams=4,
    conditions=(("beat", 4),),
)
MELODY = vocabulary.melody(60, 71)  # no END
ORDER = (0, 3, 2, 1)
FRAMES = 6


def model(table, order=(), tilt=0.0):
    """A running hash of the past chooses a row of random logits."""
    rows = jnp.asarray(np.random.default_rng(0).normal(0, 1, (31, table.size)), jnp.float32)
    if table.has("end"):
        rows = rows.at[:, table.id("end")].add(tilt)

    def init_cache(params, state, num, length):
        return jnp.zeros((num,), jnp.int32)

    def step(params, state, cache, previous, pos, conditions):
        cache = (cache * 5 + previous + 1 + conditions.get("beat", 0)) % 31
        return rows[cache], cache

    return Decoder(init_cache, step, table.size, order)


@functools.cache
def sampler(streams=4, tilt=0.0):
    table, order = (CHORALE, ORDER) if streams == 4 else (MELODY, ())
    pair = model(table, order, tilt)
    return jax.jit(lambda key, request: autoregressive.sample_request(pair, table, {}, {}, key, request))


def request(num=8, table=CHORALE, **kwargs):
    beat = jnp.tile(jnp.arange(FRAMES) % 4, (num, 1))
    conditions = {"beat": beat} if table is CHORALE else {}
    return Request(num=num, length=FRAMES, conditions=conditions, **kwargs)


def draw(seed=0, streams=4, tilt=0.0, **kwargs):
    table = CHORALE if streams == 4 else MELODY
    out = sampler(streams, tilt)(jax.random.key(seed), request(table=table, **kwargs))
    return {k: np.asarray(v) for k, v in out.items()}


def log_prob(tokens, beat, drawn):
    """One cell at a time, in plain Python: nats of the cells where `drawn` is 1, up to END."""
    pair = model(CHORALE, ORDER)
    total, cache, previous = 0.0, jnp.zeros((1,), jnp.int32), jnp.full((1,), CHORALE.size)
    for frame in range(len(tokens)):
        for stream in ORDER:
            logits, cache = pair.step({}, {}, cache, previous, None, {"beat": beat[frame][None]})
            previous = jnp.asarray([tokens[frame, stream]])
            if drawn[frame, stream]:
                total -= float(losses.categorical_nll(logits, previous)[0])
            if tokens[frame, stream] == CHORALE.id("end"):
                return total
    return total


def test_given_cells_are_kept_exactly_and_the_others_drawn():
    rng = np.random.default_rng(0)
    for seed in range(5):
        given = rng.integers(0, CHORALE.id("end"), (8, FRAMES, 4)).astype(np.int32)
        mask = (rng.random(given.shape) < rng.uniform(0.2, 0.8)).astype(np.int32)
        out = draw(seed, given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
        np.testing.assert_array_equal(out["tokens"][mask == 0], given[mask == 0])
        assert (out["tokens"][mask == 1] != given[mask == 1]).mean() > 0.5
        for row in range(2):
            expected = log_prob(out["tokens"][row], out["beat"][row], mask[row])
            np.testing.assert_allclose(out["log_prob"][row], expected, rtol=1e-4)


def test_a_given_voice_is_kept_though_the_model_would_end():
    given = np.full((8, FRAMES, 4), 5, np.int32)
    mask = np.ones_like(given)
    mask[..., 0] = 0
    out = draw(tilt=30.0, given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
    assert (out["tokens"][..., 0] == 5).all()
    assert (out["length"] == FRAMES).all()
    assert not (out["tokens"][:, :-1] == CHORALE.id("end")).any()


def test_pieces_stop_at_end():
    out = draw(tilt=1.0, num=64)
    end = CHORALE.id("end")
    assert len(set(out["length"].tolist())) > 2
    for tokens, length in zip(out["tokens"], out["length"], strict=True):
        serial = tokens[:, ORDER].reshape(-1)
        ends = np.flatnonzero(serial == end)
        if len(ends):
            assert length == ends[0] // 4 + 1
            assert (serial[ends[0] :] == end).all()
        else:
            assert length == FRAMES


def test_log_prob_is_that_of_what_was_drawn():
    out = draw(choice=Choice(temperature=0.7, top_p=0.9))
    for row in range(8):
        expected = log_prob(out["tokens"][row], out["beat"][row], np.ones((FRAMES, 4)))
        np.testing.assert_allclose(out["log_prob"][row], expected, rtol=1e-4)


def test_prompts_may_have_different_lengths():
    given = np.random.default_rng(1).integers(0, 14, (8, FRAMES)).astype(np.int32)
    mask = (np.arange(FRAMES)[None] >= np.arange(8)[:, None] % FRAMES).astype(np.int32)
    out = draw(streams=1, given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
    free = draw(streams=1)
    np.testing.assert_array_equal(np.where(mask == 0, out["tokens"], 0), np.where(mask == 0, given, 0))
    np.testing.assert_array_equal(out["tokens"][0], free["tokens"][0])  # the empty prompt
    assert out["log_prob"][5] > out["log_prob"][0]  # given cells are left out


def test_a_prompt_is_drawn_on_as_if_the_model_had_drawn_it_itself():
    free = draw(streams=1)
    mask = np.ones((8, FRAMES), np.int32)
    mask[:, :3] = 0
    again = draw(streams=1, given=jnp.asarray(free["tokens"]), infill_mask=jnp.asarray(mask))
    np.testing.assert_array_equal(again["tokens"], free["tokens"])


def test_a_piece_depends_on_its_own_key_alone():
    many = draw(num=8)["tokens"]
    np.testing.assert_array_equal(draw(num=3)["tokens"], many[:3])
    later = draw(num=3, first=jnp.asarray(5))["tokens"]
    np.testing.assert_array_equal(later, many[5:])
    assert (draw(1, num=3)["tokens"] != many[:3]).any()


RANGES = [(64, 71), (60, 66), (60, 64), (62, 62)]


def pitches(tokens):
    return np.append(CHORALE.values("pitch"), -1)[tokens]


CONSTRAINTS = {
    "one range": (
        constraints.pitch_range(CHORALE, [(62, 65)]),
        lambda t: ((pitches(t) < 0) | ((pitches(t) >= 62) & (pitches(t) <= 65))).all(),
    ),
    "a range for each voice": (
        constraints.pitch_range(CHORALE, RANGES),
        lambda t: all(
            ((pitches(t[..., s]) < 0) | ((pitches(t[..., s]) >= low) & (pitches(t[..., s]) <= high))).all()
            for s, (low, high) in enumerate(RANGES)
        ),
    ),
    "a scale": (
        constraints.scale(CHORALE, 2, "pentatonic"),
        lambda t: set((pitches(t)[pitches(t) >= 0] % 12).tolist()) <= {2, 4, 6, 9, 11},
    ),
    "no end": (
        constraints.no_end_before(CHORALE, 3),
        lambda t: not (t[:, :3] == CHORALE.id("end")).any() and (t[:, 3:] == CHORALE.id("end")).any(),
    ),
    "a row for each voice": (
        constraints.by_stream(np.eye(CHORALE.size, dtype=bool)[[3, 4, 5, 6]]),
        lambda t: (t == np.array([3, 4, 5, 6])).all(),
    ),
    "all of them": (
        constraints.all_of(
            constraints.pitch_range(CHORALE, [(62, 69)]),
            constraints.scale(CHORALE, 0, "major"),
            constraints.no_end_before(CHORALE, FRAMES),
        ),
        lambda t: set(pitches(t).ravel().tolist()) <= {-1, 62, 64, 65, 67, 69} and not (t == CHORALE.id("end")).any(),
    ),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_hold_in_every_draw(name):
    constraint, holds = CONSTRAINTS[name]
    out = draw(num=64, tilt=1.0, constraint=constraint)
    assert holds(out["tokens"])
    assert not holds(draw(num=64, tilt=1.0)["tokens"]), "the test would pass without the constraint"


def test_given_cells_are_kept_even_against_a_constraint():
    given = np.full((8, FRAMES, 4), CHORALE.id("pitch", 60), np.int32)
    mask = np.ones_like(given)
    mask[:, 0] = 0
    forbids = constraints.pitch_range(CHORALE, [(62, 65)])
    out = draw(given=jnp.asarray(given), infill_mask=jnp.asarray(mask), constraint=forbids)
    assert (pitches(out["tokens"][:, 0]) == 60).all()
    assert not (pitches(out["tokens"][:, 1:]) == 60).any()
