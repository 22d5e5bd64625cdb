"""Every form of attention computes what a plain softmax over all scores computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax.nn import attention

LENGTH, HEADS, WIDTH = 11, 4, 6
# name -> heads of keys, span, rows of the relative table (0 for none)
CASES = {
    "everything": (HEADS, 64, 0),
    "grouped": (2, LENGTH, 0),
    "one head of keys": (1, 64, 0),
    "span below a block": (HEADS, 3, 0),
    "span beyond a block": (2, 7, 0),
    "relative": (HEADS, 64, 64),
    "relative, clipped, grouped": (2, 64, 5),
    "relative, span below a block": (HEADS, 3, 5),
    "relative, span beyond a block, grouped": (1, 7, 2),
}


def arrays(groups, rows):
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, LENGTH, heads, WIDTH)).astype(np.float32) for heads in (HEADS, groups, groups))
    return q, k, v, rng.normal(size=(HEADS, rows, WIDTH)).astype(np.float32) if rows else None


def causal(q, k, v, table, span):
    """Compiled anew, for what the test has changed."""
    return jax.jit(lambda q, k, v, table: attention.causal(q, k, v, table, span))(q, k, v, table)


def plain(q, k, v, table, seen):
    """Scores of all pairs, the term of each distance gathered, softmax; in float64."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[2] // k.shape[2], axis=2) for x in (k, v))
    scores = np.einsum("bqhd,bkhd->bhqk", q, k)
    if table is not None:
        positions = np.arange(q.shape[1])
        distance = np.clip(positions[:, None] - positions[None], 0, table.shape[1] - 1)
        scores += np.einsum("bqhd,hqkd->bhqk", q, np.asarray(table, np.float64)[:, distance])
    scores = np.where(seen, scores / np.sqrt(q.shape[-1]), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhqk,bkhd->bqhd", weights / weights.sum(-1, keepdims=True), v)


def band(length, span):
    distance = np.arange(length)[:, None] - np.arange(length)[None]
    return (distance >= 0) & (distance < span)


def elsewhere(monkeypatch):
    """Takes the way of GPUs and TPUs, by the implementation that every machine has."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(attention, "_implementation", lambda q: None)


@pytest.mark.parametrize("block", [4, 64])
@pytest.mark.parametrize("name", CASES)
def test_causal_attention_in_blocks_is_a_plain_softmax(monkeypatch, name, block):
    monkeypatch.setattr(attention, "BLOCK", block)
    groups, span, rows = CASES[name]
    parts = arrays(groups, rows)
    found = causal(*parts, span)
    np.testing.assert_allclose(found, plain(*parts, band(LENGTH, span)), atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_causal_attention_elsewhere_gives_the_same_numbers(monkeypatch, name):
    groups, span, rows = CASES[name]
    parts = arrays(groups, rows)
    elsewhere(monkeypatch)
    np.testing.assert_allclose(causal(*parts, span), plain(*parts, band(LENGTH, span)), atol=1e-5)


@pytest.mark.parametrize("name", ["relative", "relative, span beyond a block, grouped"])
def test_causal_attention_in_blocks_has_the_gradient_of_attention_elsewhere(monkeypatch, name):
    groups, span, rows = CASES[name]
    q, k, v, table = arrays(groups, rows)
    monkeypatch.setattr(attention, "BLOCK", 4)

    def slope():
        def power(parts):
            q, k, v, table = parts
            return (attention.causal(q, k, v, table, span) ** 3).sum()

        return jax.jit(jax.grad(power))((q, k, v, table))

    expected = slope()
    elsewhere(monkeypatch)
    for one, other in zip(slope(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.parametrize("capacity", [1, 4, LENGTH, LENGTH + 3])
@pytest.mark.parametrize("name", ["grouped", "relative", "relative, clipped, grouped"])
def test_a_step_over_a_ring_is_causal_attention_at_every_position(name, capacity):
    groups, _, rows = CASES[name]
    q, k, v, table = arrays(groups, rows)
    expected = np.asarray(causal(q, k, v, table, capacity))
    keys, values = np.zeros((2, 2, groups, capacity, WIDTH), np.float32)
    step = jax.jit(attention.step)
    for pos in range(LENGTH):
        keys[:, :, pos % capacity], values[:, :, pos % capacity] = k[:, pos], v[:, pos]
        # JAX may read a NumPy array where it lies, so what changes later is copied.
        found = step(q[:, pos : pos + 1], keys.copy(), values.copy(), table, np.int32(pos))
        np.testing.assert_allclose(found[:, 0], expected[:, pos], atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3, LENGTH, 64])
def test_the_relative_term_is_a_gather_of_distances(rows):
    q, _, _, table = arrays(2, rows)
    assert table is not None
    late = q[:, -4:]  # queries that end where the keys end
    found = jax.jit(lambda q: attention._relative(attention._grouped(q, 2), jnp.asarray(table), LENGTH))(late)
    distance = np.arange(LENGTH - 4, LENGTH)[:, None] - np.arange(LENGTH)[None]
    gathered = np.asarray(table)[:, np.clip(distance, 0, rows - 1)]
    expected = np.einsum("bqhd,hqkd->bhqk", late, gathered).reshape(found.shape)
    np.testing.assert_allclose(np.asarray(found)[..., distance >= 0], expected[..., distance >= 0], atol=1e-5)


@pytest.mark.parametrize("groups", [HEADS, 2, 1])
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_attention_over_a_known_set_is_a_plain_masked_softmax(monkeypatch, groups, backend):
    q, k, v, _ = arrays(groups, 0)
    mask = np.random.default_rng(0).random((2, LENGTH, LENGTH)) < 0.5
    mask |= np.eye(LENGTH, dtype=bool)[None]
    if backend == "gpu":
        elsewhere(monkeypatch)
    found = jax.jit(lambda *parts: attention.known(*parts))(q, k, v, mask)
    np.testing.assert_allclose(found, plain(q, k, v, None, mask[:, None]), atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "width", "backend", "expected"),
    [
        (jnp.bfloat16, 64, "gpu", "cudnn"),
        (jnp.float16, 128, "gpu", "cudnn"),
        (jnp.float32, 64, "gpu", None),
        (jnp.bfloat16, 36, "gpu", None),
        (jnp.bfloat16, 136, "gpu", None),
        (jnp.bfloat16, 64, "tpu", None),
        (jnp.bfloat16, 64, "cpu", None),
    ],
)
def test_cudnn_is_asked_for_only_where_it_takes_the_arrays(monkeypatch, dtype, width, backend, expected):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert attention._implementation(jnp.zeros((1, 2, 1, width), dtype)) == expected


def test_rotation_makes_scores_depend_on_distance_alone():
    x = jax.random.normal(jax.random.key(1), (2, 1, 1, 8))

    def score(query, key):
        rotated = [attention.rotate(x[i][None], jnp.asarray([at])) for i, at in enumerate((query, key))]
        return float((rotated[0] * rotated[1]).sum())

    np.testing.assert_allclose(score(9, 4), score(25, 20), rtol=1e-4)
    assert abs(score(9, 4) - score(9, 5)) > 1e-3
