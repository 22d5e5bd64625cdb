import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors
from musejax.music import noteseq, score_annotations
from musejax.pipeline import augment

NAME = "melody-90"
BARS = {16: (4, 4), 12: (3, 4), 8: (2, 4), 14: (7, 8)}


def _sequence(*notes, metre=(4, 4), lines=()):
    """Notes of (start, end, pitch) in 16ths at 120, and marked bar lines."""
    sequence = noteseq.load().NoteSequence()
    sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    for start, end, pitch, *instrument in notes:
        sequence.notes.add(
            start_time=start / 8, end_time=end / 8, pitch=pitch, velocity=64, instrument=(instrument or [0])[0]
        )  # fmt: skip
        sequence.total_time = max(sequence.total_time, end / 8)
    for line in lines:
        sequence.text_annotations.add(time=line / 8, text=score_annotations.BAR_LINE)
    return sequence


def _encode(*notes, **kwargs):
    (arrays,) = codecs.get(NAME).encode(_sequence(*notes, **kwargs))
    return arrays["tokens"].tolist(), arrays["beat"].tolist()


def _bars(*sizes):
    return [beat for size in sizes for beat in range(size)]


@st.composite
def pieces(draw):
    """Arrays in whole bars within the domain that the codec's docstring names."""
    bar, bars = draw(st.sampled_from(sorted(BARS))), draw(st.integers(1, 5))
    tokens = np.zeros(bar * bars, np.int32)
    sounding = False
    for frame in range(len(tokens)):
        kind = draw(st.sampled_from(["on", "off", "hold", "hold"]))
        if kind == "on":
            tokens[frame], sounding = draw(st.integers(2, 89)), True
        elif kind == "off" and sounding:
            tokens[frame], sounding = 1, False
    tokens[draw(st.integers(0, bar - 1))] = draw(st.integers(2, 89))
    last = draw(st.integers(len(tokens) - bar, len(tokens) - 1))
    tokens[last] = draw(st.integers(2, 89))
    tokens[last + 1 :] = 0
    if last + 1 < len(tokens) and draw(st.booleans()):
        tokens[draw(st.integers(last + 1, len(tokens) - 1))] = 1
    return {"tokens": tokens, "beat": np.array(_bars(*[bar] * bars), np.int32)}


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(arrays=pieces(), qpm=st.sampled_from([120.0, 97.0, 61.5]))
def test_whole_bars_survive_decode_and_encode(arrays, qpm):
    codec = codecs.get(NAME)
    (again,) = codec.encode(codec.decode(arrays, qpm))
    for name, values in arrays.items():
        np.testing.assert_array_equal(again[name], values)
        assert again[name].dtype == np.int32


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(arrays=pieces())
def test_a_primer_ends_with_its_last_note(arrays):
    codec = codecs.get(NAME)
    found = codec.prime(codec.decode(arrays, 120.0))
    length = len(found["tokens"])
    np.testing.assert_array_equal(found["tokens"], arrays["tokens"][:length])
    np.testing.assert_array_equal(found["beat"], arrays["beat"][:length])
    rest = arrays["tokens"][length:]
    assert len(rest) == 0 or (rest[0] == 1 and not rest[1:].any())


def test_ids_are_those_of_music_vae():
    tokens, _ = _encode((0, 4, 21), (4, 6, 108), (8, 16, 60))
    assert tokens == [2, 0, 0, 0, 89, 0, 1, 0, 41, 0, 0, 0, 0, 0, 0, 0]


def test_marked_bar_lines_make_a_pick_up():
    tokens, beat = _encode((0, 4, 60), (4, 20, 62), (20, 28, 64), lines=(0, 4, 20))
    assert beat == _bars(16, 16, 16)
    assert np.flatnonzero(tokens).tolist() == [12, 16, 32, 40]
    assert tokens[40] == 1  # the last note ends, and silence fills its bar
    plain, _ = _encode((0, 4, 60), (4, 20, 62), (20, 28, 64))
    assert np.flatnonzero(plain).tolist() == [0, 4, 20, 28]


def test_a_bar_that_a_repeat_cuts_in_two_is_one_bar():
    notes = [(4 * i, 4 * i + 4, 60 + i) for i in range(16)]
    _, beat = _encode(*notes, lines=(0, 16, 28, 32, 48))
    assert beat == _bars(16, 16, 16, 16)
    _, beat = _encode(*notes, lines=(0, 16, 28, 44, 60))  # no half makes up for this one
    assert beat == _bars(16, 12, 16, 16, 16)


def test_a_change_of_time_signature_parts_melodies_and_each_keeps_its_bars():
    sequence = _sequence((0, 4, 67), (4, 20, 60), (20, 36, 62), (36, 48, 64))
    sequence.time_signatures[0].numerator = 1
    sequence.time_signatures.add(time=0.5, numerator=4, denominator=4)
    sequence.time_signatures.add(time=4.5, numerator=3, denominator=4)
    found = [(np.flatnonzero(a["tokens"]).tolist(), a["beat"].tolist()) for a in codecs.get(NAME).encode(sequence)]
    assert found == [([12], _bars(16)), ([0, 16], _bars(16, 16)), ([0], _bars(12))]


def test_a_grid_that_begins_with_the_first_note():
    late = _sequence((0, 6, 60), (8, 16, 62))
    for note in late.notes:
        note.start_time, note.end_time = note.start_time + 0.3, note.end_time + 0.3
    late.notes[0].start_time -= 0.04
    late.time_signatures[0].time = 0.3
    late.total_time += 0.3
    for arrays in (*codecs.get(NAME).encode(late), codecs.get(NAME).prime(late)):
        assert np.flatnonzero(arrays["tokens"]).tolist() == [0, 6, 8]
        assert arrays["beat"].tolist() == _bars(16)
    # With a first note far from it the grid stays where it is, and the signature is moved to the nearest frame, 2.
    late.notes[0].start_time = 0.1
    (arrays,) = codecs.get(NAME).encode(late)
    assert np.flatnonzero(arrays["tokens"])[0] == 16 - 1


def test_long_rests_part_melodies_and_short_pieces_count():
    found = codecs.get(NAME).encode(_sequence((0, 2, 60), (240, 242, 62), (520, 530, 64), (520, 524, 48, 3)))
    assert [(len(a["tokens"]), np.flatnonzero(a["tokens"]).tolist()) for a in found] == [
        (256, [0, 2, 240, 242]),
        (32, [8, 18]),
        (16, [8, 12]),
    ]


def test_the_longest_of_notes_that_the_grid_brings_together_stays():
    tokens, _ = _encode((0, 0.4, 72), (0.4, 4, 60), (4, 7.6, 62), (7.6, 8, 74), (8, 16, 64))
    assert [t + 19 for t in tokens if t > 1] == [60, 62, 64]


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (_sequence(), "empty"),
        (_sequence((0, 4, 60), (4, 8, 60), (4, 8, 64)), "two notes start together"),
        (_sequence((0, 4, 20)), "pitch 20 is outside 21..108"),
        (_sequence((0, 4, 60), metre=(9, 4)), "bars of more than 32 16ths"),
    ],
)
def test_discards(sequence, reason):
    with pytest.raises(errors.DiscardError, match=f"^{reason}$"):
        codecs.get(NAME).encode(sequence)


def test_a_free_sample_counts_bars_of_16_frames():
    conditions = codecs.free_conditions(codecs.get(NAME).vocabulary, 2, 40)
    np.testing.assert_array_equal(conditions["beat"], np.tile(np.arange(40) % 16, (2, 1)))


def test_chords_come_with_their_frames_and_go_back_into_symbols():
    sequence = _sequence((4, 8, 60), (16, 28, 62))
    kind = sequence.TextAnnotation.CHORD_SYMBOL
    for frame, text in ((0, "C"), (8, "Am7/G"), (20, "N.C."), (24, "F#dim"), (28, "Gsus4")):
        sequence.text_annotations.add(time=frame / 8, text=text, annotation_type=kind)
    codec = codecs.get("melody-90-chords")
    (arrays,) = codec.encode(sequence)
    c, a_minor, f_sharp_dim, g_other = 1, 1 + 12 + 9, 1 + 36 + 6, 1 + 48 + 7
    expected = [c] * 8 + [a_minor] * 12 + [0] * 4 + [f_sharp_dim] * 4 + [g_other] * 4
    assert arrays["chord"].tolist() == expected
    back = codec.decode(arrays, 120.0)
    found = [(a.time, a.text) for a in back.text_annotations if a.annotation_type == kind]
    assert found == [(0.0, "C"), (1.0, "Am"), (2.5, "N.C."), (3.0, "F#dim"), (3.5, "Gsus4")]
    assert codec.encode(back)[0]["chord"].tolist() == expected
    moved = augment.transpose(arrays, codec.vocabulary, 3)["chord"]
    assert moved[:24].tolist() == [c + 3] * 8 + [a_minor - 9] * 12 + [0] * 4


def test_a_melody_without_chord_symbols_is_no_piece_with_chords():
    with pytest.raises(errors.DiscardError, match="no chord symbols"):
        codecs.get("melody-90-chords").encode(_sequence((0, 16, 60)))


def test_a_first_bar_that_begins_before_the_first_frame_has_no_chord_until_then():
    sequence = _sequence((0, 4, 60), (4, 20, 62), lines=(4,))
    sequence.text_annotations.add(time=0.0, text="G", annotation_type=sequence.TextAnnotation.CHORD_SYMBOL)
    (arrays,) = codecs.get("melody-90-chords").encode(sequence)
    assert arrays["chord"].tolist() == [0] * 12 + [1 + 7] * 20
