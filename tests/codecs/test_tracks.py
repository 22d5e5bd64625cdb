import hypothesis
import numpy as np
import pytest
import track_grammar
from hypothesis import strategies as st

from musejax import codecs, corpora, errors
from musejax.codecs import song_parts, tracks
from musejax.music import midi_reading, noteseq
from musejax.music import midi_writing as rendering_midi

CODEC = codecs.get("tracks")
VOCABULARY = CODEC.vocabulary


@st.composite
def bars(draw):
    """Bars (size, notes of each track) within the domain: no two notes of a pitch overlap, the last bar has a note."""
    sizes = draw(st.lists(st.sampled_from([1, 4, 8, 12, 16, 16, 24, 32]), min_size=1, max_size=4))
    out = [(size, [[], [], []]) for size in sizes]
    starts = np.cumsum([0, *sizes])
    for track in range(3):
        for pitch in draw(st.lists(st.integers(21, 108), max_size=5, unique=True)):
            onsets = draw(st.lists(st.integers(0, int(starts[-1]) - 1), min_size=1, max_size=4, unique=True))
            onsets.sort()
            for onset, after in zip(onsets, [*onsets[1:], onsets[-1] + 32]):
                length = draw(st.integers(1, min(32, after - onset)))
                bar = int(np.searchsorted(starts, onset, side="right")) - 1
                out[bar][1][track].append((onset - int(starts[bar]), pitch, length))
    hypothesis.assume(any(out[-1][1]))
    return out


@hypothesis.settings(deadline=None, max_examples=80)
@hypothesis.given(piece=bars(), qpm=st.floats(40, 200))
def test_tokens_survive(piece, qpm):
    tokens = np.array(track_grammar.write(piece), np.int32)
    sequence = CODEC.decode({"tokens": tokens}, qpm)
    (again,) = CODEC.encode(sequence)
    np.testing.assert_array_equal(again["tokens"], tokens)
    assert again["tokens"].dtype == np.int32
    np.testing.assert_array_equal(CODEC.prime(sequence)["tokens"], tokens[:-1])
    np.testing.assert_array_equal(tracks.attributes(VOCABULARY, tokens), tracks.requested(VOCABULARY, tokens))


FEW = [
    *[("bar", 4), ("bar", 16), ("track", 0), ("track", 2), ("density", 3), ("position", 1), ("position", 9)],
    *[("pitch", 60), ("pitch", 61), ("length", 1), ("length", 12), ("pitch", 60), ("length", 5)],
]
IDS = st.one_of(st.sampled_from([VOCABULARY.id(*event) for event in FEW]), st.integers(0, VOCABULARY.size - 1))
OPENING = [VOCABULARY.id(*event) for event in [("bar", 16), ("track", 2), ("position", 0)]]


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(tokens=st.one_of(st.lists(IDS), st.lists(IDS, min_size=20).map(lambda ids: OPENING + ids)))
def test_any_tokens_decode_to_notes_that_are_encoded_well_formed(tokens):
    heard = CODEC.decode({"tokens": np.array(tokens, np.int32)}, 120)
    if not heard.notes:
        with pytest.raises(errors.DiscardError, match="empty"):
            CODEC.encode(heard)
        return
    again = CODEC.encode(heard)[0]["tokens"]
    assert again[-1] == VOCABULARY.id("end")
    parsed = track_grammar.parse(again)
    assert sum(len(notes) for _, of_bar in parsed for _, notes in of_bar) == len(heard.notes)
    kept = tracks.attributes(VOCABULARY, tokens)[: len(parsed)]
    assert kept.tolist() == [[controls for controls, _ in of_bar] for _, of_bar in parsed]


def sequence(*parts, qpm=60, offset=0.0, metre=()):
    """Parts (name, [(onset, length, pitch)]) in 16ths (at 60 quarters a minute, a quarter of a second)."""
    out = noteseq.load().NoteSequence()
    out.tempos.add(qpm=qpm)
    for i, (name, notes) in enumerate(parts):
        if name:
            out.instrument_infos.add(instrument=i, name=name)
        for onset, length, pitch in notes:
            start = offset + onset / 4
            out.notes.add(start_time=start, end_time=start + length / 4, pitch=pitch, velocity=70, instrument=i)
    for time, numerator, denominator in metre:
        out.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    out.total_time = max((n.end_time for n in out.notes), default=0)
    return out


def read(*parts, **kwargs):
    """Bars as `track_grammar.parse` gives them."""
    return track_grammar.parse(CODEC.encode(sequence(*parts, **kwargs))[0]["tokens"])


def notes_of(parsed):
    return [(size, [notes for _, notes in of_bar]) for size, of_bar in parsed]


TUNE = [(0, 4, 72), (4, 4, 74), (8, 8, 76), (16, 4, 72)]


def test_what_is_written():
    chord = [(0, 16, 48), (0, 16, 55), (8, 8, 60)]
    assert read(("MELODY", TUNE[:3]), ("PIANO", chord)) == [
        (
            16,
            [
                ([2, 1, 4], [(0, 72, 4), (4, 74, 4), (8, 76, 8)]),
                ([0, 0, 0], []),
                ([2, 3, 5], [(0, 48, 16), (0, 55, 16), (8, 60, 8)]),
            ],
        )
    ]


def test_what_decode_writes():
    piece = [(12, [[(0, 72, 4)], [], [(4, 48, 8)]]), (12, [[], [], []]), (16, [[], [(15, 60, 4)], []])]
    decoded = CODEC.decode({"tokens": np.array(track_grammar.write(piece))}, 60)
    assert [i.name for i in decoded.instrument_infos] == [i.name for i in decoded.part_infos] == list(song_parts.NAMES)
    assert [(n.instrument, n.start_time, n.end_time, n.pitch) for n in decoded.notes] == [
        (0, 0, 1, 72), (1, 9.75, 10.75, 60), (2, 1, 3, 48)
    ]  # fmt: skip
    assert [(s.time, s.numerator, s.denominator) for s in decoded.time_signatures] == [(0, 3, 4), (6, 4, 4)]
    assert decoded.tempos[0].qpm == 60
    assert decoded.total_time == 10.75


def test_the_first_time_signature_says_where_the_grid_begins():
    here = read(("MELODY", TUNE), metre=[(0, 4, 4)])
    assert read(("MELODY", TUNE), offset=0.1, metre=[(0.1, 4, 4)]) == here
    assert read(("MELODY", TUNE), offset=4.1, metre=[(4.1, 4, 4)]) == here
    # Notes before it lie in bars of the same metre.
    later = notes_of(read(("MELODY", TUNE), offset=0.1, metre=[(1.1, 4, 4)]))
    assert later == [(16, [[(12, 72, 4)], [], []]), (16, [[(0, 74, 4), (4, 76, 8), (12, 72, 4)], [], []])]


def test_without_a_time_signature_bars_have_four_quarters_from_the_start():
    assert notes_of(read(("MELODY", [(18, 2, 60)]))) == [(16, [[], [], []]), (16, [[(2, 60, 2)], [], []])]


def test_each_time_signature_begins_a_bar():
    tune = [(4 * i, 4, 60 + i) for i in range(10)]
    metre = [(0, 4, 4), (5, 3, 4), (5, 6, 8), (8.02, 3, 1)]
    sizes = [size for size, _ in read(("MELODY", tune), metre=metre)]
    assert sizes == [16, 4, 12, 32]
    assert [size for size, _ in read(("MELODY", [*tune, (65, 1, 60)]), metre=metre)] == [16, 4, 12, 32, 16]


def test_a_change_of_tempo_moves_no_note():
    steady = sequence(("MELODY", TUNE))
    faster = sequence(("MELODY", TUNE))
    faster.tempos.add(time=2, qpm=120)
    for note in faster.notes:
        note.start_time, note.end_time = (t if t <= 2 else 2 + (t - 2) / 2 for t in (note.start_time, note.end_time))
    np.testing.assert_array_equal(CODEC.encode(faster)[0]["tokens"], CODEC.encode(steady)[0]["tokens"])


def test_long_notes_are_cut_and_so_are_notes_that_sound_when_struck_again():
    assert notes_of(read(("PIANO", [(0, 50, 40), (0, 8, 60), (0, 3, 60), (4, 8, 60)]))) == [
        (16, [[], [], [(0, 40, 32), (0, 60, 4), (4, 60, 8)]])
    ]


LOW, HIGH = [(i, 1, 50) for i in range(4)], [(4 * i, 4, 80) for i in range(2)]
CHORDS = [(8 * i, 8, 60 + j) for i in range(3) for j in (0, 4, 7)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"MELODY": LOW, "BRIDGE": CHORDS, "PIANO": HIGH}, [0, 1, 2]),
        ({"Piano": LOW, "melody": CHORDS}, [2, 0]),
        ({"PIANO": LOW, "Bass": HIGH}, [2, 0]),
        ({"Strings": HIGH, "Lead vocals": LOW, "Keys": CHORDS}, [1, 0, 2]),
        ({"Strings": HIGH, "Bass": LOW, "Keys": CHORDS}, [0, 1, 2]),
        ({"Left": [(n[0], n[1], 90) for n in CHORDS], "Right": CHORDS[:3]}, [2, 1]),
        ({"": HIGH}, [0]),
        ({"Voice of organ": CHORDS}, [2]),
    ],
)
def test_which_part_is_which_track(parts, expected):
    of_part, notes = song_parts.parts(sequence(*parts.items()))
    rows = np.column_stack([notes[:, 0], 4 * notes[:, 1], notes[:, 3], 4 * (notes[:, 2] - notes[:, 1])])
    found = song_parts.tracks(of_part, rows.astype(np.int64))
    assert [found[i] for i in range(len(parts))] == expected


def test_a_midi_file_keeps_bars_tracks_and_notes():
    piece = [(12, [[(0, 72, 4)], [], [(4, 48, 8)]]), (5, [[], [], []]), (16, [[], [(15, 60, 32)], []])]
    tokens = track_grammar.write(piece)
    written = rendering_midi.to_bytes(CODEC.decode({"tokens": np.array(tokens)}, 97))
    assert CODEC.encode(midi_reading.midi_to_sequence(written))[0]["tokens"].tolist() == tokens


def test_drums_are_left_out():
    with_drums = sequence(("MELODY", TUNE), ("PIANO", CHORDS), ("Kit", LOW))
    for note in with_drums.notes:
        note.is_drum = note.instrument == 2
    plain = CODEC.encode(sequence(("MELODY", TUNE), ("PIANO", CHORDS)))[0]["tokens"]
    np.testing.assert_array_equal(CODEC.encode(with_drums)[0]["tokens"], plain)


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        ([], "empty"),
        ([(-1, 2, 60)], "a note before time 0"),
        ([(0, 2, 20)], r"pitch outside 21\.\.108"),
        ([(0, 2, 109)], r"pitch outside 21\.\.108"),
        ([(i + (0.4 if i % 3 == 0 else 0), 1, 60) for i in range(30)], "notes off the 16th grid"),
        ([(0, 1, 60), (16 * 2000, 1, 60)], "more than 2000 bars"),
    ],
)
def test_discards(notes, reason):
    for reader in (CODEC.encode, CODEC.prime):
        with pytest.raises(errors.DiscardError, match=reason):
            reader(sequence(("MELODY", notes)))


def test_a_few_notes_off_the_grid_are_moved():
    straight = [(i, 1, 60) for i in range(30)]
    swung = [(i + (0.4 if i % 5 == 0 else 0), 1, 60) for i in range(30)]
    assert read(("MELODY", swung)) == read(("MELODY", straight))


def test_attributes_are_those_of_the_notes_whatever_the_controls_say():
    piece = [(16, [[(0, 72, 4)], [], []]), (16, [[], [], [(0, 48, 9), (0, 50, 9), (0, 52, 9), (0, 53, 9)]])]
    tokens = track_grammar.write(piece, said=lambda notes: [9, 5, 1])
    assert tracks.requested(VOCABULARY, tokens).tolist() == [[[9, 5, 1]] * 3] * 2
    expected = [[[1, 1, 4], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [2, 5, 5]]]
    assert tracks.attributes(VOCABULARY, tokens).tolist() == expected
    assert tracks.requested(VOCABULARY, tokens[:3]).tolist() == [[[9, -1, -1], [-1] * 3, [-1] * 3]]


@pytest.mark.slow
def test_pop909(data_folder):
    corpus = corpora.load("pop909")
    used = 0
    for piece in corpus.pieces[::13]:
        assert piece.sequence is not None
        try:
            (arrays,) = CODEC.encode(piece.sequence())
        except errors.DiscardError as reason:
            assert str(reason) == "notes off the 16th grid"
            continue
        used += 1
        track_grammar.parse(arrays["tokens"])
        np.testing.assert_array_equal(CODEC.encode(CODEC.decode(arrays, 97.3))[0]["tokens"], arrays["tokens"])
    assert used == 67
