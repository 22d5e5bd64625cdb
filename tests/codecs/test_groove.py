import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors, registry
from musejax.music import midi_reading, noteseq
from musejax.music import midi_writing as rendering_midi

CODEC = codecs.get("groove")


@st.composite
def grooves(draw):
    """Frames in the domain of `encode`: whole bars, no 16 empty frames between two hits."""
    rows = [None] * draw(st.integers(0, 15))
    for _ in range(draw(st.integers(1, 24))):
        rows += [draw(st.sets(st.integers(0, 8), min_size=1, max_size=4))] + [None] * draw(st.integers(0, 15))
    while rows[-1] is None:
        rows.pop()
    rows += [None] * (-len(rows) % 16)
    frames = np.zeros((len(rows), 27), np.float32)
    for t, struck in enumerate(rows):
        for drum in sorted(struck or ()):
            offset = draw(st.integers(-500 if t else 0, 499)) / 1000
            frames[t, [drum, 9 + drum, 18 + drum]] = 1, draw(st.integers(1, 127)) / 127, offset
    return frames


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(frames=grooves(), qpm=st.floats(30, 240))
def test_frames_survive(frames, qpm):
    sequence = CODEC.decode({"frames": frames}, qpm)
    last = np.flatnonzero(frames[:, :9].any(axis=1))[-1] + 1
    primed = CODEC.prime(sequence)["frames"]
    assert primed.dtype == np.float32
    np.testing.assert_array_equal(primed[:, :18], frames[:last, :18])
    np.testing.assert_allclose(primed[:, 18:], frames[:last, 18:], atol=1e-5)
    if len(frames) < 32:
        with pytest.raises(errors.DiscardError, match="shorter than 2 bars"):
            CODEC.encode(sequence)
        return
    (again,) = CODEC.encode(sequence)
    np.testing.assert_allclose(again["frames"], frames, atol=1e-5)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    hits=st.lists(st.tuples(st.floats(0.5, 12), st.integers(20, 90), st.integers(1, 127)), min_size=2, max_size=60),
    qpm=st.floats(60, 180),
)
def test_what_was_read_once_is_read_again(hits, qpm):
    sequence = _sequence(*hits)
    sequence.tempos.add(qpm=qpm)
    try:
        pieces = CODEC.encode(sequence)
    except errors.DiscardError:
        return
    for arrays in pieces:
        frames = arrays["frames"]
        early = frames[0, 18:] < 0
        frames[0, 18:][early] = 0  # nothing can be earlier than time 0
        (again,) = CODEC.encode(CODEC.decode(arrays, 101.0))
        np.testing.assert_allclose(again["frames"], frames, atol=1e-5)


def _sequence(*hits, is_drum=True):
    """Hits of (seconds, pitch, velocity)."""
    sequence = noteseq.load().NoteSequence()
    for at, pitch, velocity in hits:
        sequence.notes.add(
            start_time=at, end_time=at + 0.05, pitch=pitch, velocity=velocity, is_drum=is_drum, instrument=9
        )
        sequence.total_time = max(sequence.total_time, at + 0.05)
    return sequence


def _beat(bars):
    return [(i / 2, 36, 90) for i in range(4 * bars)]


def test_a_hit_belongs_to_the_nearest_frame():
    # A 16th lasts 1/8 s.
    frames = CODEC.prime(_sequence((0.125 - 0.02, 38, 127), (0.125 + 0.07, 42, 64), (0.5, 36, 1)))["frames"]
    assert frames.shape == (5, 27)
    assert [index.tolist() for index in np.nonzero(frames[:, :9])] == [[1, 2, 4], [1, 2, 0]]
    np.testing.assert_allclose(frames[[1, 2, 4], [10, 11, 9]], [1, 64 / 127, 1 / 127], atol=1e-6)
    np.testing.assert_allclose(frames[[1, 2, 4], [19, 20, 18]], [-0.16, -0.44, 0], atol=1e-6)


@pytest.mark.parametrize("turn", [1, -1])
def test_the_loudest_of_a_frame_stays_and_of_equals_the_earliest(turn):
    hits = [(0.01, 38, 50), (0.02, 40, 90), (0.03, 37, 70), (0.26, 36, 60), (0.24, 35, 60), *_beat(2)][::turn]
    frames = CODEC.encode(_sequence(*hits))[0]["frames"]
    np.testing.assert_allclose(frames[0, [1, 10, 19]], [1, 90 / 127, 0.16], atol=1e-6)
    np.testing.assert_allclose(frames[2, [0, 9, 18]], [1, 60 / 127, -0.08], atol=1e-6)


def test_decode_brings_back_time_and_velocity():
    frames = np.zeros((4, 27), np.float32)
    frames[0, [0, 9, 18]] = 1, 1, -0.4
    frames[1, [2, 11, 20]] = 0.6, 0.5, 0.4
    frames[2, [2, 11, 20]] = 1, 2.0, -0.9
    frames[3, [1, 10, 19]] = 0.4, 1, 0.3
    notes = [
        (n.start_time * 8, n.end_time * 8, n.pitch, n.velocity) for n in CODEC.decode({"frames": frames}, 120).notes
    ]
    expected = [(0, 1, 36, 127), (1.4, 1.5, 42, 64), (1.5, 2.5, 42, 127)]
    np.testing.assert_allclose(notes, expected, atol=1e-6)


def test_a_file_keeps_offsets_to_its_ticks():
    rng = np.random.default_rng(0)
    frames = np.zeros((32, 27), np.float32)
    frames[:, :9] = rng.random((32, 9)) < 0.4
    frames[0, 0] = frames[-1, 0] = 1
    frames[:, 9:18] = frames[:, :9] * rng.integers(1, 128, (32, 9)) / 127
    frames[:, 18:] = frames[:, :9] * rng.uniform(-0.4, 0.4, (32, 9))
    frames[0, 18:] = np.abs(frames[0, 18:])
    data = rendering_midi.to_bytes(CODEC.decode({"frames": frames}, 113.0))
    (again,) = CODEC.encode(midi_reading.midi_to_sequence(data))
    np.testing.assert_allclose(again["frames"], frames, atol=1 / 120)


@pytest.mark.parametrize(("pitch", "drum"), [(43, 4), (45, 5), (47, 5), (48, 6), (50, 6), (58, 4), (49, 7), (56, 1)])
def test_toms_are_those_of_the_groove_set(pitch, drum):
    assert np.flatnonzero(CODEC.prime(_sequence((0.0, pitch, 80)))["frames"][0, :9]).tolist() == [drum]


def test_drums_that_another_codec_wrote_keep_their_class():
    sequence = codecs.get("drums").decode({"tokens": 1 << np.arange(9)}, 90)
    np.testing.assert_array_equal(CODEC.prime(sequence)["frames"][:, :9], np.eye(9))
    back = codecs.get("drums").prime(CODEC.decode(CODEC.prime(sequence), 90))
    assert back["tokens"].tolist() == [1 << k for k in range(9)]


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (_sequence(), "no drums"),
        (_sequence(*_beat(4), is_drum=False), "no drums"),
        (_sequence((0, 20, 80)), "no drum of the nine classes"),
        (_sequence(*_beat(1)), "shorter than 2 bars"),
        (_sequence((-0.01, 36, 80), *_beat(4)), "a note before time 0"),
    ],
)
def test_discards(sequence, reason):
    with pytest.raises(errors.DiscardError, match=f"^{reason}$"):
        CODEC.encode(sequence)


@pytest.mark.parametrize(("numerator", "denominator", "reason"), [(4, 5, "signature"), (5, 32, "16ths")])
def test_signatures_that_do_not_fit(numerator, denominator, reason):
    sequence = _sequence(*_beat(4))
    sequence.time_signatures.add(numerator=numerator, denominator=denominator)
    with pytest.raises(errors.DiscardError, match=reason):
        CODEC.encode(sequence)


def test_a_change_of_metre_parts_and_an_early_hit_belongs_to_the_new_bar():
    hits = [h for h in _beat(8) if h[0] != 8.0]
    sequence = _sequence(*hits, (8.0 - 0.03, 49, 100))
    sequence.time_signatures.add(numerator=4, denominator=4)
    sequence.time_signatures.add(time=4.0, numerator=4, denominator=4)
    sequence.time_signatures.add(time=8.0, numerator=3, denominator=4)
    first, second = (a["frames"] for a in CODEC.encode(sequence))
    assert (len(first), len(second)) == (64, 72)
    np.testing.assert_allclose(second[0, [7, 25]], [1, -0.24], atol=1e-6)


def test_a_change_of_tempo_does_not_part():
    sequence = _sequence(*_beat(4))
    sequence.tempos.add(qpm=120)
    sequence.tempos.add(time=4.0, qpm=90)
    (arrays,) = CODEC.encode(sequence)
    assert len(arrays["frames"]) == 64
    assert np.flatnonzero(arrays["frames"][:, 0])[-1] == 32 + round((7.5 - 4.0) * 6)


def test_a_bar_without_a_hit_parts_pieces():
    hits = [*_beat(2), *[(6 + i / 2, 38, 70) for i in range(8)]]
    sequence = _sequence(*hits)
    assert [len(a["frames"]) for a in CODEC.encode(sequence)] == [32, 32]
    assert len(CODEC.prime(sequence)["frames"]) == 48 + 28 + 1


@pytest.mark.parametrize("family", ["recurrent", "transformer"])
def test_families_over_tokens_refuse_it(family):
    record = registry.get("family", family)
    with pytest.raises(ValueError, match="codec groove has rows of real numbers"):
        record.make(record.config(), CODEC.vocabulary)
