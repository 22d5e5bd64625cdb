"""What the Transformer family means: the cached step is the forward pass, and given cells are read first."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import codecs, vocabulary
from musejax.base import Request
from musejax.models import transformer
from musejax.nn import given_reader
from musejax.nn.features import voice_history

CHORALE = codecs.get("chorale").vocabulary
SMALL = vocabulary.Vocabulary(
    name="small",
    version=1,
    ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 61), vocabulary.EventRange("hold")),
    streams=2,
    conditions=(("beat", 4), ("key", 15)),
)
WIDTHS = {"num_layers": 2, "width": 16, "heads": 2, "feed_forward": 12, "head": 8}
NETS = {
    "rotary": {"net": "token"},
    "relative": {"net": "token", "positions": "relative", "max_distance": 5, "gated": False},
    "sinusoidal, grouped": {"net": "token", "positions": "sinusoidal", "kv_heads": 1, "tied": True},
    "sliding": {"net": "token", "span": 7},
    "sliding, relative": {"net": "token", "span": 9, "positions": "relative", "max_distance": 4},
    "remat": {"net": "token", "remat": True, "conditions": ("beat",)},
    "frames": {
        "net": "frame",
        "order": (0, 3, 2, 1),
        "conditions": ("beat", "key"),
        "place": True,
        "bars_left": 0.5,
    },
    "frames, sliding": {"net": "frame", "span": 3, "positions": "relative"},
    "one voice": {"net": "frame", "phase": True, "place": True, "reader_layers": 1},
    "plain reader": {"net": "frame", "conditions": ("beat",), "reader_layers": 1},
    "reader": {
        "net": "frame",
        "order": (0, 3, 2, 1),
        "conditions": ("beat", "key"),
        "reader_layers": 1,
        "lookahead": True,
    },
}


MELODY = vocabulary.melody(60, 71)
TABLES = {"one voice": MELODY}


@functools.cache
def make(name, table=CHORALE, frames=8):
    config = {k: v for k, v in NETS[name].items() if k != "order" or table.streams == 4}
    model = tiny.compiled(transformer.make(transformer.Config(**{**WIDTHS, **config}), table))
    batch = tiny.random_batch(table, 2, frames, seed=1)
    params, state = model.init(jax.random.key(0), batch)
    return model, batch, params, state


@pytest.mark.parametrize("name", NETS)
def test_the_cached_step_is_the_forward_pass_at_every_position(name):
    table = TABLES.get(name, CHORALE)
    model, batch, params, state = make(name, table)
    pair, frames, streams = model.decoder, 8, table.streams
    order = pair.order or tuple(range(streams))
    expected = np.asarray(jax.jit(model.likelihood.nll)(params, state, batch)).reshape(2, frames, streams)
    step = jax.jit(pair.step)
    ready = params if pair.prepare is None else pair.prepare(params)
    cache = pair.init_cache(ready, state, 2, frames)
    conditions = {n: jnp.asarray(batch[n]) for n, _ in table.conditions}
    if pair.read is not None:
        cache = pair.read(ready, state, cache, batch["tokens"], jnp.ones_like(batch["tokens"]), conditions)
    previous = jnp.full((2,), pair.start, jnp.int32)
    for pos in range(frames * streams):
        frame, stream = pos // streams, order[pos % streams]
        here = {n: c[:, frame] for n, c in conditions.items()}
        logits, cache = step(ready, state, cache, previous, jnp.asarray(pos), here)
        previous = jnp.asarray(batch["tokens"].reshape(2, frames, streams)[:, frame, stream])
        nll = -jax.nn.log_softmax(logits)[jnp.arange(2), previous]
        np.testing.assert_allclose(nll, expected[:, frame, stream], atol=1e-5)


def test_a_span_shorter_than_the_piece_forgets_what_lies_before():
    config = {**WIDTHS, "net": "token", "span": 4, "num_layers": 1}
    table = vocabulary.melody(60, 71)
    model = tiny.compiled(transformer.make(transformer.Config(**config), table))
    batch = tiny.random_batch(table, 1, 12)
    params, state = model.init(jax.random.key(0), batch)
    params = jax.tree.map(lambda p: p * 3, params)
    nll = functools.partial(jax.jit(model.likelihood.nll), params, state)
    changed = batch["tokens"].copy()
    changed[:, 2] = (changed[:, 2] + 1) % table.size
    moved = np.abs(np.asarray(nll({**batch, "tokens": changed}) - nll(batch)))[0]
    assert (moved[[2, 3, 6]] > 1e-4).all()
    assert (moved[7:] == 0).all()  # position 7 reads tokens 3 to 6


@pytest.mark.parametrize("mask", ["first voice", "ends", "nothing"])
def test_probabilities_of_all_fillings_sum_to_one(mask):
    model, batch, params, state = make("reader", SMALL, 3)
    params = jax.tree.map(lambda p: p * 2, params)
    free = np.ones((3, 2), np.int32)
    if mask == "first voice":
        free[:, 0] = 0
    elif mask == "ends":
        free[[0, 2]] = 0
    places = np.argwhere(free)
    fillings = np.array(list(itertools.product(range(SMALL.size), repeat=len(places))), np.int32)
    tokens = np.tile(batch["tokens"][:1], (len(fillings), 1, 1))
    tokens[:, places[:, 0], places[:, 1]] = fillings
    many = {k: np.tile(v[:1], (len(fillings),) + (1,) * (v.ndim - 1)) for k, v in batch.items()}
    many = {**many, "tokens": tokens, "infill_mask": np.tile(free[None], (len(fillings), 1, 1))}
    nll = np.asarray(jax.jit(model.likelihood.nll)(params, state, many))
    assert (nll[:, free == 0] == 0).all()
    each = np.exp(-nll.sum((1, 2), dtype=np.float64))
    np.testing.assert_allclose(each.sum(), 1.0, rtol=1e-4)
    assert each.max() > 1.2 * each.min()


def test_given_cells_are_read_ahead_of_their_turn_and_free_ones_are_not():
    model, batch, params, state = make("reader")
    params = jax.tree.map(lambda p: p * 3, params)
    nll = functools.partial(jax.jit(model.likelihood.nll), params, state)
    free = np.ones_like(batch["tokens"])
    free[:, 6] = 0
    changed = batch["tokens"].copy()
    changed[:, 6] = (changed[:, 6] + 1) % CHORALE.size
    given_moves = np.abs(nll({**batch, "tokens": changed, "infill_mask": free}) - nll({**batch, "infill_mask": free}))
    assert (given_moves[0, :6] > 1e-6).all()  # in the other row that frame is padding
    free_moves = np.abs(nll({**batch, "tokens": changed}) - nll(batch))
    np.testing.assert_allclose(free_moves[:, :6], 0, atol=1e-6)


def test_a_net_that_is_given_nothing_does_not_know_how_long_the_piece_is():
    model, batch, params, state = make("reader")
    nll = jax.jit(model.likelihood.nll)
    short = {k: v[:, :5] for k, v in batch.items()}
    short["pad_mask"] = batch["pad_mask"][:, :5]
    np.testing.assert_allclose(nll(params, state, short), nll(params, state, batch)[:, :5], atol=1e-5)


def test_a_net_that_is_told_how_many_bars_are_left_is_scored_without():
    model, batch, params, state = make("frames")
    nll, step = jax.jit(model.likelihood.nll), jax.jit(model.decoder.step)
    told = {**batch, "bars_left": np.zeros((2, 8), np.int32)}
    np.testing.assert_array_equal(nll(params, state, batch), nll(params, state, told))
    params = jax.tree.map(lambda p: p * 3, params)
    conditions = {n: jnp.asarray(batch[n][:, 0]) for n, _ in CHORALE.conditions}
    previous, at = jnp.full((2,), CHORALE.size, jnp.int32), jnp.asarray(0)

    def first(**more):
        cache = model.decoder.init_cache(params, state, 2, 8)
        return np.asarray(step(params, state, cache, previous, at, {**conditions, **more})[0])

    left = [first(bars_left=jnp.full((2,), n)) for n in (0, 5, voice_history.LEFT)]
    np.testing.assert_allclose(left[2], first(), atol=1e-6)
    assert np.abs(left[0] - left[1]).max() > 1e-4 and np.abs(left[0] - left[2]).max() > 1e-4


def test_bars_left_are_counted_from_the_end():
    t = voice_history.tables(CHORALE)
    found = np.asarray(voice_history.bars_left(t, jnp.asarray([40, 600]), 600))
    assert found[0, 39] == found[0, 24] == 0 and found[0, 23] == 1 and found[0, 0] == 2
    assert found[1].max() == voice_history.LEFT - 1 and found[1, 0] == voice_history.LEFT - 1 and found[1, 599] == 0


def test_the_sampler_keeps_given_cells_and_scores_the_free_ones():
    model, batch, params, state = make("reader")
    free = np.asarray(jax.random.bernoulli(jax.random.key(3), 0.5, batch["tokens"].shape)).astype(np.int32)
    tokens = batch["tokens"] % CHORALE.id("end")  # no END, so that nothing is cut
    request = Request(
        num=2, length=8, given=jnp.asarray(tokens), infill_mask=jnp.asarray(free),
        conditions={n: jnp.asarray(batch[n]) for n, _ in CHORALE.conditions},
        constraint=jax.tree_util.Partial(lambda frame, stream, values: jnp.arange(CHORALE.size) != CHORALE.id("end")),
    )  # fmt: skip
    out = jax.jit(model.sample)(params, state, jax.random.key(0), request)
    found = np.asarray(out["tokens"])
    assert (found[free == 0] == tokens[free == 0]).all()
    scored = {**batch, "pad_mask": np.ones((2, 8), np.int32), "tokens": found, "infill_mask": free}
    nll = np.asarray(jax.jit(model.likelihood.nll)(params, state, scored))
    np.testing.assert_allclose(out["log_prob"], -nll.sum((1, 2)), rtol=1e-4)


def test_masks_for_training_hold_every_kind():
    masks: np.ndarray = np.asarray(given_reader.sample_masks(jax.random.key(0), 400, 96, 4))
    free = masks.mean((1, 2))
    voices = masks.any(1)
    frames = masks.any(2)
    assert (free == 1).mean() > 0.15
    one_kept = (masks.mean(1) == 0).sum(1) == 1
    assert (one_kept & (free == 0.75)).mean() > 0.15
    assert (voices.all(1) & ~frames.all(1)).mean() > 0.1  # a gap in all voices
    assert (~voices.all(1) & ~frames.all(1)).mean() > 0.03  # some voices of a stretch
    one_stream: np.ndarray = np.asarray(given_reader.sample_masks(jax.random.key(0), 400, 96, 1))
    assert (one_stream.mean((1, 2)) == 1).mean() > 0.3
    assert 0.2 < one_stream.mean() < 0.9


def test_gaps_for_training_are_many_and_mostly_short():
    free: np.ndarray = np.asarray(given_reader.sample_gaps(jax.random.key(0), 500, 192))
    edges = np.diff(np.pad(free.astype(int), ((0, 0), (1, 1))))
    lengths = np.flatnonzero((edges == -1).ravel()) - np.flatnonzero((edges == 1).ravel())
    assert 0.25 < free.mean() < 0.5
    assert 8 < np.median(lengths) < 32
    assert ((edges == 1).sum(1) > 1).mean() > 0.5


def test_a_held_given_note_is_known_by_its_pitch_unless_its_onset_is_free():
    t = voice_history.tables(CHORALE)
    hold, pitch, free = CHORALE.id("hold"), CHORALE.id("pitch", 60), CHORALE.size
    cells = jnp.asarray([[[hold], [pitch], [hold], [free], [hold], [pitch], [hold]]])
    found = given_reader.sounding_tokens(t, cells)[0, :, 0]
    np.testing.assert_array_equal(found, [free, pitch, pitch, free, free, pitch, pitch])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"heads": 3}, "width is 16 and heads 3; width / heads must be an even"),
        ({"heads": 16}, "must be an even whole number"),
        ({"kv_heads": 3}, "kv_heads is 3; it must divide heads"),
        ({"span": 0}, "span is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"reader_layers": 1}, "reader_layers needs net = frame"),
        ({"net": "frame", "lookahead": True}, "lookahead needs reader_layers"),
        ({"conditions": ("chord",)}, "'chord' is not a condition"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        transformer.make(transformer.Config(**{**WIDTHS, **fields}), CHORALE)
