"""Coconet: hidden cells stay hidden, the orderless cost is the mean over all orders, state is explicit."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import vocabulary
from musejax.models import coconet
from musejax.models.coconet import networks as nets
from musejax.models.coconet import orders

TABLE = dataclasses.replace(
    vocabulary.chorale(holds=False),
    name="chorale-pitches",
    ranges=(vocabulary.EventRange("rest"), vocabulary.EventRange("pitch", 60, 65)),
)
FRAMES = 12
CONFIGS = {
    "grid": coconet.Config(num_layers=4, width=6),
    "frame": coconet.Config(net="frame", num_layers=4, width=12, head=8, conditions=("beat",)),
    "attentive": coconet.Config(net="frame", num_layers=4, width=16, attention=1, head=8, conditions=("beat",)),
}
# The attentive network has all parts of the plain one over frames.
each = pytest.mark.parametrize(
    "net", [pytest.param(net, marks=[pytest.mark.slow] if net == "frame" else []) for net in CONFIGS]
)


def batch(rows, frames=FRAMES, seed=0):
    tokens = np.random.default_rng(seed).integers(0, TABLE.size, (rows, frames, 4)).astype(np.int32)
    ones = np.ones((rows, frames), np.int32)
    beat = np.tile(np.arange(frames, dtype=np.int32) % 16, (rows, 1))
    return {"tokens": tokens, "beat": beat, "pad_mask": ones, "loss_mask": ones}


@functools.cache
def make(net):
    return tiny.compiled(coconet.make(CONFIGS[net], TABLE))


@functools.cache
def variables(net):
    """Parameters that are not near 0, and statistics that are not those of the start."""
    model = make(net)
    params, state = model.init(jax.random.key(0), batch(1))
    params = jax.tree.map(lambda p: p + 0.3 * jax.random.normal(jax.random.key(p.size), p.shape), params)
    return params, jax.tree.map(lambda s: s + 0.5 * jax.random.uniform(jax.random.key(s.size), s.shape), state)


@functools.cache
def compiled(net):
    config, (params, state) = CONFIGS[net], variables(net)
    if net == "grid":
        module = nets.Grid(TABLE, config.num_layers, config.width, False)
    else:
        width, every = config.width, config.attention
        module = nets.Frames(TABLE, config.num_layers, width, every, config.head, config.conditions, 0.0, 0.0, 0.0)

    def logits(tokens, hidden, real):
        beat = jnp.broadcast_to(jnp.arange(tokens.shape[1]) % 16, tokens.shape[:2])
        return module.apply({"params": params, **state}, tokens, hidden, real, {"beat": beat}, jnp.float32, None)

    return jax.jit(logits)


@each
def test_a_hidden_cell_has_no_say_and_a_known_one_has(net):
    rng, tokens = np.random.default_rng(1), batch(8)["tokens"]
    hidden, real = rng.random(tokens.shape) < 0.5, np.ones(tokens.shape[:2], bool)
    first = compiled(net)(tokens, hidden, real)
    other = np.where(hidden, rng.integers(0, TABLE.size, tokens.shape), tokens)
    np.testing.assert_array_equal(compiled(net)(other, hidden, real), first)
    moved = np.where(hidden, tokens, (tokens + 1) % TABLE.size)
    assert (np.abs(np.asarray(compiled(net)(moved, hidden, real)) - first) > 1e-3).any(axis=(1, 2, 3)).all()


@each
def test_what_lies_behind_a_piece_has_no_say(net):
    tokens, real = batch(4)["tokens"], np.ones((4, FRAMES), bool)
    hidden = np.random.default_rng(1).random(tokens.shape) < 0.5
    alone = compiled(net)(tokens[:, :9], hidden[:, :9], real[:, :9])
    real[:, 9:] = False
    np.testing.assert_allclose(compiled(net)(tokens, hidden, real)[:, :9], alone, atol=1e-5)


def test_a_grid_sees_as_far_as_its_layers_reach():
    tokens, real = batch(1)["tokens"], np.ones((1, FRAMES), bool)
    hidden = np.zeros(tokens.shape, bool)
    changed = tokens.copy()
    changed[0, 6] = (changed[0, 6] + 3) % TABLE.size
    difference = np.abs(np.asarray(compiled("grid")(tokens, hidden, real)) - compiled("grid")(changed, hidden, real))
    # Four layers of kernels that are 3 wide.
    assert set(np.flatnonzero(difference.max((0, 2, 3)) > 1e-6)) == set(range(2, 11))


@each
def test_the_orderless_cost_is_the_mean_over_all_orders(net):
    data, rows = batch(1, frames=1, seed=3), 512
    tokens, real = data["tokens"], np.ones((1, 1), bool)
    subsets = np.array(list(itertools.product([False, True], repeat=4)))
    logits = compiled(net)(np.tile(tokens, (16, 1, 1)), subsets[:, None], np.tile(real, (16, 1)))
    costs = -np.take_along_axis(np.asarray(jax.nn.log_softmax(logits))[:, 0], tokens[0, 0][None, :, None], -1)[..., 0]
    of_subset = {tuple(s): c for s, c in zip(subsets.tolist(), costs, strict=True)}
    chains = []
    for order in itertools.permutations(range(4)):
        unseen, total = [True] * 4, 0.0
        for cell in order:
            total += of_subset[tuple(unseen)][cell]
            unseen[cell] = False
        chains.append(total)
    assert np.std(chains) > 0.01
    model, (params, state) = make(net), variables(net)
    many = {name: np.tile(x, (rows,) + (1,) * (x.ndim - 1)) for name, x in data.items()}
    found = np.asarray(jax.jit(model.likelihood.estimate)(params, state, jax.random.key(0), many))
    error = found.std() / rows**0.5
    assert error < 0.03 * np.mean(chains)
    np.testing.assert_allclose(found.mean(), np.mean(chains), atol=4 * error)
    # The validation loss is the same mean, by cell.
    losses = [model.loss(params, state, jax.random.key(k), many, step=0, train=False)[0] * 4 for k in range(4)]
    np.testing.assert_allclose(np.mean(losses), np.mean(chains), atol=4 * error)


def test_hidden_sets_are_of_their_sizes_and_uniform():
    real = np.ones((400, 3, 4), bool)
    real[:, 2, 1:] = False
    number = jnp.asarray(np.arange(400) % 9 + 1)
    hidden = np.asarray(orders.sample_hidden(jax.random.key(0), jnp.asarray(real), number))
    assert not hidden[~real].any()
    np.testing.assert_array_equal(hidden.sum((1, 2)), number)
    shares = hidden[number == 3].mean(0)[real[0]]
    np.testing.assert_allclose(shares, 3 / 9, atol=0.25)
    sizes = np.asarray(orders.sample_sizes(jax.random.key(1), jnp.full(90, 9)))
    np.testing.assert_allclose(np.bincount(sizes, minlength=10)[1:], 10, atol=1)
    singles = np.array([orders.sample_sizes(jax.random.key(k), jnp.array([4]))[0] for k in range(60)])
    assert set(singles.tolist()) == {1, 2, 3, 4}


def test_statistics_are_state_that_training_alone_renews():
    model, (params, state) = make("grid"), variables("grid")
    for train in (True, False):
        _, (after, _) = model.loss(params, state, jax.random.key(0), batch(3), step=0, train=train)
        same = jax.tree.map(lambda a, b: bool((np.asarray(a) == b).all()), state, after)
        assert all(jax.tree.leaves(same)) != train


def test_given_cells_are_kept_and_no_cell_is_left_out():
    from musejax.base import Request
    from musejax.decoding import gibbs

    model, (params, state) = make("frame"), variables("frame")
    data, free = batch(3), np.random.default_rng(2).random((3, FRAMES, 4)) < 0.4
    for sampler in ("gibbs", "ancestral", "upsampling"):
        request = Request(
            num=3, length=FRAMES, given=jnp.asarray(data["tokens"]), infill_mask=jnp.asarray(free.astype(np.int32)),
            conditions={"beat": jnp.asarray(data["beat"])}, sampling=gibbs.Sampling(sampler, 6),
        )  # fmt: skip
        out = jax.jit(model.sample)(params, state, jax.random.key(0), request)
        tokens = np.asarray(out["tokens"])
        np.testing.assert_array_equal(tokens[~free], data["tokens"][~free])
        assert (tokens[free] != data["tokens"][free]).mean() > 0.4
        assert (np.asarray(out["log_prob"]) < 0).all()


MISTAKES = [
    ({"num_layers": 3}, "num_layers is 3; it must be even"),
    ({"width": 0}, "width is 0"),
    ({"attention": 2}, "net = grid has no conditions, attention or dropout"),
    (
        {"net": "frame", "attention": 2, "width": 12},
        "attention is 2, width 12; attention must be at least 0, and width",
    ),
    ({"conditions": ("beat",)}, "net = grid has no conditions"),
    ({"net": "frame", "conditions": ("key",)}, "'key' is not a condition"),
    ({"net": "frame", "dropout": 1.0}, "dropout is 1.0"),
    ({"steps": 0}, "steps is 0"),
]


@pytest.mark.parametrize(("fields", "says"), MISTAKES, ids=[m[-1] for m in MISTAKES])
def test_a_config_that_does_not_fit_is_a_mistake(fields, says):
    with pytest.raises(ValueError, match=says):
        coconet.make(coconet.Config(**fields), TABLE)


def test_it_needs_voices_of_sounding_pitches():
    with pytest.raises(ValueError, match="no voices of sounding pitches, which a Coconet needs"):
        coconet.make(coconet.Config(), vocabulary.chorale())
