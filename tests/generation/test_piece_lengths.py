"""How long pieces are: by default, of so many bars, and without an end in sight."""

import functools

import jax
import numpy as np
import pytest
import tiny

from musejax import codecs, errors, zoo
from musejax.generation import piece_lengths, sampling
from musejax.models import dense_vae, music_vae, recurrent
from musejax.nn.features import voice_history


@functools.cache
def loaded(told=0.5, codec="chorale", place=False, **training):
    """An untrained net over voices."""
    coder = codecs.get(codec)
    config = recurrent.Config(net="frame", hidden=6, embed=5, head=5, num_layers=1, bars_left=told, place=place)
    model = tiny.compiled(recurrent.make(config, coder.vocabulary))
    params, state = model.init(jax.random.key(0), tiny.random_batch(coder.vocabulary, 2, 4))
    return zoo.Loaded(model, {"params": params, "state": state}, coder, {"training": training, "data": {}}, "small")


def test_a_piece_by_default_is_as_long_as_what_its_model_knows():
    assert piece_lengths.default(loaded()) == 32 * 16
    assert piece_lengths.default(loaded(0.0, "chorale-pitches")) == 16 * 16
    assert piece_lengths.default(loaded(0.0, "melody-90", bars=2)) == 32


def test_what_comes_from_a_vector_is_as_long_as_what_it_stands_for():
    music, dense = (music_vae.Config(latent=2, encoder_hidden=3, hidden=3), dense_vae.Config(frames=24))
    nets = [(music_vae.make, music, "groove"), (dense_vae.make, dense, "melody-100")]
    of_window, of_net = (
        zoo.Loaded(make(config, coder.vocabulary), {}, coder, {"training": {"window": 48}, "data": {}}, "vae")
        for make, config, coder in ((m, c, codecs.get(name)) for m, c, name in nets)
    )
    assert piece_lengths.default(of_window) == 48
    assert piece_lengths.default(of_net) == 24


def test_the_bars_that_are_left_are_counted_down_to_the_last_bar():
    most, least = piece_lengths.around(loaded(), 3)
    assert (most, least) == (4 + 64, 4 + 32)  # a pick-up of a quarter, and a bar more or less
    left = piece_lengths.left(loaded(), most, 3, never=False)
    assert left.tolist() == [3] * 5 + [2] * 16 + [1] * 16 + [0] * 31
    endless = piece_lengths.left(loaded(), 40, None, never=True)
    assert endless.tolist() == [voice_history.LEFT - 1] * 40
    assert piece_lengths.left(loaded(), 40, None, never=False) is None
    assert piece_lengths.left(loaded(0.0), 40, None, never=True) is None


def test_a_piece_of_so_many_bars_ends_about_there():
    pieces = sampling.draw_pieces(loaded(), 3, 0, bars=2, width=3)
    assert all(4 + 16 < len(p.arrays["tokens"]) <= 4 + 48 for p in pieces)
    assert all("bars_left" not in p.arrays for p in pieces)
    assert all(p.ended for p in pieces)
    for p in pieces:
        assert not (p.arrays["tokens"][: 4 + 16] == codecs.get("chorale").vocabulary.id("end")).any()


def test_a_piece_that_may_not_end_yet_is_told_so_after_eight_bars(monkeypatch):
    model, length = loaded(0.0, place=True), 12 * 16
    assert piece_lengths.endless(loaded(), length, length) is None
    assert piece_lengths.endless(loaded(0.0, "melody-basic", place=True), length, length) is None
    assert piece_lengths.endless(model, length, 8 * 16) is None
    np.testing.assert_array_equal(piece_lengths.endless(model, length, 150), np.arange(length) < 150)

    def drawn():
        (piece,) = sampling.draw_pieces(model, 1, 0, length=length, min_length=length, width=1)
        return piece.arrays

    told = drawn()
    monkeypatch.setattr(piece_lengths, "endless", lambda *args: None)
    untold = drawn()
    assert told.keys() == untold.keys()
    # What is drawn in the first frame of bar 8 is the first that may differ.
    same = (told["tokens"] == untold["tokens"]).all(1)
    assert same[: 8 * 16].all() and not same[8 * 16 :].all()


def test_what_cannot_be_told_is_said():
    with pytest.raises(errors.UserError, match="bars is 0; it must be at least 1"):
        piece_lengths.around(loaded(), 0)
    for model in (loaded(0.0), loaded(0.5, "chorale-pitches")):
        with pytest.raises(errors.UserError, match="small cannot be asked for a number of bars"):
            sampling.draw_pieces(model, 1, 0, bars=8)
