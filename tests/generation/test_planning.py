"""Bars are named by the numbers that a score prints, at every playing of a bar, by all that takes bars."""

import musicxml_text as mx
import numpy as np
import pieces
import pytest

from musejax import errors
from musejax.generation import cells, joining, planning
from musejax.music import files, score_annotations

BARS = ("C5 D5 E5 F5", "G5 F5 E5 D5", "E5 F5 E5 D5", "C5 B4 A4 G4")


@pytest.fixture
def read(tmp_path):
    """Reads a score of four bars, of which the second is repeated, with numbers from one on."""

    def read_from(first, **options):
        bars = [mx.notes(names) for names in BARS]
        bars[0] = mx.tempo(120) + bars[0]
        bars[1] = mx.repeat("forward") + bars[1] + mx.repeat("backward")
        path = tmp_path / "song.musicxml"
        path.write_text(mx.score([(f'number="{first + i}"', bar) for i, bar in enumerate(bars)]))
        return files.read(path, **options)[0]

    return read_from


def free(plan):
    """The bars of 16 frames, counted from 0 in the order of playing, in which all cells are free."""
    mask = np.asarray(plan.given.infill_mask)[: plan.source.length].reshape(-1, 16)
    return np.flatnonzero(mask.all(1)).tolist()


def test_a_repeated_bar_is_drawn_anew_each_time_that_it_is_played(read):
    model = pieces.loaded("mono-rnn")
    for first in (1, 57):
        source = read(first)
        for number, played in ((0, [0]), (1, [1, 2]), (3, [4])):
            plan = planning.infilling(model, source, [(first + number, first + number)], say=pieces.quiet)
            assert free(plan) == played
            assert [n.number for n in plan.redrawn] == [4 * bar + i for bar in played for i in range(4)]
    plan = planning.infilling(model, read(57, repeats=False), [("58", 59)], say=pieces.quiet)
    assert free(plan) == [1, 2]


def test_a_message_says_which_bars_there_are(read):
    model, source = pieces.loaded("mono-rnn"), read(57)
    for wanted in ((1, 2), (60, 61), ("58a", "58a")):
        with pytest.raises(errors.UserError, match=r"bars .*: song.musicxml has bars 57-60$"):
            planning.infilling(model, source, [wanted], say=pieces.quiet)
    with pytest.raises(errors.UserError, match=r"fermata 5\.1: the piece has bars 57-60, and no such beat$"):
        cells.with_fermatas(source, [(5, 1)])


def test_fermatas_and_places_have_the_numbers_of_the_score(read):
    source = read(57)
    marked = cells.with_fermatas(source, [(58, 3), (60, 1)])
    fermatas = [a.time for a in marked.text_annotations if a.text == score_annotations.FERMATA]
    assert fermatas == pytest.approx([3.0, 5.0, 8.0])
    plan = planning.infilling(pieces.loaded("mono-rnn"), source, [(57, 60)], say=pieces.quiet)
    place = cells.place("soprano@58.2")
    assert place is not None
    inside = cells.inside(place, plan.source.numbers, planning.beat_of(plan.source))
    assert np.flatnonzero(inside[:, 0]).tolist() == [20, 21, 22, 23, 36, 37, 38, 39]


def test_bars_between_two_scores_are_counted(read):
    joined = joining.join(read(57), read(1), 2)
    assert joined.bars == (6, 7)
    plan = planning.infilling(pieces.loaded("mono-rnn"), joined.sequence, [joined.bars], say=pieces.quiet)
    assert free(plan) == [5, 6] and not plan.redrawn
