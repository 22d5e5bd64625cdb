"""Quantising: what a model reads lies on the grid, and the music itself stays."""

import numpy as np
import pieces
import pytest

from musejax import errors
from musejax.generation import quantising, source_grid, sources
from musejax.generation.quantising import Quantise
from musejax.music import grid


def test_texts_are_read():
    assert quantising.parse("1/8") == Quantise(8, 1.0, 0.5)
    assert quantising.parse("1/16,0.5") == Quantise(16, 0.5, 0.5)
    assert quantising.parse("1/8,1,0.66") == Quantise(8, 1.0, 0.66)
    assert quantising.parse(None) is None and quantising.parse(Quantise(4)) == Quantise(4)


@pytest.mark.parametrize("text", ["8", "1/0", "1/128", "1/8,0", "1/8,2", "1/8,1,0.4", "1/8,1,1", "1/8,.", "x"])
def test_what_is_no_grid_is_a_mistake(text):
    with pytest.raises(errors.OptionError, match="quantize is '.*: give GRID"):
        quantising.parse(text)


def test_notes_move_to_the_grid_and_keep_a_step():
    spans = Quantise(8).spans(np.array([[0.1, 0.4], [0.45, 0.55], [0.76, 1.1], [2.0, 2.0]]))
    np.testing.assert_allclose(spans, [[0.0, 0.5], [0.5, 1.0], [1.0, 1.5], [2.0, 2.0]])
    half = Quantise(8, strength=0.5).spans(np.array([[0.1, 0.5]]))
    np.testing.assert_allclose(half, [[0.05, 0.5]])


def test_swing_is_read_as_straight():
    swung = np.array([[0.0, 2 / 3], [2 / 3, 1.0], [1.0, 5 / 3], [5 / 3, 2.0]])
    np.testing.assert_allclose(
        Quantise(8, swing=2 / 3).spans(swung), [[0.0, 0.5], [0.5, 1.0], [1.0, 1.5], [1.5, 2.0]], atol=1e-9
    )


def swung_melody():
    """Eight swung eighths in one part, as played: off the grid, each of its own length."""
    source = pieces.empty(tempos=((0.0, 100.0),))
    for index, pitch in enumerate([67, 69, 71, 72, 74, 72, 71, 67]):
        beat, second = divmod(index, 2)
        first = beat * 4 + (8 / 3 if second else 0)
        pieces.add(source, first, beat * 4 + (4 if second else 8 / 3), pitch, early=0.1, late=-0.2)
    return source


def test_a_model_reads_swung_music_straight():
    model, source = pieces.loaded("chorale-voices"), swung_melody()
    straight = source_grid.read(model, source, melody=0, quantise=Quantise(8, swing=2 / 3), say=lambda text: None)
    assert [note.first for note in straight.notes] == list(range(0, 16, 2))
    plain = source_grid.read(model, source, melody=0, say=lambda text: None)
    assert [note.first for note in plain.notes] != [note.first for note in straight.notes]


def test_given_notes_come_back_as_they_were_played():
    model, source = pieces.loaded("chorale-voices"), swung_melody()
    (result,) = pieces.harmonize(model, source, quantize="1/8,1,0.66", seed=1, say=lambda text: None)
    new = pieces.check_kept(source, result, range(len(source.notes)))
    starts = grid.note_positions(result, new)[:, 0]
    np.testing.assert_allclose(starts, np.round(starts), atol=1e-6)


def test_a_copy_has_its_notes_on_the_grid():
    source = swung_melody()
    copy = quantising.quantised(source, Quantise(8, swing=2 / 3))
    np.testing.assert_allclose(grid.note_positions(copy, copy.notes, 2)[:, 0], np.arange(8), atol=1e-6)
    assert quantising.quantised(source, None) is source


def test_a_model_without_a_grid_refuses_one():
    performance = pieces.loaded("performance")
    with pytest.raises(errors.UserError, match="quantize: codec performance-356 of rnn has no grid"):
        sources.read(performance.codec, swung_melody(), reader="rnn", say=lambda t: None, quantise=Quantise(8))
