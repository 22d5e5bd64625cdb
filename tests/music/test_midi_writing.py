"""MIDI files that the writer makes, as other programs and our reader see them."""

import io

import midi_text
import mido
import numpy as np
import pytest

from musejax import errors
from musejax.music import midi_reading, midi_writing, noteseq, score_annotations, timing


def piece(*notes, **fields):
    """A sequence of notes (pitch, start, end in quarters at 120 a minute)."""
    sequence = noteseq.load().NoteSequence(**fields)
    for pitch, start, end in notes:
        sequence.notes.add(pitch=pitch, velocity=80, start_time=start / 2, end_time=end / 2)
    return sequence


def rows(sequence):
    """Notes as (instrument, pitch, start, end) in quarters."""
    places = np.array([(n.start_time, n.end_time) for n in sequence.notes])
    quarters = np.round(timing.to_quarters(sequence, places), 6).tolist()
    return sorted((n.instrument, n.pitch, *row) for n, row in zip(sequence.notes, quarters))


def tracks(sequence):
    return mido.MidiFile(file=io.BytesIO(midi_writing.to_bytes(sequence))).tracks


OVERLAPS = {
    "a unison that ends earlier": [(60, 0, 4), (60, 0, 2)],
    "a unison that ends later": [(60, 0, 2), (60, 0, 4)],
    "a note within a note": [(60, 0, 4), (60, 1, 2), (62, 0, 1)],
    "notes that overlap": [(60, 0, 2), (60, 1, 3), (60, 2, 4)],
    "three at once": [(60, 0, 1), (60, 0, 2), (60, 0, 3), (64, 0, 4)],
    "notes that end together": [(60, 0, 2), (60, 1, 2), (60, 0, 2)],
    "notes that touch": [(60, 0, 1), (60, 1, 2), (60, 2, 3)],
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_notes_of_one_pitch_keep_their_lengths(name):
    sequence = piece(*OVERLAPS[name])
    data = midi_writing.to_bytes(sequence)
    assert rows(midi_reading.midi_to_sequence(data)) == rows(sequence)
    # Other readers see the same notes, some in a track of their own.
    other = noteseq.load().midi_to_note_sequence(data)
    assert sorted(row[1:] for row in rows(other)) == sorted(row[1:] for row in rows(sequence))


def test_overlapping_notes_have_a_channel_but_no_other_name_program_or_pedal():
    sequence = piece(*OVERLAPS["a note within a note"])
    sequence.instrument_infos.add(instrument=0, name="Organ")
    for note in sequence.notes:
        note.program = 19
    sequence.control_changes.add(time=0.5, control_number=64, control_value=127, program=19)
    _, first, second = tracks(sequence)
    assert (first.name, second.name) == ("Organ", "Organ")
    assert [[m.program for m in t if m.type == "program_change"] for t in (first, second)] == [[19], [19]]
    assert [[m.value for m in t if m.type == "control_change"] for t in (first, second)] == [[127], [127]]
    assert [{m.channel for m in t if not m.is_meta} for t in (first, second)] == [{0}, {1}]
    back = midi_reading.midi_to_sequence(midi_writing.to_bytes(sequence))
    assert [(info.instrument, info.name) for info in back.instrument_infos] == [(0, "Organ")]
    assert len(back.control_changes) == 1


def test_more_overlaps_than_channels_are_refused():
    sequence = piece(*[(60, 0, end) for end in range(1, 18)])
    with pytest.raises(
        errors.UserError, match="more than 16 notes of pitch 60 sound at once in 'Acoustic Grand Piano'"
    ):
        midi_writing.to_bytes(sequence)


def test_voices_beyond_a_port_s_channels_name_another_port():
    sequence = piece()
    for number in range(33):
        sequence.notes.add(pitch=60, velocity=80, end_time=1, instrument=number)
    found = []
    for track in tracks(sequence)[1:]:
        ports = [m.port for m in track if m.type == "midi_port"]
        found.append((ports[0] if ports else 0, next(m.channel for m in track if m.type == "note_on")))
    pitched = [channel for channel in range(16) if channel != 9]
    assert found == [(number // 15, pitched[number % 15]) for number in range(33)]
    assert [row[0] for row in rows(midi_reading.midi_to_sequence(midi_writing.to_bytes(sequence)))] == list(range(33))


def test_each_drum_kit_has_the_drum_channel_of_a_port():
    sequence = piece((60, 0, 1))
    for instrument, program in ((1, 0), (2, 25), (3, 0)):
        sequence.notes.add(pitch=38, velocity=80, end_time=1, instrument=instrument, program=program, is_drum=True)
    found = [
        [m.port for m in track if m.type == "midi_port"] + [next(m.channel for m in track if m.type == "note_on")]
        for track in tracks(sequence)[1:]
    ]
    assert found == [[0], [9], [1, 9], [9]]
    back = midi_reading.midi_to_sequence(midi_writing.to_bytes(sequence))
    assert [(n.program, n.is_drum) for n in back.notes] == [(0, False), (0, True), (25, True), (0, True)]


def test_title_names_lyrics_and_markers_come_back_in_any_script():
    sequence = piece((60, 0, 1), (62, 1, 2))
    sequence.sequence_metadata.title = "さくら (Ça ira)"
    sequence.instrument_infos.add(instrument=0, name="歌 – Flöte")
    for time, text in ((0.0, "さ-"), (0.5, "く-"), (0.5, "ra")):
        sequence.text_annotations.add(time=time, text=score_annotations.LYRIC + text)
    sequence.text_annotations.add(time=0.5, text=score_annotations.MARKER + "Réfrain")
    back = midi_reading.midi_to_sequence(midi_writing.to_bytes(sequence))
    assert back.sequence_metadata.title == "さくら (Ça ira)"
    assert [info.name for info in back.instrument_infos] == ["歌 – Flöte"]
    assert [(a.time, a.text) for a in back.text_annotations] == [(a.time, a.text) for a in sequence.text_annotations]


def test_lyrics_stand_in_the_track_of_their_notes():
    sequence = piece((40, 0, 4))
    for number, start in enumerate([0, 0.5, 1.5]):
        sequence.notes.add(pitch=60 + number, velocity=80, start_time=start, end_time=start + 0.5, instrument=1)
        sequence.text_annotations.add(time=start, text=f"{score_annotations.LYRIC}la{number}")
    _, bass, voice = tracks(sequence)
    assert [m.text for m in voice if m.type == "lyrics"] == ["la0", "la1", "la2"]
    assert not [m for m in bass if m.type == "lyrics"]
    kinds = [m.type for m in voice if m.type in ("lyrics", "note_on", "note_off")]
    assert kinds == ["lyrics", "note_on", "note_off"] * 3


def test_a_voice_without_a_name_gets_none():
    assert tracks(piece((60, 0, 1)))[1].name == ""


def test_pickups_keys_and_tempos_stand_where_they_are():
    sequence = piece((60, 0, 1), (62, 1, 7))
    for time, qpm in ((0, 90), (2, 97.3)):
        sequence.tempos.add(time=time, qpm=qpm)
    for time, numerator in ((0, 1), (60 / 90, 3)):
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=4)
    sequence.key_signatures.add(time=60 / 90, key=9, mode=sequence.KeySignature.MINOR)
    back = midi_reading.midi_to_sequence(midi_writing.to_bytes(sequence))
    found = timing.to_quarters(back, np.array([s.time for s in back.time_signatures])).tolist()
    assert found == pytest.approx([0, 1])
    assert [(s.numerator, s.denominator) for s in back.time_signatures] == [(1, 4), (3, 4)]
    assert [(k.key, k.mode) for k in back.key_signatures] == [(9, sequence.KeySignature.MINOR)]
    assert [timing.stated_tempo(t.qpm) for t in back.tempos] == [90, 97.3]


@pytest.mark.parametrize("parts", [3, 5, 6, 7, 9, 16, 35])
def test_tuplets_are_exact(parts):
    sequence = piece(*[(60 + i % 12, i / parts, (i + 1) / parts) for i in range(2 * parts)], ticks_per_quarter=220)
    data = midi_writing.to_bytes(sequence)
    ticks = int.from_bytes(data[12:14], "big")
    assert ticks % parts == 0
    assert rows(midi_reading.midi_to_sequence(data)) == rows(sequence)


@pytest.mark.parametrize(("given", "written"), [(0, 480), (4, 480), (7, 476), (96, 96), (220, 220), (960, 960)])
def test_the_resolution_is_that_of_the_sequence_where_it_fits(given, written):
    data = midi_writing.to_bytes(piece((60, 0, 1), ticks_per_quarter=given))
    assert int.from_bytes(data[12:14], "big") == written


def test_a_gap_longer_than_midi_can_say_is_written():
    sequence = piece((60, 0, 1), (60, 20_000, 20_001), ticks_per_quarter=30_000)
    assert rows(midi_reading.midi_to_sequence(midi_writing.to_bytes(sequence))) == rows(sequence)


def test_the_same_sequence_gives_the_same_bytes():
    data = midi_text.file(midi_text.meta(3, "Piano") + b"".join(midi_text.note(60 + i) for i in range(9)))
    once = midi_writing.to_bytes(midi_reading.midi_to_sequence(data))
    assert midi_writing.to_bytes(midi_reading.midi_to_sequence(once)) == once
