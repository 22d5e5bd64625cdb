"""Several tracks: bars, attributes and given tracks are as they were asked for, and everything is well-formed."""

import dataclasses
import functools

import jax
import numpy as np
import pieces
import pytest
import tiny
import track_grammar
from played import KIT, LEAD, QUARTERS, check_kept, played

from musejax import codecs, errors, zoo
from musejax.codecs import tracks
from musejax.generation import accompaniment, sampling
from musejax.models import transformer
from musejax.music import noteseq, timing

VOCABULARY = codecs.get("tracks").vocabulary


@functools.cache
def loaded():
    """A tiny model of tracks as if it had been trained."""
    config = dataclasses.replace(transformer.PRESETS["pop-tracks"][1], num_layers=1, width=16, feed_forward=12, span=32)
    model = tiny.compiled(transformer.make(config, VOCABULARY))
    params, state = model.init(jax.random.key(0), tiny.random_batch(VOCABULARY, 2, 8))
    codec = codecs.get("tracks")
    return zoo.Loaded(model, {"params": params, "state": state}, codec, {"model": {}, "data": {}}, "tiny-pop")


def song(bars=2):
    """A melody of quarters over long piano notes."""
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=220)
    sequence.tempos.add(qpm=60.0)
    sequence.time_signatures.add(numerator=4, denominator=4)
    for part, name in enumerate(("MELODY", "PIANO")):
        sequence.part_infos.add(part=part, name=name)
    for beat in range(4 * bars):
        sequence.notes.add(part=0, pitch=72 + beat % 5, start_time=beat, end_time=beat + 1, velocity=90)
        if beat % 4 == 0:
            sequence.notes.add(part=1, pitch=48, start_time=beat, end_time=beat + 4, velocity=90)
    sequence.total_time = 4.0 * bars
    return sequence


def of_track(sequence, part):
    return sorted((n.start_time, n.end_time, n.pitch) for n in sequence.notes if n.part == part)


def test_a_given_melody_is_kept_and_the_rest_is_drawn_around_it():
    source = song()
    drawn = pieces.accompany(loaded(), source, num=2, width=2)
    assert len({tuple(of_track(s, 2)) for s in drawn}) == 2
    for sequence in drawn:
        assert of_track(sequence, 0) == of_track(source, 0)
        assert of_track(sequence, 2) != of_track(source, 1)
        assert sequence.tempos[0].qpm == 60.0


def test_an_accompaniment_keeps_all_that_was_given_and_replaces_the_other_tracks():
    source, said = played(), []
    (result,) = pieces.accompany(loaded(), source, seed=2, say=said.append)
    assert said == [
        "played.mid: tiny-pop does not read 10 notes of other parts; they are kept as they are",
        "played.mid: tiny-pop draws its bridge, piano anew; 20 notes are replaced",
    ]
    kept = noteseq.load().NoteSequence.FromString(source.SerializeToString())
    del kept.notes[:]
    kept.notes.extend(n for n in source.notes if n.instrument in (LEAD, KIT))
    new = check_kept(kept, result)
    # The other tracks go on in the parts that the file has for them.
    assert {(n.instrument, n.program) for n in new} <= {(1, 35), (3, 89)}
    frames = timing.to_quarters(result, np.array([n.start_time for n in new])) * 4
    np.testing.assert_allclose(frames, np.round(frames), atol=1e-6)


def test_tracks_that_a_file_lacks_are_added_beside_its_own():
    source = played()
    del source.notes[QUARTERS:], source.instrument_infos[1:]
    (result,) = pieces.accompany(loaded(), source, seed=2)
    new = check_kept(source, result)
    assert [i.name for i in result.instrument_infos] == ["Lead", "BRIDGE", "PIANO"]
    assert {n.instrument for n in new} == {1, 2}


def test_attributes_and_bars_are_as_they_were_asked_for():
    asked = {("piano", "density"): 3, ("bridge", "density"): 0, ("melody", "polyphony"): 1}
    plan = accompaniment.plan(loaded(), bars=3, attributes=asked)
    for piece in sampling.draw_pieces(loaded(), 3, 0, length=plan.length, constraint=plan.constraint, width=3):
        assert piece.ended
        track_grammar.parse(piece.arrays["tokens"])
        said = tracks.requested(VOCABULARY, piece.arrays["tokens"])
        assert said.shape == (3, 3, 3)
        assert (said[:, 2, 0] == 3).all() and (said[:, 1] == 0).all() and (said[:, 0, 1] == 1).all()


def test_a_free_sample_is_well_formed():
    piece = sampling.draw_pieces(loaded(), 1, 0, length=60, width=2)[0]
    assert track_grammar.parse(piece.arrays["tokens"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "nothing is asked for"),
        ({"bars": 0}, "bars is 0"),
        ({"attributes": {("drums", "density"): 1}}, "attribute drums.density is unknown"),
        ({"attributes": {("piano", "density"): 12}}, "its bins are 0..9"),
        ({"attributes": {("piano", "density"): 0, ("piano", "duration"): 2}}, "silence"),
        ({"sequence": song(), "tracks": ("tuba",)}, "track tuba is unknown"),
        ({"sequence": song(), "tracks": ("melody", "bridge", "piano")}, "none is left"),
        ({"sequence": song(), "tracks": ("bridge",)}, "no note lies in its bridge"),
        ({"sequence": song(), "bars": 4}, "the bars are those of the given music"),
        ({"sequence": song(), "attributes": {("melody", "density"): 1}}, "the melody is given as it is"),
        ({"sequence": noteseq.load().NoteSequence()}, "does not fit codec tracks of tiny-pop: empty"),
    ],
)
def test_what_cannot_be_asked_for_is_a_mistake_in_one_line(options, says):
    with pytest.raises(errors.UserError, match=says):
        accompaniment.plan(loaded(), **options)


def test_a_model_without_tracks_does_not_accompany():
    with pytest.raises(errors.UserError, match="need codec tracks"):
        accompaniment.plan(zoo.load("chorale-lstm"), bars=4)
