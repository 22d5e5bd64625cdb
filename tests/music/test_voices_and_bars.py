import pytest

from musejax import errors
from musejax.music import exact_times, noteseq, voices_and_bars


def test_voices_are_named_by_part_then_instrument_then_program():
    sequence = noteseq.load().NoteSequence()
    for instrument, program, is_drum in [(0, 0, False), (1, 0, False), (2, 40, False), (3, 0, True), (4, 0, False)]:
        sequence.notes.add(pitch=60, end_time=1, instrument=instrument, program=program, is_drum=is_drum)
    sequence.instrument_infos.add(instrument=4, name=" Lead\tvoice\n")
    names = [voice.name for voice in voices_and_bars.voices(sequence)]
    assert names == ["Acoustic Grand Piano", "Acoustic Grand Piano 2", "Violin", "Drums", "Lead voice"]


def test_a_pitch_outside_midi_is_refused():
    sequence = noteseq.load().NoteSequence()
    sequence.notes.add(pitch=128, end_time=1)
    with pytest.raises(errors.UserError, match="pitch 128"):
        voices_and_bars.voices(sequence)


def _bars(end, *signatures):
    """(number, length, cut) of the bars of a piece of `end` quarters with (quarter, numerator, denominator)."""
    sequence = noteseq.load().NoteSequence()
    sequence.notes.add(pitch=60, end_time=end / 2)
    for at, numerator, denominator in signatures:
        sequence.time_signatures.add(time=at / 2, numerator=numerator, denominator=denominator)
    bars = voices_and_bars.bars(sequence, exact_times.read(sequence))
    assert [b.start for b in bars[1:]] == [b.start + b.length for b in bars[:-1]]
    return [(b.number, 4 * b.length, b.cut) for b in bars], [(b.numerator, b.denominator) for b in bars]


def test_bars_end_whole_and_follow_signatures():
    assert _bars(5) == ([(1, 16, False), (2, 16, False)], [(4, 4)] * 2)
    assert _bars(7, (0, 4, 4), (4, 6, 8)) == ([(1, 16, False), (2, 12, False)], [(4, 4), (6, 8)])


def test_a_short_first_signature_is_a_pickup():
    lengths, shown = _bars(12, (0, 1, 4), (1, 4, 4))
    assert lengths == [(0, 4, True), (1, 16, False), (2, 16, False), (3, 16, False)]
    assert shown == [(4, 4)] * 4


def test_a_first_bar_of_another_metre_is_no_pickup():
    lengths, shown = _bars(6, (0, 3, 8), (1.5, 2, 4), (3.5, 3, 8))
    assert lengths == [(1, 6, False), (2, 8, False), (3, 6, False), (4, 6, False)]
    assert shown == [(3, 8), (2, 4), (3, 8), (3, 8)]


def test_an_odd_first_span_is_a_pickup_and_other_signatures_stand():
    lengths, shown = _bars(17, (0, 4, 4), (5, 3, 4), (8, 1, 4), (9, 4, 4))
    assert [length for _, length, _ in lengths] == [4, 16, 12, 4, 16, 16]
    assert [cut for _, _, cut in lengths] == [True, False, False, False, False, False]
    assert shown == [(4, 4), (4, 4), (3, 4), (1, 4), (4, 4), (4, 4)]


def test_annotated_bar_lines_are_the_bars():
    sequence = noteseq.load().NoteSequence()
    sequence.notes.add(pitch=60, end_time=6)
    sequence.time_signatures.add(numerator=4, denominator=4)
    for at in (0, 3, 7):
        sequence.text_annotations.add(time=at / 2, text="bar line")
    bars = voices_and_bars.bars(sequence, exact_times.read(sequence))
    assert [(b.number, b.start, b.length, b.cut) for b in bars] == [
        (0, 0, 3, True), (1, 3, 4, False), (2, 7, 4, False), (3, 11, 4, False),
    ]  # fmt: skip
