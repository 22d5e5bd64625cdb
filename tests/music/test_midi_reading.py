import io
import os
import random
import zipfile
from pathlib import Path

import pytest

from musejax import errors
from musejax.music import files, midi_reading, noteseq

mido = pytest.importorskip("mido")


def last_at(items):
    """The last of the items, each a time and what changes then, at each time; repetitions are left out."""
    kept = sorted(dict(items).items())
    return [item for before, item in zip([(None, None), *kept], kept) if item[1] != before[1]]


def content(sequence):
    """All that a reading says, the order of notes left out."""

    def of(x):
        return x.instrument, x.program, x.is_drum

    def at(seconds):
        return round(seconds, 9)

    return {
        "notes": sorted((*of(n), n.pitch, at(n.start_time), at(n.end_time), n.velocity) for n in sequence.notes),
        # note-seq adds the tempo that holds where a file gives none.
        "tempos": last_at((at(t.time), t.qpm) for t in sequence.tempos) or [(0, 120)],
        "time": list({at(t.time): (t.numerator, t.denominator) for t in sequence.time_signatures}.items()),
        "key": list({at(k.time): (k.key, k.mode) for k in sequence.key_signatures}.items()),
        "names": [(i.instrument, i.name) for i in sequence.instrument_infos],
        "controls": [(*of(c), at(c.time), c.control_number, c.control_value) for c in sequence.control_changes],
        "bends": [(*of(b), at(b.time), b.bend) for b in sequence.pitch_bends],
        "ticks": sequence.ticks_per_quarter,
        "total": at(sequence.total_time),
    }


def written(tracks, ticks=480):
    f = mido.MidiFile(type=1, ticks_per_beat=ticks)
    f.tracks += [mido.MidiTrack(t) for t in tracks]
    out = io.BytesIO()
    f.save(file=out)
    return out.getvalue()


def note(kind, pitch, time, channel=0, velocity=64):
    return mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=time)


def random_file(seed):
    r = random.Random(seed)
    tracks = []
    for k in range(r.randint(1, 4)):
        channel, t = r.choice([0, 3, 9, k]), [mido.MetaMessage("track_name", name=f"T{k}")]
        if k == 0:
            tempi = [(r.choice([500000, 400000, 666665]), r.choice([0, 100, 777])) for _ in range(r.randint(0, 3))]
            t += [mido.MetaMessage("set_tempo", tempo=tempo, time=time) for tempo, time in tempi]
            t.append(mido.MetaMessage("time_signature", numerator=r.choice([3, 4, 6]), denominator=r.choice([2, 4, 8])))
            t.append(mido.MetaMessage("key_signature", key=r.choice(["C", "Am", "F#", "Bbm", "C#m", "Cb"])))
        if r.random() < 0.5:
            t.append(mido.Message("program_change", channel=channel, program=r.randint(0, 127)))
        for _ in range(r.randint(0, 80)):
            x, time, pitch = r.random(), r.choice([0, 0, 10, 60, 120, 5000]), r.randint(60, 66)
            if x < 0.4:
                t.append(note("note_on", pitch, time, channel, r.choice([0, 1, 64, 127])))
            elif x < 0.85:
                t.append(note("note_off", pitch, time, channel))
            elif x < 0.9:
                t.append(
                    mido.Message("control_change", channel=channel, control=64, value=r.randint(0, 127), time=time)
                )
            elif x < 0.95:
                t.append(mido.Message("pitchwheel", channel=channel, pitch=r.randint(-8192, 8191), time=time))
            else:
                t.append(mido.MetaMessage("lyrics", text="la" * r.randint(1, 90), time=time))
        tracks.append(t)
    return written(tracks, r.choice([96, 220, 480]))


def test_random_files_read_as_note_seq_reads_them():
    for seed in range(150):
        data = random_file(seed)
        reference = noteseq.load().midi_to_note_sequence(data)
        assert content(midi_reading.midi_to_sequence(data)) == content(reference), seed


ON, OFF = "note_on", "note_off"
ODD = {
    "two channels in a track": [[note(ON, 60, 0), note(ON, 62, 0, 1), note(OFF, 60, 96), note(OFF, 62, 9, 1)]],
    "program change between notes": [
        [
            note(ON, 60, 0),
            note(OFF, 60, 96),
            mido.Message("program_change", program=7),
            note(ON, 60, 0),
            note(OFF, 60, 9),
        ]
    ],
    "one note-off for two notes": [[note(ON, 60, 0), note(ON, 60, 48), note(OFF, 60, 48)]],
    "a note without length": [[note(ON, 60, 0), note(OFF, 60, 0), note(ON, 62, 0), note(OFF, 62, 96)]],
    "a note that never ends": [[note(ON, 60, 0), note(ON, 62, 0), note(OFF, 62, 96)]],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_read_as_note_seq_reads_them(name):
    data = written(ODD[name])
    assert content(midi_reading.midi_to_sequence(data)) == content(noteseq.load().midi_to_note_sequence(data))


def test_overlapping_notes_end_with_the_first_note_off():
    data = written([[note(ON, 60, 0), note(ON, 60, 48), note(OFF, 60, 48), note(ON, 60, 0), note(OFF, 60, 96)]], 96)
    found = sorted((n.start_time, n.end_time) for n in midi_reading.midi_to_sequence(data).notes)
    assert found == [(0.0, 0.5), (0.25, 0.5), (0.5, 1.0)]


@pytest.mark.parametrize("data", [b"", b"RIFF", b"MThd", b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\x10\0\x90"])
def test_damaged_files_are_user_errors(data):
    with pytest.raises(errors.UserError) as e:
        midi_reading.midi_to_sequence(data)
    assert "\n" not in str(e.value)


def pop909(step):
    path = Path(os.environ.get("MUSEJAX_DATA", "")) / "pop909.zip"
    if not path.is_file():
        pytest.skip("MUSEJAX_DATA names no folder with pop909.zip")
    with zipfile.ZipFile(path) as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".mid"))[::step]:
            yield name, archive.read(name)


def assert_equal_on_pop909(step):
    count = 0
    for name, data in pop909(step):
        reference = noteseq.load().midi_to_note_sequence(data)
        assert content(files.midi_to_sequence(data)) == content(reference), name
        count += 1
    return count


def test_pop909_reads_as_note_seq_reads_it():
    assert assert_equal_on_pop909(90) == 11


@pytest.mark.slow
def test_all_of_pop909_reads_as_note_seq_reads_it():
    assert assert_equal_on_pop909(1) == 909
