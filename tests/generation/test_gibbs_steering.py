"""Steering of DeepBach and Coconet by the verbs of every model, and by what they add: places, kept notes, joins."""

import functools

import numpy as np
import pieces
import pytest
import tiny
from played import played

from musejax import codecs, errors, rendering, zoo
from musejax.generation import cells, joining, option_values, piece_forms, planning, sampling, steering
from musejax.music import score_annotations

PRESETS = ("deep-bach-shared", "coconet-frames")


def quickly(preset):
    """Runs a test with both presets, the other one among the slow tests: they share all code but their networks."""
    return pytest.mark.parametrize(
        "preset", [pytest.param(name, marks=[] if name == preset else [pytest.mark.slow]) for name in PRESETS]
    )


@functools.cache
def loaded(preset):
    """A tiny preset as if it had been trained on three pieces."""
    t = tiny.make(zoo.entry(preset).family, preset)
    told = {"data": {"keys": {"8": 1}}}
    told["data"]["forms"] = ["40 16 0:12 28-32", "50 16 0:0 -"]
    return zoo.Loaded(t.model, {"params": t.params, "state": t.state}, codecs.get(t.vocabulary.name), told, preset)


@quickly("deep-bach-shared")
def test_a_melody_is_kept_with_its_repeated_notes_and_the_others_are_new(preset):
    source = pieces.melody([74, 74, 74, 76, 76, 74, 73, 74])
    (result,) = pieces.harmonize(loaded(preset), source, steps=8, say=pieces.quiet)
    new = pieces.check_kept(source, result, range(8))
    assert {n.instrument for n in new} == {1, 2, 3}
    assert [(n.start_time, n.end_time) for n in result.notes[:8]] == [(n.start_time, n.end_time) for n in source.notes]


@quickly("coconet-frames")
def test_bars_and_voices_are_filled_and_places_kept(preset):
    source, begun = pieces.random_chorale(4)
    inside = [v == 1 and 1 <= frame // pieces.BAR <= 1 for frame, v in begun]
    kept = [i for i, gone in enumerate(inside) if not gone]
    results = pieces.infill(loaded(preset), source, 2, bars=[(2, 2)], voices=["alto"], steps=8, say=pieces.quiet)
    for result in results:
        pieces.check_kept(source, result, kept)


def test_notes_at_places_are_kept_and_a_share_is_varied():
    model, (source, begun) = loaded("coconet-frames"), pieces.random_chorale(4)
    bar = [i for i, (frame, _) in enumerate(begun) if frame // pieces.BAR == 1]
    beat = cells.place("soprano@2.1")
    plan = planning.infilling(model, source, [(2, 2)], keep=[beat, bar[-1]], say=pieces.quiet)
    gone = {n.number for n in plan.redrawn}
    sounds = {n.number for n in plan.source.notes if n.stream == 0 and n.first < 20 and n.last > 16}
    assert gone == set(bar) - sounds - {bar[-1]}
    varied = [
        {n.number for n in planning.infilling(model, source, [(2, 2)], vary=0.5, seed=s, say=pieces.quiet).redrawn}
        for s in range(4)
    ]
    assert all(v < set(bar) and len(v) == round(len(bar) / 2) for v in varied) and varied[0] != varied[1]


@quickly("coconet-frames")
def test_a_forbidden_pitch_does_not_sound_where_it_is_forbidden(preset):
    source, model = pieces.melody([74, 76, 78, 79, 81, 79, 78, 76]), loaded(preset)
    plan = planning.harmony(model, source, say=pieces.quiet)
    rules = [cells.rule(text) for text in ("bass@1:48-50", "2:60-62")]
    allowed = cells.constraint(model, plan.source.numbers, planning.beat_of(plan.source), [rules[0]], [rules[1]])
    for piece in steering.draw_plan(model, plan, 8, 0, constraint=allowed, steps=8):
        for note in piece.sequence.notes[8:]:
            first, last = (
                np.searchsorted(pieces.seconds(source, np.arange(33)), t + 1e-6)
                for t in (note.start_time, note.end_time - 1e-4)
            )
            if note.instrument == 3 and first <= 16:
                assert 48 <= note.pitch <= 50
            if last > 16:
                assert not 60 <= note.pitch <= 62


def test_free_samples_have_the_forms_of_the_training_data():
    found = sampling.draw_pieces(loaded("deep-bach-shared"), 3, 5, steps=8)
    assert sampling.draw_pieces(loaded("deep-bach-shared"), 1, 5, steps=8)[0].sequence == found[0].sequence
    for piece in found:
        assert len(piece.arrays["tokens"]) in (40, 50) and piece.ended
        assert (piece.arrays["key"] == 8).all()
    (asked,) = sampling.draw_pieces(loaded("deep-bach-shared"), 1, 5, bars=2, sharps=-1, fermatas=[(1, 3)], steps=8)
    assert len(asked.arrays["tokens"]) == 33 and (asked.arrays["key"] == 6).all()
    np.testing.assert_array_equal(np.flatnonzero(asked.arrays["fermata"]), np.arange(12, 16))
    (free,) = sampling.draw_pieces(loaded("coconet-frames"), 1, 5, steps=8)
    assert len(free.arrays["tokens"]) in (40, 50)


def test_two_phrases_are_joined_by_bars_between_them():
    first, second = pieces.random_chorale(1)[0], pieces.random_chorale(2)[0]
    joined = joining.join(first, second, 2)
    assert joined.bars == (4, 5) and not joined.kept
    (result,) = pieces.infill(loaded("coconet-frames"), first, then=second, gap=2, steps=8, say=pieces.quiet)
    count = len(first.notes)
    assert list(result.notes[:count]) == list(first.notes)
    gap = 8 * 60 / 132
    begins = pieces.seconds(first, 3 * pieces.BAR)[0] + gap
    after = list(result.notes[count : count + len(second.notes)])
    assert [n.pitch for n in after] == [n.pitch for n in second.notes]
    np.testing.assert_allclose([n.start_time for n in after], [n.start_time + begins for n in second.notes], atol=1e-6)
    new = result.notes[count + len(second.notes) :]
    assert new and all(begins - gap - 1e-6 <= n.start_time < begins for n in new)


def test_the_second_phrase_brings_all_that_it_has():
    first, second = played(1, chorale=True), played(2, chorale=True)
    first.tempos[1].qpm = 72.0
    del second.tempos[:], second.control_changes[1:]
    second.instrument_infos.add(instrument=9, name="Shaker")
    joined = joining.join(first, second, 1).sequence
    assert list(joined.notes[: len(first.notes)]) == list(first.notes)
    after = joined.notes[len(first.notes) :]
    begins = after[0].start_time - second.notes[0].start_time
    for ours, theirs in ((after, second.notes), (joined.control_changes[1:], second.control_changes)):
        starts = [getattr(x, "start_time", getattr(x, "time", 0.0)) for x in theirs]
        np.testing.assert_allclose([getattr(x, "start_time", getattr(x, "time", 0.0)) - begins for x in ours], starts)
    assert joined.pitch_bends[1].time == pytest.approx(0.6 + begins)
    # Without a tempo the second phrase is read at 120 a minute, whatever the first one ends with.
    assert (joined.tempos[-1].qpm, joined.tempos[-1].time) == (120.0, pytest.approx(begins))
    assert [i.name for i in joined.instrument_infos] == ["Soprano", "Alto", "Tenor", "Bass", "Kit", "Shaker"]


def test_fermatas_that_are_asked_for_stand_in_the_score(tmp_path):
    source = pieces.melody([74, 76, 78, 79, 81, 79, 78, 76])
    marked = cells.with_fermatas(source, [(1, 4), (2, 3)])
    marks = [a.time for a in marked.text_annotations if a.text == score_annotations.FERMATA]
    np.testing.assert_allclose(marks, pieces.seconds(source, [12, 24]))
    (result,) = pieces.harmonize(loaded("deep-bach-shared"), marked, steps=8, say=pieces.quiet)
    path = tmp_path / "chorale.musicxml"
    rendering.write(result, path)
    text = path.read_text()
    assert text.count("<fermata") >= 2 and "<fifths>1</fifths>" in text
    assert [f"<part-name>{v}</part-name>" in text for v in pieces.VOICES] == [True] * 4


MISTAKES = [
    ("coconet-frames", {"sampler": "rounds"}, "sampler 'rounds' is unknown to coconet-frames, which has gibbs"),
    ("coconet-frames", {"steps": 0}, "steps is 0; it must be at least 1"),
    ("coconet-frames", {"min_length": 5}, "is told how long a piece is: give length or bars"),
    ("coconet-frames", {"fermatas": [(1, 1)]}, "fermatas: coconet-frames does not read them"),
    ("coconet-frames", {"beams": 2}, "does not draw from left to right"),
]


@pytest.mark.parametrize(("preset", "options", "says"), MISTAKES, ids=[m[-1][:30] for m in MISTAKES])
def test_what_cannot_be_drawn_is_a_mistake_in_one_line(preset, options, says):
    with pytest.raises(errors.UserError) as caught:
        sampling.draw_pieces(loaded(preset), 1, 0, **options)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_from_left_to_right_has_no_sampler_to_choose():
    with pytest.raises(errors.UserError, match="does not draw cells in any order"):
        sampling.draw_pieces(pieces.loaded("chorale-voices"), 1, 0, steps=4)


def test_places_are_read_as_they_are_written():
    assert cells.place("alto@5-8") == ("alto", 5, 8, None)
    assert cells.place("3.2") == (None, 3, 3, 2)
    assert cells.rule("bass@0:36-48") == (("bass", 0, 0, None), 36, 48)
    for wrong in ("organ@3", "8-5", "3.0", "x", ""):
        assert cells.place(wrong) is None
    for wrong in ("3:60-50", "3", "3:", "organ@3:60"):
        assert cells.rule(wrong) is None
    assert piece_forms.LONGEST % piece_forms.BAR == 0


def test_options_about_places_say_what_is_wrong_with_them():
    assert [r.low for r in option_values.rules("allow", "bass@0-2:36-48,3.1:60")] == [36, 60]
    assert [p.voice for p in option_values.places("keep", "alto@5, 6.2")] == ["alto", None]
    assert option_values.fermatas("2.3,4.1") == option_values.fermatas(["2.3", "4.1"]) == [(2, 3), (4, 1)]
    assert option_values.fermatas(None) is None and option_values.rules("allow", None) == []
    for read, text, says in (
        (lambda t: option_values.rules("forbid", t), "organ@3:60", "--forbid organ@3:60: give PLACE:PITCHES, such as"),
        (lambda t: option_values.places("keep", t), "x", "--keep x: give places such as soprano@5.1"),
        (option_values.fermatas, "2", "--fermatas 2: give BAR.BEAT,..., such as 2.3,4.3"),
    ):
        with pytest.raises(errors.OptionError) as caught:
            read(text)
        assert says in caught.value.as_flag()
    with pytest.raises(errors.UserError, match="vary is 2.0"):
        planning.infilling(loaded("coconet-frames"), pieces.random_chorale(4)[0], vary=2.0)
    with pytest.raises(errors.UserError, match="gap is 0"):
        joining.join(pieces.random_chorale(1)[0], pieces.random_chorale(2)[0], 0)
