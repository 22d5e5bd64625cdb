"""MIDI to NoteSequence: symusic's quick reader, held equal to note-seq's own.

note-seq reads MIDI through pretty_midi, about twenty times as slowly as symusic. The two differ in the corners of the
format: which note a note-off ends, controllers before a first note, several programs on one channel, tempi outside the
first track. `midi_to_sequence` scans the file's events first (`midi_bytes`); whatever leaves such a corner open goes to
note-seq's reader, so that the answer never depends on the reader.
"""

import bisect
import functools
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import limits, midi_bytes, midi_containers, noteseq, timing
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence
    from symusic.core import ScoreTick, TrackTick


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
    limits.check_bytes(len(data))
    data = midi_containers.plain(data)
    midi_bytes.check(data)
    try:
        sequence = _read(data)
    except errors.UserError:
        raise
    except Exception as e:  # Damaged files provoke anything, from IndexError to OverflowError.
        reason = f"{type(e).__name__}: {' '.join(str(e).split())}"
        raise errors.UserError(f"it cannot be read as MIDI ({reason[:120]})") from e
    limits.check(sequence)
    return sequence


def _read(data: bytes) -> "NoteSequence":
    """Reads a file by symusic where readers agree, else by note-seq."""
    onsets = midi_bytes.plain_onsets(data)
    if onsets is None:
        return _reference(data)
    limits.check_count(onsets, limits.MAX_NOTES, "notes")
    import symusic

    try:
        score: Any = symusic.Score.from_midi(data)
        tracks = [t for t in score.tracks if len(t.notes)]
        names = [t.name for t in score.tracks]
    except (RuntimeError, ValueError, UnicodeDecodeError):
        return _reference(data)
    limits.check_count(sum(len(t.controls) + len(t.pitch_bends) for t in tracks), limits.MAX_EVENTS, "controllers")
    # A note that symusic left out for want of a note-off may have been ended by another's.
    if score.note_num() != onsets or not all(name.isascii() for name in names):
        return _reference(data)
    return score_to_sequence(score, tracks) or _reference(data)


def _reference(data: bytes) -> "NoteSequence":
    """Reads a file as note-seq does, without a table of all its ticks."""
    note_seq = noteseq.load()
    with warnings.catch_warnings():
        # pretty_midi warns of tempi outside the first track, which it passes over.
        warnings.filterwarnings("ignore", message="Tempo, Key or Time", category=RuntimeWarning)
        return note_seq.midi_to_note_sequence(_lean_reader()(io.BytesIO(data)))


class _Ticks:
    """The seconds of each tick, computed when they are asked for; stands for a table of pretty_midi's."""

    def __init__(self, scales: list[tuple[int, float]], length: int):
        """Takes the first tick and the seconds a tick of each tempo, and the number of ticks."""
        self._length = length
        self._ticks, self._scales, self._seconds = (array.tolist() for array in _map(*zip(*scales)))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, tick: int) -> float:
        i = bisect.bisect_right(self._ticks, tick) - 1
        return self._seconds[i] + self._scales[i] * (tick - self._ticks[i])


@functools.cache
def _lean_reader() -> Any:
    """pretty_midi's reader, whose table of every tick takes gigabytes for a file that ends late, without the table."""
    noteseq.load()
    import pretty_midi

    class Reader(pretty_midi.PrettyMIDI):
        def _load_tempo_changes(self, midi_data: Any) -> None:
            _check_tempos([e.tempo for e in midi_data.tracks[0] if e.type == "set_tempo"])
            super()._load_tempo_changes(midi_data)

        def _update_tick_to_time(self, max_tick: int) -> None:
            last = max(max_tick, max(tick for tick, _ in self._tick_scales))
            setattr(self, "_PrettyMIDI__tick_to_time", _Ticks(self._tick_scales, last + 1))  # noqa: B010

    return Reader


def _check_tempos(microseconds: list[int]) -> None:
    """Checks the microseconds of a quarter that the tempos of a file say."""
    limits.check_count(len(microseconds), limits.MAX_CHANGES, "changes of tempo")
    if 0 in microseconds:
        raise errors.UserError("it has a tempo of 0 microseconds per quarter note")


def _tempi(score: "ScoreTick") -> _Tempi:
    """The tempo map: 120 a minute until something else is said, repetitions left out."""
    _check_tempos([tempo.mspq for tempo in score.tempos])
    ticks, scales = [0], [60.0 / (timing.DEFAULT_QPM * score.ticks_per_quarter)]
    for tempo in score.tempos:
        scale = 60.0 / ((6e7 / tempo.mspq) * score.ticks_per_quarter)
        if tempo.time == 0:
            ticks, scales = [0], [scale]
        elif scale != scales[-1]:
            ticks.append(tempo.time)
            scales.append(scale)
    return _map(ticks, scales)


def _map(ticks: Sequence[int], scales: Sequence[float]) -> _Tempi:
    """The tempo map of the first tick and the seconds a tick of each tempo."""
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
        # Symusic counts sharps (flats negative), a NoteSequence names the tonic.
        sequence.key_signatures.add(
            time=seconds(key.time), key=keys.tonic(key.key, bool(key.tonality)), mode=int(key.tonality)
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
