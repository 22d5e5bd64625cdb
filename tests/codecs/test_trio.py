import hypothesis
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from musejax import codecs, errors, vocabulary
from musejax.codecs import trio
from musejax.decoding import constraints
from musejax.music import midi_reading, noteseq
from musejax.music import midi_writing as rendering_midi
from musejax.pipeline import augment

CODEC = codecs.get("trio")
VOCABULARY = CODEC.vocabulary
MELODY, BASS, DRUMS = (VOCABULARY.start(kind) for kind in trio.KINDS)


@st.composite
def line(draw, frames, kind):
    """Ids of a line in the domain: a note begins in the first bar, one sounds in the last, no rest over two bars."""
    out = [VOCABULARY.id(f"{kind}_hold")] * draw(st.integers(0, 15))
    while len(out) < frames:
        out += [VOCABULARY.id(kind, draw(st.integers(21, 108)))]
        out += [VOCABULARY.id(f"{kind}_hold")] * draw(st.integers(0, 12))
        if draw(st.booleans()):
            out += [VOCABULARY.id(f"{kind}_off")] + [VOCABULARY.id(f"{kind}_hold")] * draw(st.integers(0, 30))
    out = np.array(out[:frames], np.int32)
    out[-4] = VOCABULARY.id(kind, 60)
    out[-3:] = VOCABULARY.id(f"{kind}_hold")
    return out


@st.composite
def trios(draw):
    frames = 16 * draw(st.integers(1, 7))
    hits = DRUMS + np.array(draw(st.lists(st.just(0) | st.integers(0, 511), min_size=frames, max_size=frames)))
    hits[::24] = DRUMS + 5
    hits[-1] = DRUMS + 3
    return np.column_stack([draw(line(frames, "melody")), draw(line(frames, "bass")), hits]).astype(np.int32)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(tokens=trios(), qpm=st.floats(40, 200))
def test_tokens_survive(tokens, qpm):
    sequence = CODEC.decode({"tokens": tokens}, qpm)
    primed = CODEC.prime(sequence)["tokens"]
    np.testing.assert_array_equal(primed, tokens)
    assert primed.dtype == np.int32
    if len(tokens) < 64:
        with pytest.raises(errors.DiscardError, match="no 4 consecutive bars that all three play"):
            CODEC.encode(sequence)
    else:
        (again,) = CODEC.encode(sequence)
        np.testing.assert_array_equal(again["tokens"], tokens)
    (again,) = CODEC.encode(CODEC.decode({"tokens": np.tile(tokens, (4, 1))}, qpm))
    np.testing.assert_array_equal(again["tokens"][: len(tokens)], tokens)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(tokens=st.lists(st.tuples(*[st.integers(0, VOCABULARY.size - 1)] * 3), min_size=1, max_size=40))
def test_any_ids_decode_and_a_file_of_them_is_read(tokens):
    sequence = CODEC.decode({"tokens": np.array(tokens, np.int32)}, 120)
    if sequence.notes:
        primed = CODEC.prime(midi_reading.midi_to_sequence(rendering_midi.to_bytes(sequence)))["tokens"]
        allowed = trio.allowed(VOCABULARY)
        assert all(allowed[stream, primed[:, stream]].all() for stream in range(3))


def test_the_streams_share_the_ids_out():
    allowed = trio.allowed(VOCABULARY)
    assert allowed.sum(axis=1).tolist() == [90, 90, 512]
    assert (allowed.sum(axis=0) == 1).all()
    assert VOCABULARY.streams == 3 and VOCABULARY.size == 692


def test_the_grammar_keeps_each_stream_to_its_ids():
    assert CODEC.grammar is not None
    constraint, values = CODEC.grammar(), jnp.zeros((2, 6), jnp.int32)
    for stream, row in enumerate(trio.allowed(VOCABULARY)):
        seen = np.asarray(constraint(jnp.asarray(4), jnp.asarray(stream), values))
        np.testing.assert_array_equal(np.broadcast_to(seen, (2, 692)), np.tile(row, (2, 1)))


def _sequence(*parts):
    """Parts of (program or None for drums, notes of (start, end, pitch) in 16ths) at 120; each its own instrument."""
    sequence = noteseq.load().NoteSequence()
    for instrument, (program, notes) in enumerate(parts):
        for start, end, pitch in notes:
            sequence.notes.add(
                start_time=start / 8, end_time=end / 8, pitch=pitch, velocity=64, instrument=instrument,
                program=program or 0, is_drum=program is None,
            )  # fmt: skip
            sequence.total_time = max(sequence.total_time, end / 8)
    return sequence


def _quarters(first, last, pitch, *, step=4, length=4):
    """A note every quarter from bar `first` up to bar `last`."""
    return [(at, at + length, pitch) for at in range(16 * first, 16 * last, step)]


PIANO, GUITAR = (0, _quarters(0, 8, 60)), (25, _quarters(0, 8, 72))
FINGERED, KIT = (33, _quarters(0, 8, 40)), (None, _quarters(0, 8, 36))
STRINGS = (48, _quarters(0, 8, 64))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "no melody"),
        ([STRINGS, FINGERED, KIT], "no melody"),
        ([PIANO, STRINGS, KIT], "no bass"),
        ([PIANO, FINGERED], "no drums"),
        ([PIANO, FINGERED, (None, _quarters(0, 8, 100))], "no drums"),
        ([PIANO, FINGERED, (None, _quarters(0, 3, 36))], "no 4 consecutive bars that all three play"),
        ([PIANO, (33, _quarters(0, 8, 20)), KIT], "pitch outside 21..108"),
        ([PIANO] * 11 + [FINGERED] * 3 + [KIT], "more than 32 combinations of instruments"),
        ([(0, [(-1, 1, 60)]), FINGERED, KIT], "a note before time 0"),
    ],
)
def test_discards(parts, reason):
    with pytest.raises(errors.DiscardError, match=f"^{reason}$"):
        CODEC.encode(_sequence(*parts))


@pytest.mark.parametrize(("program", "kind"), [(0, 0), (31, 0), (32, 1), (39, 1), (40, None), (127, None)])
def test_programs_tell_melody_and_bass(program, kind):
    tokens = CODEC.prime(_sequence((program, _quarters(0, 4, 50)), KIT))["tokens"]
    begins = [i for i, first in enumerate((MELODY, BASS)) if tokens[0, i] == first + 50 - 21]
    assert begins == ([] if kind is None else [kind])


def test_every_combination_is_a_piece_and_equal_ones_are_one():
    found = CODEC.encode(_sequence(PIANO, GUITAR, PIANO, STRINGS, FINGERED, (39, _quarters(0, 8, 28)), KIT))
    starts = [a["tokens"][0].tolist() for a in found]
    assert starts == [[MELODY + m - 21, BASS + b - 21, DRUMS + 1] for m in (60, 72) for b in (40, 28)]


def test_an_instrument_of_two_kinds_is_left_out():
    sequence = _sequence(PIANO, FINGERED, KIT, GUITAR)
    sequence.notes.add(start_time=0, end_time=1, pitch=60, velocity=64, instrument=3, program=33)
    assert [a["tokens"][0, 0] for a in CODEC.encode(sequence)] == [MELODY + 60 - 21]


def test_chords_give_their_top_and_a_note_ends_where_the_next_begins():
    melody = [(0, 8, 60), (0, 4, 64), (2, 40, 67), (6, 7, 50), *_quarters(1, 4, 60)]
    tokens = CODEC.encode(_sequence((0, melody), FINGERED, KIT))[0]["tokens"][:9, 0]
    events = [("melody", 64), ("melody_hold", 0), ("melody", 67), *[("melody_hold", 0)] * 3, ("melody", 50)]
    assert [VOCABULARY.event(t) for t in tokens] == [*events, ("melody_off", 0), ("melody_hold", 0)]


@pytest.mark.parametrize(("rest", "lengths"), [(2, [14 * 16]), (3, [5 * 16, 6 * 16])])
def test_a_long_silence_of_one_cuts(rest, lengths):
    bass = (33, _quarters(0, 5, 40) + _quarters(5 + rest, 14 if rest == 3 else 14, 40))
    melody, kit = (0, _quarters(0, 14, 60)), (None, _quarters(0, 14, 36))
    assert [len(a["tokens"]) for a in CODEC.encode(_sequence(melody, bass, kit))] == lengths


def test_pieces_begin_and_end_where_all_three_sound():
    # The melody rests in bars 1 and 10, within its gaps, while bass and drums begin or end there.
    melody = (0, _quarters(0, 1, 60) + _quarters(2, 10, 60) + _quarters(11, 12, 60))
    (arrays,) = CODEC.encode(_sequence(melody, (33, _quarters(1, 11, 40)), (None, _quarters(1, 11, 36))))
    assert len(arrays["tokens"]) == 8 * 16


def test_a_note_across_the_beginning_begins_there():
    melody = (0, [(0, 40, 60), *_quarters(3, 8, 62)])
    (arrays,) = CODEC.encode(_sequence(melody, (33, _quarters(1, 8, 40)), KIT))
    tokens = arrays["tokens"]
    assert len(tokens) == 7 * 16
    assert VOCABULARY.event(tokens[0, 0]) == ("melody", 60)
    assert VOCABULARY.event(tokens[24, 0]) == ("melody_off", 0)


def test_changes_of_time_part_pieces_but_not_primers():
    sequence = _sequence(PIANO, FINGERED, KIT)
    sequence.tempos.add(qpm=120)
    sequence.tempos.add(time=8.0, qpm=60)
    (arrays,) = CODEC.encode(sequence)
    assert len(arrays["tokens"]) == 64
    assert len(CODEC.prime(sequence)["tokens"]) == 64 + 32


def test_a_primer_may_lack_parts_and_be_short():
    tokens = CODEC.prime(_sequence((None, [(20, 21, 38)])))["tokens"]
    assert tokens.tolist() == [[0, 90, DRUMS]] * 4 + [[0, 90, DRUMS + 2]]
    with pytest.raises(errors.DiscardError, match="no melody, bass or drums"):
        CODEC.prime(_sequence(STRINGS))
    with pytest.raises(errors.DiscardError, match="pitch outside"):
        CODEC.prime(_sequence((0, [(0, 4, 109)]), KIT))
    assert len(CODEC.prime(_sequence((0, [(0, 4, 109)]), GUITAR))["tokens"]) == 128


def test_transposition_moves_lines_and_leaves_drums():
    tokens = np.array([[MELODY, BASS + 1, DRUMS + 7], [0, 91, DRUMS], [1, 90, DRUMS + 511]], np.int32)
    moved = augment.transpose({"tokens": tokens}, vocabulary.trio(), 2)["tokens"]
    np.testing.assert_array_equal(moved - tokens, [[2, 2, 0], [0, 0, 0], [0, 0, 0]])


def test_a_range_of_pitches_binds_both_lines():
    at = jnp.asarray(0), jnp.asarray(1)
    seen = np.asarray(constraints.pitch_range(VOCABULARY, [(60, 62)])(*at, jnp.zeros((1, 0))))
    lines = [0, 1, *range(MELODY + 39, MELODY + 42), 90, 91, *range(BASS + 39, BASS + 42)]
    assert np.flatnonzero(seen).tolist() == [*lines, *range(DRUMS, 692)]
