"""What free samples are told of their forms: those of training pieces, or what is asked for."""

import numpy as np
import pieces
import pytest

from musejax import codecs, errors, zoo
from musejax.generation import piece_forms
from musejax.pipeline import dataset

TABLE = codecs.get("chorale").vocabulary


def item(length, first=12, fermatas=()):
    beat = (first + np.arange(length)) % 16
    fermata = np.zeros(length, np.int32)
    for low, high in fermatas:
        fermata[low:high] = 1
    tokens = np.zeros((length, 4), np.int32)
    return dataset.Item(str(length), str(length), {"tokens": tokens, "beat": beat, "fermata": fermata})


ITEMS = [item(70, fermatas=[(28, 32), (60, 68)]), item(101, first=0, fermatas=[(96, 100)]), item(2000)]


def loaded(kept=True, conditions=("beat", "fermata", "key")):
    config = {"data": {"forms": piece_forms.form_lines(ITEMS)} if kept else {}}
    model = pieces.loaded("chorale-voices").model
    model = model._replace(info=model.info._replace(conditions=conditions))
    return zoo.Loaded(model, {}, codecs.get("chorale"), config, "net")


def test_forms_are_kept_as_short_lines():
    metre = item(30)
    metre.arrays["beat"][:] = [*range(8, 12), *range(12), *range(12), 4, 5]
    assert piece_forms.form_lines([*ITEMS[:2], metre]) == [
        "70 16 0:12 28-32,60-68",
        "101 16 0:0 96-100",
        "30 12 0:8,28:4 -",
    ]


def test_forms_are_those_of_the_training_pieces():
    total, told = piece_forms.draw_forms(loaded(), 0, range(40))
    lengths = told["pad_mask"].sum(1)
    assert set(lengths.tolist()) == {70, 101} and total == 128
    for row in range(40):
        source = ITEMS[0 if lengths[row] == 70 else 1]
        for name in ("beat", "fermata"):
            np.testing.assert_array_equal(told[name][row, : lengths[row]], source.arrays[name])
    # A piece has its form whatever is drawn beside it.
    again = piece_forms.draw_forms(loaded(), 0, [7])[1]
    assert again["pad_mask"].sum() == lengths[7]


def test_a_form_is_cut_or_prolonged_at_its_beginning():
    for asked, source in ((60, ITEMS[0]), (90, ITEMS[1])):
        total, told = piece_forms.draw_forms(loaded(), 3, range(12), length=asked)
        assert total == asked + 1 and told["pad_mask"].all()
        ends = {tuple(row[-8:].tolist()) for row in told["beat"]}
        assert tuple(source.arrays["beat"][-8:].tolist()) in ends
        assert (np.diff(told["beat"], axis=1) % 16 == 1).all()


def test_fermatas_stand_where_they_are_asked_for():
    total, told = piece_forms.draw_forms(loaded(), 0, [0], fermatas=[(1, 3), (4, 1)])
    # A pick-up of a quarter, then bars of sixteen frames.
    assert total == 5 * 16 + 1
    np.testing.assert_array_equal(np.flatnonzero(told["fermata"][0]), [*range(12, 16), *range(52, 56)])
    np.testing.assert_array_equal(told["beat"][0, :6], [12, 13, 14, 15, 0, 1])
    assert not piece_forms.draw_forms(loaded(), 0, [0], bars=4, fermatas=[])[1]["fermata"].any()
    assert piece_forms.draw_forms(loaded(kept=False), 0, [0])[1]["pad_mask"].sum() == 16 * 16 + 1


def test_what_cannot_be_is_a_mistake():
    with pytest.raises(errors.UserError, match="fermata 9.1: the piece has bars 0-4, and no such beat"):
        piece_forms.draw_forms(loaded(), 0, [0], length=64, fermatas=[(9, 1)])
    with pytest.raises(errors.UserError, match="fermatas: net does not read them"):
        piece_forms.draw_forms(loaded(conditions=("beat",)), 0, [0], fermatas=[(1, 1)])
