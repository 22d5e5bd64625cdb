"""Tests of the latent-space benchmark: interpolations, copies, attributes, and the n-gram model."""

import jax
import numpy as np
import pytest

from benchmarks import latent_measures, latent_page, ngram
from musejax import codecs, zoo
from musejax.evaluation import note_rolls, reconstruction
from musejax.models import music_vae
from musejax.pipeline import dataset

TABLE = codecs.get("melody-90").vocabulary
HOLD, OFF, C4 = TABLE.id("hold"), TABLE.id("note_off"), TABLE.id("pitch", 60)
FRAMES = 32


def window(seed, up=0, notes=8):
    """Returns two bars with the given number of notes at random places, the first on the bar line."""
    rng = np.random.default_rng(seed)
    tokens = np.full(FRAMES, HOLD, np.int32)
    at = np.append(0, 1 + rng.permutation(FRAMES - 1)[: notes - 1])
    tokens[at] = C4 + up + rng.integers(-9, 9, notes)
    arrays = {"tokens": tokens, "beat": np.arange(FRAMES, dtype=np.int32) % 16}
    return dataset.Item(f"tune {seed}@1", str(seed), arrays)


@pytest.fixture(scope="module")
def loaded():
    """Returns an untrained VAE that samples tokens from its whole vocabulary."""
    config = music_vae.Config(latent=3, encoder_hidden=4, hidden=5, num_layers=1, conditions=("beat",))
    model, one = music_vae.make(config, TABLE), window(0).arrays
    ones = np.ones((1, FRAMES), np.int32)
    params, state = jax.jit(model.init)(jax.random.key(0), {k: v[None] for k, v in one.items()} | {"pad_mask": ones})
    told = {"training": {"bars": 2}, "data": {"source": "folk-tunes"}}
    return zoo.Loaded(model, {"params": params, "state": state}, codecs.get("melody-90"), told, "net")


@pytest.fixture(scope="module")
def data():
    training = [window(seed) for seed in range(20)]
    lines = [[latent_measures.line(TABLE, item.arrays["tokens"])] for item in training]
    return latent_measures.Music(TABLE, [window(seed) for seed in range(100, 112)], training, lines)


def test_symbols_are_intervals_from_the_note_before():
    tokens = np.array([[HOLD, C4, HOLD, C4 + 4, OFF, C4 - 3, C4 + 40]])
    at_rest = 3 + ngram.WIDEST
    expected = [ngram.HOLD, ngram.FIRST, ngram.HOLD, at_rest + 4, ngram.OFF, at_rest - 7, at_rest + ngram.WIDEST]
    np.testing.assert_array_equal(ngram.symbols(TABLE, tokens), [expected])
    np.testing.assert_array_equal(ngram.symbols(TABLE, tokens[:, :6] + (tokens[:, :6] > 1) * 5), [expected[:6]])


def test_the_n_gram_mixes_orders_as_worked_out_by_hand():
    model = ngram.fit(np.array([[0, 0, 1], [0, 2, 1]]), order=2)
    even = 1 / ngram.SYMBOLS
    # Six symbols: three 0, two 1, one 2; three kinds.
    one = {0: (3 + 3 * even) / 9, 1: (2 + 3 * even) / 9, 2: (1 + 3 * even) / 9}
    # After the start 0 twice; after 0 each of 0, 1 and 2 once; after 2 a 1. Nothing is known of what follows 1.
    expected = [(2 + 1 * one[0]) / 3, (1 + 3 * one[1]) / 6, one[2], (1 + 1 * one[1]) / 2]
    found = ngram.nats(model, np.array([[0, 1, 2, 1]]))
    np.testing.assert_allclose(np.exp(-found)[0], expected)


def test_the_n_gram_is_a_distribution_and_likes_what_it_has_seen():
    rng = np.random.default_rng(0)
    seen = rng.integers(0, 6, (30, 12))
    model = ngram.fit(seen)
    context = np.tile(seen[3, :7], (ngram.SYMBOLS, 1))
    every = np.concatenate([context, np.arange(ngram.SYMBOLS)[:, None]], axis=1)
    assert np.exp(-ngram.nats(model, every)[:, -1]).sum() == pytest.approx(1.0)
    assert ngram.nats(model, seen).mean() < ngram.nats(model, rng.integers(0, 6, (30, 12))).mean()


def test_attributes_and_notes_are_those_of_a_count_by_hand():
    tokens = np.full((2, 16), HOLD)
    # On the beat; on an odd eighth after one on the beat; on an odd 16th after nothing; on an odd eighth after nothing.
    tokens[0, [4, 6, 9, 14]] = [C4, C4 + 2, C4 - 5, C4 + 7]
    tokens[0, 12] = OFF
    found = {name: values.tolist() for name, values in latent_measures.attributes(TABLE, tokens).items()}
    assert found == {"notes": [4, 0], "range": [12, 0], "syncopation": [0.5, 0]}
    piece = latent_measures.piece(TABLE, tokens[0])
    assert [n[1:] for n in piece.notes] == [(60, 4, 6), (62, 6, 9), (55, 9, 12), (67, 14, 16)]
    assert isinstance(piece.notes[0], note_rolls.Note) and (piece.bar, piece.frames) == (16, 16)


def test_copies_are_found_in_any_key(data):
    own, fresh = data.training[3].arrays["tokens"], window(500, notes=12).arrays["tokens"]
    moved = np.where(own > 1, own + 5, own)
    part = np.full(FRAMES, HOLD)
    part[:8:2] = data.lines[7][0][2:6] - 60 + C4  # four notes of a training tune in another rhythm
    found = latent_measures.copies(data, np.stack([own, moved, part, fresh]))
    assert (found["windows"], found["distinct"], found["in_training"]) == (4, 3, 2)
    assert found["whole"] == 3 and found["runs"]["max"] == 8
    assert found["notes"] == (8 + 8 + 4 + 12) / 4


def test_ways_between_windows_begin_and_end_where_they_say(loaded, data):
    chosen = latent_measures.pairs(data.held_out, 50, 0)
    groups = np.array([item.group for item in data.held_out])
    assert (groups[chosen[:, 0]] != groups[chosen[:, 1]]).all()
    found = latent_measures.interpolation(loaded, data, 6, np.linspace(0, 1, 3), 0)
    mixed = found["ways"]["frames mixed"]
    assert mixed[0]["to_a"]["mean"] == mixed[2]["to_b"]["mean"] == 0
    assert mixed[0]["to_b"] == mixed[2]["to_a"] == found["apart"]
    assert mixed[1]["to_a"]["mean"] + mixed[1]["to_b"]["mean"] == pytest.approx(found["apart"]["mean"], abs=1e-4)
    # An untrained decoder is near neither end.
    assert found["ways"]["vectors, drawn"][0]["to_a"]["mean"] > 0.5
    assert found["ways"]["vectors, drawn"][0]["nats"]["mean"] > found["real"]["mean"]


def test_the_page_is_whole(loaded, data):
    rebuilt = reconstruction.rebuild(loaded.model, loaded.variables, TABLE, data.held_out)
    scored = reconstruction.figures(rebuilt, np.arange(len(data.held_out)))
    scored |= {"windows": 12, "pieces": 12, "samples": 5, "elbo_per_frame": 2.5, "iwae_per_frame": 2.25}
    scored |= {"interval": (2.0, 2.5)}
    directions = latent_measures.directions(loaded, data, 6, 12, (-1.0, 1.0), 0)
    assert set(directions["moved"]) == set(latent_measures.ATTRIBUTES)
    raw = {
        "run": "net",
        "source": "folk-tunes",
        "reconstruction": {"16": scored, "12": {**scored, "accuracy_without_z": None}},
        "interpolation": latent_measures.interpolation(loaded, data, 6, np.linspace(0, 1, 3), 0),
        "example": latent_measures.example(loaded, data, 3, 0),
        "prior": latent_measures.prior(loaded, data, 12, 0),
        "directions": directions,
        "beside": [{"run": "other", "parameters": 1_234_567, "frames": 4000 * 8192, "found": scored}],
    }
    page = latent_page.page(raw, "latents")
    assert "Not measured yet" not in page and "{" not in page
    assert "2.250 (2.000..2.500)" in page and "6 pairs" in page and "| `other` | 1.2 M | 32.8 M |" in page
    assert latent_page.page({"run": "net", "source": "folk-tunes"}, "latents").count("Not measured yet.") == 5
    for picture in (
        latent_page.interpolation_picture(raw["interpolation"]),
        latent_page.path_picture(raw["example"], TABLE.name),
    ):
        assert picture.startswith(b"\x89PNG")
