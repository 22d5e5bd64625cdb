"""Constraints that leave nothing, and rules that yield to them, in the sampler, the search and the Gibbs sampler."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax import vocabulary
from musejax.base import Decoder, Request
from musejax.decoding import allowed, autoregressive, beam, constraints, gibbs, gibbs_plans

TABLE = vocabulary.Vocabulary(
    name="two",
    version=1,
    ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 62), vocabulary.EventRange("end")),
    streams=2,
)
REST, END = 0, 4
NUM, FRAMES = 2, 5


def step(params, state, cache, previous, pos, conditions):
    return jnp.tile(jnp.asarray([[0.0, 1.0, 2.0, 1.0, -3.0]]), (len(previous), 1)), cache


PAIR = Decoder(lambda p, s, num, length: jnp.zeros(num), step, TABLE.size)


def conditional(tokens, hidden, now, real, conditions):
    return jnp.zeros((*tokens.shape, TABLE.size))


def answer(way, request):
    if way == "sampler":
        run = functools.partial(autoregressive.sample_request, PAIR, TABLE, {}, {}, jax.random.key(0))
    elif way == "search":
        run = functools.partial(beam.search, PAIR, TABLE, {}, {}, beams=2)
    else:
        cost = lambda keys, batch: jnp.zeros(NUM)  # noqa: E731
        run = functools.partial(
            gibbs.answer, conditional, cost, gibbs_plans.ancestral(FRAMES * 2), TABLE, jax.random.key(0)
        )
    return {k: np.asarray(v) for k, v in jax.jit(run)(request).items()}


def only(frame, stream, tokens):
    """Allows some tokens in one cell, and anything but END elsewhere."""

    def constraint(f, s, values):
        ids = jnp.arange(TABLE.size)
        here = (f == frame) & (s == stream)
        return jnp.where(here, jnp.isin(ids, jnp.asarray(tokens, jnp.int32)), ids != END)

    return jax.tree_util.Partial(constraint)


WAYS = ["sampler", "search", "gibbs"]


@pytest.mark.parametrize("way", WAYS)
def test_a_cell_for_which_nothing_is_left_is_reported(way):
    out = answer(way, Request(NUM, FRAMES, constraint=only(3, 1, [])))
    assert out["blocked"].tolist() == [[3, 1, allowed.CONSTRAINT]] * NUM
    out = answer(way, Request(NUM, FRAMES, constraint=only(3, 1, [2])))
    assert out["blocked"].tolist() == [[-1, -1, -1]] * NUM
    assert (out["tokens"][:, 3, 1] == 2).all()


@pytest.mark.parametrize("way", ["sampler", "search"])
def test_what_a_grammar_and_a_constraint_leave_is_told_apart(way):
    grammar = constraints.by_stream(np.arange(TABLE.size)[None] != 2)
    out = answer(way, Request(NUM, FRAMES, constraint=only(1, 0, [2]), grammar=grammar))
    assert out["blocked"].tolist() == [[1, 0, allowed.TOGETHER]] * NUM


@pytest.mark.parametrize("way", WAYS)
def test_a_given_cell_is_kept_where_nothing_is_left(way):
    given, mask = np.ones((NUM, FRAMES, 2), np.int32), np.ones((NUM, FRAMES, 2), np.int32)
    mask[:, 3, 1] = 0
    asked = Request(NUM, FRAMES, given=jnp.asarray(given), infill_mask=jnp.asarray(mask), constraint=only(3, 1, []))
    out = answer(way, asked)
    assert (out["tokens"][:, 3, 1] == 1).all()
    assert (out["blocked"] == -1).all()


@pytest.mark.parametrize("way", ["sampler", "search"])
def test_rules_yield_to_a_constraint_and_the_last_yields_first(way):
    late = constraints.no_end_before(TABLE, FRAMES)
    out = answer(way, Request(NUM, FRAMES, constraint=only(2, 0, [END]), rules=(late,)))
    assert out["length"].tolist() == [3] * NUM
    assert (out["blocked"] == -1).all()
    high, low = (constraints.pitch_range(TABLE, [ends]) for ends in ((62, 62), (60, 60)))
    sounding = constraints.by_stream(np.isin(np.arange(TABLE.size), [1, 2, 3])[None])
    for rules, token in (((high, low), 3), ((low, high), 1)):
        out = answer(way, Request(NUM, FRAMES, constraint=sounding, rules=rules))
        assert (out["tokens"] == token).all()


def test_a_search_goes_on_with_hypotheses_for_which_something_is_left():
    """Behind the likeliest token nothing is allowed."""

    def constraint(frame, stream, values):
        return jnp.where((frame == 0) & (stream == 0), True, values[:, :1] != 2) & (jnp.arange(TABLE.size) != END)[None]

    out = answer("search", Request(NUM, FRAMES, constraint=jax.tree_util.Partial(constraint)))
    assert (out["blocked"] == -1).all()
    assert (out["tokens"][:, 0, 0] != 2).all()


def test_a_plain_function_is_a_constraint():
    calls = []

    def constraint(frame, stream, values):
        calls.append(1)
        return jnp.arange(TABLE.size) == 1

    @jax.jit
    def ask(wrapped):
        return wrapped(jnp.asarray(0), jnp.asarray(0), jnp.zeros((1, 4), jnp.int32))

    for _ in range(3):
        assert ask(constraints.partial(constraint)).tolist() == [False, True, False, False, False]
    assert len(calls) == 1, "it is compiled once"
    both = constraints.all_of(constraint, lambda frame, stream, values: jnp.arange(TABLE.size) > 1)
    assert not ask(both).any()
    assert constraints.partial(both) is both


def test_a_callable_without_a_hash_is_a_constraint():
    class Rule:
        __hash__ = None

        def __eq__(self, other):
            return True

        def __call__(self, frame, stream, values):
            return jnp.ones(TABLE.size, bool)

    rule = Rule()
    wrapped = [constraints.partial(rule) for _ in range(2)]
    assert len({jax.tree.structure(w) for w in wrapped}) == 1
    assert jax.jit(lambda c: c(jnp.asarray(0), jnp.asarray(0), jnp.zeros((1, 4), jnp.int32)))(wrapped[0]).all()
    assert jax.tree.structure(constraints.partial(Rule())) != jax.tree.structure(wrapped[0])


@pytest.mark.parametrize("wrong", [3, "C major", None, np.ones(5, bool)])
def test_what_cannot_be_called_is_no_constraint(wrong):
    with pytest.raises(TypeError, match="it must be a function"):
        constraints.partial(wrong)
