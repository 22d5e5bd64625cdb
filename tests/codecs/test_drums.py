import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors, zoo
from musejax.codecs import drums
from musejax.decoding import constraints
from musejax.generation import planning
from musejax.music import midi_reading, noteseq
from musejax.music import midi_writing as rendering_midi

CODEC, BITS = codecs.get("drums"), codecs.get("drums-bits")


def _sequence(*hits, is_drum=True, instrument=9):
    """Hits of (16th, pitch) at 120."""
    sequence = noteseq.load().NoteSequence()
    for at, pitch in hits:
        sequence.notes.add(
            start_time=at / 8, end_time=at / 8 + 0.1, pitch=pitch, velocity=64, is_drum=is_drum, instrument=instrument
        )
        sequence.total_time = max(sequence.total_time, at / 8 + 0.1)
    return sequence


def _beat(bars, *, start=0):
    return [(start + 4 * i, 36 if i % 2 == 0 else 38) for i in range(4 * bars)]


@st.composite
def tracks(draw):
    """The sets of frames in the domain of `encode`: whole bars, no 16 empty frames between two hits."""
    ids = [0] * draw(st.integers(0, 15))
    for _ in range(draw(st.integers(1, 30))):
        ids += [draw(st.integers(1, 511))] + [0] * draw(st.integers(0, 15))
    ids = np.trim_zeros(np.array(ids), "b")
    return np.pad(ids, (0, -len(ids) % 16)).astype(np.int32)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(tokens=tracks(), qpm=st.floats(30, 240))
def test_sets_survive(tokens, qpm):
    sequence = CODEC.decode({"tokens": tokens}, qpm)
    primed = CODEC.prime(sequence)["tokens"]
    np.testing.assert_array_equal(primed, np.trim_zeros(tokens, "b"))
    frames = BITS.prime(sequence)["frames"]
    np.testing.assert_array_equal(drums.to_ids(frames), primed)
    np.testing.assert_array_equal(BITS.prime(BITS.decode({"frames": frames}, 97.0))["frames"], frames)
    assert primed.dtype == np.int32 and frames.dtype == np.uint8
    if len(tokens) < 32:
        with pytest.raises(errors.DiscardError, match="shorter than 2 bars"):
            CODEC.encode(sequence)
    else:
        ((again,), (bits,)) = CODEC.encode(sequence), BITS.encode(sequence)
        np.testing.assert_array_equal(again["tokens"], tokens)
        np.testing.assert_array_equal(bits["frames"], drums.to_frames(tokens))


def test_a_file_gives_the_same_sets():
    tokens = np.array([257, 0, 4, 0, 2 + 4, 0, 4, 511] * 4, np.int32)
    data = rendering_midi.to_bytes(CODEC.decode({"tokens": tokens}, 97.0))
    (again,) = CODEC.encode(midi_reading.midi_to_sequence(data))
    np.testing.assert_array_equal(again["tokens"], tokens)


def test_every_percussion_pitch_of_general_midi_has_one_class():
    pitches = [pitch for group in drums.PITCHES for pitch in group]
    assert sorted(pitches) == [22, 26, *range(27, 88)]
    assert len(drums.PITCHES) == len(drums.CLASSES) == CODEC.vocabulary.size.bit_length() - 1 == BITS.vocabulary.size
    kit = {36: 0, 38: 1, 42: 2, 46: 3, 41: 4, 47: 5, 50: 6, 49: 7, 51: 8}
    assert {pitch: drums.class_of(pitch) for pitch in kit} == kit
    assert drums.class_of(88) is None


@pytest.mark.parametrize("drum", range(9))
def test_what_is_written_is_of_the_class(drum):
    (note,) = CODEC.decode({"tokens": np.array([0, 1 << drum])}, 120).notes
    assert drums.class_of(note.pitch) == drum
    assert note.is_drum and note.start_time == 0.125 and note.end_time == 0.25


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (_sequence(), "no drums"),
        (_sequence(*_beat(4), is_drum=False), "no drums"),
        (_sequence((0, 20), (40, 100)), "no drum of the nine classes"),
        (_sequence(*_beat(1)), "shorter than 2 bars"),
        (_sequence((-1, 36), *_beat(4)), "a note before time 0"),
    ],
)
def test_discards(sequence, reason):
    for codec in (CODEC, BITS):
        with pytest.raises(errors.DiscardError, match=f"^{reason}$"):
            codec.encode(sequence)


def test_signatures_that_do_not_fit():
    sequence = _sequence(*_beat(4))
    sequence.time_signatures.add(numerator=4, denominator=5)
    with pytest.raises(errors.DiscardError, match="signature"):
        CODEC.encode(sequence)
    sequence.time_signatures[0].numerator, sequence.time_signatures[0].denominator = 5, 32
    with pytest.raises(errors.DiscardError, match="16ths"):
        CODEC.encode(sequence)


def test_a_bar_without_a_hit_parts_tracks_and_nothing_cuts_them():
    # The last hit before is in frame 48, so 15 frames are empty.
    sequence = _sequence(*_beat(3), (48, 36), *_beat(96, start=64))
    assert [len(a["tokens"]) for a in CODEC.encode(sequence)] == [100 * 16]
    sequence = _sequence(*_beat(3), *_beat(2, start=64))  # the last one is in frame 44
    assert [len(a["tokens"]) for a in CODEC.encode(sequence)] == [48, 32]
    assert len(CODEC.prime(sequence)["tokens"]) == 93


def test_tracks_begin_at_the_bar_line_before_the_first_hit():
    (arrays,) = CODEC.encode(_sequence((23, 46), (39, 49)))
    assert np.flatnonzero(arrays["tokens"]).tolist() == [7, 23]
    assert arrays["tokens"][[7, 23]].tolist() == [8, 128]
    assert len(arrays["tokens"]) == 32


def test_all_kits_are_read_together_and_nothing_else():
    sequence = _sequence(*_beat(2))
    sequence.notes.extend(_sequence((0, 42), (1, 42), (0, 35), (2, 99), instrument=3).notes)
    sequence.notes.extend(_sequence((3, 36), is_drum=False, instrument=1).notes)
    sequence.notes.add(start_time=0.5, end_time=1, pitch=49, is_drum=True)  # no velocity
    (arrays,) = CODEC.encode(sequence)
    assert arrays["tokens"][:5].tolist() == [5, 4, 0, 0, 2]


def test_changes_of_time_part_tracks_but_not_primers():
    sequence = _sequence(*_beat(4))
    sequence.time_signatures.add(numerator=4, denominator=4)
    sequence.time_signatures.add(time=4.0, numerator=3, denominator=4)
    assert [len(a["tokens"]) for a in CODEC.encode(sequence)] == [32, 36]
    sequence.tempos.add(qpm=120)
    sequence.tempos.add(time=4.0, qpm=60)
    assert len(CODEC.prime(sequence)["tokens"]) == 32 + 14 + 1


def test_drums_have_no_pitches_to_steer_by():
    assert not constraints.pitched(CODEC.vocabulary)
    with pytest.raises(KeyError, match="drums has no pitches"):
        constraints.scale(CODEC.vocabulary, 0)
    loaded = zoo.Loaded(None, {}, CODEC, {}, "beat")
    with pytest.raises(errors.UserError, match="beat writes codec drums; only pitched notes"):
        planning.infilling(loaded, _sequence(*_beat(2)), [(1, 1)])
