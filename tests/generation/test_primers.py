"""A primer stays as it is, whatever the codec reads of it, and what comes after goes on in its metre, tempo and key."""

import jax.numpy as jnp
import numpy as np
import pieces
import pytest
from played import LEAD, QUARTERS, check_kept, played

from musejax import codecs, errors, registry, zoo
from musejax.base import Info, Model
from musejax.generation import primers, sampling
from musejax.music import midi_writing as rendering_midi
from musejax.music import noteseq, timing


def never(*args, **options):
    raise AssertionError("no network is asked")


def stub(name, **config):
    """A loaded model of a codec whose net is never asked."""
    codec = codecs.get(name)
    conditions = config.get("conditions", tuple(dict(codec.vocabulary.conditions)))
    model = Model(Info(None, conditions=tuple(conditions)), never, never, never)
    return zoo.Loaded(model, {}, codec, {"model": config, "data": {}, "training": {}}, "stub")


def drawn(loaded, given, seed=0, allowed=None):
    """A piece as a model might have drawn it: the given cells, then any others."""
    vocabulary, rng = loaded.codec.vocabulary, np.random.default_rng(seed)
    field = "tokens" if vocabulary.kind == "tokens" else "frames"
    if vocabulary.kind == "groove":
        cells = np.concatenate([rng.random((len(given.cells), 9)) < 0.2, rng.random((len(given.cells), 18)) - 0.5], 1)
    elif vocabulary.kind == "bits":
        cells = rng.random(given.cells.shape) < 0.02
    elif vocabulary.own:
        spans = [vocabulary.span(stream) for stream in range(vocabulary.streams)]
        cells = np.column_stack([first + rng.integers(0, size, len(given.cells)) for first, size in spans])
    elif vocabulary.has("density"):
        bar = [vocabulary.id("bar", 12)]
        for track in range(3):
            bar += [vocabulary.id(kind, 1 if track else 0) for kind in ("density", "polyphony", "duration")]
            bar[-3:-3] = [vocabulary.id("track", track)]
            if track:
                bar += [vocabulary.id("position", 4), vocabulary.id("pitch", 60 + track), vocabulary.id("length", 4)]
        cells = np.resize(np.roll(bar, -1 - seam(given)), given.cells.shape)
    else:
        ends = [vocabulary.id("end")] if vocabulary.has("end") else []
        choices = np.setdiff1d(np.arange(vocabulary.size) if allowed is None else allowed, ends)
        cells = rng.choice(choices, given.cells.shape)
    mask = given.infill_mask.reshape(len(cells), -1)[:, 0] > 0
    cells[~mask] = given.cells[~mask]
    return {field: cells.astype(given.cells.dtype), **given.conditions}


def seam(given):
    mask = given.infill_mask.reshape(len(given.infill_mask), -1)[:, 0]
    return int(np.argmax(mask > 0))


@pytest.mark.parametrize("name", [name for name in registry.names("codec") if name != "remi"])
def test_a_primer_is_kept_by_every_codec_and_what_is_new_comes_after_it(name):
    source = played(chorale="chorale" in name)
    if name == "melody-90-chords":
        kind = noteseq.load().NoteSequence.TextAnnotation.CHORD_SYMBOL
        source.text_annotations.add(time=0.0, text="F#", annotation_type=kind)
    before, loaded, said = source.SerializeToString(), stub(name), []
    length = 400 if loaded.codec.vocabulary.frames_per_quarter != 24 else 800
    given = primers.prime(loaded, source, length, say=said.append)
    result = given.write(drawn(loaded, given))
    assert source.SerializeToString() == before
    new = check_kept(source, result)
    assert new
    # Half a 16th: the last note may be let go off the grid, and a hit of a groove may come early.
    end = max(n.end_time for n in source.notes)
    vocabulary = loaded.codec.vocabulary
    early = 60 / 96 / 8 * (2 if vocabulary.kind == "groove" else 1)
    assert all(n.start_time > end - early for n in new)
    if vocabulary.frames_per_quarter and vocabulary.kind != "groove":
        frames = timing.to_quarters(result, np.array([n.start_time for n in new])) * vocabulary.frames_per_quarter
        off = np.abs(frames - np.round(frames)) > 1e-6
        # What begins where a given note of its voice is let go late waits for that.
        assert all(n.start_time <= end for n, o in zip(new, off, strict=True) if o)
    looks = {(n.instrument, n.program, n.is_drum) for n in source.notes}
    added = {i.instrument for i in result.instrument_infos[len(source.instrument_infos) :]}
    assert all((n.instrument, n.program, n.is_drum) in looks or n.instrument in added for n in new)
    # What the model does not read is said, in one line a reason.
    assert all(line.startswith("played.mid: ") and "\n" not in line for line in said)
    if "drums" in name or name in ("melody", "performance"):
        assert any("of other parts; they are kept as they are" in line for line in said)
    # The MIDI file of it has the same notes, up to its ticks.
    assert rendering_midi.to_bytes(result)


def test_new_notes_of_every_voice_stand_where_the_grid_has_them():
    source = played(chorale=True)
    loaded = stub("chorale")
    given = primers.prime(loaded, source, 60, say=lambda text: None)
    assert seam(given) == 4 * QUARTERS and given.bar == 12
    table = loaded.codec.vocabulary
    cells = given.cells.copy()
    cells[40:] = table.id("hold")
    cells[40:, :] = np.where(np.arange(40, 60)[:, None] % 6 == 4, table.id("pitch", 60), cells[40:])
    new = check_kept(source, given.write({"tokens": cells, **given.conditions}))
    places = timing.to_quarters(source, np.array([(n.start_time, n.end_time) for n in new]).ravel()).reshape(-1, 2)
    for voice in range(4):
        mine = [tuple(np.round(at * 4)) for n, at in zip(new, places, strict=True) if n.instrument == voice]
        assert mine == [(40, 46), (46, 52), (52, 58), (58, 60)]
        assert {n.program for n in new if n.instrument == voice} == {53 if voice == 2 else 52}
        velocities = [n.velocity for n in source.notes if n.instrument == voice]
        assert {n.velocity for n in new if n.instrument == voice} == {int(np.median(velocities))}


@pytest.mark.parametrize(("name", "cycle"), [("chorale", 12), ("chorale-pitches", 16), ("melody-90", 12)])
def test_the_beat_goes_on_in_the_metre_of_the_primer(name, cycle):
    given = primers.prime(stub(name), played(chorale="chorale" in name), 100, say=lambda text: None)
    beat = given.conditions["beat"]
    assert len(beat) == 100
    np.testing.assert_array_equal(beat[40:], (beat[39] + 1 + np.arange(60)) % cycle)
    if cycle == 12:
        # After the pick-up every bar has three quarters.
        np.testing.assert_array_equal(np.flatnonzero(beat == 0), np.arange(len(beat) - 100 + _pick_up(beat), 100, 12))
    if name == "chorale":
        assert (given.conditions["key"] == 7 + 6).all()


def _pick_up(beat):
    return int(np.argmax(beat == 0))


def test_bars_of_tracks_go_on_in_the_metre_of_the_primer():
    source = played()
    loaded = stub("tracks")
    given = primers.prime(loaded, source, 900, say=lambda text: None)
    table = loaded.codec.vocabulary
    allowed = np.asarray(given.constraint(jnp.asarray(0), jnp.asarray(0), jnp.zeros((1, 0), jnp.int32)))
    sizes = table.values("bar")
    assert np.flatnonzero(allowed & (sizes >= 0)).tolist() == [table.id("bar", 12)]
    assert allowed[sizes < 0].all()
    # The primer ends with a bar line: a pick-up of a quarter, three bars, and what follows.
    used = sizes[given.cells[: seam(given)]]
    assert used[used >= 0].tolist() == [4, 12, 12, 12, 12] and used[-1] == 12


def test_a_primer_that_is_read_in_c_goes_on_in_its_own_key_and_octave():
    source = played()
    for note in source.notes:
        note.pitch += 0 if note.is_drum else 12
    loaded = stub("melody-basic")
    table = loaded.codec.vocabulary
    scale = [table.id("pitch", p) for p in range(48, 84) if p % 12 in (0, 2, 4, 5, 7, 9, 11)]
    given = primers.prime(loaded, source, 200, say=lambda text: None)
    assert given.shift % 12 == 6
    new = check_kept(source, given.write(drawn(loaded, given, allowed=scale)))
    assert {(n.pitch - 6) % 12 for n in new} == {0, 2, 4, 5, 7, 9, 11}
    assert {n.pitch + given.shift for n in new} <= set(range(48, 84))
    read = table.values("pitch")[given.cells[: seam(given)]]
    lead = [n.pitch for n in source.notes if n.instrument == LEAD][:QUARTERS]
    assert [(p - given.shift) % 12 for p in read[read >= 0]] == [p % 12 for p in lead]


def test_of_several_keys_that_fit_the_signature_decides():
    source = noteseq.load().NoteSequence()
    source.tempos.add(qpm=60)
    for i, pitch in enumerate((66, 68, 70)):  # in F sharp, B and C sharp major
        source.notes.add(pitch=pitch, start_time=i, end_time=i + 1, velocity=80)
    shift = {}
    for key in (6, 11, 1):
        del source.key_signatures[:]
        source.key_signatures.add(key=key)
        shift[key] = primers.prime(stub("melody-basic"), source, 64).shift
    assert all((key + shift[key]) % 12 == 0 for key in shift)


@pytest.mark.parametrize("away", [-48, 48])
def test_a_primer_outside_the_range_is_read_in_another_octave_and_goes_on_in_its_own(away):
    source = noteseq.load().NoteSequence()
    source.tempos.add(qpm=60)
    source.time_signatures.add(numerator=4, denominator=4)
    for i, pitch in enumerate((60, 64, 67, 72)):
        source.notes.add(pitch=pitch + away, start_time=i, end_time=i + 1, velocity=80)
    loaded = stub("melody-90")
    given = primers.prime(loaded, source, 64)
    assert given.shift and given.shift % 12 == 0
    table = loaded.codec.vocabulary
    new = check_kept(source, given.write(drawn(loaded, given, allowed=[table.id("pitch", 60), table.id("pitch", 62)])))
    assert {n.pitch for n in new} == {60 - given.shift, 62 - given.shift}


def test_single_notes_outside_the_range_are_kept_and_said():
    source, said = played(chorale=True), []
    source.notes[3 * QUARTERS].pitch = 28
    given = primers.prime(stub("chorale"), source, 100, say=said.append)
    check_kept(source, given.write(drawn(stub("chorale"), given)))
    assert given.cells[0, 3] == stub("chorale").codec.vocabulary.id("pitch", 40)
    assert said == [
        "played.mid: stub does not read 10 notes of other parts; they are kept as they are",
        "played.mid: 1 note lies outside 36..81; stub reads it in another octave, but the result has it as given",
    ]


def test_key_and_tempo_fill_in_what_the_primer_does_not_say():
    source, said = played(chorale=True), []
    loaded = stub("chorale", conditions=["beat", "key"])
    given = primers.prime(loaded, source, 100, sharps=-1, qpm=90.0, say=said.append)
    check_kept(source, given.write(drawn(loaded, given)))
    assert "played.mid: it has a key signature of its own; the one of 1 flat is ignored" in said
    assert "played.mid: it has a tempo of its own (60 a minute); 90 a minute is ignored" in said
    del source.key_signatures[:], source.tempos[:]
    given = primers.prime(loaded, source, 100, sharps=-1, qpm=90.0, say=said.append)
    result = given.write(drawn(loaded, given))
    assert [k.key for k in result.key_signatures] == [5] and [t.qpm for t in result.tempos] == [90.0]
    assert (given.conditions["key"] == 6).all()
    del said[:]
    given = primers.prime(loaded, source, 100, say=said.append)
    assert [line for line in said if "key signature" in line] == [
        "played.mid: it has no key signature; F minor is assumed, by Krumhansl's profiles of its notes"
    ]
    assert (given.conditions["key"] == 7 - 4).all() and not given.write(drawn(loaded, given)).key_signatures


def test_rests_do_not_end_a_primer_and_others_may_play_on():
    source = noteseq.load().NoteSequence()
    source.tempos.add(qpm=60)
    for first, instrument in ((0, 0), (11, 0), (12, 1), (19, 1)):
        source.notes.add(pitch=60, start_time=first, end_time=first + 1, velocity=80, instrument=instrument)
    loaded = stub("melody")
    given = primers.prime(loaded, source, 128, say=lambda text: None)
    assert seam(given) == 80
    assert np.flatnonzero(given.cells[:80] == loaded.codec.vocabulary.id("pitch", 60)).tolist() == [0, 44]
    assert min(n.start_time for n in check_kept(source, given.write(drawn(loaded, given)))) >= 20
    with pytest.raises(errors.UserError, match="length is 80: the primer alone has 80 frames"):
        primers.prime(loaded, source, 80, say=lambda text: None)


def test_parts_that_the_primer_lacks_are_added():
    source = played()
    del source.notes[2 * QUARTERS :]  # no drums
    del source.instrument_infos[2:]
    loaded = stub("trio")
    given = primers.prime(loaded, source, 128, say=lambda text: None)
    result = given.write(drawn(loaded, given))
    new = check_kept(source, result)
    assert [i.name for i in result.instrument_infos] == ["Lead", "Fretless", "drums"]
    assert {(n.instrument, n.program, n.is_drum) for n in new} == {(0, 24, False), (1, 35, False), (2, 0, True)}


@pytest.mark.parametrize(
    ("last", "cycle", "place"), [((), 12, 8), ([(7, 2)], 8, 0)], ids=["a short last bar", "a change of metre"]
)
def test_a_score_goes_on_in_the_metre_in_force(last, cycle, place):
    source = noteseq.load().NoteSequence()
    source.source_info.encoding_type = source.source_info.MUSIC_XML
    source.tempos.add(qpm=60)
    marks = [(0, 1), (1, 3), *last]
    for time, numerator in marks:
        source.time_signatures.add(time=time, numerator=numerator, denominator=4)
    for i in range(9):
        source.notes.add(pitch=60, start_time=i, end_time=i + 1, velocity=80)
    given = primers.prime(stub("melody-90"), source, 100)
    result = given.write(drawn(stub("melody-90"), given))
    assert [(s.time, s.numerator) for s in result.time_signatures] == marks and given.bar == cycle
    beat = given.conditions["beat"][seam(given) :]
    np.testing.assert_array_equal(beat, (place + np.arange(len(beat))) % cycle)


def test_a_tempo_that_is_filled_in_keeps_the_places_of_notes_in_quarters():
    source, said = noteseq.load().NoteSequence(filename="plain.mid"), []
    source.time_signatures.add(numerator=3, denominator=4)
    source.key_signatures.add(time=1.5)
    for i in range(6):
        source.notes.add(pitch=60 + i, start_time=i / 2, end_time=(i + 1) / 2, velocity=80)
    source.total_time = 3.0
    loaded = stub("melody-90")
    given = primers.prime(loaded, source, 48, qpm=60.0, say=said.append)
    result = given.write(drawn(loaded, given))
    assert not said and [(t.time, t.qpm) for t in result.tempos] == [(0, 60.0)]
    assert [(n.start_time, n.end_time) for n in result.notes[:6]] == [(i, i + 1) for i in range(6)]
    assert result.key_signatures[0].time == 3.0
    assert primers.prime(loaded, source, 48, say=said.append).cells.tolist() == given.cells.tolist()
    assert said == ["plain.mid: it has no tempo; 120 quarter notes a minute are assumed"]


@pytest.mark.parametrize("preset", ["chorale-voices", "mono-rnn", "performance"])
def test_sampling_from_python_keeps_the_primer(preset):
    source, said = played(chorale="chorale" in preset), []
    loaded = pieces.loaded(preset)
    one, two = pieces.sample(loaded, 2, 1, primer=source, length=200, width=2, say=said.append)
    assert check_kept(source, one) and said
    assert [n.pitch for n in check_kept(source, one)] != [n.pitch for n in check_kept(source, two)]


def test_a_given_note_is_not_held_on_by_what_follows():
    source, loaded = played(chorale=True), pieces.loaded("chorale-voices")
    hold = pieces.only(loaded.codec.vocabulary, loaded.codec.vocabulary.id("hold"), loaded.codec.vocabulary.id("rest"))
    given = primers.prime(loaded, source, 60, say=lambda text: None)
    (piece,) = sampling.draw_pieces(loaded, 1, 0, given=given, constraint=hold, may_be_silent=True)
    assert not check_kept(source, piece.sequence)
