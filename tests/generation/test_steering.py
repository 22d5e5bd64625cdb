"""Harmonising and infilling: given notes are kept to the last bit, and what is new lies where it may."""

import hypothesis
import jax.numpy as jnp
import numpy as np
import pieces
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors, vocabulary
from musejax.decoding import given_notes
from musejax.generation import planning, steering
from musejax.music import timing

pytestmark = pytest.mark.usefixtures("fast_code")

chorales = pytest.mark.parametrize("preset", ["chorale-voices", "jsb16-voices"])


@chorales
@hypothesis.settings(deadline=None, max_examples=12)
@hypothesis.given(
    seed=st.integers(0, 10**6),
    voices=st.sets(st.sampled_from(planning.VOICES)),
    bars=st.sets(st.integers(1, pieces.BARS)),
)
def test_given_notes_are_kept_for_any_bars_and_voices(preset, seed, voices, bars):
    hypothesis.assume(voices or bars)
    source, begun = pieces.random_chorale(seed)
    redrawn = [
        (not bars or frame // pieces.BAR + 1 in bars) and (not voices or planning.VOICES[voice] in voices)
        for frame, voice in begun
    ]
    kept = [i for i, gone in enumerate(redrawn) if not gone]
    model = pieces.loaded(preset)
    free = {
        "bars": [(b, b) for b in bars],
        "voices": sorted(voices),
        "constraint": pieces.anything(model.codec.vocabulary),
    }
    try:
        results = pieces.infill(model, source, 2, seed, **free, say=pieces.quiet)
    except errors.UserError as error:
        assert "a given note sounds throughout" in str(error)
        return
    assert results[0] != results[1]
    for result in results:
        new = pieces.check_kept(source, result, kept)
        for note in new:
            assert not voices or planning.VOICES[note.instrument] in voices
        for voice in range(len(pieces.VOICES)):
            before, now = (pieces.overlaps(sequence, voice) for sequence in (source, result))
            assert now <= before


@chorales
@pytest.mark.parametrize("voice", planning.VOICES)
def test_a_given_voice_is_kept_and_the_others_are_new(preset, voice):
    source, begun = pieces.random_chorale(7)
    kept = [i for i, (_, v) in enumerate(begun) if planning.VOICES[v] == voice]
    model = pieces.loaded(preset)
    allowed = pieces.anything(model.codec.vocabulary)
    (result,) = pieces.harmonize(model, source, voice=voice, constraint=allowed, say=pieces.quiet)
    new = pieces.check_kept(source, result, kept)
    assert {n.instrument for n in new} == {v for v in range(4) if planning.VOICES[v] != voice}
    assert max(n.end_time for n in new) <= pieces.seconds(source, pieces.BARS * pieces.BAR) + 1e-9


def test_a_piece_does_not_depend_on_how_many_are_asked_for():
    source, model = pieces.random_chorale(3)[0], pieces.loaded("chorale-voices")

    def drawn(num, seed):
        allowed = pieces.anything(model.codec.vocabulary)
        return pieces.harmonize(model, source, num, seed, constraint=allowed, say=pieces.quiet)

    three = drawn(3, 5)
    assert drawn(1, 5) == three[:1]
    assert drawn(1, 6)[0] not in three


def three_bars():
    """A soprano with a note held over the second bar line, and long notes below."""
    sequence = pieces.empty()
    for first, last in ((0, 8), (8, 20), (36, 48)):
        pieces.add(sequence, first, last, 76)
    for voice in (1, 2, 3):
        for bar in range(3):
            pieces.add(sequence, bar * pieces.BAR, (bar + 1) * pieces.BAR, pieces.CENTRES[voice], voice)
    return sequence


def test_a_free_cell_after_a_given_note_begins_anew():
    model, source = pieces.loaded("chorale-voices"), three_bars()
    table = model.codec.vocabulary
    plan = planning.infilling(model, source, [(2, 2)], ["soprano"], say=pieces.quiet)
    hold, pitch = table.id("hold"), table.id("pitch", 76)
    # The held note's cells of bar 2 are given; the rest up to the note that begins in bar 3 is free.
    np.testing.assert_array_equal(np.flatnonzero(plan.given.infill_mask[:, 0]), np.arange(20, 32))
    assert not plan.given.infill_mask[:, 1:].any()
    assert (plan.given.cells[-1] == table.id("end")).all() and len(plan.given.cells) == 49
    for piece in steering.draw_plan(model, plan, 8, 0, constraint=pieces.only(table, hold, pitch)):
        cells = piece.arrays["tokens"][20:32, 0]
        assert cells[0] == pitch and set(cells.tolist()) <= {hold, pitch}
        new = pieces.check_kept(source, piece.sequence, range(len(source.notes)))
        np.testing.assert_allclose(new[0].start_time, pieces.seconds(source, 20))
        np.testing.assert_allclose(new[-1].end_time, pieces.seconds(source, 32))


def test_equal_neighbours_are_one_note_but_not_with_a_given_one():
    model, source = pieces.loaded("jsb16-voices"), three_bars()
    table = model.codec.vocabulary
    (result,) = pieces.infill(
        model,
        source,
        bars=[(2, 2)],
        voices=["soprano"],
        constraint=pieces.only(table, table.id("pitch", 76)),
        say=pieces.quiet,
    )
    (new,) = pieces.check_kept(source, result, range(len(source.notes)))
    np.testing.assert_allclose((new.start_time, new.end_time), pieces.seconds(source, [20, 32]))


def test_a_redrawn_note_frees_its_cells_beyond_the_last_bar():
    source = three_bars()
    plan = planning.infilling(pieces.loaded("chorale-voices"), source, [(1, 1)], ["soprano"], say=pieces.quiet)
    np.testing.assert_array_equal(np.flatnonzero(plan.given.infill_mask[:, 0]), np.arange(0, 20))
    assert [n.number for n in plan.redrawn] == [0, 1]


def test_holds_are_forbidden_after_given_cells_alone():
    def told(table, cells, free):
        constraint = given_notes.attacks(table, np.array(cells), np.array(free))
        values = jnp.zeros((1, len(cells)), jnp.int32)
        out = [np.asarray(constraint(jnp.asarray(t), jnp.asarray(0), values)) for t in range(len(cells))]
        hold = table.id("hold")
        assert all(row[:hold].all() and row[hold + 1 :].all() for row in out)
        return [not row[hold] for row in out]

    table = vocabulary.melody()
    # A rest goes on as a hold; only what would prolong a given note is forbidden.
    assert told(table, [0, 9, 62, 0, 9, 1, 0, 9], [0, 1, 0, 0, 1, 0, 0, 1]) == [False] * 4 + [True] + [False] * 3
    sketch = vocabulary.sketch()
    rest = sketch.id("rest")
    assert told(sketch, [9, 9, 9, rest, 9], [1, 1, 0, 0, 1]) == [True, False, False, False, True]
    assert (
        given_notes.attacks(
            vocabulary.chorale(holds=False, name="chorale-pitches"), np.zeros((3, 4), int), np.ones((3, 4))
        )
        is None
    )


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(
    tempos=st.lists(st.tuples(st.floats(0.01, 20), st.floats(20, 300)), max_size=4, unique_by=lambda t: t[0]),
    quarters=st.lists(st.floats(0, 100), min_size=1),
)
def test_quarters_become_the_seconds_that_they_came_from(tempos, quarters):
    sequence = pieces.empty(tempos)
    there = timing.to_seconds(sequence, np.array(quarters))
    np.testing.assert_allclose(timing.to_quarters(sequence, there), quarters, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("preset", ["mono-rnn", "sketch-lstm", "basic-rnn"])
def test_bars_of_a_melody_are_filled_and_the_rest_is_kept(preset):
    source, model = pieces.melody(pieces.TUNE), pieces.loaded(preset)
    allowed = pieces.anything(model.codec.vocabulary)
    for result in pieces.infill(model, source, 4, bars=[(2, 2)], constraint=allowed, say=pieces.quiet):
        new = pieces.check_kept(source, result, [0, 1, 2, 3, 8, 9, 10, 11])
        low, high = pieces.seconds(source, [16, 32])
        for note in new:
            assert low - 1e-9 <= note.start_time < note.end_time <= high + 1e-9


def test_a_rest_after_a_filled_bar_ends_its_last_note():
    source = pieces.melody(pieces.TUNE[:8])
    pieces.add(source, 40, 48, 74)
    model = pieces.loaded("mono-rnn")
    table = model.codec.vocabulary
    (result,) = pieces.infill(
        model,
        source,
        bars=[(2, 2)],
        constraint=pieces.only(table, table.id("hold"), table.id("pitch", 70)),
        say=pieces.quiet,
    )
    new = pieces.check_kept(source, result, [0, 1, 2, 3, 8])
    assert new[0].pitch == 70
    np.testing.assert_allclose((new[0].start_time, new[-1].end_time), pieces.seconds(source, [16, 32]).tolist())


def test_a_melody_that_the_model_reads_in_c_is_filled_in_its_own_key():
    model = pieces.loaded("basic-rnn")
    table = model.codec.vocabulary
    allowed, source = pieces.only(table, table.id("pitch", 60)), pieces.melody(pieces.TUNE)
    (result,) = pieces.infill(model, source, bars=[(2, 2)], constraint=allowed, say=pieces.quiet)
    new = pieces.check_kept(source, result, [0, 1, 2, 3, 8, 9, 10, 11])
    assert len(new) == 16 and {n.pitch % 12 for n in new} == {2}


def test_bars_of_binary_frames_are_filled_beside_what_still_sounds():
    source = pieces.empty()
    for bar in range(3):
        for pitch in (48, 60, 64):
            pieces.add(source, bar * pieces.BAR, (bar + 1) * pieces.BAR, pitch)
    pieces.add(source, 8, 24, 72)
    results = pieces.infill(pieces.loaded("pianoroll-keys"), source, 8, bars=[(2, 2)], say=pieces.quiet)
    kept = [i for i in range(10) if i not in (3, 4, 5)]
    for result in results:
        new = pieces.check_kept(source, result, kept)
        held, (low, high) = source.notes[9], pieces.seconds(source, [16, 32])
        for note in new:
            assert low - 1e-9 <= note.start_time < note.end_time <= high + 1e-9
            assert note.pitch != 72 or note.start_time >= held.end_time
    assert any(len(result.notes) > len(kept) for result in results)


def test_a_pick_up_is_bar_0():
    source = pieces.empty()
    del source.time_signatures[:]
    source.time_signatures.add(numerator=1, denominator=4)
    source.time_signatures.add(time=pieces.seconds(source, 4)[0], numerator=3, denominator=4)
    for voice in range(4):
        for i in range(7):
            pieces.add(source, 4 * i, 4 * i + 4, pieces.CENTRES[voice], voice)
    model = pieces.loaded("chorale-voices")

    def free(bars):
        plan = planning.infilling(model, source, bars, None, say=pieces.quiet)
        assert plan.source.bar == 12
        return np.flatnonzero(plan.given.infill_mask.all(axis=1)).tolist()

    assert free([(0, 0)]) == [*range(4)]
    assert free([(1, 1)]) == [*range(4, 16)]
    assert free([(0, 0), (2, 2)]) == [*range(4), *range(16, 28)]
    with pytest.raises(errors.UserError, match="bars 3-3: the sequence has bars 0-2"):
        free([(3, 3)])


@pytest.mark.parametrize("voice", planning.VOICES)
def test_a_melody_becomes_a_voice_among_others(voice):
    source = pieces.melody([60, 62, 62, 64] * 3)
    source.instrument_infos.add(instrument=0, name="Flute")
    model = pieces.loaded("chorale-voices")
    allowed = pieces.anything(model.codec.vocabulary)
    (result,) = pieces.harmonize(model, source, voice=voice, constraint=allowed, say=pieces.quiet)
    names = ["Flute" if v == voice else v.capitalize() for v in planning.VOICES]
    assert [i.name for i in sorted(result.instrument_infos, key=lambda i: i.instrument)] == names
    mine = [n for n in result.notes if n.instrument == planning.VOICES.index(voice)]
    assert [(n.pitch, n.start_time, n.end_time, n.velocity) for n in mine] == [
        (n.pitch, n.start_time, n.end_time, n.velocity) for n in source.notes
    ]


def test_what_a_file_does_not_say_is_assumed_and_said():
    source = pieces.melody(pieces.TUNE)
    del source.time_signatures[:], source.key_signatures[:], source.text_annotations[:]
    source.filename = "tune.mid"
    said = []
    model = pieces.loaded("chorale-voices")
    plan = planning.harmony(model, source, say=said.append)
    assert said == [
        "tune.mid: it has no time signature; 4/4 from its start is assumed",
        "tune.mid: it has no key signature; D major is assumed, by Krumhansl's profiles of its notes",
    ]
    assert (plan.given.conditions["key"] == 9).all()
    assert [k.key for k in plan.source.sequence.key_signatures] == [2]
    np.testing.assert_array_equal(plan.given.conditions["beat"], np.arange(49) % 16)
    plan = planning.harmony(model, source, sharps=-1, say=said.append)
    assert len(said) == 3 and (plan.given.conditions["key"] == 6).all()
    reader = model._replace(model=model.model._replace(info=model.model.info._replace(conditions=("fermata",))))
    plan = planning.harmony(reader, source, say=said.append)
    assert said[-1].startswith("tune.mid: it has no fermatas; 1 is assumed, on its last note")
    np.testing.assert_array_equal(np.flatnonzero(plan.given.conditions["fermata"]), np.arange(44, 48))
    assert [a.time for a in plan.source.sequence.text_annotations] == [max(n.start_time for n in source.notes)]
    assert not source.text_annotations and not source.key_signatures
    # A score of several voices has a key, whether the model reads one or not.
    plan = planning.harmony(pieces.loaded("jsb16-voices"), source, say=said.append)
    assert [k.key for k in plan.source.sequence.key_signatures] == [2] and "D major is assumed" in said[-1]


def test_fermatas_beat_and_key_come_from_the_file():
    source, said = pieces.melody(pieces.TUNE), []
    planning.harmony(pieces.loaded("chorale-voices"), source, sharps=1, say=pieces.quiet)
    plan = planning.harmony(pieces.loaded("chorale-voices"), source, sharps=-2, say=said.append)
    assert said == ["the sequence: it has a key signature of its own; the one of 2 flats is ignored"]
    assert list(plan.source.sequence.key_signatures) == list(source.key_signatures)
    said.clear()
    plan = planning.harmony(pieces.loaded("chorale-voices"), source, "alto", say=said.append)
    assert len(said) == 1 and "its melody lies above 55..74, the range of alto voices" in said[0]
    at = int(timing.to_quarters(source, np.array([0.5]))[0])
    np.testing.assert_array_equal(np.flatnonzero(plan.given.conditions["fermata"]), np.arange(4 * at, 4 * at + 4))
    assert (plan.given.conditions["key"] == 8).all()


KEYS = {-5: "Db", 5: "B"}


def test_guidance_of_scale_0_knows_no_conditions():
    model = pieces.loaded("chorale-voices")
    info = model.model.info._replace(drops_conditions=True)
    model = model._replace(model=model.model._replace(info=info))
    source, allowed = pieces.melody(pieces.TUNE), pieces.anything(model.codec.vocabulary)
    del source.key_signatures[:]

    def drawn(sharps, **options):
        (result,) = pieces.harmonize(
            model,
            source,
            key={-5: "Db", 5: "B"}[sharps],
            temperature=0.1,
            constraint=allowed,
            say=pieces.quiet,
            **options,
        )
        # The key that is told stands in the result.
        assert [k.key for k in result.key_signatures] == [7 * sharps % 12]
        return [(n.instrument, n.start_time, n.end_time, n.pitch) for n in result.notes]

    assert drawn(-5) != drawn(5)
    assert drawn(-5, guidance=0.0) == drawn(5, guidance=0.0)


def polyphonic():
    source = pieces.melody(pieces.TUNE)
    pieces.add(source, 0, 16, 50)
    return source


def two_parts():
    source = pieces.melody(pieces.TUNE)
    pieces.add(source, 0, 16, 50, 1)
    return source


def held():
    return pieces.melody([60], frames=32)


def early():
    source = pieces.melody(pieces.TUNE)
    source.notes[0].start_time = -1
    return source


# What is done with which model to which sequence, and what is said.
MISTAKES = [
    (pieces.harmonize, "chorale-voices", polyphonic, {}, "two notes sound at once in the soprano at 0.00 seconds"),
    (pieces.harmonize, "chorale-voices", two_parts, {}, "2 parts sound; codec chorale needs one melody or four"),
    (pieces.harmonize, "chorale-voices", [60] * 1100, {}, "lasts 4400 frames; at most 4096 can be steered"),
    (pieces.harmonize, "chorale-voices", early, {}, "a note begins before time 0"),
    (pieces.harmonize, "chorale-voices", [], {}, "it holds no notes with pitches"),
    (
        pieces.harmonize,
        "chorale-voices",
        [60],
        {"voice": "organ"},
        "voice is 'organ': choose from soprano",
    ),
    (pieces.harmonize, "chorale-voices", [60], {"guidance": 2.0}, "guidance needs a model with conditions"),
    (pieces.harmonize, "chorale-voices", [60], {"num": 2, "beams": 4}, "a beam search returns one piece, and num is 2"),
    (pieces.harmonize, "mono-rnn", [60], {}, "codec melody, which has no voices to harmonise"),
    (pieces.infill, "chorale-voices", [60], {"bars": [(1, 1)]}, "1 part sounds; codec chorale needs four voices"),
    (pieces.infill, "mono-rnn", two_parts, {"bars": [(1, 1)]}, "2 parts sound; codec melody needs one melody"),
    (pieces.infill, "performance", [60], {"bars": [(1, 1)]}, "codec performance-356, which has no grid"),
    (pieces.infill, "pianoroll-keys", [60], {"bars": [(1, 1)], "beams": 2}, "draws frames of switches, not tokens"),
    (pieces.infill, "mono-rnn", [60], {"voices": ["alto"]}, "codec melody of mono-rnn has no voices"),
    (pieces.infill, "mono-rnn", [60], {}, "nothing is to be filled"),
    (pieces.infill, "mono-rnn", [60], {"bars": [(0, 1)]}, "bars 0-1: the sequence has bar 1"),
    (pieces.infill, "mono-rnn", held, {"bars": [(2, 2)]}, "a given note sounds throughout"),
]


@pytest.mark.parametrize(("verb", "preset", "source", "options", "says"), MISTAKES, ids=[m[-1] for m in MISTAKES])
def test_what_cannot_be_steered_is_a_mistake_in_one_line(verb, preset, source, options, says):
    sequence = source() if callable(source) else pieces.melody(source)
    with pytest.raises(errors.UserError) as caught:
        verb(pieces.loaded(preset), sequence, **options, say=pieces.quiet)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_the_shipped_chorale_model_harmonises_a_melody_from_python():
    source = pieces.melody([67, 69, 71, 71, 69, 67, 66, 67])
    (result,) = pieces.harmonize("chorale-lstm", source, seed=1, say=pieces.quiet)
    kept = pieces.check_kept(source, result, range(len(source.notes)))
    assert {n.instrument for n in kept} == {1, 2, 3}
    cells = codecs.get("chorale").prime(result)["tokens"]
    # A trained model sounds all three voices under the melody, on its beat.
    assert (cells[0] > 0).all()
