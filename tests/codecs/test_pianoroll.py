import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from musejax import codecs, errors
from musejax.music import noteseq

CODEC = codecs.get("pianoroll-88")


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    frames=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 40), st.just(88)), elements=st.integers(0, 1), fill=st.just(0)
    ),
    qpm=st.floats(30, 240),
)
def test_frames_survive(frames, qpm):
    hypothesis.assume(frames.any())
    sequence = CODEC.decode({"frames": frames}, qpm)
    for arrays in (*CODEC.encode(sequence), CODEC.prime(sequence)):
        np.testing.assert_array_equal(arrays["frames"], frames)
        assert arrays["frames"].dtype == np.uint8
        assert arrays["beat"].tolist() == [t % 32 for t in range(len(frames))]


def _sequence(*notes):
    sequence = noteseq.load().NoteSequence()
    for start, end, pitch in notes:
        sequence.notes.add(start_time=start, end_time=end, pitch=pitch, velocity=64)
    return sequence


def test_notes_are_moved_to_eighths_through_the_tempos():
    sequence = _sequence((0.05, 0.06, 21), (0.5, 2.0, 108))
    sequence.tempos.add(time=1.0, qpm=60)
    frames = CODEC.encode(sequence)[0]["frames"]
    assert [f.tolist() for f in np.nonzero(frames)] == [[0, 2, 3, 4, 5], [0, 87, 87, 87, 87]]


def test_a_key_that_goes_on_is_one_note():
    frames = np.zeros((4, 88), np.uint8)
    frames[1:3, 39] = 1
    sequence = CODEC.decode({"frames": frames}, 120)
    assert [(n.start_time, n.end_time, n.pitch) for n in sequence.notes] == [(0.25, 0.75, 60)]
    assert sequence.total_time == 1.0


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [(_sequence(), "empty"), (_sequence((0, 1, 20)), "pitch outside 21..108"), (_sequence((0, 1, 109)), "21..108")],
)
def test_discards(sequence, reason):
    with pytest.raises(errors.DiscardError, match=reason):
        CODEC.encode(sequence)
