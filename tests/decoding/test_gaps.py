"""The rules against silence, endless notes and loops: what they forbid, and what a net that runs idle writes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax import vocabulary
from musejax.base import Decoder, Request
from musejax.decoding import autoregressive, beam, gaps

MELODY = vocabulary.melody(60, 62)
HOLD, OFF, C, D = 0, 1, 2, 3
SKETCH = vocabulary.sketch()
VOICES = vocabulary.chorale()
PITCHES = vocabulary.chorale(holds=False, name="chorale-pitches")


def ask(table, rule, cells, stream=0, length=128):
    """What a rule allows after the first cells, in drawing order: bool[V]."""
    values = np.zeros((1, length * table.streams), np.int32)
    cells = np.ravel(cells)
    values[0, : len(cells)] = cells
    frame = len(cells) // table.streams
    answer = rule(jnp.asarray(frame), jnp.asarray(stream), jnp.asarray(values))
    return np.asarray(jnp.broadcast_to(answer, (1, table.size)))[0]


def test_a_melody_begins_with_a_note_and_rests_for_a_bar_at_most():
    rule = gaps.rest(MELODY)

    def silent(cells):
        allowed = ask(MELODY, rule, cells)
        assert allowed[C:].all() and allowed[HOLD] == allowed[OFF]
        return allowed[OFF]

    assert not silent([])
    assert silent([C]) and silent([C] + [HOLD] * 40)
    assert silent([C, OFF] + [HOLD] * 14)
    assert not silent([C, OFF] + [HOLD] * 15)
    assert not silent([C] + [OFF] * 16)
    # Rests of half a bar within four bars count together, and those before do not count.
    half = [OFF] + [HOLD] * 7
    assert not silent([C, *half, C, *half])
    assert silent([C, *half] + [C] * 60 + half)


def test_a_rest_with_a_token_of_its_own_is_one():
    rest, hold, note = SKETCH.id("rest"), SKETCH.id("hold"), SKETCH.id("pitch", 60)
    rule = gaps.rest(SKETCH)
    for cells in ([], [note] + [rest] * 16, [note, rest] + [hold] * 15):
        allowed = ask(SKETCH, rule, cells)
        assert not allowed[rest] and not allowed[hold] and allowed[note]
    assert ask(SKETCH, rule, [note] + [hold] * 30).all()


def test_voices_break_a_silence_in_the_first_free_one():
    rest, hold = VOICES.id("rest"), VOICES.id("hold")
    order = (2, 0, 1, 3)
    rule = gaps.rest(VOICES, order)
    chord, silence = [VOICES.id("pitch", p) for p in (60, 72, 67, 48)], [rest] * 4
    assert not ask(VOICES, rule, [], stream=2)[[rest, hold]].any()
    assert ask(VOICES, rule, [chord, silence, silence, silence], stream=2)[rest]
    assert not ask(VOICES, rule, [chord, *[silence] * 4], stream=2)[rest]
    # Once a voice has struck, the others may rest.
    assert ask(VOICES, rule, [*chord, *silence * 4, chord[0]], stream=0)[rest]
    assert not ask(VOICES, rule, [*chord, *silence * 4, rest], stream=0)[rest]
    # A voice that has held all along breaks no silence, for there is none.
    assert ask(VOICES, rule, [chord, *[[hold, rest, rest, rest]] * 20], stream=2).all()


def test_given_voices_do_not_count_and_given_cells_break_a_silence():
    rest, hold, note = VOICES.id("rest"), VOICES.id("hold"), VOICES.id("pitch", 72)
    given, mask = np.full((20, 4), rest, np.int32), np.ones((20, 4), np.int32)
    given[:, 0], given[0, 0], mask[:, 0] = hold, note, 0
    frames = [[note, rest, rest, rest], *[[hold, rest, rest, rest]] * 4]
    assert not ask(VOICES, gaps.rest(VOICES, given=given, infill_mask=mask), frames, stream=1, length=20)[rest]
    given[4:, 0] = rest  # the soprano rests: so may the others
    frames[4] = [rest] * 4
    assert ask(VOICES, gaps.rest(VOICES, given=given, infill_mask=mask), frames, stream=1, length=20)[rest]
    given, mask = np.full((20, 4), rest, np.int32), np.ones((20, 4), np.int32)
    given[5, 3], mask[5, 3] = note, 0
    rule, frames = gaps.rest(VOICES, given=given, infill_mask=mask), [[note] * 4, *[[rest] * 4] * 3]
    assert ask(VOICES, rule, frames, length=20)[rest]
    assert not ask(VOICES, rule, [*frames, [rest] * 4, [rest] * 4], length=20)[rest]
    assert ask(VOICES, rule, [*frames, [rest] * 4], length=20)[rest], "the given note sounds in this frame"
    assert np.argwhere(gaps.sounding(VOICES, given, mask)).tolist() == [[5, 3]]


def test_a_note_lasts_two_bars_at_most():
    rule = gaps.note(MELODY)
    assert ask(MELODY, rule, [C] + [HOLD] * 30).all()
    assert ask(MELODY, rule, [C] + [HOLD] * 31).tolist() == [False, True, True, True, True]
    assert ask(MELODY, rule, [C, OFF] + [HOLD] * 60).all()
    rule, note = gaps.note(PITCHES), PITCHES.id("pitch", 60)
    rest = [0, 0, 0]
    assert ask(PITCHES, rule, [[note, *rest]] * 31).all()
    assert np.flatnonzero(~ask(PITCHES, rule, [[note, *rest]] * 32)).tolist() == [note]
    assert ask(PITCHES, rule, [[note, *rest]] * 32, stream=1).all()


def test_a_passage_is_not_stated_a_third_time():
    rule, beat = gaps.loop(MELODY), [C, HOLD, HOLD, HOLD]
    assert ask(MELODY, rule, beat * 3).all()
    assert ask(MELODY, rule, beat * 4).tolist() == [True, True, False, True, True]
    bar = [*beat * 3, D, HOLD, HOLD, HOLD]
    assert ask(MELODY, rule, [*bar, *bar[:-1], OFF]).all()
    assert not ask(MELODY, rule, bar * 2)[C]
    assert not ask(MELODY, rule, [*bar, *[D] * 16] * 2)[C]
    # A rest may be repeated: only notes are asked to move.
    assert ask(MELODY, rule, ([OFF] + [HOLD] * 3 + beat) * 2).all()


@pytest.mark.parametrize("table", [vocabulary.performance(), vocabulary.pianoroll()])
def test_the_rules_are_for_frames_of_tokens(table):
    assert not gaps.fits(table)
    for rule in (gaps.rest, gaps.note, gaps.loop):
        with pytest.raises(ValueError, match="frames of tokens"):
            rule(table)


def idle(favourite):
    """A net that would write one token for ever."""

    def step(params, state, cache, previous, pos, conditions):
        return jnp.tile(jnp.linspace(0, 1, MELODY.size).at[favourite].set(20.0)[None], (len(previous), 1)), cache

    return Decoder(lambda p, s, num, length: jnp.zeros(num), step, MELODY.size)


@pytest.mark.parametrize("favourite", [HOLD, OFF, C])
@pytest.mark.parametrize("beams", [None, 1, 3])
def test_a_net_that_runs_idle_writes_music_under_the_rules(favourite, beams):
    pair = idle(favourite)

    def notes(rules):
        request = Request(1, 96, rules=rules)
        if beams is None:
            request = request.replace(choice=request.choice.replace(top_k=1))
            out = jax.jit(lambda r: autoregressive.sample_request(pair, MELODY, {}, {}, jax.random.key(0), r))(request)
        else:
            out = jax.jit(lambda r: beam.search(pair, MELODY, {}, {}, r, beams=beams))(request)
        assert "blocked" not in out
        tokens = np.asarray(out["tokens"][0])
        return np.flatnonzero(tokens >= C), tokens

    starts, tokens = notes(())
    assert len(set(tokens.tolist())) == 1
    starts, tokens = notes((gaps.rest(MELODY), gaps.note(MELODY), gaps.loop(MELODY)))
    assert starts[0] == 0 and np.diff([*starts, 96]).max() <= 48
    silent = np.maximum.accumulate(np.where(tokens == OFF, np.arange(96), -1)) > np.maximum.accumulate(
        np.where(tokens >= C, np.arange(96), -1)
    )
    assert np.convolve(silent, np.ones(64), "valid").max() <= 16
