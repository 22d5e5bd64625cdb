import mido
import pytest

from musejax.music import midi_writing, noteseq


def _notes(sequence):
    return sorted((n.instrument, n.start_time, n.pitch, n.end_time, n.velocity) for n in sequence.notes)


@pytest.mark.parametrize("name", ["chorale", "polyphony"])
def test_note_seq_reads_the_same_notes(name, request):
    sequence = request.getfixturevalue(name)
    back = noteseq.load().midi_to_note_sequence(midi_writing.to_bytes(sequence))
    expected, found = _notes(sequence), _notes(back)
    tick = 60 / 90 / (sequence.ticks_per_quarter or 480)
    assert len(expected) == len(found)
    for one, two in zip(expected, found):
        assert (one[0], one[2], one[4]) == (two[0], two[2], two[4])
        # A note of no length still gets a tick.
        assert (one[1], one[3]) == pytest.approx((two[1], two[3]), abs=1.01 * tick)
    assert [t.qpm for t in back.tempos] == pytest.approx([t.qpm for t in sequence.tempos], rel=1e-5)
    assert len(back.control_changes) == len(sequence.control_changes)
    assert len(back.pitch_bends) == len(sequence.pitch_bends)


def test_a_track_a_voice_with_its_name_channel_metre_and_key(chorale, tmp_path):
    path = tmp_path / "piece.mid"
    path.write_bytes(midi_writing.to_bytes(chorale))
    tracks = mido.MidiFile(path).tracks
    assert [track.name for track in tracks] == ["", "Soprano", "Alto", "Tenor", "Bass"]
    channels = [{m.channel for m in track if m.type == "note_on"} for track in tracks[1:]]
    assert channels == [{0}, {1}, {2}, {3}]
    metres = [(m.numerator, m.denominator) for m in tracks[0] if m.type == "time_signature"]
    assert metres == [(1, 4), (3, 4)]
    assert [m.key for m in tracks[0] if m.type == "key_signature"] == ["D"]


def test_many_voices_never_take_the_drum_channel(tmp_path):
    sequence = noteseq.load().NoteSequence()
    for instrument in range(20):
        sequence.notes.add(pitch=60, velocity=80, end_time=1, instrument=instrument, is_drum=instrument == 3)
    path = tmp_path / "piece.mid"
    path.write_bytes(midi_writing.to_bytes(sequence))
    channels = [next(m.channel for m in t if m.type == "note_on") for t in mido.MidiFile(path).tracks[1:]]
    assert [number for number, channel in enumerate(channels) if channel == 9] == [3]
    assert len(channels) == 20


def test_touching_repeated_notes_stay_apart():
    sequence = noteseq.load().NoteSequence()
    for start in range(4):
        sequence.notes.add(pitch=60, velocity=80, start_time=start * 0.1, end_time=(start + 1) * 0.1)
    back = noteseq.load().midi_to_note_sequence(midi_writing.to_bytes(sequence))
    assert [n.start_time for n in back.notes] == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-3)
    assert [n.end_time for n in back.notes] == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-3)
