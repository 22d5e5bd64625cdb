"""DeepBach: a cell never sees itself, evaluation draws nothing, and what is told can be left out."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import vocabulary
from musejax.base import Request
from musejax.models import deep_bach

FULL = vocabulary.chorale()
# Few tokens, and no END: the costs of all values of a cell are there to be summed.
TABLE = dataclasses.replace(
    FULL, ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 63), vocabulary.EventRange("hold"))
)
FRAMES = 6
SMALL = deep_bach.Config(hidden=5, width=6, embed=4, num_layers=2, context=0)
CONFIGS = {
    "published": dataclasses.replace(SMALL, context=2),
    "whole": SMALL,
    "shared": dataclasses.replace(SMALL, shared=True, beats=32),
    "intervals": dataclasses.replace(SMALL, shared=True, intervals=True, hide=0.5),
    "intervals apart": dataclasses.replace(SMALL, intervals=True),
}
# Those that take long to compile, and have no part that no other has.
SLOW = ("whole", "shared", "intervals apart")
forms = pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[pytest.mark.slow] if form in SLOW else []) for form in CONFIGS]
)


def batch(rows, frames=FRAMES, table=TABLE, seed=0):
    rng = np.random.default_rng(seed)
    data = {"tokens": rng.integers(0, table.size, (rows, frames, 4)).astype(np.int32)}
    for name, size in table.conditions:
        data[name] = rng.integers(0, size, (rows, frames)).astype(np.int32)
    ones = np.ones((rows, frames), np.int32)
    return {**data, "pad_mask": ones, "loss_mask": ones}


@functools.cache
def bound(form):
    model = tiny.compiled(deep_bach.make(CONFIGS[form], TABLE))
    params, state = model.init(jax.random.key(0), batch(1))
    return model, jax.tree.map(lambda p: p + 0.3 * jax.random.normal(jax.random.key(p.size), p.shape), params), state


@functools.cache
def scorer(form):
    model, params, state = bound(form)
    return jax.jit(lambda data: model.likelihood.nll(params, state, data))


def repeated(data, rows):
    return {name: np.repeat(x, rows, axis=0) for name, x in data.items()}


@forms
def test_a_cell_does_not_see_itself(form):
    """The probabilities of all values of a cell sum to 1 only if none of them has a say in its own."""
    one = batch(1)
    cells = [(t, s) for t in range(FRAMES) for s in range(4)]
    many = repeated(one, len(cells) * TABLE.size)
    for row, (t, s) in enumerate(cells):
        many["tokens"][row * TABLE.size : (row + 1) * TABLE.size, t, s] = np.arange(TABLE.size)
    costs = np.asarray(scorer(form)(many)).reshape(len(cells), TABLE.size, FRAMES, 4)
    for row, (t, s) in enumerate(cells):
        np.testing.assert_allclose(np.exp(-costs[row, :, t, s]).sum(), 1, rtol=1e-4)
        # Another cell of the frame, and the next frame, do see it.
        assert np.ptp(costs[row, :, t, (s + 1) % 4]) > 1e-4
        assert np.ptp(costs[row, :, (t + 1) % FRAMES, s]) > 1e-5 or (form == "published" and t + 1 == FRAMES)


def test_the_published_net_reads_so_many_frames_on_either_side():
    one = batch(1)
    changed = {**one, "tokens": one["tokens"].copy()}
    changed["tokens"][0, 5] = (changed["tokens"][0, 5] + 1) % TABLE.size
    for form, sees in (("published", {3, 4, 5}), ("whole", set(range(6)))):
        moved = np.abs(np.asarray(scorer(form)(changed)) - scorer(form)(one)).max((0, 2)) > 1e-7
        assert set(np.flatnonzero(moved)) == sees


@forms
def test_what_lies_behind_a_piece_has_no_say(form):
    data = batch(3)
    alone = scorer(form)({name: x[:, :4] for name, x in data.items()})
    data["pad_mask"] = data["pad_mask"].copy()
    data["pad_mask"][:, 4:] = 0
    costs = np.asarray(scorer(form)(data))
    np.testing.assert_allclose(costs[:, :4], alone, atol=1e-5)
    assert not costs[:, 4:].any()


@forms
def test_evaluation_draws_nothing_and_counts_notes_apart(form):
    model, params, state = bound(form)
    data = batch(4)
    infos = [model.loss(params, state, jax.random.key(k), data, step=0, train=False)[1][1] for k in (0, 1)]
    assert all(float(infos[0][name]) == float(infos[1][name]) for name in infos[0])
    costs, pitched = np.asarray(scorer(form)(data)), TABLE.values("pitch") >= 0
    np.testing.assert_allclose(infos[0]["loss"], costs.mean(), rtol=1e-5)
    for s in range(4):
        np.testing.assert_allclose(infos[0][f"loss_{s}"], costs[..., s].mean(), rtol=1e-5)
    # A likelihood of a half or more is the likeliest; of notes alone there are fewer.
    sure, note = costs < np.log(2), pitched[data["tokens"]]
    assert infos[0]["accuracy"] >= sure.mean() - 1e-6
    assert infos[0]["accuracy_of_notes"] >= sure[note].mean() - 1e-6
    hold = {**data, "tokens": np.full_like(data["tokens"], TABLE.id("hold"))}
    assert model.loss(params, state, jax.random.key(0), hold, step=0, train=False)[1][1]["accuracy_of_notes"] == 0


def test_conditions_that_are_not_read_have_no_say():
    model = tiny.compiled(deep_bach.make(dataclasses.replace(SMALL, conditions=()), TABLE))
    data = batch(2)
    params, state = model.init(jax.random.key(0), data)
    other = {**data, **{name: np.zeros_like(data[name]) for name, _ in TABLE.conditions}}
    np.testing.assert_array_equal(model.likelihood.nll(params, state, data), model.likelihood.nll(params, state, other))
    assert (np.asarray(scorer("whole")(data)) != scorer("whole")(other)).any()


def test_the_beat_is_read_as_finely_as_it_is_asked_for():
    data = batch(2)
    other = {**data, "beat": (data["beat"] + 4) % 32}
    np.testing.assert_array_equal(scorer("whole")(data), scorer("whole")(other))
    assert (np.asarray(scorer("shared")(data)) != scorer("shared")(other)).any()


def test_end_is_given_and_not_scored():
    model = tiny.compiled(deep_bach.make(CONFIGS["intervals"], FULL))
    data = batch(2, table=FULL)
    params, state = model.init(jax.random.key(0), data)
    data["tokens"][:, -1] = FULL.id("end")
    costs = np.asarray(model.likelihood.nll(params, state, data))
    assert not costs[:, -1].any()
    info = model.loss(params, state, jax.random.key(0), data, step=0, train=False)[1][1]
    assert float(info["weight"]) == (data["tokens"] != FULL.id("end")).sum()


@pytest.mark.parametrize("form", ["published", "intervals"])
def test_given_cells_are_kept(form):
    model, params, state = bound(form)
    data, free = batch(3), np.random.default_rng(2).random((3, FRAMES, 4)) < 0.5
    request = Request(
        num=3, length=FRAMES, given=jnp.asarray(data["tokens"]), infill_mask=jnp.asarray(free.astype(np.int32)),
        conditions={name: jnp.asarray(data[name]) for name, _ in TABLE.conditions},
    )  # fmt: skip
    out = jax.jit(model.sample)(params, state, jax.random.key(0), request)
    tokens = np.asarray(out["tokens"])
    np.testing.assert_array_equal(tokens[~free], data["tokens"][~free])
    assert (tokens[free] != data["tokens"][free]).mean() > 0.3
    costs = scorer(form)({**data, "tokens": tokens, "infill_mask": free})
    np.testing.assert_allclose(out["log_prob"], -np.asarray(costs).sum((1, 2)), rtol=1e-4)


MISTAKES = [
    ({"hidden": 0}, "hidden is 0"),
    ({"context": -1}, "context is -1"),
    ({"share": 0.0}, "share is 0.0"),
    ({"heat": 0.5}, "heat is 0.5"),
    ({"hide": 1.0}, "hide is 1.0"),
    ({"conditions": ("chord",)}, "'chord' is not a condition"),
]


@pytest.mark.parametrize(("fields", "says"), MISTAKES, ids=[m[-1] for m in MISTAKES])
def test_a_config_that_does_not_fit_is_a_mistake(fields, says):
    with pytest.raises(ValueError, match=says):
        deep_bach.make(deep_bach.Config(**fields), FULL)


def test_it_needs_voices():
    with pytest.raises(ValueError, match="no voices, which a DeepBach needs"):
        deep_bach.make(deep_bach.Config(), vocabulary.melody())
