"""What the recurrent family means: nothing looks ahead, the chain rule holds, and its cells are the textbook's.

The nets over binary frames are tested here over the stacks of both families.
"""

import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import linen as nn

from musejax import vocabulary
from musejax.base import Choice
from musejax.models import recurrent, transformer
from musejax.nn import interval_head, recurrent_cells
from musejax.nn import recurrent_stack as nets
from musejax.nn.features import key_history, voice_history

every_preset = pytest.mark.parametrize(("family", "preset"), tiny.LEFT_TO_RIGHT, ids=[p for _, p in tiny.LEFT_TO_RIGHT])


def field(table):
    return "frames" if table.kind == "bits" else "tokens"


@every_preset
def test_the_likelihood_of_a_cell_does_not_depend_on_later_cells(family, preset):
    t = tiny.make(family, preset)
    name, streams = field(t.vocabulary), t.vocabulary.streams
    order = t.model.decoder.order or tuple(range(streams))
    # Scaled up, so that what is read is seen: a fresh net's last layers are near 0.
    nll = functools.partial(tiny.scorer(family, preset), jax.tree.map(lambda p: p * 3, t.params), t.state)
    before = np.asarray(nll(t.batch)).reshape(3, tiny.FRAMES, -1)
    felt = 0
    for frame, place in itertools.product((0, 4, 7), range(streams)):
        changed = t.batch[name].copy()
        if name == "frames":
            changed[:, frame] = 1 - changed[:, frame]
        elif streams == 1:
            changed[:, frame] = (changed[:, frame] + 1) % t.vocabulary.size
        else:
            changed[:, frame, order[place]] = (changed[:, frame, order[place]] + 1) % t.vocabulary.size
        after = np.asarray(nll({**t.batch, name: changed})).reshape(before.shape)
        np.testing.assert_allclose(after[:, :frame], before[:, :frame], atol=1e-6)
        if name == "tokens":
            earlier = list(order[:place])
            np.testing.assert_allclose(after[:, frame, earlier], before[:, frame, earlier], atol=1e-6)
        felt += bool((np.abs(after[:, frame + 1 :] - before[:, frame + 1 :]) > 1e-6).any())
    assert felt == 3 * streams  # the past is read


def make(table, family=recurrent, **kwargs):
    sizes = {"hidden": 6, "num_layers": 1, "embed": 5, "head": 5}
    if family is transformer:
        sizes = {"width": 8, "heads": 2, "feed_forward": 6, "num_layers": 1, "head": 5}
    model = tiny.compiled(family.make(family.Config(**{**sizes, **kwargs}), table))
    batch = tiny.random_batch(table, 2, 3)
    params, state = model.init(jax.random.key(0), batch)
    return model, jax.tree.map(lambda p: p * 3, params), state


SMALL = vocabulary.melody(60, 61)
TWO = vocabulary.Vocabulary(
    name="two", version=1, ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 61)), streams=2
)
HOLDS = vocabulary.Vocabulary(
    name="holds",
    version=1,
    ranges=(vocabulary.EventRange("pitch", 60, 63), vocabulary.EventRange("hold"), vocabulary.EventRange("end")),
    streams=3,
    conditions=(("beat", 4), ("key", 15)),
)
KEYS = vocabulary.pianoroll(60, 62)
NETS = {
    "tokens": (SMALL, {}),
    "scalar gru": (SMALL, {"cell": "gru", "inputs": "scalar"}),
    "two streams, tied": (TWO, {"inputs": "embed", "tied": True, "layer_norm": True}),
    "residual": (TWO, {"num_layers": 3, "residual": True}),
    "frames": (TWO, {"net": "frame", "order": (1, 0)}),
    "bits": (KEYS, {"net": "frame", "conditions": ("beat",)}),
    "bits, plain": (KEYS, {"net": "frame", "history": False}),
    "bits, joint": (KEYS, {"net": "frame", "conditions": ("beat",), "nade": 4}),
    "bits, joint, plain": (KEYS, {"net": "frame", "history": False, "nade": 4, "cell": "gru"}),
    "bits, attention": (KEYS, {"family": transformer, "net": "frame", "conditions": ("beat",)}),
    "bits, joint, attention": (KEYS, {"family": transformer, "net": "frame", "nade": 4, "span": 4}),
}


@pytest.mark.parametrize("name", NETS)
def test_probabilities_of_all_pieces_sum_to_one(name):
    table, config = NETS[name]
    model, params, state = make(table, **config)
    frames = 3 if table is SMALL else 2
    if table.kind == "bits":
        all_frames = list(itertools.product((0, 1), repeat=table.size))
        pieces = np.array(list(itertools.product(all_frames, repeat=frames)), np.int32)
    else:
        pieces = np.array(list(itertools.product(range(table.size), repeat=frames * table.streams)), np.int32)
        pieces = pieces.reshape(-1, frames, table.streams) if table.streams > 1 else pieces
    batch = tiny.random_batch(table, len(pieces), frames)
    batch = {k: np.tile(v[:1], (len(pieces),) + (1,) * (v.ndim - 1)) for k, v in batch.items()}
    nll = np.asarray(jax.jit(model.likelihood.nll)(params, state, {**batch, field(table): pieces}))
    each = np.exp(-nll.reshape(len(pieces), -1).sum(1))
    np.testing.assert_allclose(each.sum(), 1.0, rtol=1e-5)
    assert each.max() > 1.5 * each.min()


@pytest.mark.parametrize("name", [*NETS, "frames with holds"])
def test_the_likelihood_is_the_chain_rule_one_step_at_a_time(name):
    table, config = NETS.get(
        name, (HOLDS, {"net": "frame", "order": (2, 0, 1), "conditions": ("key", "beat"), "cell": "gru"})
    )
    model, params, state = make(table, **config)
    frames = 9
    batch = tiny.random_batch(table, 2, frames, seed=4)
    if table is HOLDS:
        batch["tokens"][:, 4:8] = batch["tokens"][:, :4]  # so that there is a match
    order = model.decoder.order or tuple(range(table.streams))
    expected = np.asarray(jax.jit(model.likelihood.nll)(params, state, batch)).reshape(2, frames, -1)
    step = jax.jit(model.decoder.step)
    cache = model.decoder.init_cache(params, state, 2, frames)
    cells_of = batch[field(table)].reshape(2, frames, table.streams, -1)
    bits = table.kind == "bits"
    previous = jnp.full((2, table.size) if bits else (2,), model.decoder.start, jnp.int32)
    for pos in range(frames * len(order)):
        frame, stream = pos // len(order), order[pos % len(order)]
        here = {n: jnp.asarray(batch[n][:, frame]) for n, _ in table.conditions}
        logits, cache = step(params, state, cache, previous, jnp.asarray(pos), here)
        if model.decoder.draw is not None:
            previous = jnp.asarray(cells_of[:, frame, 0])
            found = model.decoder.draw(params, Choice()).nll(logits, previous)
            np.testing.assert_allclose(found, expected[:, frame, 0], atol=1e-5)
            continue
        logits = np.asarray(logits, np.float64)
        if bits:
            value = cells_of[:, frame, 0]
            found = (np.log1p(np.exp(logits)) - logits * value).sum(-1)
            previous = jnp.asarray(value)
        else:
            value = cells_of[:, frame, stream, 0]
            found = np.log(np.exp(logits).sum(-1)) - logits[np.arange(2), value]
            previous = jnp.asarray(value)
        # Sums over 88 keys in float32 differ in the sixth digit from one machine to another.
        np.testing.assert_allclose(found, expected[:, frame, 0 if bits else stream], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("table", [HOLDS, TWO], ids=["holds", "pitches"])
def test_history_of_whole_pieces_is_that_of_push_and_read(table):
    t = voice_history.tables(table)
    frames = np.random.default_rng(0).integers(0, table.size, (3, 30, table.streams)).astype(np.int32)
    frames[:, 16:26] = frames[:, 4:14]
    whole = jax.jit(lambda f: voice_history.read_all(t, f))(frames)
    push, read = jax.jit(lambda h, f: voice_history.push(t, h, f)), jax.jit(lambda h: voice_history.read(t, h))
    h = voice_history.start(t, 3, 40, table.streams)  # more room than is needed changes nothing
    for i in range(30):
        for name, value in read(h).items():
            np.testing.assert_array_equal(value, whole[name][:, i], err_msg=f"{name} {i}")
        h = push(h, frames[:, i])
    assert int(whole["match_length"].max()) >= 4


def test_a_piece_without_an_end_is_for_ever_in_its_middle():
    found = {"place": jnp.asarray([3, 7, 8, 11, 12, 8]), "match_length": jnp.asarray([5, 5, 5, 0, 1, 5])}
    told = voice_history.pretend_endless(found, jnp.asarray([1, 1, 1, 1, 1, 0]))
    np.testing.assert_array_equal(told["place"], [3, 7, 4, 7, 4, 8])
    np.testing.assert_array_equal(told["match_length"], [5, 5, 1, 0, 1, 5])


def test_a_match_is_what_followed_the_longest_run_that_occurred_before():
    t = voice_history.tables(TWO)
    cycle = np.array([[0, 1], [1, 2], [2, 0], [2, 2], [0, 0], [1, 1], [0, 2], [2, 1]])
    frames = np.concatenate([cycle, cycle])[None].astype(np.int32)
    out = voice_history.read_all(t, frames)
    np.testing.assert_array_equal(out["match"][0, 9:], frames[0, 9:])
    assert (np.asarray(out["match"])[0, :9] == TWO.size).all()  # nothing had occurred before
    np.testing.assert_array_equal(out["previous"][0, 1:], frames[0, :-1])


def test_key_history_of_whole_pieces_is_that_of_push_and_read():
    rng = np.random.default_rng(0)
    frames = (rng.random((2, 70, 5)) < 0.4).astype(np.int32)
    frames[:, 40:60] = frames[:, 10:30]
    whole = jax.jit(key_history.read_all)(frames)
    push, read = jax.jit(key_history.push), jax.jit(key_history.read)
    h = key_history.start(2, 80, 5)
    for i in range(70):
        for name, value in read(h).items():
            np.testing.assert_allclose(
                np.asarray(value, np.float32), np.asarray(whole[name][:, i], np.float32), atol=1e-3, err_msg=name
            )
        h = push(h, frames[:, i])
    assert float(whole["match_weight"][..., -1].max()) > 0.9  # a run of a dozen frames and more


def test_the_gradient_of_placed_intervals_is_that_of_a_plain_version():
    size = 5
    rng = np.random.default_rng(0)
    scores = jnp.asarray(rng.normal(size=(4, 3, 2 * size - 1)), jnp.float32)
    pitch = jnp.asarray(rng.integers(-1, size, (4, 3)))
    weights = jnp.asarray(rng.normal(size=(4, 3, size)), jnp.float32)

    def plain(scores):
        chosen = jax.nn.one_hot(jnp.arange(size)[None, None] - pitch[..., None] + size - 1, 2 * size - 1)
        return jnp.where((pitch >= 0)[..., None], jnp.einsum("bsqi,bsi->bsq", chosen, scores), 0.0)

    np.testing.assert_allclose(interval_head.place_intervals(scores, pitch), plain(scores), rtol=1e-6)
    found = jax.grad(lambda s: (interval_head.place_intervals(s, pitch) * weights).sum())(scores)
    expected = jax.grad(lambda s: (plain(s) * weights).sum())(scores)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.asarray(pitch).min() == -1


def test_matrices_of_several_nets_are_made_one_after_the_other():
    keys = jax.random.split(jax.random.key(0), 3)

    def made(key):
        return nets.orthogonal(key, (4, 8))

    found = jax.vmap(made)(keys)
    np.testing.assert_allclose(found, np.stack([made(key) for key in keys]), atol=1e-6)
    np.testing.assert_allclose(found @ found.swapaxes(1, 2), np.tile(np.eye(4), (3, 1, 1)), atol=1e-6)
    # A QR factorisation of a batch may wait for another's for ever.
    text = str(jax.make_jaxpr(jax.vmap(made))(keys))
    assert "qr[" in text
    assert not re.findall(r"f32\[\d+,\d+,\d+\] [^\n]* = qr\[", text), text


def test_the_lstm_is_flaxs():
    rng = np.random.default_rng(0)
    x, h, c = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 7, 3), (2, 4), (2, 4)))
    w_in, w_rec, bias = (rng.normal(size=s).astype(np.float32) for s in ((3, 16), (4, 16), (16,)))
    params = {}
    for i, gate in enumerate("ifgo"):
        part = slice(4 * i, 4 * i + 4)
        params["i" + gate] = {"kernel": w_in[:, part]}
        params["h" + gate] = {"kernel": w_rec[:, part], "bias": bias[part]}
    cell, carry, expected = nn.OptimizedLSTMCell(4), (c, h), []
    for t in range(7):
        carry, y = cell.apply({"params": params}, carry, x[:, t])
        expected.append(y)
    found, (last_h, last_c) = recurrent_cells.lstm(x, (h, c), *map(jnp.asarray, (w_in, w_rec, bias)))
    np.testing.assert_allclose(found, np.stack(expected, 1), atol=1e-5)
    np.testing.assert_allclose(last_c, carry[0], atol=1e-5)
    np.testing.assert_allclose(last_h, carry[1], atol=1e-5)


def test_the_gru_is_cudnns():
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 4))
    w_in, w_rec, bias, new_bias = (rng.normal(size=s) for s in ((3, 12), (4, 12), (12,), (4,)))
    arrays = [jnp.asarray(a, jnp.float32) for a in (w_in, w_rec, bias, new_bias)]
    found, (last,) = recurrent_cells.gru(jnp.asarray(x, jnp.float32), (jnp.asarray(h, jnp.float32),), *arrays)

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    for t in range(7):
        a, b = x[:, t] @ w_in + bias, h @ w_rec
        r, z = sigmoid(a[:, :4] + b[:, :4]), sigmoid(a[:, 4:8] + b[:, 4:8])
        n = np.tanh(a[:, 8:] + r * (b[:, 8:] + new_bias))
        h = (1 - z) * n + z * h
        np.testing.assert_allclose(found[:, t], h, atol=1e-5)
    np.testing.assert_allclose(last, h, atol=1e-5)
