"""Beam search: the best of all sequences where the beams suffice, the greedy choice where there is one."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import vocabulary
from musejax.base import Choice, Request
from musejax.decoding import beam, constraints
from musejax.models import recurrent, transformer

SMALL = vocabulary.melody(60, 61)
TWO = vocabulary.Vocabulary(
    name="two", version=1, ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 61)), streams=2
)
ENDS = vocabulary.Vocabulary(
    name="ends",
    version=1,
    ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 60), vocabulary.EventRange("end")),
    streams=2,
    conditions=(("beat", 4),),
)
NETS = {
    "tokens": (SMALL, 4, {}),
    "frames": (TWO, 2, {"net": "frame", "order": (1, 0)}),
    "ends": (ENDS, 2, {"net": "frame", "order": (1, 0), "conditions": ("beat",)}),
}
SEEDS = range(4)


@functools.cache
def make(name):
    """The net and, for each seed, parameters that tell sequences well apart."""
    table, frames, config = NETS[name]
    model = recurrent.make(recurrent.Config(**{"hidden": 6, "num_layers": 1, "embed": 5, "head": 5, **config}), table)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), tiny.random_batch(table, 2, frames))[0])
    rng = [np.random.default_rng(seed) for seed in SEEDS]
    return model, [jax.tree.map(lambda p, r=r: jnp.asarray(r.normal(0, 0.8, p.shape), p.dtype), shapes) for r in rng]


@functools.cache
def searcher(name, beams):
    """The compiled search; `tilt` is added to the logits of END."""
    table, pair = NETS[name][0], make(name)[0].decoder

    def search(params, asked, length_penalty, tilt):
        def step(*args):
            logits, cache = pair.step(*args)
            return (logits.at[:, table.id("end")].add(tilt) if table.has("end") else logits), cache

        tilted = pair._replace(step=step)
        return beam.search(tilted, table, params, {}, asked, beams=beams, length_penalty=length_penalty)

    return jax.jit(search)


def search(name, beams, params, asked, length_penalty=0.0, tilt=0.0):
    out = searcher(name, beams)(params, asked, length_penalty, tilt)
    return {k: np.asarray(v) for k, v in out.items()}


@functools.cache
def sampler(name):
    return jax.jit(make(name)[0].sample)


@functools.cache
def scorer(name):
    return jax.jit(make(name)[0].likelihood.nll)


def request(name, num=2, frames=None, **kwargs):
    table, frames = NETS[name][0], frames or NETS[name][1]
    beat = (np.arange(frames)[None] + np.arange(num)[:, None]) % 4
    conditions = {"beat": jnp.asarray(beat, jnp.int32)} if table.conditions else {}
    return Request(num=num, length=frames, conditions=conditions, **kwargs)


def costs(name, params, asked, tokens):
    """Nats of each cell of [M, T, ...] tokens under the conditions of each piece, in drawing order and 0 after END.

    Returns:
        float[N, M, L], and the cells up to END, bool[M, L].
    """
    table, model = NETS[name][0], make(name)[0]
    order = list(model.decoder.order) or [0]
    serial = tokens.reshape(len(tokens), -1, table.streams)[..., order].reshape(len(tokens), -1)
    real = np.ones(serial.shape, bool)
    if table.has("end"):
        real[:, 1:] = np.cumsum(serial == table.id("end"), axis=1)[:, :-1] == 0
    out = []
    for n in range(asked.num):
        here = {k: np.repeat(np.asarray(c[n : n + 1]), len(tokens), axis=0) for k, c in asked.conditions.items()}
        cost = np.asarray(scorer(name)(params, {}, {**here, "tokens": jnp.asarray(tokens)}))
        cost = cost.reshape(len(tokens), -1, table.streams)[..., order].reshape(serial.shape)
        out.append(cost * real)
    return np.stack(out), real


@functools.cache
def all_pieces(name):
    """Every sequence once, in the codec's layout: nothing but END after END, in drawing order."""
    table, frames, _ = NETS[name]
    order = list(make(name)[0].decoder.order) or [0]
    serial = np.array(list(itertools.product(range(table.size), repeat=frames * table.streams)), np.int32)
    if table.has("end"):
        ended = np.cumsum(serial == table.id("end"), axis=1)[:, :-1] > 0
        serial = serial[(~ended | (serial[:, 1:] == table.id("end"))).all(1)]
    tokens = serial.reshape(len(serial), frames, table.streams)[..., np.argsort(order)]
    return serial, tokens if table.streams > 1 else tokens[..., 0]


def ended(name, tokens):
    """Whether each piece ends; all do where there is no END."""
    table = NETS[name][0]
    if not table.has("end"):
        return np.ones(len(tokens), bool)
    return (tokens == table.id("end")).reshape(len(tokens), -1).any(1)


def enough(name):
    table, frames, _ = NETS[name]
    return table.size ** (frames * table.streams - 1)


@pytest.mark.parametrize(("name", "length_penalty"), [*((name, 0.0) for name in NETS), ("ends", 1.0), ("ends", 3.0)])
def test_enough_beams_find_the_best_of_all_pieces(name, length_penalty):
    _, tokens = all_pieces(name)
    lengths = set()
    for params in make(name)[1]:
        asked = request(name)
        out = search(name, enough(name), params, asked, length_penalty)
        cost, real = costs(name, params, asked, tokens)
        ranks = cost.sum(-1) / ((5 + real.sum(-1)[None]) / 6) ** length_penalty
        best = np.where(ended(name, tokens), ranks, np.inf).argmin(1)
        np.testing.assert_array_equal(out["tokens"], tokens[best])
        np.testing.assert_allclose(out["log_prob"], -cost[np.arange(2), best].sum(-1), rtol=1e-5)
        lengths |= set(real[best].sum(-1).tolist())
    if name == "ends":
        assert len(lengths) > 1


@pytest.mark.parametrize("name", ["frames", "ends"])
def test_enough_beams_find_the_best_pieces_around_given_cells(name):
    table, frames, _ = NETS[name]
    serial, tokens = all_pieces(name)
    differ = 0
    for seed, params in enumerate(make(name)[1] * 3):
        given = np.random.default_rng(seed).integers(0, 2, (2, frames, table.streams)).astype(np.int32)
        mask = np.ones_like(given)
        mask[0, 0, 1] = mask[:, 1, 1] = 0  # the first cell and the third, in drawing order
        asked = request(name, given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
        out = search(name, enough(name), params, asked)
        cost, _ = costs(name, params, asked, tokens)
        free = mask[..., [1, 0]].reshape(2, -1) > 0
        for n in range(2):
            fits = ((tokens == given[n]) | (mask[n] > 0)).all((1, 2)) & ended(name, tokens)
            best = np.where(fits, cost[n].sum(1), np.inf).argmin()
            np.testing.assert_array_equal(out["tokens"][n], tokens[best])
            np.testing.assert_allclose(out["log_prob"][n], -cost[n, best][free[n]].sum(), rtol=1e-5)
            alone = np.where(fits, (cost[n] * free[n]).sum(1), np.inf).argmin()
            differ += (serial[alone] != serial[best]).any()
    assert differ  # what is given later is not only kept but heeded


def test_a_primer_takes_up_no_beams():
    _, tokens = all_pieces("tokens")
    primers = np.array(list(itertools.product(range(SMALL.size), repeat=2)), np.int32)
    given = np.pad(primers, ((0, 0), (0, 2)))
    mask = np.broadcast_to(np.array([[0, 0, 1, 1]], np.int32), given.shape)
    asked = request("tokens", len(given), given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
    better = 0
    for params in make("tokens")[1]:
        # As many as there are tokens, so that all may stand in the first of two free cells.
        out, one = (np.asarray(search("tokens", w, params, asked)["tokens"]) for w in (SMALL.size, 1))
        cost, _ = costs("tokens", params, request("tokens", 1), tokens)
        for n, primer in enumerate(primers):
            fits = (tokens[:, :2] == primer).all(1)
            np.testing.assert_array_equal(out[n], tokens[np.where(fits, cost[0].sum(1), np.inf).argmin()])
        better += (out != one).any(1).sum()
    assert better, "the test would pass with copies of one beam"


@pytest.mark.slow
def test_a_net_that_reads_ahead_is_searched_for_the_likeliest_filling():
    small = {"width": 16, "feed_forward": 12, "heads": 2, "num_layers": 1, "head": 8, "reader_layers": 1}
    model = transformer.make(dataclasses.replace(transformer.VOICES, conditions=(), order=(1, 0), **small), TWO)
    given = np.random.default_rng(0).integers(0, TWO.size, (1, 3, 2)).astype(np.int32)
    mask = np.ones_like(given)
    mask[:, 1:, 1] = mask[:, 2, 0] = 0
    free = np.nonzero(mask[0])
    pieces = np.repeat(given, TWO.size ** len(free[0]), axis=0)
    pieces[:, *free] = list(itertools.product(range(TWO.size), repeat=len(free[0])))
    batch = {"tokens": pieces, "infill_mask": np.repeat(mask, len(pieces), axis=0)}
    asked = Request(1, 3, given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
    find = jax.jit(lambda p: beam.search(model.decoder, TWO, p, {}, asked, beams=9))
    nll = jax.jit(lambda p: model.likelihood.nll(p, {}, batch))
    for seed in range(3):
        params = jax.tree.map(lambda p: p * 4, model.init(jax.random.key(seed), tiny.random_batch(TWO, 1, 3))[0])
        cost = np.asarray(nll(params)).reshape(len(pieces), -1).sum(1)
        out = find(params)
        np.testing.assert_array_equal(out["tokens"][0], pieces[cost.argmin()])
        np.testing.assert_allclose(out["log_prob"][0], -cost.min(), rtol=1e-4)


@pytest.mark.parametrize("name", NETS)
def test_one_beam_is_the_greedy_choice(name):
    for params in make(name)[1]:
        asked = request(name, frames=6, choice=Choice(temperature=0.0))
        out, greedy = search(name, 1, params, asked), sampler(name)(params, {}, jax.random.key(0), asked)
        for field in ("tokens", "length"):
            np.testing.assert_array_equal(out[field], greedy[field])
        np.testing.assert_allclose(out["log_prob"], greedy["log_prob"], rtol=1e-5)


def test_more_beams_find_better_pieces():
    asked = request("frames", frames=6)
    one, four = (np.array([search("frames", w, p, asked)["log_prob"] for p in make("frames")[1]]) for w in (1, 4))
    assert (four >= one - 1e-5).all()
    assert (four > one + 1e-3).any()


def around():
    """A request with given cells: of each piece others."""
    given = np.random.default_rng(0).integers(0, 2, (3, 6, 2)).astype(np.int32)
    mask = np.ones_like(given)
    mask[0, 3, 0] = mask[1, :, 0] = mask[2, :2] = 0
    return given, mask, request("ends", 3, 6, given=jnp.asarray(given), infill_mask=jnp.asarray(mask))


def test_given_cells_are_kept_and_no_piece_ends_before_the_last():
    given, mask, asked = around()
    for params in make("ends")[1]:
        out = search("ends", 5, params, asked, tilt=50.0)  # all would end at once
        np.testing.assert_array_equal(np.where(mask == 0, out["tokens"], 0), np.where(mask == 0, given, 0))
        assert out["length"].tolist() == [5, 6, 3]


def test_a_constraint_holds():
    constraint = constraints.by_stream(np.array([[False, False, True], [True, True, True]]))
    free = []
    for params in make("frames")[1]:
        tokens = search("frames", 4, params, request("frames", frames=6, constraint=constraint))["tokens"]
        assert (tokens[..., 0] == 2).all()
        free.append(search("frames", 4, params, request("frames", frames=6))["tokens"])
    assert (np.stack(free)[..., 0] != 2).any()


def test_a_constraint_may_have_a_row_for_each_piece():
    rows = jnp.asarray([[False, True, True], [True, False, False]])
    constraint = jax.tree_util.Partial(lambda rows, frame, stream, values: rows, rows)
    asked = request("frames", frames=6, constraint=constraint)
    tokens = search("frames", 4, make("frames")[1][0], asked)["tokens"]
    assert (tokens[0] > 0).all() and (tokens[1] == 0).all()


def test_a_piece_does_not_depend_on_its_neighbours():
    _, _, asked = around()
    params = make("ends")[1][0]
    together = search("ends", 5, params, asked)
    for n in range(3):
        # The same shapes, so that nothing compiles anew: the piece thrice.
        given, mask, conditions = jax.tree.map(
            lambda x, n=n: jnp.tile(x[n : n + 1], (3,) + (1,) * (x.ndim - 1)),
            (asked.given, asked.infill_mask, asked.conditions),
        )
        out = search("ends", 5, params, Request(3, 6, given=given, infill_mask=mask, conditions=conditions))
        for row in range(3):
            np.testing.assert_array_equal(out["tokens"][row], together["tokens"][n])
            np.testing.assert_allclose(out["log_prob"][row], together["log_prob"][n], rtol=1e-5)


@pytest.mark.slow
def test_the_cache_of_a_transformer_follows_its_hypothesis():
    t = tiny.make("transformer", "chorale-frames")
    params = jax.tree.map(lambda p: p * 2, t.params)
    asked = tiny.request(t.vocabulary, 3)
    pair = t.model.decoder
    out = jax.jit(lambda p, r: beam.search(pair, t.vocabulary, p, t.state, r, beams=3))(params, asked)
    tokens = np.asarray(out["tokens"])
    batch = {**t.batch, **asked.conditions, "tokens": tokens, "pad_mask": np.ones_like(t.batch["pad_mask"])}
    nll = np.asarray(tiny.scorer("transformer", "chorale-frames")(params, t.state, batch))
    order = list(pair.order) or list(range(t.vocabulary.streams))
    ended = np.cumsum(tokens[..., order].reshape(3, -1) == t.vocabulary.id("end"), axis=1) > 0
    real = ~np.pad(ended, ((0, 0), (1, 0)))[:, :-1]
    np.testing.assert_allclose(out["log_prob"], -(nll[..., order].reshape(3, -1) * real).sum(1), rtol=1e-4)


def test_what_has_no_tokens_to_rank_is_refused():
    model, params = make("tokens")
    pair, asked = model.decoder, request("tokens")
    for what in ((pair, vocabulary.pianoroll()), (pair._replace(draw=lambda params, choice: None), SMALL)):
        with pytest.raises(ValueError, match="beam search needs tokens"):
            beam.search(*what, params[0], {}, asked, beams=2)
    with pytest.raises(ValueError, match="beams is 0"):
        beam.search(pair, SMALL, params[0], {}, asked, beams=0)
