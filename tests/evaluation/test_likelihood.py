"""Likelihood of whole pieces against scorers in plain NumPy, and the names of what is no exact likelihood."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import errors, vocabulary
from musejax.base import Info, Likelihood, Model
from musejax.evaluation import likelihood
from musejax.models import recurrent
from musejax.pipeline import dataset

MELODY = vocabulary.melody(60, 63)
KEYS = vocabulary.pianoroll(60, 64)


def trained(table, **config):
    """A small net with weights that are not near 0, and three pieces of unlike length."""
    model = tiny.compiled(recurrent.make(recurrent.Config(hidden=5, **config), table))
    rng = np.random.default_rng(3)
    items = []
    for length in (7, 12, 70):
        shape = (length, table.size) if table.kind == "bits" else (length,)
        arrays = {"frames" if table.kind == "bits" else "tokens": rng.integers(0, 2, shape).astype(np.int32)}
        items.append(dataset.Item(f"piece {length}", "group", arrays))
    batch = {k: v[None] for k, v in items[0].arrays.items()}
    params, state = model.init(jax.random.key(1), batch)
    params = jax.tree.map(lambda p: p * 2 + 0.1 * jnp.sin(jnp.arange(p.size).reshape(p.shape)), params)
    return model, {"params": params, "state": state}, items


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def states(stack, inputs):
    """The last layer's output after each input, by the equations of an LSTM."""
    layers = [stack[f"layer_{i}"] for i in range(len(stack))]
    h = [np.zeros(5) for _ in layers]
    c = [np.zeros(5) for _ in layers]
    for x in inputs:
        for i, layer in enumerate(layers):
            gates = x @ layer["input"] + h[i] @ layer["recurrent"] + layer["bias"]
            enter, keep, new, leave = np.split(gates, 4)
            c[i] = sigmoid(keep) * c[i] + sigmoid(enter) * np.tanh(new)
            h[i] = sigmoid(leave) * np.tanh(c[i])
            x = h[i]
        yield x


def test_a_scorer_in_plain_numpy_agrees_on_tokens():
    model, variables, items = trained(MELODY, num_layers=2)
    scores = likelihood.score_pieces(model, variables, items, batch_size=2)
    params = jax.tree.map(lambda p: np.asarray(p, np.float64), variables["params"])
    for item, found in zip(items, scores.nll, strict=True):
        tokens, total = item.arrays["tokens"], 0.0
        inputs = np.eye(MELODY.size)[np.concatenate([[0], tokens[:-1]])]
        inputs[0] = 0
        for h, token in zip(states(params["stack"], inputs), tokens, strict=True):
            logits = h @ params["output"]["kernel"] + params["output"]["bias"]
            total -= logits[token] - np.log(np.exp(logits).sum())
        np.testing.assert_allclose(found, total, rtol=1e-5)
    np.testing.assert_array_equal(scores.cells, [7, 12, 70])


def test_a_scorer_in_plain_numpy_agrees_on_joint_frames():
    model, variables, items = trained(KEYS, net="frame", num_layers=1, history=False, nade=3)
    scores = likelihood.score_pieces(model, variables, items)
    params = jax.tree.map(lambda p: np.asarray(p, np.float64), variables["params"])
    joint = params["nade"]
    for item, found, first in zip(items, scores.nll, scores.first, strict=True):
        frames, costs = item.arrays["frames"], []
        inputs = np.concatenate([np.zeros((1, KEYS.size)), frames[:-1]])
        for h, frame in zip(states(params["stack"], inputs), frames, strict=True):
            logits = h @ params["output"]["kernel"] + params["output"]["bias"]
            hidden, cost = h @ params["hidden"]["kernel"] + params["hidden"]["bias"], 0.0
            for key, on in enumerate(frame):
                p = sigmoid(logits[key] + np.maximum(hidden, 0) @ joint["writes"][key])
                cost -= np.log(p if on else 1 - p)
                hidden = hidden + on * joint["reads"][key]
            costs.append(cost)
        np.testing.assert_allclose(found, sum(costs), rtol=1e-5)
        np.testing.assert_allclose(first, costs[0], rtol=1e-5)


def model_of(score):
    return Model(Info(None), lambda *a: ({}, {}), lambda *a, **k: None, lambda *a: {}, score)


ITEMS = [dataset.Item(str(n), str(n), {"tokens": np.arange(n) % 3}) for n in (4, 6, 9)]
EMPTY = {"params": {}, "state": {}}


def coin(params, state, key, batch):
    """-log of an importance weight: z is one of two biases, drawn from a q that is not the posterior."""
    ones = (batch["tokens"] == 1).astype(jnp.float32) * batch["pad_mask"]
    n, k = batch["pad_mask"].sum(1).astype(jnp.float32), ones.sum(1)
    z = jax.random.bernoulli(key, 0.3, n.shape)
    bias, prior = jnp.where(z, 0.8, 0.2), 0.5
    q = jnp.where(z, 0.3, 0.7)
    return jnp.log(q) - jnp.log(prior) - k * jnp.log(bias) - (n - k) * jnp.log(1 - bias)


def test_bounds_of_a_latent_model_lie_above_its_likelihood_and_close_in_on_it():
    model = model_of(Likelihood("bound", estimate=coin))
    scores = likelihood.score_pieces(model, EMPTY, ITEMS, samples=400)
    exact = []
    for item in ITEMS:
        k, n = (item.arrays["tokens"] == 1).sum(), item.length
        exact.append(-np.log(sum(0.5 * b**k * (1 - b) ** (n - k) for b in (0.2, 0.8))))
    tight = likelihood.importance_weighted(scores.draws)
    np.testing.assert_allclose(tight, exact, atol=0.15)
    assert (scores.nll > np.array(exact) + 0.05).all()
    figures = likelihood.figures(scores, MELODY, "folk-tunes", model.likelihood)
    assert figures["kind"] == "bound"
    assert figures["samples"] == 400
    assert figures["interval_of"] == "iwae_per_token"
    np.testing.assert_allclose(figures["iwae_per_token"], tight.sum() / 19, atol=1e-5)
    assert figures["iwae_per_token"] < figures["elbo_per_token"]
    assert not any(name.startswith("nll") for name in figures)
    again = likelihood.score_pieces(model, EMPTY, ITEMS, samples=400)
    np.testing.assert_array_equal(scores.draws, again.draws)


@pytest.mark.parametrize("kind", ["orderless", "pseudo"])
def test_estimates_have_a_name_of_their_own_and_a_standard_error(kind):
    def estimate(params, state, key, batch):
        return batch["pad_mask"].sum(1) * (1.0 + jax.random.normal(key, (len(batch["tokens"]),)))

    model = model_of(Likelihood(kind, estimate=estimate))
    scores = likelihood.score_pieces(model, EMPTY, ITEMS, samples=100)
    figures = likelihood.figures(scores, MELODY, "folk-tunes", model.likelihood)
    expected = np.sqrt((np.array([4, 6, 9]) ** 2).sum() / 100) / 19
    np.testing.assert_allclose(figures["standard_error"], expected, rtol=0.2)
    assert abs(figures[f"{kind}_nll_per_token"] - 1) < 4 * expected
    assert "nll_per_token" not in figures


def test_classes_of_frames_are_kept_apart():
    assert likelihood.bl_class(Likelihood("exact", joint=False)) == "A1"
    assert likelihood.bl_class(Likelihood("exact")) == "A2"
    assert likelihood.bl_class(Likelihood("bound")) == "A3"
    for nade, name in ((0, "A1"), (2, "A2")):
        model, variables, items = trained(KEYS, net="frame", num_layers=1, history=False, nade=nade)
        scores = likelihood.score_pieces(model, variables, items)
        figures = likelihood.figures(scores, KEYS, "bl-jsb", model.likelihood)
        assert (figures["class"], figures["protocol"], figures["kind"]) == (name, "bl", "exact")
        total, rest = scores.nll.sum(), (scores.nll - scores.first).sum()
        np.testing.assert_allclose(figures["nll_per_frame"], total / 89, atol=1e-5)
        np.testing.assert_allclose(figures["nll_per_frame_without_first"], rest / 86, atol=1e-5)


def test_the_interval_is_over_pieces():
    rng = np.random.default_rng(0)
    weights = rng.integers(50, 150, 200).astype(float)
    totals = weights * rng.normal(2.0, 0.5, 200)
    low, high = likelihood.interval(totals, weights)
    spread = 1.96 * 0.5 / np.sqrt(200)
    assert low < totals.sum() / weights.sum() < high
    np.testing.assert_allclose(high - low, 2 * spread, rtol=0.25)


def test_a_model_without_a_likelihood_is_refused():
    with pytest.raises(errors.UserError, match="no likelihood"):
        likelihood.score_pieces(model_of(None), EMPTY, ITEMS)
