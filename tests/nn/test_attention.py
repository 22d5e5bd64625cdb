"""Every form of attention computes what a plain softmax over all scores computes."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax.nn import attention
from musejax.nn.fast import blocked_attention

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
    return jax.jit(lambda q, k, v, table: attention.attend_causal(q, k, v, table, span))(q, k, v, table)


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


def blocks(monkeypatch, size, parts):
    """Cuts sequences into blocks of this size, and batches into parts of one sequence or not at all."""
    monkeypatch.setattr(blocked_attention, "BLOCK", size)
    monkeypatch.setattr(blocked_attention, "LARGE", 0 if parts else 1 << 30)
    monkeypatch.setattr(blocked_attention, "PART", 0)


@pytest.mark.parametrize(("size", "parts"), [(4, False), (4, True), (64, False)])
@pytest.mark.parametrize("name", CASES)
def test_causal_attention_in_blocks_is_a_plain_softmax(monkeypatch, name, size, parts):
    blocks(monkeypatch, size, parts)
    groups, span, rows = CASES[name]
    arguments = arrays(groups, rows)
    found = causal(*arguments, span)
    np.testing.assert_allclose(found, plain(*arguments, band(LENGTH, span)), atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_causal_attention_elsewhere_gives_the_same_numbers(monkeypatch, name):
    groups, span, rows = CASES[name]
    arguments = arrays(groups, rows)
    elsewhere(monkeypatch)
    np.testing.assert_allclose(causal(*arguments, span), plain(*arguments, band(LENGTH, span)), atol=1e-5)


@pytest.mark.parametrize("name", ["grouped", "relative", "relative, span beyond a block, grouped"])
def test_causal_attention_in_blocks_has_the_gradient_of_attention_elsewhere(monkeypatch, name):
    groups, span, rows = CASES[name]
    arguments = arrays(groups, rows)

    def slope():
        def power(arguments):
            q, k, v, table = arguments
            return (attention.attend_causal(q, k, v, table, span) ** 3).sum()

        return jax.tree.leaves(jax.jit(jax.grad(power))(arguments))

    with monkeypatch.context() as patch:
        elsewhere(patch)
        expected = slope()
    assert len(expected) == 3 + bool(rows)
    for parts in (False, True):
        blocks(monkeypatch, 4, parts)
        for one, other in zip(slope(), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.parametrize("capacity", [1, 4, 10, LENGTH, LENGTH + 3])
@pytest.mark.parametrize("name", ["grouped", "relative", "relative, clipped, grouped"])
def test_a_step_over_a_ring_is_causal_attention_at_every_position(monkeypatch, name, capacity):
    monkeypatch.setattr(attention, "SHORT", 8)
    groups, _, rows = CASES[name]
    q, k, v, distances = arrays(groups, rows)
    expected = causal(q, k, v, distances, capacity)

    @jax.jit
    def advance(keys, values, q, k, v, pos):
        keys, values = attention.write(keys, k, pos), attention.write(values, v, pos)
        table = None if rows == 0 else jnp.asarray(distances)
        return attention.attend_step(q, keys, values, table, pos), keys, values

    keys = values = attention.make_pages(2, groups, capacity, WIDTH, jnp.float32)
    for pos in range(LENGTH):
        here = (x[:, pos : pos + 1] for x in (q, k, v))
        found, keys, values = advance(keys, values, *here, np.int32(pos))
        np.testing.assert_allclose(found[:, 0], np.asarray(expected)[:, pos], atol=1e-5)


@pytest.mark.parametrize(("capacity", "pages"), [(0, 1), (1, 1), (3, 2), (8, 2), (10, 4), (16, 4)])
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_pages_have_room_for_as_many_positions_as_the_ring(monkeypatch, capacity, pages, backend):
    monkeypatch.setattr(attention, "SHORT", 8)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    lengths = [page.shape[2] for page in attention.make_pages(1, 1, capacity, 2, jnp.float32)]
    assert sum(lengths) == capacity
    assert len(lengths) == (min(pages, max(capacity, 1)) if backend == "cpu" else 1)
    assert lengths == sorted(lengths, reverse=True)


def test_a_position_takes_the_slot_of_the_one_that_leaves_the_ring():
    ring = attention.make_pages(1, 1, 6, 1, jnp.float32)
    write = jax.jit(attention.write)
    for pos in range(8):
        ring = write(ring, np.full((1, 1, 1, 1), pos, np.float32), np.int32(pos))
    assert np.concatenate([page.ravel() for page in ring]).tolist() == [6, 7, 2, 3, 4, 5]


@pytest.mark.parametrize("rows", [1, 3, LENGTH, 64])
def test_the_relative_term_is_a_gather_of_distances(rows):
    q, _, _, table = arrays(2, rows)
    assert table is not None
    late = q[:, -4:]  # queries that end where the keys end

    @jax.jit
    def term(q, table):
        return blocked_attention.relative_scores(
            attention._group_heads(q, 2), blocked_attention.distance_rows(table, LENGTH, 4)
        )

    found = term(late, table)
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
    found = jax.jit(lambda *parts: attention.attend_masked(*parts))(q, k, v, mask)
    np.testing.assert_allclose(found, plain(q, k, v, None, mask[:, None]), atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "width", "backend", "capability", "expected"),
    [
        (jnp.bfloat16, 64, "gpu", "9.0", "cudnn"),
        (jnp.float16, 128, "gpu", "8.0", "cudnn"),
        (jnp.bfloat16, 64, "gpu", "10.0", "cudnn"),
        (jnp.bfloat16, 64, "gpu", "7.5", None),
        (jnp.bfloat16, 64, "gpu", "gfx90a", None),
        (jnp.float32, 64, "gpu", "9.0", None),
        (jnp.bfloat16, 36, "gpu", "9.0", None),
        (jnp.bfloat16, 136, "gpu", "9.0", None),
        (jnp.bfloat16, 64, "tpu", "9.0", None),
        (jnp.bfloat16, 64, "cpu", "9.0", None),
    ],
)
def test_cudnn_is_asked_for_only_where_it_takes_the_arrays(monkeypatch, dtype, width, backend, capability, expected):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(jax, "local_devices", lambda: [types.SimpleNamespace(compute_capability=capability)])
    assert attention._implementation(jnp.zeros((1, 2, 1, width), dtype)) == expected


def test_rotation_makes_scores_depend_on_distance_alone():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 1, 1, 1, 8)), jnp.float32)

    @jax.jit
    def score(query, key):
        turned = [
            attention.rotate(x[i], attention.compute_rotations(at[None], 8, jnp.float32))
            for i, at in enumerate((query, key))
        ]
        return (turned[0] * turned[1]).sum()

    np.testing.assert_allclose(score(9, 4), score(25, 20), rtol=1e-4)
    assert abs(score(9, 4) - score(9, 5)) > 1e-3
