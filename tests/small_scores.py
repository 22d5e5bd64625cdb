"""A chorale and a polyphonic piece, for tests of writers."""

import pytest

from musejax.music import noteseq

# Four voices in D major, 3/4 after a pick-up of one quarter, with ties, rests, sharps, a repeated note and a fermata.
_VOICES = {
    "Soprano": [(0, 4, 69), (4, 8, 74), (12, 4, 73), (16, 4, 73), (20, 16, 74)],
    "Alto": [(0, 4, 66), (4, 2, 66), (6, 2, 68), (8, 4, 69), (16, 4, 69), (20, 16, 69)],
    "Tenor": [(0, 4, 62), (4, 9, 62), (13, 3, 61), (16, 12, 64), (28, 8, 66)],
    "Bass": [(0, 4, 50), (4, 4, 47), (8, 4, 45), (12, 8, 45), (20, 16, 38)],
}


@pytest.fixture
def chorale():
    """A short piece of four named voices, at 100 quarters a minute."""
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=220)
    tick = 60 / 100 / 4
    sequence.tempos.add(qpm=100)
    sequence.time_signatures.add(numerator=1, denominator=4)
    sequence.time_signatures.add(time=4 * tick, numerator=3, denominator=4)
    sequence.key_signatures.add(key=2)
    for number, (name, notes) in enumerate(_VOICES.items()):
        sequence.part_infos.add(part=number, name=name)
        sequence.instrument_infos.add(instrument=number, name=name)
        for start, length, pitch in notes:
            sequence.notes.add(
                part=number,
                instrument=number,
                pitch=pitch,
                velocity=80,
                start_time=start * tick,
                end_time=(start + length) * tick,
            )
    sequence.text_annotations.add(time=20 * tick, text="fermata")
    sequence.total_time = 36 * tick
    return sequence


@pytest.fixture
def polyphony():
    """One unnamed part with chords, overlaps, a note off the grid, a tempo change, a pedal and a drum beside it."""
    sequence = noteseq.load().NoteSequence()
    sequence.tempos.add(qpm=90)
    sequence.tempos.add(time=2.0, qpm=140)
    for start, end, pitch, velocity in [
        (0.0, 1.0, 60, 40),
        (0.0, 1.0, 64, 90),
        (0.0, 3.0, 36, 127),
        (0.513, 1.7, 72, 1),
        (1.7, 1.701, 71, 64),
        (2.0, 5.25, 55, 64),
    ]:
        sequence.notes.add(pitch=pitch, velocity=velocity, start_time=start, end_time=end)
    sequence.notes.add(pitch=38, velocity=100, start_time=1.0, end_time=1.1, instrument=1, is_drum=True)
    sequence.control_changes.add(time=0.5, control_number=64, control_value=127)
    sequence.control_changes.add(time=4.0, control_number=64, control_value=0)
    sequence.pitch_bends.add(time=1.0, bend=100)
    return sequence
