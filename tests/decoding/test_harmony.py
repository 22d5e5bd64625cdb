"""Chords and densities hold in what tiny nets draw: holds, voices and orders included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from musejax import vocabulary
from musejax.base import Request
from musejax.decoding import constraints, harmony
from musejax.theory import chords

PRESETS = {
    "melody-basic": ("recurrent", "basic-rnn"),
    "chorale": ("recurrent", "chorale-voices"),
    "chorale-pitches": ("recurrent", "jsb16-voices"),
}
every_codec = pytest.mark.parametrize("codec", PRESETS)
NUM = 16


def order(codec):
    return tiny.make(*PRESETS[codec]).model.decoder.order


def draw(codec, constraint, **given):
    """int32[N, T, S] and where each cell lies before END in drawing order."""
    t = tiny.make(*PRESETS[codec])
    asked = tiny.request(t.vocabulary, NUM)
    asked = Request(NUM, asked.length, conditions=asked.conditions, constraint=constraint, **given)
    tokens = np.asarray(tiny.sampler(*PRESETS[codec])(t.params, t.state, jax.random.key(2), asked)["tokens"])
    tokens = tokens.reshape(NUM, tiny.FRAMES, -1)
    if not t.vocabulary.has("end"):
        return tokens, np.ones(tokens.shape, bool)
    places = list(order(codec)) or list(range(t.vocabulary.streams))
    ended = np.cumsum(tokens[..., places].reshape(NUM, -1) == t.vocabulary.id("end"), axis=1) > 0
    real = np.empty(tokens.shape, bool)
    real[..., places] = ~ended.reshape(tokens.shape)
    return tokens, real


def sounding(table, tokens):
    """The pitch that sounds in each cell of one stream, -1 for none, and whether it begins there."""
    pitch, hold = table.values("pitch"), table.id("hold") if table.has("hold") else -1
    now, found = -1, []
    for token in tokens:
        before, now = now, now if token == hold else int(pitch[token])
        found.append((now, now >= 0 and token != hold and (hold >= 0 or now != before)))
    return found


def streams(codec, tokens, real):
    """Of each stream of each piece what sounds in its cells, and how many of them come before END."""
    table = tiny.make(*PRESETS[codec]).vocabulary
    for n in range(NUM):
        for s in range(tokens.shape[2]):
            yield sounding(table, tokens[n, :, s])[: int(real[n, :, s].sum())]


def in_chords(codec, allowed, drawn):
    """Whether all that sounds is in its chord, and whether a note was held."""
    fits = held = 0
    right = True
    for cells in streams(codec, *drawn):
        for frame, (pitch, begins) in enumerate(cells):
            right &= pitch < 0 or frame >= len(allowed) or bool(allowed[frame, pitch % 12])
            fits += pitch >= 0
            held += pitch >= 0 and not begins
    assert fits
    return right, held


@every_codec
def test_what_sounds_is_in_its_chord(codec):
    table = tiny.make(*PRESETS[codec]).vocabulary
    allowed = chords.progression("C F C7", 3, tiny.FRAMES - 1)
    # Holds are rare in what an untrained net draws; few pitches to choose from make them frequent.
    few = np.isin(table.values("pitch"), [-1, 60, 61, 65, 70])[None]
    narrow = constraints.by_stream(few)
    free, both = (constraints.all_of(narrow, harmony.chords(table, a, order(codec))) for a in (allowed | True, allowed))
    right, held = in_chords(codec, allowed, draw(codec, both))
    assert right
    assert held
    assert not in_chords(codec, allowed, draw(codec, free))[0], "the test would pass without the constraint"


def test_chords_may_be_sets_of_pitch_classes():
    table = vocabulary.chorale()
    told = chords.progression("C F", 1, 2)
    one, other = (harmony.chords(table, c) for c in (told, [{0, 4, 7}, {5, 9, 0}]))
    for frame in range(3):
        at = (jnp.asarray(frame), jnp.asarray(0), jnp.zeros((1, 12), jnp.int32))
        np.testing.assert_array_equal(one(*at), other(*at))
    with pytest.raises(ValueError, match="pitch class 12"):
        harmony.chords(table, [{0, 12}])


def test_a_hold_is_forbidden_where_the_chord_leaves_its_pitch():
    table = tiny.make(*PRESETS["chorale"]).vocabulary
    hold, rest = table.id("hold"), table.id("rest")
    constraint = harmony.chords(table, chords.progression("C F", 2, 8), (1, 0, 3, 2))
    serial = np.zeros((2, 6, 4), np.int32)
    # In drawing order: streams 1, 0, 3, 2.
    serial[0, :2] = [[table.id("pitch", p) for p in (60, 64, 55, 67)], [hold, hold, hold, rest]]
    serial[1, :2] = [[rest, hold, table.id("pitch", 48), hold]] * 2
    for stream, expected in ((1, (True, True)), (0, (False, True)), (3, (False, True)), (2, (True, True))):
        found = constraint(jnp.asarray(2), jnp.asarray(stream), jnp.asarray(serial.reshape(2, -1)))
        assert tuple(np.asarray(found)[:, hold].tolist()) == expected
        assert np.asarray(found)[:, [rest, table.id("end"), table.id("pitch", 65)]].all()
        assert not np.asarray(found)[:, table.id("pitch", 64)].any()
    beyond = constraint(jnp.asarray(9), jnp.asarray(0), jnp.asarray(np.zeros((2, 48), np.int32)))
    assert np.asarray(beyond).all()


def onsets(codec, drawn, frames):
    """Onsets of each whole group before END."""
    found = []
    for cells in streams(codec, *drawn):
        begins = [b for _, b in cells]
        found += [sum(begins[i : i + frames]) for i in range(0, len(begins) - frames + 1, frames)]
    return np.array(found)


@every_codec
@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 3), (4, 4)])
def test_each_group_has_its_onsets(codec, low, high):
    table = tiny.make(*PRESETS[codec]).vocabulary
    drawn = draw(codec, harmony.density(table, low, high, 4, order(codec)))
    found = onsets(codec, drawn, 4)
    assert found.min() >= low
    assert found.max() <= high
    free = onsets(codec, draw(codec, harmony.density(table, 0, 4, 4, order(codec))), 4)
    assert free.min() < low or free.max() > high, "the test would pass without the constraint"


@pytest.mark.parametrize("codec", ["chorale", "chorale-pitches"])
def test_given_onsets_count(codec):
    table = tiny.make(*PRESETS[codec]).vocabulary
    given = np.full((NUM, tiny.FRAMES, table.streams), table.id("pitch", 60), np.int32)
    given[:, 1::2] += 1
    mask = np.ones_like(given)
    mask[:, [0, 1, 8]] = 0  # the last, so that no piece ends within the first two groups
    constraint = harmony.density(table, 0, 2, 4, order(codec))
    drawn = draw(codec, constraint, given=jnp.asarray(given), infill_mask=jnp.asarray(mask))
    for cells in streams(codec, *drawn):
        assert [b for _, b in cells][:4] == [True, True, False, False]


@every_codec
def test_what_cannot_be_satisfied_does_not_crash(codec):
    table = tiny.make(*PRESETS[codec]).vocabulary
    none = harmony.chords(table, np.zeros((tiny.FRAMES, 12), bool), order(codec))
    all_strike = harmony.density(table, 3, 3, 3, order(codec))
    no_end = np.arange(table.size) != (table.id("end") if table.has("end") else -1)
    tokens, real = draw(codec, constraints.all_of(none, all_strike, constraints.by_stream(no_end[None])))
    assert ((tokens >= 0) & (tokens < table.size)).all()
    assert real.any()


@pytest.mark.parametrize("table", [vocabulary.pianoroll(), vocabulary.performance(), vocabulary.tracks()])
def test_what_has_no_frames_of_pitches_is_refused(table):
    with pytest.raises(ValueError, match="must have frames"):
        harmony.chords(table, np.ones((4, 12), bool))
    with pytest.raises(ValueError, match="must have frames"):
        harmony.density(table, 0, 1, 4)


def test_what_does_not_fit_is_refused():
    table = vocabulary.chorale()
    with pytest.raises(ValueError, match="allowed has shape"):
        harmony.chords(table, np.ones((4, 11), bool))
    with pytest.raises(ValueError, match="must be a permutation of 0..3"):
        harmony.chords(table, np.ones((4, 12), bool), (0, 1))
    for low, high, frames in ((-1, 1, 4), (2, 1, 4), (5, 6, 4), (0, 1, 0)):
        with pytest.raises(ValueError, match="onsets in"):
            harmony.density(table, low, high, frames)
