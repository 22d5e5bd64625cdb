"""NoteSequence to MIDI: one named track a voice, with its own channel as far as MIDI's sixteen go.

note-seq's own writer goes through pretty_midi, which groups tracks by program and drops part names. Here symusic writes
the bytes; the notes, their order and every time are decided below, so that the same sequence gives the same bytes.
"""

from typing import TYPE_CHECKING

from musejax.music import timing, voices_and_bars
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence
    from symusic.core import ScoreTick

# Ticks in a quarter note where the sequence does not say.
_RESOLUTION = 480


def to_score(sequence: "NoteSequence") -> "ScoreTick":
    """A symusic score: tempos, signatures, and for each voice a track of notes, pedal and other controls, bends.

    Times are rounded to ticks of `ticks_per_quarter` (480 where it is not set). A note keeps at least one tick and
    velocity 1. What MIDI cannot hold is left out: text, time signatures whose denominator is no power of two.

    Raises:
        errors.UserError: There are no notes, or a pitch is outside 0..127.
    """
    from symusic import core

    voices = voices_and_bars.voices(sequence)
    tempos = timing.tempo_map(sequence)
    resolution = sequence.ticks_per_quarter if 24 <= sequence.ticks_per_quarter < 2**15 else _RESOLUTION

    def tick(seconds: float) -> int:
        return max(0, round(float(tempos.quarters(seconds)) * resolution))

    score = core.ScoreTick(resolution)
    for time, qpm in zip(tempos.times.tolist(), tempos.qpm.tolist(), strict=True):
        # Three bytes of microseconds are what a tempo event holds.
        score.tempos.append(core.TempoTick(tick(time), mspq=min(max(round(60e6 / qpm), 1), 2**24 - 1)))
    for s in sorted(sequence.time_signatures, key=lambda s: s.time):
        if 0 < s.numerator < 256 and 0 < s.denominator <= 256 and s.denominator & (s.denominator - 1) == 0:
            score.time_signatures.append(core.TimeSignatureTick(tick(s.time), s.numerator, s.denominator))
    for k in sorted(sequence.key_signatures, key=lambda k: k.time):
        minor = k.mode == k.MINOR
        score.key_signatures.append(core.KeySignatureTick(tick(k.time), keys.sharps(k.key, minor), int(minor)))
    for voice in voices:
        track = core.TrackTick(voice.name, program=voice.program, is_drum=voice.is_drum)
        for note in voice.notes:
            start = tick(note.start_time)
            length = max(1, tick(note.end_time) - start)
            track.notes.append(core.NoteTick(start, length, note.pitch, min(max(note.velocity, 1), 127)))
        for c in sorted(sequence.control_changes, key=lambda c: c.time):
            if c.instrument == voice.instrument and 0 <= c.control_number < 128 and 0 <= c.control_value < 128:
                track.controls.append(core.ControlChangeTick(tick(c.time), c.control_number, c.control_value))
        for bend in sorted(sequence.pitch_bends, key=lambda b: b.time):
            if bend.instrument == voice.instrument and -8192 <= bend.bend < 8192:
                track.pitch_bends.append(core.PitchBendTick(tick(bend.time), bend.bend))
        score.tracks.append(track)
    return score


def to_bytes(sequence: "NoteSequence") -> bytes:
    """The MIDI file (format 1, one track a voice) of a sequence, as `to_score` lays it out."""
    return to_score(sequence).dumps_midi()
