import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax.music import metre, noteseq


def _counts(*bars):
    """Beats of bars given as (first, end)."""
    return np.concatenate([np.arange(first, end) for first, end in bars])


# Signatures as they are read from MusicXML: (frame, bar length), frames, expected bars.
SCORES = {
    "plain": ([(0, 16)], 32, [(0, 16), (0, 16)]),
    "pick-up that shows": ([(0, 4), (4, 16), (36, 12)], 48, [(12, 16), (0, 16), (0, 16), (0, 12)]),
    "pick-up that shows by the next change": ([(0, 16), (36, 12)], 48, [(12, 16), (0, 16), (0, 16), (0, 12)]),
    "pick-up and a short end": ([(0, 4), (4, 16)], 48, [(12, 16), (0, 16), (0, 16), (0, 12)]),
    "bar cut in two by a repeat": (
        [(0, 16), (20, 12), (32, 4), (36, 16)],
        52,
        [(12, 16), (0, 16), (0, 16), (0, 16)],
    ),
    "bar cut in halves": ([(0, 16), (32, 8), (48, 16)], 64, [(0, 16)] * 4),
    "parts that disagree": ([(0, 16), (0, 4), (4, 16), (36, 12)], 48, [(12, 16), (0, 16), (0, 16), (0, 12)]),
    "pick-up to a new metre": ([(0, 16), (32, 4), (36, 12)], 32 + 4 + 36, [(0, 16)] * 2 + [(0, 4)] + [(0, 12)] * 3),
    "short bar alone": ([(0, 16), (32, 8), (40, 16)], 56, [(0, 16), (0, 16), (0, 8), (0, 16)]),
    "three halves": ([(0, 24)], 48, [(0, 24), (0, 24)]),
    "pick-up and no more": ([(0, 4), (4, 16)], 4, [(12, 16)]),
    "no signature": ([], 20, [(0, 16), (0, 4)]),
}


@pytest.mark.parametrize("name", SCORES)
def test_bar_lines_of_scores(name):
    signatures, length, bars = SCORES[name]
    assert metre.beats(signatures, length)[:-1].tolist() == _counts(*bars).tolist()


def test_an_incomplete_last_bar_of_a_midi_file_is_no_pick_up():
    assert metre.beats([(0, 16)], 20).tolist() == _counts((0, 16), (0, 5)).tolist()


def test_the_place_after_the_last_frame_counts_on_or_is_a_bar_line():
    assert metre.beats([(0, 16)], 32)[-1] == 0
    assert metre.beats([(0, 16)], 30)[-1] == 14
    assert metre.beats([(0, 16), (32, 12)], 44)[-1] == 0


def test_long_bars_wrap():
    assert metre.beats([(0, 48)], 48)[[31, 32, 47]].tolist() == [31, 0, 15]


@st.composite
def metres(draw):
    """Signatures of a piece of one metre with a pick-up, bars cut in two and a short last bar, and its length."""
    bar = draw(st.sampled_from([8, 12, 16, 24, 32]))
    sizes = draw(st.sampled_from([[], [draw(st.integers(1, bar - 1))]]))
    for _ in range(draw(st.integers(1, 4))):
        cut = draw(st.integers(1, bar - 1))
        sizes += [bar] * draw(st.integers(2, 4)) + draw(st.sampled_from([[], [cut, bar - cut]]))
    sizes += draw(st.sampled_from([[], [draw(st.integers(1, bar - 1))]]))
    frames = np.cumsum([0, *sizes]).tolist()
    return list(zip(frames, sizes)), frames[-1] - draw(st.integers(0, sizes[-1] - 1))


@hypothesis.settings(deadline=None)
@hypothesis.given(piece=metres())
def test_beats_survive_signatures(piece):
    beat = metre.beats(*piece)
    again = metre.beats(metre.signatures(beat), len(beat) - 1)
    assert again.tolist() == beat.tolist()


@hypothesis.settings(deadline=None)
@hypothesis.given(first=st.integers(0, 31), size=st.integers(2, 32), length=st.integers(1, 100))
def test_a_constant_metre_survives(first, size, length):
    beat = (np.arange(length) + first % size) % size
    assert metre.beats(metre.signatures(beat), length)[:-1].tolist() == beat.tolist()
    if length > 1:
        assert metre.beats(metre.signatures(beat), length - 1).tolist() == beat.tolist()


@pytest.mark.parametrize(
    ("length", "written"),
    [(16, (4, 4)), (12, (3, 4)), (24, (3, 2)), (32, (4, 2)), (4, (1, 4)), (14, (7, 8)), (5, (5, 16))],
)
def test_fractions_are_written_as_usual(length, written):
    assert metre.fraction(length) == written


def test_read_goes_through_tempos():
    sequence = noteseq.load().NoteSequence()
    sequence.tempos.add(qpm=60)
    sequence.tempos.add(time=4, qpm=120)
    sequence.time_signatures.add(time=5, numerator=3, denominator=4)
    sequence.time_signatures.add(time=0, numerator=4, denominator=4)
    assert metre.read(sequence) == [(0, 16), (24, 12)]


def test_no_metre_no_signatures():
    assert metre.signatures(np.zeros(8, np.int32)) == []


def test_the_usual_bar_fills_most_of_a_piece():
    # A pick-up, three bars of 12 frames and one of 16, cut off after its first frame.
    beat = np.concatenate([np.arange(8, 12), *[np.arange(12)] * 3, np.arange(16), [0]])
    assert metre.usual_bar(beat) == 12
    assert metre.usual_bar(np.arange(16)) is None


def test_beats_follow_the_time_signatures():
    sequence = noteseq.load().NoteSequence()
    sequence.time_signatures.add(time=0.0, numerator=4, denominator=4)
    assert metre.read_beats(sequence, 20).tolist() == [*range(16), *range(5)]
    assert not metre.is_score(sequence)
    for encoding in (sequence.source_info.MUSIC_XML, sequence.source_info.ABC):
        sequence.source_info.encoding_type = encoding
        assert metre.is_score(sequence)


@pytest.mark.parametrize(
    ("marks", "kept"),
    [
        ([(0, 1, 4), (1, 3, 4)], [(0, 3, 4)]),
        ([(0, 4, 4), (8, 3, 4), (11, 4, 4)], [(0, 4, 4)]),
        ([(0, 4, 4), (8, 3, 4), (11, 1, 4), (12, 4, 4)], [(0, 4, 4)]),
        ([(0, 1, 4), (1, 4, 4), (9, 2, 4), (11, 4, 4), (19, 3, 4)], [(0, 4, 4), (19, 3, 4)]),
        ([(0, 4, 4), (8, 3, 4), (17, 4, 4)], [(0, 4, 4), (8, 3, 4), (17, 4, 4)]),
        ([(0, 4, 4), (8, 2, 4), (10, 3, 4)], [(0, 4, 4), (8, 2, 4), (10, 3, 4)]),
        ([], []),
    ],
)
def test_signatures_of_single_irregular_bars_are_dropped(marks, kept):
    sequence = noteseq.load().NoteSequence()
    for at, numerator, denominator in marks:
        sequence.time_signatures.add(time=at / 2, numerator=numerator, denominator=denominator)
    metre.drop_irregular(sequence)
    assert [(2 * s.time, s.numerator, s.denominator) for s in sequence.time_signatures] == kept
