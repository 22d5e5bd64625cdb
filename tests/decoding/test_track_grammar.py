"""Constraints over `tracks`, on a small recurrent net with random weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
import track_grammar

from musejax import vocabulary
from musejax.base import Request
from musejax.codecs import tracks as codec
from musejax.decoding import constraints
from musejax.decoding import track_grammar as tracks
from musejax.models import recurrent

CODEC, VOCABULARY = track_grammar.CODEC, track_grammar.VOCABULARY
NUM, LENGTH = 4, 500
GRAMMAR = tracks.grammar(VOCABULARY)


@functools.cache
def sampler():
    config = recurrent.Config(inputs="embed", num_layers=1, hidden=12, embed=10)
    model = tiny.compiled(recurrent.make(config, VOCABULARY))
    params, state = model.init(jax.random.key(3), VOCABULARY.example_batch(1, 4))
    # Far from even, so that a constraint has to work against the model.
    params = jax.tree.map(lambda x: 4 * x, params)
    return jax.jit(lambda key, request: model.sample(params, state, key, request))


def draw(constraint, seed=0, **kwargs):
    """Tokens of each piece up to its length."""
    out = sampler()(jax.random.key(seed), Request(num=NUM, length=LENGTH, constraint=constraint, **kwargs))
    return [row[:length] for row, length in zip(np.asarray(out["tokens"]), np.asarray(out["length"]), strict=True)]


def controls(bars):
    return [[said for said, _ in of_bar] for _, of_bar in bars]


def notes(bars, track):
    return [of_bar[track][1] for _, of_bar in bars]


def test_every_sample_is_well_formed():
    seen = 0
    for seed in range(2):
        for tokens in draw(GRAMMAR, seed):
            seen += len(track_grammar.parse(tokens))
            again = CODEC.encode(CODEC.decode({"tokens": tokens}, 100))[0]["tokens"]
            track_grammar.parse(again)
    assert seen > 20
    with pytest.raises(AssertionError):
        track_grammar.parse(draw(None)[0])


@functools.cache
def steered():
    """Bars of three metres, some controls, the melody of a piece given; the samples of two seeds."""
    rng = np.random.default_rng(0)
    wanted = rng.integers(1, 6, (NUM, 3, 3, 3))
    wanted[rng.random(wanted.shape) < 0.4] = -1
    silent = rng.random(wanted.shape[:3]) < 0.3
    wanted[silent] = [0, -1, -1]
    wanted[~silent & (rng.random(silent.shape) < 0.2)] = [-1, 3, -1]
    sizes = np.array([[16, 12, 16, 4], [8, 0, 0, 0], [32, 16, -1, -1], [16, 16, 16, 16]])
    constraint = constraints.all_of(GRAMMAR, tracks.metre(VOCABULARY, sizes), tracks.controls(VOCABULARY, wanted))
    return wanted, sizes, [tokens for seed in range(2) for tokens in draw(constraint, seed)]


def test_controls_asked_for_stand_in_the_bars_and_tracks_they_were_asked_for():
    wanted, _, samples = steered()
    forced = 0
    for n, tokens in enumerate(samples):
        for bar, said in enumerate(controls(track_grammar.parse(tokens))[:3]):
            for track, values in enumerate(said):
                asked = wanted[n % NUM, bar, track]
                assert all(a in (-1, v) for a, v in zip(asked.tolist(), values, strict=True))
                forced += (asked >= 0).sum()
    assert forced > 50
    np.testing.assert_array_equal(codec.requested(VOCABULARY, samples[0]), controls(track_grammar.parse(samples[0])))


def test_a_piece_has_exactly_the_bars_asked_for():
    _, sizes, samples = steered()
    for n, tokens in enumerate(samples):
        assert tokens[-1] == VOCABULARY.id("end"), "it should have ended well within the length"
        expected = [size for size in sizes[n % NUM].tolist() if size > 0]
        assert [size for size, _ in track_grammar.parse(tokens)] == expected
        np.testing.assert_array_equal(tracks.bars(VOCABULARY, tokens), [expected])


SONG = track_grammar.write(
    [
        (16, [[(0, 72, 4), (6, 74, 2)], [(0, 60, 8)], [(0, 48, 8), (0, 52, 8), (8, 50, 8)]]),
        (16, [[], [(4, 61, 1)], []]),
        (12, [[(11, 69, 9)], [], [(0, 43, 12)]]),
    ]
)


def accompany(*given):
    """Samples of one bar more than the song has; piece n is given the tracks given[n % len(given)]."""
    segments = [tracks.segments(VOCABULARY, np.array(SONG), one) for one in given]
    # All of one width, so that all tests share one compiled sampler.
    wide = [np.pad(s, [(0, 0)] * 3 + [(0, 16 - s.shape[3])], constant_values=-1) for s in segments]
    script = tracks.script(VOCABULARY, np.concatenate([wide[n % len(wide)] for n in range(NUM)]))
    metre = tracks.metre(VOCABULARY, np.append(tracks.bars(VOCABULARY, np.array(SONG)), [[16]], axis=1))
    return draw(constraints.all_of(GRAMMAR, metre, script))


@pytest.mark.parametrize("given", [(0,), (1, 2)])
def test_a_given_track_is_kept_note_for_note_and_the_others_are_drawn(given):
    song, drawn = track_grammar.parse(SONG), []
    for tokens in accompany(given):
        bars = track_grammar.parse(tokens)
        assert len(bars) == 4
        for track in given:
            assert notes(bars[:3], track) == notes(song, track)
            assert [said[track] for said in controls(bars[:3])] == [said[track] for said in controls(song)]
            played = codec.attributes(VOCABULARY, tokens)[:3, track]
            np.testing.assert_array_equal(played, codec.attributes(VOCABULARY, SONG)[:, track])
        for track in {0, 1, 2} - set(given):
            drawn.append(notes(bars, track))
            assert notes(bars[:3], track) != notes(song, track)
    assert len({str(d) for d in drawn}) == len(drawn)


def test_pieces_may_be_given_different_tracks():
    song = track_grammar.parse(SONG)
    for n, tokens in enumerate(accompany((0,), (2,))):
        bars = track_grammar.parse(tokens)[: len(song)]
        assert [notes(bars, t) == notes(song, t) for t in range(3)] == [n % 2 == 0, False, n % 2 == 1]


def test_a_primer_is_gone_on_with():
    primer = np.array(SONG[:-1])
    given = np.zeros((NUM, LENGTH), np.int32)
    given[:, : len(primer)] = primer
    mask = np.ones_like(given)
    mask[:, : len(primer)] = 0
    metre = tracks.metre(VOCABULARY, np.array([[16, 16, 12, 8]]))
    samples = draw(constraints.all_of(GRAMMAR, metre), given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
    for tokens in samples:
        np.testing.assert_array_equal(tokens[: len(primer)], primer)
        assert [size for size, _ in track_grammar.parse(tokens)] == [16, 16, 12, 8]


def test_other_constraints_join_in():
    high = constraints.pitch_range(VOCABULARY, [(60, 71)])
    for tokens in draw(constraints.all_of(GRAMMAR, high)):  # a row for each piece beside one for all
        found = [p for _, of_bar in track_grammar.parse(tokens) for _, played in of_bar for _, p, _ in played]
        assert found
        assert 60 <= min(found) <= max(found) <= 71


def test_new_bars_and_controls_do_not_compile_anew():
    calls = []

    @jax.jit
    def allowed(constraint, values):
        calls.append(1)
        return constraint(jnp.asarray(2), jnp.asarray(0), values)

    values = jnp.full((1, 8), VOCABULARY.id("bar", 16))
    for size, bin in ((8, 1), (12, 2)):
        metre = tracks.metre(VOCABULARY, np.full((1, 3), size))
        wanted = tracks.controls(VOCABULARY, np.full((1, 3, 3, 3), bin))
        script = tracks.script(VOCABULARY, np.full((1, 3, 3, 7), -1))
        out = allowed(constraints.all_of(tracks.grammar(VOCABULARY), metre, wanted, script), values)
        assert np.flatnonzero(out[0]).tolist() == [VOCABULARY.id("track", 0)]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tracks.grammar(vocabulary.melody()), "melody has events"),
        (lambda: tracks.controls(VOCABULARY, np.zeros((1, 4, 3), int)), "wanted has shape"),
        (lambda: tracks.controls(VOCABULARY, np.full((1, 4, 3, 3), 6)), r"polyphony is outside 0\.\.5"),
        (lambda: tracks.controls(VOCABULARY, np.tile([0, 1, -1], (1, 4, 3, 1))), "for a silent track"),
        (lambda: tracks.metre(VOCABULARY, np.zeros(4, int)), "sixteenths has shape"),
        (lambda: tracks.metre(VOCABULARY, np.array([[33]])), r"may have 1\.\.32"),
        (lambda: tracks.metre(VOCABULARY, np.array([[16, 0, 16]])), "has a 0 before"),
        (lambda: tracks.script(VOCABULARY, np.zeros((1, 4, 2, 9), int)), "given has shape"),
        (lambda: tracks.script(VOCABULARY, np.full((1, 4, 3, 9), VOCABULARY.size)), "tokens outside"),
        (lambda: tracks.segments(VOCABULARY, np.array(SONG), (3,)), r"must be in 0\.\.2"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
