import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors
from musejax.music import noteseq

RANGES = {"melody": (0, 127), "melody-basic": (48, 83), "melody-100": (15, 112)}
ALL = pytest.mark.parametrize("name", RANGES)


def _sequence(*notes, instrument=0):
    """Notes of (start, end, pitch) in 16ths at 120."""
    sequence = noteseq.load().NoteSequence()
    for start, end, pitch in notes:
        sequence.notes.add(start_time=start / 8, end_time=end / 8, pitch=pitch, velocity=64, instrument=instrument)
        sequence.total_time = max(sequence.total_time, end / 8)
    return sequence


def _scale(bars, *, start=0, low=60, bar=16):
    """Quarters up and down C major."""
    steps = [0, 2, 4, 5, 7, 9, 11, 12]
    return [(start + 4 * i, start + 4 * i + 4, low + steps[i % 8]) for i in range(bars * bar // 4)]


@st.composite
def events(draw, low, high):
    """note-seq's events within the domain of a primer: -2 goes on, -1 ends the note."""
    out = [-2] * draw(st.integers(0, 15))
    for _ in range(draw(st.integers(1, 40))):
        out += [draw(st.integers(low, high))] + [-2] * draw(st.integers(0, 7))
        if draw(st.booleans()):
            out += [-1] + [-2] * draw(st.integers(0, 14))
    while out[-1] == -1 or (out[-1] == -2 and _silent(out)):
        out.pop()
    return out


def _silent(out):
    marks = [e for e in out if e != -2]
    return not marks or marks[-1] == -1


@ALL
@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(data=st.data())
def test_ids_are_note_seqs_and_survive(name, data):
    note_seq = noteseq.load()
    low, high = RANGES[name]
    theirs = note_seq.Melody(data.draw(events(low, high)))
    codec = codecs.get(name)
    arrays = codec.prime(theirs.to_sequence(qpm=97.0))
    if name == "melody-basic":
        theirs.squash(low, high + 1, transpose_to_key=0)
    if name == "melody-100":
        expected = _sketch(list(theirs))
    else:
        encoding = note_seq.MelodyOneHotEncoding(low, high + 1)
        expected = [encoding.encode_event(event) for event in theirs]
    assert arrays["tokens"].tolist() == expected
    assert arrays["tokens"].dtype == np.int32
    again = codec.prime(codec.decode(arrays, 133.0))
    np.testing.assert_array_equal(again["tokens"], arrays["tokens"])
    if len(theirs) >= 112 and np.count_nonzero(theirs.get_note_histogram()) >= 5:
        (encoded,) = codec.encode(codec.decode(arrays, 61.5))
        np.testing.assert_array_equal(encoded["tokens"], arrays["tokens"][:512])


def _sketch(melody):
    out, sounding = [], False
    for event in melody:
        sounding = event >= 0 or (sounding and event == -2)
        out.append(event - 15 if event >= 0 else 99 if sounding else 98)
    return out


def test_decode_of_the_pattern_pages_classes():
    sequence = codecs.get("melody-100").decode({"tokens": np.array([98, 99, 45, 99, 98, 98, 45, 47])}, 120)
    notes = [(n.start_time * 8, n.end_time * 8, n.pitch) for n in sequence.notes]
    assert notes == [(2, 4, 60), (6, 7, 60), (7, 8, 62)]
    assert {(n.instrument, n.program) for n in sequence.notes} == {(0, 0)}


@ALL
@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (_sequence(), "empty"),
        (_sequence(*_scale(6)), "shorter than 7 bars"),
        (_sequence(*[(4 * i, 4 * i + 4, 60 + i % 4) for i in range(40)]), "fewer than 5 pitch classes"),
        (_sequence(*_scale(8), (0, 4, 67)), "two notes start together"),
    ],
)
def test_discards(name, sequence, reason):
    with pytest.raises(errors.DiscardError, match=f"^{reason}$"):
        codecs.get(name).encode(sequence)


def test_signatures_that_do_not_fit():
    sequence = _sequence(*_scale(8))
    sequence.time_signatures.add(numerator=4, denominator=5)
    with pytest.raises(errors.DiscardError, match="signature"):
        codecs.get("melody").encode(sequence)
    sequence.time_signatures[0].numerator, sequence.time_signatures[0].denominator = 5, 32
    with pytest.raises(errors.DiscardError, match="16ths"):
        codecs.get("melody").encode(sequence)


def test_long_rests_part_melodies_and_long_ones_are_cut():
    sequence = _sequence(*_scale(8), *_scale(40, start=8 * 16 + 16), *_scale(3, start=60 * 16))
    assert [len(a["tokens"]) for a in codecs.get("melody").encode(sequence)] == [128, 512]


def test_every_instrument_has_its_melodies():
    sequence = _sequence(*_scale(8))
    sequence.notes.extend(_sequence(*_scale(7, low=48), instrument=3).notes)
    assert [len(a["tokens"]) for a in codecs.get("melody").encode(sequence)] == [128, 112]


def test_changes_of_time_part_melodies_but_not_primers():
    sequence = _sequence((0, 4, 67), *_scale(7, start=4))
    sequence.time_signatures.add(numerator=1, denominator=4)
    sequence.time_signatures.add(time=0.5, numerator=4, denominator=4)
    codec = codecs.get("melody")
    assert [a["tokens"][0] for a in codec.encode(sequence)] == [62]
    assert codec.prime(sequence)["tokens"][[0, 4]].tolist() == [69, 62]
    sequence.tempos.add(qpm=120)
    sequence.tempos.add(time=1.0, qpm=60)
    # The same seconds are fewer 16ths at the slower tempo.
    tokens = codec.prime(sequence)["tokens"]
    assert len(tokens) == 8 + (116 - 8) // 2
    assert np.flatnonzero(tokens).tolist() == [0, 4, *range(8, 62, 2)]


def test_a_primer_may_be_short_and_polyphonic():
    tokens = codecs.get("melody").prime(_sequence((20, 22, 60), (20, 24, 64), (22, 24, 62)))["tokens"]
    assert tokens.tolist() == [0, 0, 0, 0, 66, 0, 64, 0]


@pytest.mark.parametrize(("pitch", "inside"), [(14, False), (15, True), (112, True), (113, False)])
def test_pitches_outside_the_range(pitch, inside):
    codec = codecs.get("melody-100")
    sequence = _sequence(*_scale(8), (128, 132, pitch))
    if inside:
        assert codec.prime(sequence)["tokens"][128] == pitch - 15
        assert len(codec.encode(sequence)) == 1
    else:
        for read in (codec.prime, codec.encode):
            with pytest.raises(errors.DiscardError, match=f"pitch {pitch} is outside 15..112"):
                read(sequence)


def test_basic_moves_to_c_and_folds():
    tokens = codecs.get("melody-basic").prime(_sequence((0, 4, 38), (4, 8, 90), (8, 12, 66), (12, 16, 69)))["tokens"]
    pitches = tokens[::4] - 2 + 48
    assert ((pitches >= 48) & (pitches <= 83)).all()
    # D, F sharp, A in D major are C, E, G.
    assert (pitches % 12).tolist() == [0, 4, 4, 7]
