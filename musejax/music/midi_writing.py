"""A writer of MIDI: a track with title, tempos and signatures, then one named track per voice.

If notes of one pitch overlap in a voice and end at different times, the later ones are written to an additional track
after the voice's track, with the same name, program and controllers but another channel. The track has an event that
makes musejax's reader merge the two again; other programs ignore it.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from musejax.music import midi_bytes, midi_layout, score_annotations, voices_and_bars
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# The order of events at one tick.
_OFF, _SETTING, _CONTROL, _BEND, _WORD, _ON = range(6)
# Tick, order at the tick, and bytes.
_Event = tuple[int, int, bytes]


def to_bytes(sequence: "NoteSequence") -> bytes:
    """Returns the MIDI file (format 1) of a sequence.

    Times are rounded to ticks: `ticks_per_quarter` of the sequence (480 if it has none), or more if that makes the
    times of all notes exact. A note has at least one tick and velocity 1. The title is the name of the first track.
    Lyrics are in the track of their notes, markers in the first track; texts are UTF-8. If sixteen channels are not
    enough, or there are several drum kits, tracks name a port. Contents that MIDI cannot represent are left out: other
    text annotations, composers, and time signatures whose denominator is not a power of two.

    Args:
        sequence: The music.

    Raises:
        errors.UserError: There are no notes, a pitch is outside 0..127, or more than 16 notes of one pitch and voice
            that end at different times overlap.
    """
    voices = voices_and_bars.voices(sequence)
    clock = midi_layout.make_clock(sequence)
    tracks = midi_layout.lay_out(voices, clock)
    words, controls = _words(sequence, tracks, clock), _controls(sequence, clock)
    chunks = [_chunk(_conductor(sequence, clock))]
    for number, track in enumerate(tracks):
        voice = voices[track.voice]
        events = _settings(_name(sequence, voice), voice.program, track)
        events += [
            (tick, order, bytes([kind | track.channel, *data]))
            for tick, order, (kind, *data) in controls.get(voice.instrument, ())
        ]
        events += words.get(number, ())
        for start, end, pitch, velocity in track.notes:
            events.append((start, _ON, bytes([0x90 | track.channel, pitch, velocity])))
            events.append((end, _OFF, bytes([0x80 | track.channel, pitch, 64])))
        chunks.append(_chunk(events))
    header = b"MThd\0\0\0\6\0\1" + len(chunks).to_bytes(2, "big") + clock.resolution.to_bytes(2, "big")
    return header + b"".join(chunks)


def _chunk(events: list[_Event]) -> bytes:
    """Returns the chunk of a track, from events in any order."""
    events.sort(key=lambda event: event[:2])
    return midi_bytes.write_track((tick, data) for tick, _, data in events)


def _text(kind: int, text: str) -> bytes:
    """Returns a meta event with a text."""
    return midi_bytes.meta(kind, text.encode("utf-8", "replace"))


def _name(sequence: "NoteSequence", voice: voices_and_bars.Voice) -> str:
    """Returns the name of a voice in the sequence, possibly empty; names need not be unique in MIDI."""
    parts = (info.name for info in sequence.part_infos if info.part == voice.notes[0].part)
    instruments = (info.name for info in sequence.instrument_infos if info.instrument == voice.instrument)
    return (next(parts, "") or next(instruments, "")).strip()


def _settings(name: str, program: int, track: midi_layout.Track) -> list[_Event]:
    """Returns the events with which a track begins."""
    head = [_text(midi_bytes.NAME, name)] if name else []
    if track.port:
        head.append(midi_bytes.meta(midi_bytes.PORT, bytes([track.port % 128])))
    if track.overlaps:
        head.append(midi_bytes.meta(midi_bytes.OWN, midi_bytes.OVERLAP))
    return [(0, _SETTING, data) for data in [*head, bytes([0xC0 | track.channel, program])]]


def _conductor(sequence: "NoteSequence", clock: midi_layout.Clock) -> list[_Event]:
    """Returns the events of the first track."""
    title = " ".join(sequence.sequence_metadata.title.split())
    events: list[_Event] = [(0, _SETTING, _text(midi_bytes.NAME, title))] if title else []
    # Without a tempo, MIDI assumes 120 quarter notes per minute, as a NoteSequence does.
    tempos = zip(clock.ticks(clock.tempos.times), clock.tempos.qpm.tolist(), strict=True)
    for tick, qpm in tempos if sequence.tempos else ():
        # A tempo event stores microseconds in three bytes.
        microseconds = min(max(round(60e6 / qpm), 1), 2**24 - 1)
        events.append((tick, _SETTING, midi_bytes.meta(midi_bytes.TEMPO, microseconds.to_bytes(3, "big"))))
    metres = sorted(sequence.time_signatures, key=lambda s: s.time)
    for tick, s in zip(clock.ticks(s.time for s in metres), metres):
        if 0 < s.numerator < 256 and 0 < s.denominator <= 256 and s.denominator & (s.denominator - 1) == 0:
            # One click per quarter note, and eight 32nds per quarter note.
            data = bytes([s.numerator, s.denominator.bit_length() - 1, 24, 8])
            events.append((tick, _SETTING, midi_bytes.meta(midi_bytes.METRE, data)))
    signatures = sorted(sequence.key_signatures, key=lambda k: k.time)
    for tick, k in zip(clock.ticks(k.time for k in signatures), signatures):
        is_minor = k.mode == k.MINOR
        data = bytes([keys.sharps(k.key, is_minor) & 0xFF, is_minor])
        events.append((tick, _SETTING, midi_bytes.meta(midi_bytes.KEY, data)))
    for tick, text in _annotations(sequence, score_annotations.MARKER, clock):
        events.append((tick, _WORD, _text(midi_bytes.MARKER, text)))
    return events


def _annotations(sequence: "NoteSequence", prefix: str, clock: midi_layout.Clock) -> list[tuple[int, str]]:
    """Returns ticks and texts, without the prefix, of the annotations with a prefix, in temporal order."""
    marks = [a for a in sequence.text_annotations if a.text.startswith(prefix)]
    marks.sort(key=lambda a: a.time)
    texts = [" ".join(a.text.removeprefix(prefix).split()) for a in marks]
    return [(tick, text) for tick, text in zip(clock.ticks(a.time for a in marks), texts) if text]


def _words(
    sequence: "NoteSequence", tracks: Sequence[midi_layout.Track], clock: midi_layout.Clock
) -> Mapping[int, list[_Event]]:
    """Returns lyric events by the number of their track.

    A syllable is assigned to a track in which a note begins at its place, preferably the one with the most such notes.
    """
    lyrics = _annotations(sequence, score_annotations.LYRIC, clock)
    if not lyrics:
        return {}
    starts = [{note[0] for note in track.notes} for track in tracks]
    ticks = {tick for tick, _ in lyrics}
    ranked = sorted(range(len(tracks)), key=lambda number: -len(ticks & starts[number]))
    homes = {tick: next((number for number in ranked if tick in starts[number]), ranked[0]) for tick in ticks}
    words: dict[int, list[_Event]] = {}
    for tick, text in lyrics:
        words.setdefault(homes[tick], []).append((tick, _WORD, _text(midi_bytes.LYRIC, text)))
    return words


def _controls(
    sequence: "NoteSequence", clock: midi_layout.Clock
) -> Mapping[int, list[tuple[int, int, tuple[int, int, int]]]]:
    """Returns controllers and pitch bends by instrument: tick, order at the tick, kind and two data bytes."""
    out: dict[int, list[tuple[int, int, tuple[int, int, int]]]] = collections.defaultdict(list)
    for tick, c in zip(clock.ticks(c.time for c in sequence.control_changes), sequence.control_changes):
        if 0 <= c.control_number < 128 and 0 <= c.control_value < 128:
            out[c.instrument].append((tick, _CONTROL, (0xB0, c.control_number, c.control_value)))
    for tick, b in zip(clock.ticks(b.time for b in sequence.pitch_bends), sequence.pitch_bends):
        if -8192 <= b.bend < 8192:
            out[b.instrument].append((tick, _BEND, (0xE0, b.bend + 8192 & 0x7F, b.bend + 8192 >> 7)))
    return out
