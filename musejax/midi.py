"""MIDI to NoteSequence: symusic's quick reader, held equal to note-seq's own.

note-seq reads MIDI through pretty_midi, about twenty times as slowly as symusic. The two differ in the corners of the
format: which note a note-off ends, controllers before a first note, several programs on one channel, tempi outside the
first track. `midi_to_sequence` scans the file's events first; whatever leaves such a corner open goes to note-seq's
reader, so that the answer never depends on the reader.
"""

import functools
import re
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musejax import errors, noteseq

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence
    from symusic.core import ScoreTick, TrackTick

_DELTA = rb"[\x80-\xff]{0,3}+[\x00-\x7f]"
_LENGTH = re.compile(_DELTA, re.DOTALL)
# Above this pretty_midi takes a file for corrupt.
_MAX_TICK = 10_000_000


class _Tempi(NamedTuple):
    """The tempo map: from `ticks[i]` on, which is `seconds[i]`, a tick lasts `scales[i]` seconds."""

    ticks: np.ndarray
    scales: np.ndarray
    seconds: np.ndarray

    def at(self, ticks: np.ndarray) -> np.ndarray:
        """Seconds of each tick, with the roundings of pretty_midi's table."""
        i = np.searchsorted(self.ticks, ticks, side="right") - 1
        return self.seconds[i] + self.scales[i] * (ticks - self.ticks[i])


def midi_to_sequence(data: bytes) -> "NoteSequence":
    """Reads the bytes of a standard MIDI file, times in seconds, as `note_seq.midi_to_note_sequence` does.

    Notes of one instrument come in the order of their onsets (note-seq's: of their ends); all else is equal.

    Args:
        data: The file's content.

    Raises:
        errors.UserError: It is not MIDI, or damaged; the message is the reason.
    """
    if data[:4] != b"MThd":
        raise errors.UserError("it does not begin as a MIDI file does (MThd)")
    if data[12:14] == b"\0\0":
        raise errors.UserError("it has 0 ticks per quarter note")
    onsets = _plain_onsets(data)
    if onsets is None:
        return _reference(data)
    import symusic

    try:
        score: Any = symusic.Score.from_midi(data)
        tracks = [t for t in score.tracks if len(t.notes)]
        names = [t.name for t in score.tracks]
    except (RuntimeError, ValueError, UnicodeDecodeError):
        return _reference(data)
    # A note that symusic left out for want of a note-off may have been ended by another's.
    if score.note_num() != onsets or score.end() > _MAX_TICK or not all(name.isascii() for name in names):
        return _reference(data)
    return score_to_sequence(score, tracks) or _reference(data)


def _reference(data: bytes) -> "NoteSequence":
    """note-seq's own reading."""
    note_seq = noteseq.load()
    try:
        with warnings.catch_warnings():
            # pretty_midi warns of tempi outside the first track, which it passes over.
            warnings.filterwarnings("ignore", message="Tempo, Key or Time", category=RuntimeWarning)
            return note_seq.midi_to_note_sequence(data)
    except note_seq.MIDIConversionError as e:
        reason = " ".join(str(e).split())
        raise errors.UserError(f"it cannot be read as MIDI ({reason[:120]})") from e


def _plain_onsets(data: bytes) -> int | None:
    """How many notes a file begins, if readers agree on it; else None.

    They do where a track has one channel and one program, and tempi and signatures stand in the first track.
    """
    position, onsets = 14, 0
    if int.from_bytes(data[4:8], "big") != 6 or data[8:10] not in (b"\0\0", b"\0\1") or data[12] & 0x80:
        return None
    for number in range(int.from_bytes(data[10:12], "big")):
        size = int.from_bytes(data[position + 4 : position + 8], "big")
        chunk = data[position + 8 : position + 8 + size]
        of_track = _plain_track_onsets(chunk, number == 0)
        if data[position : position + 4] != b"MTrk" or len(chunk) != size or of_track is None:
            return None
        position, onsets = position + 8 + size, onsets + of_track
    return onsets if position == len(data) else None


@functools.cache
def _runs(channel: int) -> re.Pattern[bytes]:
    """Notes, controllers and bends of one channel, as many as follow each other, running status included."""
    kinds = b"".join(re.escape(bytes([kind | channel])) for kind in (0x80, 0x90, 0xA0, 0xB0, 0xE0))
    one = _DELTA + b"[" + kinds + rb"][\x00-\x7f]{2}"
    return re.compile(b"(?:" + one + b"(?:" + _DELTA + rb"[\x00-\x7f]{2})*+)++", re.DOTALL)


_NEXT = re.compile(_DELTA + rb"([\x80-\xff])", re.DOTALL)


_EVENT = re.compile(_DELTA + rb"([\x80-\xff]?)([\x00-\x7f])([\x00-\x7f])", re.DOTALL)


def _count_onsets(run: bytes) -> int:
    """Note-ons (of a velocity above 0) among the events of a run."""
    count, is_on = 0, False
    for status, _, velocity in _EVENT.findall(run):
        if status:
            is_on = status[0] >> 4 == 9
        count += is_on and velocity != b"\0"
    return count


def _plain_track_onsets(chunk: bytes, first: bool) -> int | None:
    """The notes one track begins; None unless it has one channel, one program before its notes, and one name."""
    position, channel, program, names, onsets, sounded = 0, None, None, 0, 0, False
    while position < len(chunk):
        event = _NEXT.match(chunk, position)
        if event is None or event.end() >= len(chunk):
            return None
        status = event.group(1)[0]
        if status == 0xFF:
            kind, position = chunk[event.end()], event.end() + 1
            length = _LENGTH.match(chunk, position)
            if length is None:
                return None
            position = length.end() + functools.reduce(lambda n, byte: n << 7 | byte & 0x7F, length.group(), 0)
            if kind == 0x2F:
                return onsets if position == len(chunk) else None
            names += kind == 3
            # A name after the first note would belong to no instrument; two would be a choice.
            if (kind == 3 and (sounded or names > 1)) or (not first and kind in (0x51, 0x58, 0x59)):
                return None
            continue
        if status >= 0xF0 or (channel is not None and status & 15 != channel):
            return None
        channel = status & 15
        if status >> 4 == 0xC:
            if sounded or program is not None:
                return None
            program, position = chunk[event.end()], event.end() + 1
        elif status >> 4 == 0xD:
            position = event.end() + 1
        else:
            run = _runs(channel).match(chunk, position)
            if run is None:
                return None
            position, onsets, sounded = run.end(), onsets + _count_onsets(run.group()), True
    return None


def _tempi(score: "ScoreTick") -> _Tempi:
    """The tempo map: 120 a minute until something else is said, repetitions left out."""
    ticks, scales = [0], [60.0 / (120.0 * score.ticks_per_quarter)]
    for tempo in score.tempos:
        if not tempo.mspq:
            raise errors.UserError("it has a tempo of 0 microseconds per quarter note")
        scale = 60.0 / ((6e7 / tempo.mspq) * score.ticks_per_quarter)
        if tempo.time == 0:
            ticks, scales = [0], [scale]
        elif scale != scales[-1]:
            ticks.append(tempo.time)
            scales.append(scale)
    seconds = [0.0]
    for i in range(1, len(ticks)):
        seconds.append(seconds[-1] + scales[i - 1] * (ticks[i] - ticks[i - 1]))
    return _Tempi(np.array(ticks), np.array(scales), np.array(seconds))


def _closed_notes(track: "TrackTick") -> np.ndarray | None:
    """Start, end, pitch, velocity of each note [N, 4]; None when the track does not tell.

    A note-off ends every open note of its pitch that did not begin on its own tick. symusic pairs the first note-on
    with the first note-off instead, so where notes of one pitch overlap its ons and offs are paired again here.
    """
    a = track.notes.numpy()
    start, pitch = a["time"].astype(np.int64), a["pitch"].astype(np.int64)
    end, velocity = start + a["duration"], a["velocity"].astype(np.int64)
    if (end <= start).any():
        return None
    notes = np.stack([start, end, pitch, velocity], 1)
    order = np.lexsort((start, pitch))
    same = pitch[order][1:] == pitch[order][:-1]
    overlaps = same & (start[order][1:] < end[order][:-1])
    for p in np.unique(pitch[order][1:][overlaps]):
        of_pitch = order[pitch[order] == p]
        ends = np.unique(end[of_pitch])
        # Each note ends with the first note-off after its start.
        notes[of_pitch, 1] = ends[np.searchsorted(ends, start[of_pitch], side="right")]
    return notes


def score_to_sequence(score: "ScoreTick", tracks: "list[TrackTick]") -> "NoteSequence | None":
    """The NoteSequence of symusic's score, one instrument a track, or None where notes have no length.

    Args:
        score: Times in ticks; tempi, time and key signatures are taken from it.
        tracks: Its tracks that hold notes.
    """
    music_pb2 = noteseq.load().music_pb2
    sequence = music_pb2.NoteSequence()
    sequence.ticks_per_quarter = score.ticks_per_quarter
    sequence.source_info.parser = music_pb2.NoteSequence.SourceInfo.PRETTY_MIDI
    sequence.source_info.encoding_type = music_pb2.NoteSequence.SourceInfo.MIDI
    tempi = _tempi(score)

    def seconds(tick: int) -> float:
        return float(tempi.at(np.array([tick]))[0])

    for signature in score.time_signatures:
        sequence.time_signatures.add(
            time=seconds(signature.time), numerator=signature.numerator, denominator=signature.denominator
        )
    for key in score.key_signatures:
        # Symusic counts sharps (flats negative), a NoteSequence names the tonic; a minor tonic lies 9 above.
        sequence.key_signatures.add(
            time=seconds(key.time), key=(7 * key.key + 9 * key.tonality) % 12, mode=int(key.tonality)
        )
    for time, scale in zip(tempi.seconds, tempi.scales, strict=True):
        sequence.tempos.add(time=time, qpm=60.0 / (scale * score.ticks_per_quarter))

    for instrument, track in enumerate(tracks):
        notes = _closed_notes(track)
        if notes is None:
            return None
        voice = {"instrument": instrument, "program": track.program, "is_drum": track.is_drum}
        if track.name:
            sequence.instrument_infos.add(instrument=instrument, name=track.name)
        starts, ends = tempi.at(notes[:, 0]).tolist(), tempi.at(notes[:, 1]).tolist()
        sequence.total_time = max(sequence.total_time, max(ends))
        for start, end, pitch, velocity in zip(starts, ends, *notes[:, 2:].T.tolist(), strict=True):
            sequence.notes.add(start_time=start, end_time=end, pitch=pitch, velocity=velocity, **voice)
        bends = track.pitch_bends.numpy()
        for time, value in zip(tempi.at(bends["time"]).tolist(), bends["value"].tolist(), strict=True):
            sequence.pitch_bends.add(time=time, bend=value, **voice)
        controls = track.controls.numpy()
        times, numbers, values = tempi.at(controls["time"]), controls["number"], controls["value"]
        for time, number, value in zip(times.tolist(), numbers.tolist(), values.tolist(), strict=True):
            sequence.control_changes.add(time=time, control_number=number, control_value=value, **voice)
    return sequence
