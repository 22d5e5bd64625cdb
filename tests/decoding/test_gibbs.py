"""The sampler in any order: given cells stay, what is forbidden never stands, and the distribution is the right one."""

import functools

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import vocabulary
from musejax.base import Choice, Request
from musejax.decoding import autoregressive, constraints, gibbs, gibbs_plans, harmony
from musejax.theory import chords

FRAMES, STREAMS, SIZE = 6, 3, 5
HOLDS = vocabulary.chorale()
PITCHES = vocabulary.chorale(holds=False, name="chorale-pitches")


def lean(tokens, hidden, step):
    """Each cell leans to what stands in the frame before, and to the step's number."""
    seen = jnp.where(hidden, 0, tokens)
    before = jnp.pad(seen, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return jax.nn.one_hot((before + step) % SIZE, SIZE) * 1.5


PLANS = {
    "gibbs": gibbs_plans.annealed(gibbs_plans.bernoulli, gibbs_plans.yao(7), 7),
    "voice": gibbs_plans.annealed(gibbs_plans.voice, gibbs_plans.constant(0.7), 7),
    "span": gibbs_plans.annealed(gibbs_plans.span, gibbs_plans.constant(0.4), 7),
    "contiguous": gibbs_plans.annealed(gibbs_plans.contiguous, gibbs_plans.yao(7), 7),
    "every": gibbs_plans.annealed(gibbs_plans.every, gibbs_plans.constant(1.0), 3),
    "ancestral": gibbs_plans.ancestral(FRAMES * STREAMS),
    "ancestral, few": gibbs_plans.ancestral(4),
    "rounds": gibbs_plans.rounds(STREAMS, 9, 0.5, gibbs_plans.cooling(9, 2.0)),
    "rounds, few": gibbs_plans.rounds(STREAMS, 1, 0.5),
    "rounds from notes": gibbs_plans.rounds(STREAMS, 12, 0.5, from_nothing=False),
    "upsampling": gibbs_plans.upsampling(9, (4, 2, 1)),
    "upsampling, few": gibbs_plans.upsampling(4, (4, 2, 1)),
}


@functools.cache
def compiled(name):
    def run(key, tokens, free, allowed, first):
        keys = autoregressive.piece_keys(key, first, 4)
        return gibbs.sample(lean, PLANS[name], keys, tokens, free, allowed=allowed)

    return jax.jit(run)


@pytest.mark.parametrize("name", PLANS)
@hypothesis.settings(deadline=None, max_examples=15)
@hypothesis.given(seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 0.2, 0.6, 1.0]))
def test_given_cells_stay_and_forbidden_tokens_never_stand(name, seed, share):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, SIZE, (4, FRAMES, STREAMS))
    free = rng.random(tokens.shape) < share
    allowed = rng.random((*tokens.shape, SIZE)) < 0.4
    allowed[..., 0] |= ~allowed.any(-1)
    # What the chain begins with is allowed too, for a plan that does not draw every cell.
    tokens = np.where(free, allowed.argmax(-1), tokens)
    out = np.asarray(compiled(name)(jax.random.key(seed), tokens, free, allowed, 0))
    np.testing.assert_array_equal(out[~free], tokens[~free])
    assert np.take_along_axis(allowed, out[..., None], -1)[..., 0][free].all()


@pytest.mark.parametrize("name", PLANS)
def test_a_piece_is_drawn_from_its_own_key(name):
    tokens, free = np.zeros((4, FRAMES, STREAMS), int), np.ones((4, FRAMES, STREAMS), bool)
    allowed = np.ones((1, 1, 1, SIZE), bool)
    first, later = (np.asarray(compiled(name)(jax.random.key(1), tokens, free, allowed, at)) for at in (0, 2))
    np.testing.assert_array_equal(first[2:], later[:2])
    assert (first[0] != first[1]).any()


def walk(plan, free, key=0):
    """The blocks of every step of a plan, for one piece: bool[steps, T, S] each."""
    key = jax.random.key(key)
    return jax.jit(jax.vmap(lambda step: plan.blocks(key, step, jnp.asarray(free))))(jnp.arange(plan.steps))


def test_every_plan_draws_every_free_cell_and_hides_what_it_has_not_drawn():
    free = np.random.default_rng(0).random((FRAMES, STREAMS)) < 0.7
    for name, plan in PLANS.items():
        blocks = walk(plan, free)
        redraw, hidden = np.asarray(blocks.redraw) & free, np.asarray(blocks.hidden) & free
        if name == "rounds from notes":
            assert not hidden.any()
            continue
        assert (redraw.any(0) == free).all(), name
        drawn = np.zeros_like(free)
        for now, unseen in zip(redraw, hidden, strict=True):
            assert (unseen | drawn)[free].all(), f"{name}: a cell is seen before it is drawn"
            drawn |= now


def test_an_ancestral_plan_draws_each_cell_once_given_those_before():
    free = np.random.default_rng(0).random((FRAMES, STREAMS)) < 0.7
    for steps in (int(free.sum()), 4):
        blocks = walk(gibbs_plans.ancestral(steps), free)
        assert (np.asarray(blocks.redraw).sum(0) == free).all()
        sizes = np.asarray(blocks.redraw).sum((1, 2))
        assert sizes.max() - sizes.min() <= 1
        np.testing.assert_array_equal(np.asarray(blocks.hidden).sum((1, 2)), free.sum() - np.cumsum([0, *sizes[:-1]]))
    orders = [
        np.asarray(walk(gibbs_plans.ancestral(18), np.ones((6, 3), bool), key).redraw).argmax(0) for key in range(2)
    ]
    assert (orders[0] != orders[1]).any()


def test_schedules_fall_as_published():
    shares = [float(gibbs_plans.yao(100)(jnp.asarray(step))) for step in range(100)]
    np.testing.assert_allclose(shares[0], 0.9)
    np.testing.assert_allclose(shares[35], 0.5, atol=1e-6)
    np.testing.assert_allclose(shares[70:], 0.1, atol=1e-6)
    heat = [float(gibbs_plans.cooling(10, 2.0, 0.5)(jnp.asarray(step))) for step in range(10)]
    np.testing.assert_allclose(heat, [2.0, 1.8, 1.6, 1.4, 1.2, 1, 1, 1, 1, 1], rtol=1e-6)


def test_maskers_choose_what_they_say():
    free = jnp.ones((40, 3), bool)
    keys = jax.random.split(jax.random.key(0), 200)

    def chosen(masker, share, step=1):
        return np.asarray(jax.vmap(lambda k: masker(k, free, jnp.asarray(share), jnp.asarray(step)))(keys))

    np.testing.assert_allclose(chosen(gibbs_plans.bernoulli, 0.3).mean(0), 0.3, atol=0.12)
    voice = chosen(gibbs_plans.voice, 0.5, 5)
    assert not voice[..., :2].any() and 0.4 < voice[..., 2].mean() < 0.6
    for masker, alike in ((gibbs_plans.span, True), (gibbs_plans.contiguous, False)):
        found = chosen(masker, 0.25)
        assert (found.sum(1) == 10).all()
        turns = (found != np.roll(found, 1, axis=1)).sum(1)
        assert (turns == 2).all()
        assert (found == found[..., :1]).all() == alike


# A distribution over 2 frames of 2 voices of 3 tokens each, all 81 probabilities of which are known.
JOINT = np.random.default_rng(5).dirichlet(np.full(81, 0.6)).reshape(3, 3, 3, 3)


def exact(tokens, hidden, step):
    """The true conditional of each cell given those that are not hidden, the cell itself left out."""
    cells, unseen = tokens.reshape(-1, 4), hidden.reshape(-1, 4)
    logs = []
    for cell in range(4):
        weights = jnp.broadcast_to(jnp.asarray(JOINT)[None], (len(cells), 3, 3, 3, 3))
        for other in range(4):
            if other != cell:
                axis = jax.nn.one_hot(cells[:, other], 3).reshape(-1, *(3 if a == other else 1 for a in range(4)))
                weights = weights * jnp.where(unseen[:, other].reshape(-1, 1, 1, 1, 1), 1.0, axis)
        logs.append(jnp.log(weights.sum([1 + a for a in range(4) if a != cell])))
    return jnp.stack(logs, 1).reshape(*tokens.shape, 3)


def chi_square(draws):
    counts = np.bincount(np.ravel_multi_index(np.asarray(draws).reshape(-1, 4).T, (3,) * 4), minlength=81)
    expected = JOINT.ravel() * len(draws)
    often = expected >= 5  # the rest in one class
    counts, expected = (np.append(x[often], x[~often].sum()) for x in (counts, expected))
    return ((counts - expected) ** 2 / expected).sum(), len(counts) - 1


NUM = 6000
ONE_VOICE = [gibbs_plans.annealed(gibbs_plans.voice, gibbs_plans.constant(1.0), steps) for steps in (3, 8)]


def drawn(plan, tokens):
    run = jax.jit(lambda key, t: gibbs.sample(exact, plan, jax.random.split(key, NUM), t, jnp.ones(t.shape, bool)))
    return run(jax.random.key(2), tokens)


def one_cell(key, free, share, step):
    return (jnp.arange(4) == jax.random.randint(key, (), 0, 4)).reshape(2, 2)


def test_the_chain_leaves_a_distribution_as_it_is():
    rng = np.random.default_rng(0)
    begin = np.stack(np.unravel_index(rng.choice(81, NUM, p=JOINT.ravel()), (3,) * 4), -1).reshape(NUM, 2, 2)
    plan = gibbs_plans.annealed(one_cell, gibbs_plans.constant(1.0), 7)
    # Without its first step, which begins anew.
    plan = plan._replace(blocks=lambda key, step, free, blocks=plan.blocks: blocks(key, step + 1, free))
    end = drawn(plan, jnp.asarray(begin))
    assert (np.asarray(end) != begin).any(axis=(1, 2)).mean() > 0.5
    value, freedom = chi_square(end)
    assert value < freedom + 5 * (2 * freedom) ** 0.5
    # Cells drawn together are independent of each other, which is another distribution: the test can tell.
    pairs = gibbs_plans.annealed(gibbs_plans.every, gibbs_plans.constant(1.0), 4)
    value, freedom = chi_square(drawn(pairs, jnp.asarray(begin)))
    assert value > freedom + 20 * (2 * freedom) ** 0.5


def test_ancestral_sampling_draws_from_the_joint_distribution():
    value, freedom = chi_square(drawn(gibbs_plans.ancestral(4), jnp.zeros((NUM, 2, 2), int)))
    assert value < freedom + 5 * (2 * freedom) ** 0.5


def test_temperature_and_filters_are_those_of_a_choice():
    tokens, free = jnp.zeros((2, 4, 2), int), jnp.ones((2, 4, 2), bool)

    def logits(tokens, hidden, step):
        return jnp.broadcast_to(jnp.asarray([0.0, 2.0, 1.0]), (*tokens.shape, 3))

    keys = jax.random.split(jax.random.key(0), 2)
    for choice in (Choice(temperature=1e-3), Choice(top_k=1), Choice(top_p=0.1), Choice(min_p=1.0)):
        out = gibbs.sample(logits, gibbs_plans.ancestral(3), keys, tokens, free, choice=choice)
        assert (np.asarray(out) == 1).all()


def answer(table, request):
    def conditional(tokens, hidden, step, real, conditions):
        return jnp.zeros((*tokens.shape, table.size))

    plan = gibbs_plans.annealed(gibbs_plans.bernoulli, gibbs_plans.yao(5), 5)
    return gibbs.answer(conditional, lambda keys, batch: jnp.ones(len(keys)), plan, table, jax.random.key(0), request)


def test_end_stands_behind_each_piece_and_nowhere_else():
    pad_mask = np.arange(8)[None] < np.array([[8], [5]])
    out = answer(HOLDS, Request(num=2, length=8, conditions={"pad_mask": jnp.asarray(pad_mask.astype(np.int32))}))
    end, tokens = HOLDS.id("end"), np.asarray(out["tokens"])
    np.testing.assert_array_equal(out["length"], [8, 5])
    assert (tokens[0, 7] == end).all() and (tokens[1, 4:] == end).all()
    assert (tokens[0, :7] != end).all() and (tokens[1, :4] != end).all()
    assert (tokens[:, 0] != HOLDS.id("hold")).all()
    assert "pad_mask" not in out


def sounding(table, tokens):
    """The pitch that sounds in each cell, -1 for none: int[N, T, S]."""
    pitch = table.values("pitch")[tokens]
    if table.has("hold"):
        for t in range(1, tokens.shape[1]):
            pitch[:, t] = np.where(tokens[:, t] == table.id("hold"), pitch[:, t - 1], pitch[:, t])
    return pitch


@pytest.mark.parametrize("table", [HOLDS, PITCHES], ids=["holds", "pitches"])
def test_a_pitch_that_is_forbidden_somewhere_never_sounds_there(table):
    rng, frames = np.random.default_rng(1), 12
    pitched = table.values("pitch") >= 0
    allowed = np.ones((frames, 4, table.size), bool)
    # Few pitches, others in every stretch of four frames.
    allowed[:, :, pitched] = np.repeat(rng.random((3, 4, pitched.sum())) < 0.1, 4, axis=0)
    request = Request(num=16, length=frames, constraint=constraints.by_cell(table, allowed))
    pitch = sounding(table, np.asarray(answer(table, request)["tokens"]))
    where = table.start("pitch") + pitch - table.range("pitch").min
    fits = np.take_along_axis(allowed[None], np.maximum(where, 0)[..., None], -1)[..., 0]
    assert fits[pitch >= 0].all() and (pitch >= 0).any()


@pytest.mark.parametrize("table", [HOLDS, PITCHES], ids=["holds", "pitches"])
def test_chords_hold_where_cells_are_drawn_in_any_order(table):
    progression = chords.progression("C G Am F", 3, 12)
    request = Request(num=16, length=12, constraint=harmony.chords(table, progression))
    pitch = sounding(table, np.asarray(answer(table, request)["tokens"]))
    heard = np.broadcast_to(progression[None, :, None], (*pitch.shape, 12))
    assert np.take_along_axis(heard, pitch[..., None] % 12, -1)[..., 0][pitch >= 0].all()


def test_a_hold_is_forbidden_only_where_fewer_pitches_are_allowed():
    allowed = np.ones((6, 4, HOLDS.size), bool)
    allowed[2:4, 1, HOLDS.id("pitch", 60)] = False
    may_hold = np.asarray(constraints.narrowed(HOLDS, jnp.asarray(allowed)))[..., HOLDS.id("hold")]
    assert not may_hold[2, 1] and may_hold.sum() == 6 * 4 - 1
