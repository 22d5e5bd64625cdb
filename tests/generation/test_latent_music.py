"""Music through latent vectors: files become windows, windows come back in their places, paths keep their ends."""

import numpy as np
import pytest
from played import LEAD, check_kept, played
from small_vae import loaded, tune

import musejax
from musejax import codecs, errors
from musejax.generation import latent_windows, primers
from musejax.music import timing


def silent(text):
    """Where nobody listens."""


def read_windows(sequence):
    return latent_windows.read(loaded(), sequence, say=silent).arrays


def reconstruct(*args, **options):
    return musejax.reconstruct(*args, **{"say": silent} | options).sequence


def interpolate(*args, **options):
    return [piece.sequence for piece in musejax.interpolate(*args, **{"say": silent} | options)]


def test_a_piece_is_cut_into_windows_and_the_last_is_filled_with_silence():
    arrays = read_windows(tune(*range(60, 74)))  # three and a half bars
    assert arrays["tokens"].shape == arrays["beat"].shape == (2, 32)
    np.testing.assert_array_equal(arrays["beat"], np.tile(np.arange(16), (2, 2)))
    cells = arrays["tokens"].ravel()
    np.testing.assert_array_equal(cells[:56:4], np.arange(60, 74) - 21 + 2)
    assert cells[56] == 1 and not cells[57:].any()


def test_silence_of_a_trio_is_silent_in_every_stream():
    table = codecs.get("trio").vocabulary
    found = primers.silence(table, np.zeros((4, 3), np.int32), 2)
    assert [table.event(t)[0] for t in found[0]] == ["melody_off", "bass_off", "drums"]
    assert [table.event(t) for t in found[1]] == [("melody_hold", 0), ("bass_hold", 0), ("drums", 0)]


def test_a_window_has_its_vector_wherever_it_stands_and_however_many_there_are():
    whole = read_windows(tune(*np.random.default_rng(0).integers(50, 70, 8 * 10)))
    z = latent_windows.encode(loaded(), whole)
    assert z.shape == (10, 4)
    np.testing.assert_allclose(
        latent_windows.encode(loaded(), {k: v[9:] for k, v in whole.items()})[0], z[9], atol=1e-5
    )
    assert np.abs(np.diff(z, axis=0)).max() > 1e-3


def test_pieces_do_not_change_with_how_many_are_decoded():
    z = np.random.default_rng(0).normal(size=(11, 4)).astype(np.float32)
    many, few = (latent_windows.decode(loaded(), z[:n], 3) for n in (11, 9))
    for a, b in zip(many, few):
        np.testing.assert_array_equal(a.arrays["tokens"], b.arrays["tokens"])


def test_a_reconstruction_is_as_long_as_the_piece_and_keeps_its_tempo():
    found = reconstruct(loaded(), tune(*range(60, 76)), 1, temperature=1e-3)
    assert found.tempos[0].qpm == 90.0
    again = reconstruct(loaded(), tune(*range(60, 76)), 2, temperature=1e-3)
    assert [(n.pitch, n.start_time) for n in found.notes] == [(n.pitch, n.start_time) for n in again.notes]
    assert all(n.end_time <= 16 * 60 / 90 + 1e-6 for n in found.notes)


def test_a_reconstruction_ends_with_the_piece_wherever_its_last_window_ends():
    for count in (1, 3, 9):  # quarters, of windows of eight
        found = reconstruct(loaded(), tune(*range(60, 60 + count)), 1, temperature=10.0)
        assert found.notes and max(n.end_time for n in found.notes) <= count * 60 / 90 + 1e-6


def test_a_path_begins_and_ends_with_the_two_pieces():
    a, b = tune(*range(60, 68)), tune(*range(50, 58))
    found = interpolate(loaded(), a, b, 5, temperature=1e-3)
    ends = [reconstruct(loaded(), piece, temperature=1e-3) for piece in (a, b)]
    assert len(found) == 5
    for piece, end in ((found[0], ends[0]), (found[-1], ends[1])):
        assert [n.pitch for n in piece.notes] == [n.pitch for n in end.notes]


def test_a_path_has_the_tempo_the_metre_the_key_and_the_program_of_the_first_piece():
    a, b = tune(*range(60, 72)), tune(*range(50, 58))
    a.tempos[0].qpm = 75.0
    for note in a.notes:
        note.start_time, note.end_time, note.program = note.start_time * 90 / 75, note.end_time * 90 / 75, 40
    a.total_time *= 90 / 75
    del a.time_signatures[:]
    a.time_signatures.add(numerator=3, denominator=4)
    a.key_signatures.add(key=9, mode=1)
    found = interpolate(loaded(), a, b, 3, temperature=1e-3)
    for piece in found:
        assert [t.qpm for t in piece.tempos] == [75.0]
        assert [(s.numerator, s.denominator) for s in piece.time_signatures] == [(3, 4)]
        assert [(k.key, k.mode) for k in piece.key_signatures] == [(9, 1)]
        assert {n.program for n in piece.notes} == {40}


def test_a_piece_comes_back_in_its_place_its_tempo_and_its_part():
    source = played()
    again = reconstruct(loaded(), source, temperature=1e-3, say=lambda text: None)
    kept = type(source).FromString(source.SerializeToString())
    del kept.notes[:]
    kept.notes.extend(n for n in source.notes if n.instrument != LEAD)
    new = check_kept(kept, again)
    assert new and {(n.instrument, n.program) for n in new} == {(LEAD, 24)}
    frames = timing.to_quarters(again, np.array([n.start_time for n in new])) * 4
    np.testing.assert_allclose(frames, np.round(frames), atol=1e-6)


def test_what_does_not_fit_is_said():
    with pytest.raises(errors.UserError, match="num is 1: it must be at least 2"):
        interpolate(loaded(), tune(60), tune(62), 1)
    with pytest.raises(errors.UserError, match="chorale-lstm has no latent vector"):
        reconstruct("chorale-lstm", tune(60))
    with pytest.raises(errors.UserError, match="the sequence: it does not fit codec melody-90 of small"):
        reconstruct(loaded(), tune(*range(12), codec="melody"))


def waltz(*pitches, pickup=0):
    """Quarter notes in 3/4 at 90 a minute, after a pickup of so many of them."""
    out = tune(*pitches)
    del out.time_signatures[:]
    out.time_signatures.add(numerator=3, denominator=4)
    if pickup:
        out.time_signatures[0].numerator = pickup
        out.time_signatures.add(numerator=3, denominator=4, time=pickup * 60 / 90)
    return out


def test_a_waltz_is_read_bar_by_bar():
    cells = read_windows(waltz(60, 62, 64, 65, 67, 69))["tokens"]
    assert cells.shape == (1, 32)
    np.testing.assert_array_equal(cells[0, [0, 4, 8, 16, 20, 24]], np.array([60, 62, 64, 65, 67, 69]) - 21 + 2)
    assert not cells[0, [12, 13, 14, 15]].any(), "the last note of the bar goes on"


def test_a_reconstructed_waltz_has_its_metre_and_no_note_where_it_has_no_beat():
    source, said = waltz(*range(60, 72), pickup=1), []
    again = reconstruct(loaded(), source, temperature=10.0, say=said.append)
    assert [(s.numerator, s.time) for s in again.time_signatures] == [
        (s.numerator, s.time) for s in source.time_signatures
    ]
    assert again.notes and max(n.end_time for n in again.notes) <= source.total_time + 1e-6
    assert len(said) <= 1 and all("bars of 3 quarters were read as bars of 4" in line for line in said)


def test_a_path_leaves_out_what_is_behind_the_first_windows_and_says_so():
    said = []
    pieces = interpolate(loaded(), waltz(*range(60, 72)), tune(*range(50, 58)), 3, temperature=1e-3, say=said.append)
    assert "the sequence: small interpolates its first 2 bars; 2 bars after them are left out" in said
    for piece in pieces:
        assert [(s.numerator, s.denominator) for s in piece.time_signatures] == [(3, 4)]
        assert max(n.end_time for n in piece.notes) <= 6 * 60 / 90 + 1e-6


def test_two_ends_or_none():
    with pytest.raises(errors.UserError, match="give both ends of the path, or none"):
        interpolate(loaded(), tune(60))
    with pytest.raises(errors.OptionError, match="latent is 'shared': between two pieces the whole vector moves"):
        interpolate(loaded(), tune(60), tune(62), latent="shared")
    assert len(interpolate(loaded(), num=3)) == 3
