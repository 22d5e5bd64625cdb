"""Pieces like one's own: the small model learns where vectors lie, the large one is not touched, mistakes are said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_vae import loaded, tune

import musejax
from musejax import codecs, errors
from musejax.generation import personalize


def write(*args, **options):
    return [piece.sequence for piece in musejax.personalize(*args, **{"say": lambda text: None} | options)]


def clusters(num):
    """Vectors around two places that are far from each other and from 0, known to a tenth."""
    rng = np.random.default_rng(0)
    place = np.where(rng.random((num, 1)) < 0.5, np.array([[2.0] * 4 + [-2.0] * 4]), np.array([[-2.0] * 4 + [2.0] * 4]))
    return place + 0.1 * rng.normal(size=(num, 8)), np.full((num, 8), 0.1)


def test_draws_lie_where_the_vectors_lie():
    mean, scale = (jnp.asarray(a, jnp.float32) for a in clusters(12))
    params, costs = personalize.fit(jax.random.key(0), mean, scale, size=2, steps=400)
    assert costs[-20:].mean() < costs[:20].mean() - 5
    draws = np.array([personalize.draw_vectors(params, jax.random.key(i), size=2, width=8) for i in range(60)])
    places = np.array([[2.0] * 4 + [-2.0] * 4, [-2.0] * 4 + [2.0] * 4])
    apart = np.linalg.norm(draws[:, None] - places, axis=-1)
    prior = np.random.default_rng(1).normal(size=(60, 8))
    others = np.linalg.norm(prior[:, None] - places, axis=-1).min(1)
    assert np.median(apart.min(1)) < others.min()
    assert 10 < (apart.argmin(1) == 0).sum() < 50


def test_the_bound_is_one():
    """No small model costs less than the vectors' own entropy: of one normal, that of the normal."""
    mean, scale = jnp.zeros((3, 8)), jnp.full((3, 8), 0.5)
    _, costs = personalize.fit(jax.random.key(0), mean, scale, size=2, steps=300)
    entropy = 8 * (np.log(0.5) + 0.5 * np.log(2 * np.pi * np.e))
    np.testing.assert_allclose(costs[-50:].mean(), entropy, atol=0.5)


def test_pieces_do_not_change_with_how_many_there_are_and_the_model_stays():
    model = loaded()
    before = jax.tree.map(np.array, model.variables["params"])
    tunes = [tune(*range(first, first + 8)) for first in (55, 60, 62)]
    many, few = (write(model, tunes, n, 3, steps=20) for n in (4, 2))
    notes = [[(n.pitch, n.start_time) for n in piece.notes] for piece in many]
    assert notes[:2] == [[(n.pitch, n.start_time) for n in piece.notes] for piece in few]
    assert all(piece.tempos[0].qpm == 90.0 for piece in many) and all(notes)
    jax.tree.map(np.testing.assert_array_equal, before, model.variables["params"])


def test_a_piece_that_does_not_fit_is_left_out_and_reported():
    model, whole = loaded(), tune(*range(60, 76))
    low, said = tune(*range(12), codec="melody"), []
    with pytest.raises(errors.UserError, match="the sequence: it does not fit codec melody-90"):
        write(model, [low], steps=2)
    assert len(write(model, [whole, low], 1, steps=2, say=said.append)) == 1
    assert len(said) == 1 and "a piece is left out: the sequence: it does not fit codec melody-90" in said[0]


@pytest.mark.parametrize(
    ("pieces", "fields", "message"),
    [
        ([(60,)], {}, "the music fills one window of small, and two or more are needed"),
        ([], {}, "no piece is given"),
        ([range(60, 76)], {"num": 0}, "num is 0: it must be at least 1"),
        ([range(60, 76)], {"steps": 0}, "steps is 0: it must be at least 1"),
    ],
)
def test_what_does_not_fit_is_said(pieces, fields, message):
    with pytest.raises(errors.UserError, match=message):
        write(loaded(), [tune(*p) for p in pieces], **fields)


def test_a_model_without_vectors_is_refused():
    with pytest.raises(errors.UserError, match="chorale-lstm has no latent vector"):
        write("chorale-lstm", [codecs.get("melody-90").decode({"tokens": np.zeros(32, int)}, 90.0)])
