"""MIDI in containers, with chunks of other programs, in video frames, and with invalid key signatures."""

import pytest

from musejax import errors
from musejax.music import loss_counts, midi_containers, midi_reading

NAME = b"\0\xff\x03\4Lead"
# Two notes of 480 ticks, at 0 and 480.
NOTES = b"\0\x90\x3c\x50\x83\x60\x80\x3c\0" + b"\0\x90\x40\x50\x83\x60\x80\x40\0"
END = b"\0\xff\x2f\0"


def midi(*tracks, division=b"\1\xe0"):
    chunks = [b"MTrk" + len(track + END).to_bytes(4, "big") + track + END for track in tracks]
    return b"MThd\0\0\0\6\0\1" + len(tracks).to_bytes(2, "big") + division + b"".join(chunks)


def plain(*tracks):
    return midi_containers.Contents(False, 480, None, [track + END for track in tracks])


def notes(data):
    return [(n.pitch, n.start_time, n.end_time) for n in midi_reading.midi_to_sequence(data).notes]


PLAIN = midi(NAME + NOTES)
READ = [(60, 0.0, 0.5), (64, 0.5, 1.0)]


def test_a_plain_file_is_taken_apart():
    assert midi_containers.unpack(PLAIN) == plain(NAME + NOTES)
    assert notes(PLAIN) == READ


@pytest.mark.parametrize("before", [b"", b"LIST\3\0\0\0abc\0"])
def test_a_riff_container_is_opened(before):
    chunk = b"data" + len(PLAIN).to_bytes(4, "little") + PLAIN
    riff = b"RIFF" + (4 + len(before + chunk)).to_bytes(4, "little") + b"RMID" + before + chunk
    assert midi_containers.unpack(riff) == plain(NAME + NOTES)
    assert notes(riff) == READ


@pytest.mark.parametrize("place", ["before", "between", "behind"])
def test_chunks_of_other_programs_are_passed_over(place):
    whole, alien = midi(NAME + NOTES, b"\0\x91\x30\x50\x60\x81\x30\0"), b"XFIH\0\0\0\5hello"
    at = {"before": 14, "between": whole.index(b"MTrk", 15), "behind": len(whole)}[place]
    assert midi_containers.unpack(whole[:at] + alien + whole[at:]) == midi_containers.unpack(whole)


@pytest.mark.parametrize("behind", [b"\0", b"MTr", b"\0" * 100, bytes(range(200, 250))])
def test_what_stands_behind_the_tracks_is_passed_over(behind):
    assert notes(PLAIN + behind) == READ


def test_a_track_more_than_the_header_announces_is_read():
    more = b"\0\x91\x30\x50\x60\x81\x30\0" + END
    assert len(notes(PLAIN + b"MTrk" + len(more).to_bytes(4, "big") + more)) == 3


@pytest.mark.parametrize(
    ("division", "scale"),
    # 25 frames of 40 ticks are 1,000 ticks a second; 30 of 80 are 2,400; of 29.97 a thousandth part fewer.
    [(b"\xe7\x28", 1 / 1000), (b"\xe2\x50", 1 / 2400), (b"\xe3\x50", 1.001 / 2400), (b"\xe7\x01", 1 / 25)],
)
def test_ticks_of_video_frames_have_their_length_whatever_the_tempos(division, scale):
    tempo = b"\0\xff\x51\3\x01\x00\x5c"
    for track in (NAME + NOTES, tempo + NOTES):
        found = notes(midi(track, division=division))
        assert [pitch for pitch, _, _ in found] == [60, 64]
        assert [end for _, _, end in found] == pytest.approx([480 * scale, 960 * scale], rel=1e-5)


@pytest.mark.parametrize(("key", "keys"), [(b"\x02\x00", [2]), (b"\x02\x02", []), (b"\x09\x00", []), (b"\xf8\x01", [])])
def test_an_invalid_key_signature_is_left_out(key, keys):
    sequence = midi_reading.midi_to_sequence(midi(b"\0\xff\x59\2" + key + NAME + NOTES))
    assert [k.key for k in sequence.key_signatures] == keys
    assert [n.pitch for n in sequence.notes] == [60, 64]


def test_only_the_tempos_of_video_frames_are_passed_over_and_said():
    losses = loss_counts.Losses()
    midi_reading.midi_to_sequence(midi(b"\0\xff\x51\3\x01\x00\x5c" + NOTES, division=b"\xe7\x28"), losses=losses)
    assert loss_counts.remarks(losses) == ["1 tempo is left out, because time is counted in video frames"]


DAMAGED = {
    b"RIFF\4\0\0\0RMID": "it does not begin like a MIDI file (MThd)",
    b"RIFF": "it does not begin like a MIDI file (MThd)",
    b"MThd": "its header has 4 bytes; a MIDI header has 14",
    PLAIN[:14]: "it cannot be read as MIDI (it announces 1 track and has none)",
    midi(NAME, NOTES)[:34]: "it cannot be read as MIDI (it announces 2 tracks and has 1)",
    PLAIN[:25]: "it cannot be read as MIDI (track 1 announces 30 bytes, and 3 follow)",
    b"MThd\0\0\0\6\0\1\0\1\0\0": "it has 0 ticks per quarter note",
    b"MThd\0\0\0\6\0\1\0\1\xe7\x00": (
        "it counts time in SMPTE frames at an unknown rate; 24, 25, 29.97 and 30 frames per second can be read"
    ),
}


@pytest.mark.parametrize("data", DAMAGED)
def test_damaged_content_is_refused_with_its_reason(data):
    with pytest.raises(errors.UserError) as e:
        midi_containers.unpack(data)
    assert str(e.value) == DAMAGED[data]
