import io
import os
import random
import zipfile
from pathlib import Path

import midi_text
import pytest
from midi_text import meta

from musejax import errors
from musejax.music import files, loss_counts, midi_reading, noteseq

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


def test_a_note_belongs_to_the_program_with_which_it_begins():
    program = b"\0\xc0\x10" + b"\0\x90\x3c\x50" + b"\x60\xc0\x20" + b"\0\x80\x3c\0" + midi_text.note(64)
    sequence = midi_reading.midi_to_sequence(midi_text.file(program))
    assert [(n.instrument, n.program, n.pitch) for n in sequence.notes] == [(0, 16, 60), (1, 32, 64)]


def test_controllers_act_on_every_program_of_their_channel():
    bend = midi_text.channel(0xE0, 0, 80)
    events = midi_text.channel(0xB0, 7, 99) + midi_text.note() + b"\0\xc0\5" + bend + midi_text.note()
    sequence = midi_reading.midi_to_sequence(midi_text.file(events))
    assert [(c.instrument, c.program, c.control_value) for c in sequence.control_changes] == [(0, 0, 99), (1, 5, 99)]
    assert [(b.instrument, b.bend, b.time) for b in sequence.pitch_bends] == [(0, 2048, 0.5), (1, 2048, 0.5)]


def changes(*tracks, kind=1):
    """Tempos, time signatures and key signatures of a file."""
    sequence = midi_reading.midi_to_sequence(midi_text.file(*tracks, kind=kind))
    return (
        [(t.time, round(t.qpm, 3)) for t in sequence.tempos],
        [(s.time, s.numerator, s.denominator) for s in sequence.time_signatures],
        [(k.time, k.key, k.mode) for k in sequence.key_signatures],
    )


SIXTY, FORTY = meta(0x51, b"\x0f\x42\x40"), meta(0x51, b"\x16\xe3\x60", 480)
THREE, TWO = meta(0x58, b"\3\2\x18\x08"), meta(0x58, b"\2\1\x18\x08", 480)
D_MAJOR, B_FLAT_MINOR = meta(0x59, b"\2\0"), meta(0x59, b"\xfb\1", 480)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_tempos_and_signatures_count_in_every_track(place):
    tracks = [midi_text.note(), b"", midi_text.note(62)]
    tracks[place] = SIXTY + THREE + D_MAJOR + tracks[place]
    assert changes(*tracks) == ([(0, 60)], [(0, 3, 4)], [(0, 2, 0)])


def test_tempos_and_signatures_of_several_tracks_are_put_in_order():
    found = changes(SIXTY + TWO, midi_text.note(), THREE + D_MAJOR + FORTY, B_FLAT_MINOR)
    assert found == ([(0, 60), (1, 40)], [(0, 3, 4), (1, 2, 2)], [(0, 2, 0), (1, 10, 1)])


def test_of_several_on_a_tick_the_last_tempo_and_the_signature_of_the_first_track_count():
    found = changes(
        THREE + D_MAJOR + meta(0x51, b"\7\xa1\x20"), meta(0x58, b"\4\2\x18\x08") + meta(0x59, b"\0\0") + SIXTY
    )
    assert found == ([(0, 60)], [(0, 3, 4)], [(0, 2, 0)])


def test_a_signature_that_stands_in_every_track_counts_once():
    track = SIXTY + THREE + D_MAJOR + midi_text.note()
    assert changes(track, track, track) == ([(0, 60)], [(0, 3, 4)], [(0, 2, 0)])


ONE_NOTE = midi_text.note()
LOSSES = {
    "nothing": ([ONE_NOTE + b"\0\xf0\3\1\2\xf7" + meta(2, "(C)")], []),
    "a note without an end": ([ONE_NOTE + b"\0\x90\x3c\x50"], ["1 note without an end is left out"]),
    "notes without an end": ([ONE_NOTE + b"\0\x90\x3c\x50\0\x40\x50"], ["2 notes without an end are left out"]),
    "a note without length": ([ONE_NOTE + midi_text.note(length=0)], ["1 note without length is left out"]),
    "aftertouch": ([ONE_NOTE + b"\0\xa0\x3c\x50\0\xd0\x3c"], ["2 aftertouch messages are left out"]),
    "a controller without notes": (
        [ONE_NOTE + b"\0\xb1\7\x50"],
        ["1 controller or pitch bend of a channel without notes is left out"],
    ),
    "a key of nine sharps": ([ONE_NOTE + meta(0x59, b"\x09\0")], ["1 key signature that cannot be read is left out"]),
    "a key without mode": ([ONE_NOTE + meta(0x59, b"\1\2")], ["1 key signature that cannot be read is left out"]),
    "a metre of no beats": ([ONE_NOTE + meta(0x58, b"\0\2")], ["1 time signature that cannot be read is left out"]),
    "a metre of tiny beats": ([ONE_NOTE + meta(0x58, b"\4\x3f")], ["1 time signature that cannot be read is left out"]),
    "a short tempo": ([ONE_NOTE + meta(0x51, b"\1")], ["1 tempo that cannot be read is left out"]),
    "a track that goes on": ([ONE_NOTE + meta(0x2F, b"") + ONE_NOTE], ["what follows the end of 1 track is left out"]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_a_sequence_cannot_hold_is_said(name):
    tracks, expected = LOSSES[name]
    losses = loss_counts.Losses()
    sequence = midi_reading.midi_to_sequence(midi_text.file(*tracks), losses=losses)
    assert loss_counts.remarks(losses) == expected
    assert [(n.pitch, n.start_time, n.end_time) for n in sequence.notes] == [(60, 0.0, 0.5)]


def test_independent_patterns_are_said():
    losses = loss_counts.Losses()
    midi_reading.midi_to_sequence(midi_text.file(ONE_NOTE, ONE_NOTE, kind=2), losses=losses)
    assert loss_counts.remarks(losses) == ["its tracks are independent patterns (format 2); they are read in parallel"]


def test_a_loss_is_said_with_the_name_of_the_file(tmp_path):
    path, said = tmp_path / "one.mid", []
    path.write_bytes(midi_text.file(ONE_NOTE + b"\0\x90\x3c\x50"))
    files.read(path, remark=said.append)
    assert said == [f"{path}: 1 note without an end is left out"]


DAMAGED = {
    "no status": (b"\0\x3c\x40", "byte 1 should begin an event"),
    "a data byte above 127": (b"\0\x90\x3c\xc0\0", "it has a data byte above 127 at byte 2"),
    "a program above 127": (b"\0\xc0\xff", "it has a data byte above 127 at byte 2"),
    "a long delta": (b"\x81\x81\x81\x81\1\x90\x3c\x40", "it has a quantity of more than four bytes at byte 0"),
    "a long text": (b"\0\xff\1\x7fabc", "it ends within an event"),
    "a long message": (b"\0\xf0\x7fabc", "it ends within an event"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_track_is_refused_with_its_place(name):
    events, reason = DAMAGED[name]
    with pytest.raises(errors.UserError) as e:
        midi_reading.midi_to_sequence(midi_text.file(ONE_NOTE, events))
    assert str(e.value) == f"it cannot be read as MIDI (track 2 is damaged: {reason})"


@pytest.mark.parametrize("data", [b"", b"RIFF", b"MThd", b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\x10\0\x90"])
def test_damaged_files_are_user_errors(data):
    with pytest.raises(errors.UserError) as e:
        midi_reading.midi_to_sequence(data)
    assert "\n" not in str(e.value)


def test_running_status_goes_on_behind_other_events():
    events = b"\0\x90\x3c\x50\x60\xff\1\1a\0\x3c\0\0\x3e\x50\0\xf0\2\1\xf7\x60\x3e\0"
    assert [(n.pitch, n.start_time * 10) for n in midi_reading.midi_to_sequence(midi_text.file(events)).notes] == [
        (60, 0.0),
        (62, 1.0),
    ]


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
def test_groove_reads_as_note_seq_reads_it(data_folder):
    paths = sorted((data_folder / "groove").rglob("*.mid"))[::5]
    for path in paths:
        data = path.read_bytes()
        assert content(midi_reading.midi_to_sequence(data)) == content(noteseq.load().midi_to_note_sequence(data)), path
    assert len(paths) == 230


@pytest.mark.slow
def test_all_of_pop909_reads_as_note_seq_reads_it():
    assert assert_equal_on_pop909(1) == 909
