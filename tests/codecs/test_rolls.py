import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors
from musejax.codecs import track_rolls
from musejax.music import midi_reading, noteseq
from musejax.music import midi_writing as rendering_midi
from musejax.pipeline import augment, dataset, windows

NAMES = list(track_rolls.TABLES)


@st.composite
def pieces(draw):
    """A codec's name and arrays of it: random cells, whole bars of one metre with a pick-up."""
    name = draw(st.sampled_from(NAMES))
    vocabulary = codecs.get(name).vocabulary
    unit = vocabulary.frames_per_quarter // 4
    bar = draw(st.sampled_from([16, 12, 8]))
    pick_up, bars = draw(st.sampled_from([0, 4])), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    beat = (np.arange((bars * bar + pick_up) * unit) - pick_up * unit) % (bar * unit)
    frames = (rng.random((len(beat), vocabulary.size)) < draw(st.sampled_from([0.001, 0.02, 0.3]))).astype(np.uint8)
    frames = np.repeat(frames, draw(st.integers(1, 9)), axis=0)[: len(beat)]
    return name, {"frames": frames, "beat": beat.astype(np.int32)}


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(piece=pieces(), qpm=st.floats(40, 200))
def test_arrays_survive(piece, qpm):
    name, arrays = piece
    hypothesis.assume(arrays["frames"].any())
    codec = codecs.get(name)
    sequence = codec.decode(arrays, qpm)
    for again in (*codec.encode(sequence), codec.prime(sequence)):
        np.testing.assert_array_equal(again["frames"], arrays["frames"])
        np.testing.assert_array_equal(again["beat"], arrays["beat"])
        assert again["frames"].dtype == np.uint8 and again["beat"].dtype == np.int32


@hypothesis.settings(deadline=None, max_examples=10)
@hypothesis.given(piece=pieces())
def test_arrays_survive_a_midi_file_up_to_the_last_note(piece):
    name, arrays = piece
    hypothesis.assume(all(t.any() for t in np.split(arrays["frames"], len(track_rolls.TABLES[name].tracks), axis=1)))
    codec = codecs.get(name)
    again = codec.prime(midi_reading.midi_to_sequence(rendering_midi.to_bytes(codec.decode(arrays, 120.0))))
    end = np.flatnonzero(arrays["frames"].any(1))[-1] + 1
    np.testing.assert_array_equal(again["frames"], arrays["frames"][:end])


def _sequence(*parts, names=(), qpm=120.0):
    """Parts of (program or None for drums, notes of (start, end, pitch) in quarters)."""
    sequence = noteseq.load().NoteSequence()
    sequence.tempos.add(qpm=qpm)
    for instrument, (program, notes) in enumerate(parts):
        if instrument < len(names):
            sequence.instrument_infos.add(instrument=instrument, name=names[instrument])
        for start, end, pitch in notes:
            sequence.notes.add(
                start_time=start * 60 / qpm, end_time=end * 60 / qpm, pitch=pitch, velocity=64, program=program or 0,
                instrument=instrument, is_drum=program is None,
            )  # fmt: skip
            sequence.total_time = max(sequence.total_time, end * 60 / qpm)
    return sequence


def lit(name, sequence):
    """(track, first frame, end frame, pitch) of each run of lit cells."""
    table, frames = track_rolls.TABLES[name], codecs.get(name).encode(sequence)[0]["frames"]
    cells = frames.reshape(len(frames), len(table.tracks), -1) > 0
    return [
        (track, a, b, table.pitches[0] + key)
        for track in range(len(table.tracks))
        for a, b, key in track_rolls._notes(cells[:, track], table.tracks[track] in table.drums)
    ]


def test_programs_tell_the_tracks_of_a_band():
    programs = [(None, 0), (0, 1), (7, 1), (24, 2), (31, 2), (32, 3), (39, 3), (8, 4), (48, 4), (73, 4), (104, 4)]
    programs += [(96, None), (103, None), (112, None), (127, None)]
    for program, track in programs:
        sequence = _sequence((program, [(0, 1, 60)]), (0, [(2, 3, 70)]))
        found = [(t, p) for t, _, _, p in lit("rolls-band-12", sequence)]
        assert found == sorted([(1, 70)] + ([(track, 60)] if track is not None else []))


def test_a_repeated_note_is_heard_where_frames_are_short_and_lost_on_the_16th_grid():
    notes = [(0, 1, 60), (1, 2, 60), (2, 2.5, 62), (3, 4, 60)]
    band = lit("rolls-band", _sequence((0, notes)))
    assert band == [(1, 0, 23, 60), (1, 24, 48, 60), (1, 48, 60, 62), (1, 72, 96, 60)]
    pop = lit("rolls-pop", _sequence((0, notes), (0, [(0, 1, 40)]), names=("MELODY", "PIANO")))
    assert pop == [(0, 0, 8, 60), (0, 8, 10, 62), (0, 12, 16, 60), (2, 0, 4, 40)]


def test_a_hit_of_a_drum_is_one_frame_and_each_lit_frame_a_hit():
    found = lit("rolls-band-12", _sequence((None, [(0, 1, 36), (0.5, 0.6, 38)])))
    assert found == [(0, 0, 1, 36), (0, 6, 7, 38)]
    codec, frames = codecs.get("rolls-band-12"), np.zeros((48, 420), np.uint8)
    frames[3:5, 12] = 1
    hits = codec.decode({"frames": frames}, 60).notes
    assert [(round(n.start_time * 12), n.pitch, n.is_drum) for n in hits] == [(3, 36, True), (4, 36, True)]


def test_the_grid_starts_anew_at_a_time_signature():
    shift = 0.55  # in quarters: no whole number of 16ths
    sequence = _sequence((0, [(shift, shift + 1, 60), (shift + 4, shift + 5, 62)]), names=("MELODY",))
    sequence.time_signatures.add(time=shift / 2, numerator=4, denominator=4)
    arrays = codecs.get("rolls-pop").encode(sequence)[0]
    first = np.flatnonzero(arrays["frames"].any(1))
    assert first.tolist() == [2, 3, 4, 5, 18, 19, 20, 21]
    assert arrays["beat"][[2, 18]].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "sequence", "reason"),
    [
        ("rolls-band", _sequence(), "empty"),
        ("rolls-band", _sequence((96, [(0, 1, 60)])), "empty"),
        ("rolls-band", _sequence((0, [(-1, 1, 60)])), "a note before time 0"),
        ("rolls-band", _sequence((0, [(0, 1, 23)])), "pitch outside 24..107"),
        ("rolls-band", _sequence((0, [(0, 9000, 60)])), "longer than 8000 quarters"),
        ("rolls-pop", _sequence((0, [(0.12, 1, 60)]), names=("MELODY",)), "notes off the grid"),
        ("rolls-chorale", _sequence((0, [(0, 1, 60)])), "not four voices"),
    ],
)
def test_discards(name, sequence, reason):
    with pytest.raises(errors.DiscardError, match=f"^{reason}$"):
        codecs.get(name).encode(sequence)


def test_pitched_tracks_are_transposed_and_drums_are_not():
    vocabulary = codecs.get("rolls-band-12").vocabulary
    frames = np.zeros((4, 5, 84), np.uint8)
    frames[0, 0, 80], frames[1, 1, 2], frames[2, 3, 81] = 1, 1, 1
    arrays = {"frames": frames.reshape(4, -1), "beat": np.arange(4, dtype=np.int32)}
    item = dataset.Item("a", "a", arrays)
    assert augment.limits(item, vocabulary, 6) == (-2, 2)
    moved = augment.transpose(arrays, vocabulary, 2)["frames"].reshape(4, 5, 84)
    assert [tuple(map(int, x)) for x in np.argwhere(moved)] == [(0, 0, 80), (1, 1, 4), (2, 3, 83)]
    marks = {windows.fingerprint({"frames": augment.rolled(arrays["frames"], vocabulary, k)}, vocabulary)
             for k in (-2, 0, 2)}  # fmt: skip
    assert len(marks) == 1
    apart = frames.copy()
    apart[0, 0] = np.roll(apart[0, 0], 1)
    assert windows.fingerprint({"frames": apart.reshape(4, -1)}, vocabulary) not in marks


def test_windows_are_bars_of_the_codecs_own_grid():
    codec = codecs.get("rolls-band-12")
    notes = [(start, start + 1, 60 + start % 7) for start in range(12)]
    item = dataset.Item("a", "a", codec.encode(_sequence((0, notes)))[0])
    data = dataset.Dataset("here", codec.vocabulary, {"train": [item]}, {})
    found = windows.cut_windows(data, 2).split("train")
    assert [w.length for w in found] == [96, 96]
    windows.check(codec.vocabulary, 2, 96)
    with pytest.raises(errors.UserError, match="2 bars have 96 frames; give --training.window 96"):
        windows.check(codec.vocabulary, 2, 32)
