"""A piece as a person plays it, with all that a NoteSequence holds beside notes, and what must be kept of it."""

import numpy as np

from musejax.music import noteseq, timing

# A pick-up of a quarter, bars of 3/4, and a change of tempo in the second bar.
TEMPOS = ((0.0, 60.0), (5.0, 96.0))
LEAD, BASS, KIT, PAD = range(4)
QUARTERS = 10


def played(seed=0, *, chorale=False):
    """A piece as it was played at 480 ticks a quarter, with all that a NoteSequence has beside notes."""
    rng = np.random.default_rng(seed)
    out = noteseq.load().NoteSequence(ticks_per_quarter=480, filename="played.mid")
    for time, qpm in TEMPOS:
        out.tempos.add(time=time, qpm=qpm)
    out.time_signatures.add(numerator=1, denominator=4)
    out.time_signatures.add(time=1.0, numerator=3, denominator=4)
    out.key_signatures.add(key=6)
    looks = [("Lead", 24, 66), ("Fretless", 35, 42), ("Kit", 0, 38), ("Pad", 89, 54)]
    if chorale:
        looks = [("Soprano", 52, 71), ("Alto", 52, 66), ("Tenor", 53, 58), ("Bass", 52, 46), ("Kit", 0, 38)]
    for number, (name, program, pitch) in enumerate(looks):
        out.instrument_infos.add(instrument=number, name=name)
        for quarter in range(QUARTERS):
            begins, ends = np.round((quarter + np.array([0.0, 1.0]) + rng.uniform(-0.1, 0.1, 2)) * 480) / 480
            begins = max(begins, 0.0)
            start, end = timing.to_seconds(out, np.array([begins, min(ends, begins + 1.0)]))
            step = int(rng.choice([0, 2, 4, 5, 7])) if name != "Kit" else 4 * (quarter % 2)
            out.notes.add(
                pitch=pitch + step, start_time=start, end_time=end, velocity=int(rng.integers(30, 110)),
                instrument=number, program=program, is_drum=name == "Kit",
            )  # fmt: skip
    if not chorale:
        # A chord that sounds together with a note of the lead.
        chord = out.notes.add()
        chord.CopyFrom(out.notes[3])
        chord.pitch -= 5
    out.control_changes.add(time=0.4, control_number=64, control_value=100, instrument=LEAD, program=24)
    out.pitch_bends.add(time=0.6, bend=512, instrument=LEAD, program=24)
    out.text_annotations.add(time=0.2, text="ly-ric")
    out.total_time = max(n.end_time for n in out.notes)
    return out


def described(note):
    return (
        note.part,
        note.instrument,
        note.program,
        note.is_drum,
        note.pitch,
        note.velocity,
        note.start_time,
        note.end_time,
    )


def check_kept(source, result):
    """Everything in the source is in the result as it was; the notes that are new."""
    count = len(source.notes)
    assert [described(n) for n in result.notes[:count]] == [described(n) for n in source.notes]
    for field in (
        "tempos", "time_signatures", "key_signatures", "control_changes", "pitch_bends", "ticks_per_quarter", "filename"
    ):  # fmt: skip
        assert getattr(result, field) == getattr(source, field)
    for field in ("instrument_infos", "part_infos", "text_annotations"):
        assert list(getattr(result, field))[: len(getattr(source, field))] == list(getattr(source, field))
    return result.notes[count:]
