"""What a piece is required to be becomes a condition of models that read it, and a constraint of all others."""

import numpy as np
import pieces
import pytest
from small_vae import loaded

from musejax import errors
from musejax.decoding import constraints
from musejax.generation import requirements, sampling
from musejax.generation.requirements import Requirements


def test_chords_are_a_condition_of_a_model_that_reads_them():
    reading = loaded("melody-90-chords", conditions=("chord",))
    required = Requirements(chords="C Am")
    conditions = required.conditions(reading, 32)
    assert conditions["chord"].tolist() == [1] * 16 + [1 + 12 + 9] * 16
    assert required.constraint(reading, 32, 16) is None
    assert required.conditions(loaded(), 32) == {} and required.constraint(loaded(), 32, 16) is not None
    (piece,) = sampling.draw_pieces(reading, 1, 0, conditions=conditions)
    np.testing.assert_array_equal(piece.arrays["chord"], conditions["chord"])
    free = sampling.draw_pieces(reading, 1, 0)[0]
    assert not free.arrays["chord"].any()
    assert free.log_prob != piece.log_prob
    with pytest.raises(errors.OptionError, match="chords is 'C H': chord 'H' is unknown"):
        Requirements(chords="C H").conditions(reading, 32)


def allowed(required, model):
    constraint = required.constraint(model, 32, 16)
    table = model.codec.vocabulary
    cells = np.asarray(constraints.table(constraint, table, 1, 32))[0].reshape(32, -1, table.size)[:, 0]
    return [set(table.values("pitch")[row & (table.values("pitch") >= 0)].tolist()) for row in cells]


def test_scale_and_pitches_hold_together():
    model = pieces.loaded("mono-rnn")
    for value in ("60-71", (60, 71)):
        assert allowed(Requirements(scale="G", pitches=value), model)[0] == {60, 62, 64, 66, 67, 69, 71}
    assert Requirements().constraint(model, 32, 16) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scale": "Q"}, "scale is 'Q': give a tonic and one of major, minor"),
        ({"pitches": "60"}, "pitches is '60': give two MIDI pitches"),
        ({"pitches": (70, 60)}, "pitches is 70,60: give two MIDI pitches"),
        ({"pitches": (60, 128)}, "pitches is 60,128: give two MIDI pitches"),
        ({"density": "x"}, "density is 'x': give the least and most onsets"),
    ],
)
def test_what_cannot_be_read_is_named(fields, message):
    with pytest.raises(errors.OptionError, match=message):
        Requirements(**fields).constraint(pieces.loaded("mono-rnn"), 32, 16)


def test_a_key_needs_a_model_that_reads_it():
    with pytest.raises(errors.OptionError, match="key is 'G': mono-rnn is not conditioned on a key"):
        Requirements(key="G").check_key(pieces.loaded("mono-rnn"))
    assert Requirements(key="G").sharps() == Requirements(scale="E:minor").sharps() == 1
    assert Requirements(scale="C:pentatonic").sharps() is None
    for key, message in (("X", "give a tonic"), ("C:lydian", "the mode is major or minor")):
        with pytest.raises(errors.OptionError, match=message):
            Requirements(key=key).sharps()


def test_one_constraint_stays_itself():
    def own(frame, stream, values):
        return values

    assert requirements.join([None, own, None]) is own
    assert requirements.join([None]) is None
