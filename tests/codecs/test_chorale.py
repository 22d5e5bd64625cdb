import io

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors
from musejax.codecs import chorale
from musejax.corpora import wheel
from musejax.music import musicxml_reading, noteseq

REST, HOLD, END = 0, 47, 48
CHORALE = codecs.get("chorale")
PITCHES = codecs.get("chorale-pitches")


def _voice(draw, length):
    """Cells of one voice in which a hold follows a note or a hold."""
    cells = [draw(st.integers(0, 46))]
    for _ in range(length - 1):
        choices = [st.integers(0, 46)] if cells[-1] == REST else [st.integers(0, 46), st.just(HOLD)]
        cells.append(draw(st.one_of(choices)))
    return np.array(cells, np.int32)


@st.composite
def pieces(draw):
    """Arrays within the domain, closed by END."""
    length = draw(st.integers(1, 40))
    tokens = np.stack([_voice(draw, length) for _ in range(4)], axis=1)
    hypothesis.assume(tokens.any())
    fermata = np.zeros(length + 1, np.int32)
    for t in range(length):
        cell = tokens[t, 0]
        fermata[t] = fermata[t - 1] if cell == HOLD else cell != REST and draw(st.booleans())
    bar = draw(st.sampled_from([8, 12, 16, 24, 32]))
    beat = (np.arange(length + 1) + draw(st.integers(0, bar - 1))) % bar
    turn = draw(st.integers(0, length - 1))
    key = np.where(np.arange(length + 1) < turn, draw(st.integers(2, 13)), draw(st.integers(2, 13)))
    tokens = np.concatenate([tokens, np.full((1, 4), END, np.int32)])
    return {"tokens": tokens, "beat": beat.astype(np.int32), "fermata": fermata, "key": key.astype(np.int32)}


def _equal(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
        assert left[name].dtype == right[name].dtype == np.int32


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(closed=pieces(), qpm=st.floats(40, 200))
def test_pieces_survive(closed, qpm):
    _equal(CHORALE.encode(CHORALE.decode(closed, qpm))[0], closed)
    arrays = {name: array[:-1] for name, array in closed.items()}
    _equal(CHORALE.prime(CHORALE.decode(arrays, qpm)), arrays)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    tokens=st.integers(1, 40).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 46), min_size=4, max_size=4), min_size=n, max_size=n)
    ),
    qpm=st.floats(40, 200),
)
def test_pitches_survive(tokens, qpm):
    hypothesis.assume(np.any(tokens))
    arrays = {"tokens": np.array(tokens, np.int32), "beat": (np.arange(len(tokens)) % 16).astype(np.int32)}
    sequence = PITCHES.decode(arrays, qpm)
    _equal(PITCHES.encode(sequence)[0], arrays)
    _equal(PITCHES.prime(sequence), arrays)
    assert not sequence.time_signatures


def _frames(*rows):
    return {"tokens": np.array(rows, np.int32)}


def test_decode_stops_at_the_first_frame_with_an_end():
    sequence = CHORALE.decode(_frames([25, 20, 13, 1], [HOLD] * 4, [END, 20, 13, 1], [25, 20, 13, 1]), 120)
    assert len(sequence.notes) == 4
    assert sequence.total_time == pytest.approx(0.25)


def test_a_hold_without_a_note_is_a_rest():
    sequence = CHORALE.decode(_frames([HOLD, REST, 13, 1], [HOLD, HOLD, HOLD, 1]), 120)
    assert sorted((n.instrument, n.start_time, n.end_time) for n in sequence.notes) == [
        (2, 0.0, 0.25),
        (3, 0.0, 0.125),
        (3, 0.125, 0.25),
    ]


def test_what_decode_writes():
    arrays = _frames(*[[25, 20, 13, 1]] * 24)
    arrays["beat"] = (np.arange(24) + 12).astype(np.int32) % 16
    arrays["key"] = np.full(24, 9, np.int32)
    arrays["fermata"] = np.arange(24, dtype=np.int32) == 23
    sequence = CHORALE.decode(arrays, 60)
    assert [i.name for i in sequence.part_infos] == [i.name for i in sequence.instrument_infos] == list(chorale.VOICES)
    assert {(n.part, n.instrument, n.pitch) for n in sequence.notes} == {(0, 0, 60), (1, 1, 55), (2, 2, 48), (3, 3, 36)}
    assert [(s.time, s.numerator, s.denominator) for s in sequence.time_signatures] == [(0, 1, 4), (1, 4, 4)]
    assert [(s.key, s.mode) for s in sequence.key_signatures] == [(2, 0)]
    assert [(a.time, a.text) for a in sequence.text_annotations] == [(5.75, "fermata")]
    assert sequence.tempos[0].qpm == 60


def test_a_midi_file_keeps_notes_voices_metre_and_key():
    arrays = _frames(*[[25, 20, 13, 1], [HOLD, 21, REST, HOLD]] * 12)
    arrays["beat"] = (np.arange(24) + 12).astype(np.int32) % 16
    arrays["key"] = np.full(24, 4, np.int32)
    arrays["fermata"] = np.zeros(24, np.int32)
    data = io.BytesIO()
    noteseq.load().note_sequence_to_pretty_midi(CHORALE.decode(arrays, 96)).write(data)
    read = CHORALE.prime(noteseq.load().midi_to_note_sequence(data.getvalue()))
    _equal(read, arrays | {name: arrays[name][: len(read["tokens"])] for name in arrays})


def _sequence(parts, *, names=None, by_part=True):
    """Parts of (start, end, pitch) in quarters at 120."""
    sequence = noteseq.load().NoteSequence()
    for number, notes in enumerate(parts):
        if names and by_part:
            sequence.part_infos.add(part=number, name=names[number])
        elif names:
            sequence.instrument_infos.add(instrument=number, name=names[number])
        for start, end, pitch in notes:
            note = sequence.notes.add(start_time=start / 2, end_time=end / 2, pitch=pitch, velocity=64)
            note.part, note.instrument = (number, 0) if by_part else (0, number)
            sequence.total_time = max(sequence.total_time, note.end_time)
    return sequence


FOUR = [[(0, 1, 72)], [(0, 1, 67)], [(0, 1, 60)], [(0, 1, 48)]]


@pytest.mark.parametrize("by_part", [True, False])
def test_voices_without_names_go_by_height(by_part):
    tokens = CHORALE.prime(_sequence([FOUR[i] for i in (2, 0, 3, 1)], by_part=by_part))["tokens"]
    assert (tokens[0] + 35).tolist() == [72, 67, 60, 48]


@pytest.mark.parametrize("by_part", [True, False])
@pytest.mark.parametrize(
    "names",
    [
        ("Violin", "Bass", "TENOR", "Alto", "Soprano", "Bass continuo"),
        ("Horn", "bass\rContinuo", "Tenor Viola", "Alto.", "Soprano 1", "Timpani"),
        ("Continuo", "B.", "T.", "A.", "S.", "Organ"),
    ],
)
def test_named_voices_are_found_among_instruments(names, by_part):
    parts = [[(0, 1, 80)], *[[(0, 1, pitch)] for pitch in (50, 61, 66, 70)], [(0, 1, 90)]]
    tokens = CHORALE.prime(_sequence(parts, names=names, by_part=by_part))["tokens"]
    assert (tokens[0] + 35).tolist() == [70, 66, 61, 50]


def _off_grid(count, off):
    soprano = [(i, i + 1, 72) for i in range(count)]
    soprano[:off] = [(start + 0.05, end, pitch) for start, end, pitch in soprano[:off]]
    return [soprano, *FOUR[1:]]


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (_sequence([]), "empty"),
        (_sequence(FOUR[:3]), "not four voices"),
        (_sequence([*FOUR, [(0, 1, 50)]]), "not four voices"),
        (
            _sequence([FOUR[0], *FOUR], names=("Soprano 1", "Soprano 2", "Alto", "Tenor", "Bass")),
            "not four voices",
        ),
        (_sequence([[(0, 2, 72), (1, 3, 74)], *FOUR[1:]]), "a voice is polyphonic"),
        (_sequence([[(0, 1, 82)], *FOUR[1:]]), "pitch outside 36..81"),
        (_sequence([*FOUR[:3], [(0, 1, 35)]]), "pitch outside 36..81"),
        (_sequence(_off_grid(10, 1)), "note off the 16th grid"),
        (_sequence([[(-1, 1, 72)], *FOUR[1:]]), "a note before time 0"),
    ],
)
@pytest.mark.parametrize("codec", [CHORALE, PITCHES])
def test_discards(codec, sequence, reason):
    with pytest.raises(errors.DiscardError, match=f"^{reason}$"):
        codec.encode(sequence)


def test_a_few_notes_are_moved_to_the_grid():
    tokens = CHORALE.prime(_sequence(_off_grid(200, 2)))["tokens"]
    assert (tokens[::4, 0] == 37).all()


def test_unisons_count_once_and_tempo_changes_keep_the_grid():
    sequence = _sequence([[(0, 1, 72), (0, 1, 72), (1, 2, 74)], *FOUR[1:]])
    sequence.tempos.add(time=0, qpm=120)
    sequence.tempos.add(time=0.5, qpm=60)
    tokens = CHORALE.prime(sequence)["tokens"]
    assert tokens[:, 0].tolist() == [37, HOLD, HOLD, HOLD, 39, HOLD]


@pytest.mark.parametrize(
    ("key", "mode", "expected"), [(0, 0, 7), (9, 1, 7), (1, 0, 2), (6, 0, 13), (11, 0, 12), (5, 1, 3)]
)
def test_keys(key, mode, expected):
    sequence = _sequence(FOUR)
    sequence.key_signatures.add(key=key, mode=mode)
    assert set(CHORALE.encode(sequence)[0]["key"]) == {expected}


def test_silence_at_the_end_of_a_score_is_dropped():
    sequence = _sequence(FOUR)
    sequence.total_time = 2.0
    assert len(CHORALE.prime(sequence)["tokens"]) == 16
    sequence.source_info.encoding_type = sequence.source_info.MUSIC_XML
    assert len(CHORALE.prime(sequence)["tokens"]) == 4


def test_a_chorale_with_a_pick_up():
    """BWV 66.6 begins with a quarter, of which its last bar is short."""
    arrays = CHORALE.encode(musicxml_reading.musicxml_to_sequence(wheel.folder("bach") / "bwv66.6.mxl"))[0]
    np.testing.assert_array_equal(arrays["beat"], (np.arange(145) + 12) % 16 * (np.arange(145) < 144))
    assert (arrays["tokens"][-1] == END).all()
    assert (arrays["tokens"][:3, 0] + 35).tolist() == [73, 82, 71]
    _equal(CHORALE.encode(CHORALE.decode(arrays, 90))[0], arrays)


@pytest.mark.slow
def test_bach():
    """401 of music21's 408 files, each of which survives; the others have five voices, one, or 32nds."""
    reasons = []
    for path in sorted(wheel.folder("bach").glob("*.mxl")):
        sequence = musicxml_reading.musicxml_to_sequence(path)
        for codec in (CHORALE, PITCHES):
            try:
                arrays = codec.encode(sequence)[0]
            except errors.DiscardError as error:
                reasons.append(str(error))
                continue
            _equal(codec.encode(codec.decode(arrays, 100))[0], arrays)
    assert sorted(reasons) == 6 * ["not four voices"] + 8 * ["note off the 16th grid"]
