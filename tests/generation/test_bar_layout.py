"""Pieces in shorter bars than the model's are laid out bar by bar, and taken out again."""

import numpy as np
import pytest
from small_vae import loaded, tune

from musejax import codecs
from musejax.generation import bar_layout, sources

TABLE = codecs.get("melody-90").vocabulary


def read(numerator, denominator, quarters, pickup=0):
    """The layout of quarter notes in a metre, behind a pickup of so many quarters."""
    sequence = tune(*(60 + n % 12 for n in range(quarters)))
    del sequence.time_signatures[:]
    if pickup:
        sequence.time_signatures.add(numerator=pickup, denominator=4)
    sequence.time_signatures.add(numerator=numerator, denominator=denominator, time=pickup * 60 / 90)
    source = sources.read(codecs.get("melody-90"), sequence, reader="small", say=lambda text: None, fit=False)
    return bar_layout.read(TABLE, source, 32), source.arrays["tokens"]


@pytest.mark.parametrize(("numerator", "denominator", "bar"), [(3, 4, 12), (6, 8, 12), (2, 4, 8)])
def test_a_bar_lies_at_the_beginning_of_a_bar_of_the_model(numerator, denominator, bar):
    layout, cells = read(numerator, denominator, 12)
    assert layout.bar == bar and layout.total % 32 == 0
    frames = np.arange(len(cells))
    np.testing.assert_array_equal(layout.slots, frames // bar * 16 + frames % bar)
    spread = layout.spread(TABLE, cells)
    again, cut = layout.gather(TABLE, spread)
    np.testing.assert_array_equal(again, cells)
    assert not cut


def test_a_pickup_lies_at_the_end_of_a_bar():
    layout, cells = read(3, 4, 7, pickup=1)
    first = int(np.flatnonzero(TABLE.values("pitch")[cells] >= 0)[0])
    assert layout.bar == 12 and layout.slots[first] % 16 == 8
    assert layout.slots[first + 4] == 16


@pytest.mark.parametrize(("numerator", "denominator"), [(4, 4), (5, 4), (12, 8)])
def test_other_bars_run_on(numerator, denominator):
    layout, cells = read(numerator, denominator, 10)
    assert layout.bar == 0
    np.testing.assert_array_equal(layout.slots, np.arange(len(cells)))


def test_notes_behind_the_end_of_a_bar_are_counted_and_do_not_ring_on():
    layout, cells = read(3, 4, 6)
    spread = layout.spread(TABLE, cells)
    spread[13] = TABLE.id("pitch", 80)
    spread[16] = spread[15]  # the next bar begins with a hold of that note
    again, cut = layout.gather(TABLE, spread)
    assert cut == 1
    ends, _ = np.transpose([TABLE.silence(0)])
    assert again[12] == ends[0]
    assert loaded().codec.vocabulary == TABLE
