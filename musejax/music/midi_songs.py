"""A piece in MIDI ticks, and its conversion to a NoteSequence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import limits, noteseq, score_annotations, timing
from musejax.theory import keys

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Instrument(NamedTuple):
    """The notes and controllers of one channel and program of a track.

    Attributes:
        name: Name, possibly empty.
        program: General MIDI program, 0..127.
        is_drum: Whether pitches are drums.
        notes: Start and end in ticks, pitch and velocity: int64[N, 4].
        controls: Tick, number and value of each controller: int64[C, 3].
        bends: Tick and value of each pitch bend, 0 in the middle: int64[B, 2].
    """

    name: str
    program: int
    is_drum: bool
    notes: np.ndarray
    controls: np.ndarray
    bends: np.ndarray


class Song(NamedTuple):
    """A piece in ticks.

    Attributes:
        ticks_per_quarter: Ticks per quarter note.
        tempos: Tick and microseconds per quarter note of each tempo, in temporal order.
        metres: Tick, numerator and denominator of each time signature.
        keys: Tick, sharps (flats are negative) and whether the mode is minor, of each key signature.
        instruments: The instruments that have notes.
        title: Title, possibly empty.
        lyrics: Tick and text of each syllable, with a hyphen if the next syllable continues the word.
        markers: Tick and text of each marker.
    """

    ticks_per_quarter: int
    tempos: Sequence[tuple[int, int]]
    metres: Sequence[tuple[int, int, int]]
    keys: Sequence[tuple[int, int, bool]]
    instruments: Sequence[Instrument]
    title: str = ""
    lyrics: Sequence[tuple[int, str]] = ()
    markers: Sequence[tuple[int, str]] = ()


class _Tempos(NamedTuple):
    """The tempo map: from `ticks[i]`, at `seconds[i]`, a tick lasts `scales[i]` seconds."""

    ticks: np.ndarray
    scales: np.ndarray
    seconds: np.ndarray

    def at(self, ticks: np.ndarray) -> np.ndarray:
        """Converts ticks to seconds, with the same rounding as pretty_midi."""
        i = np.searchsorted(self.ticks, ticks, side="right") - 1
        return self.seconds[i] + self.scales[i] * (ticks - self.ticks[i])


def _tempo_map(song: Song) -> _Tempos:
    """Returns the tempo map without repeated tempos, with 120 quarters per minute before the first tempo.

    Raises:
        errors.UserError: There are too many tempos, or one with a quarter note of 0 microseconds.
    """
    limits.check_count(len(song.tempos), limits.MAX_CHANGES, "changes of tempo")
    if any(not microseconds for _, microseconds in song.tempos):
        raise errors.UserError("it has a tempo of 0 microseconds per quarter note")
    ticks, scales = [0], [60.0 / (timing.DEFAULT_QPM * song.ticks_per_quarter)]
    # The last of several tempos at one tick holds.
    for tick, microseconds in dict(song.tempos).items():
        scale = 60.0 / ((6e7 / microseconds) * song.ticks_per_quarter)
        if tick == 0:
            scales = [scale]
        elif scale != scales[-1]:
            ticks.append(tick)
            scales.append(scale)
    seconds = [0.0]
    for i in range(1, len(ticks)):
        seconds.append(seconds[-1] + scales[i - 1] * (ticks[i] - ticks[i - 1]))
    return _Tempos(np.array(ticks), np.array(scales), np.array(seconds))


def to_sequence(song: Song) -> "NoteSequence":
    """Converts a piece to a NoteSequence with times in seconds and one instrument number per instrument.

    Raises:
        errors.UserError: The piece exceeds `limits`, or has a tempo with a quarter note of 0 microseconds.
    """
    _check_counts(song)
    music_pb2 = noteseq.load().music_pb2
    sequence = music_pb2.NoteSequence(ticks_per_quarter=song.ticks_per_quarter)
    sequence.source_info.parser = music_pb2.NoteSequence.SourceInfo.PRETTY_MIDI
    sequence.source_info.encoding_type = music_pb2.NoteSequence.SourceInfo.MIDI
    if song.title:
        sequence.sequence_metadata.title = song.title
    tempos = _tempo_map(song)

    def seconds(items: Sequence[tuple]) -> list[float]:
        return tempos.at(np.array([item[0] for item in items], np.int64)).tolist()

    for time, scale in zip(tempos.seconds.tolist(), tempos.scales.tolist()) if song.tempos else ():
        sequence.tempos.add(time=time, qpm=60.0 / (scale * song.ticks_per_quarter))
    for time, (_, numerator, denominator) in zip(seconds(song.metres), song.metres):
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    for time, (_, sharps, is_minor) in zip(seconds(song.keys), song.keys):
        # MIDI stores the number of sharps, a NoteSequence the tonic.
        sequence.key_signatures.add(time=time, key=keys.tonic(sharps, is_minor), mode=int(is_minor))
    for number, instrument in enumerate(song.instruments):
        _add_instrument(sequence, number, instrument, tempos)
    for prefix, texts in ((score_annotations.LYRIC, song.lyrics), (score_annotations.MARKER, song.markers)):
        for time, (_, text) in zip(seconds(texts), texts):
            sequence.text_annotations.add(time=time, text=prefix + text)
    return sequence


def _check_counts(song: Song) -> None:
    """Checks the number of notes, events and changes before any of them is created."""
    instruments = song.instruments
    limits.check_count(sum(len(i.notes) for i in instruments), limits.MAX_NOTES, "notes")
    events = sum(len(i.controls) + len(i.bends) for i in instruments) + len(song.lyrics) + len(song.markers)
    limits.check_count(events, limits.MAX_EVENTS, "controllers and annotations")
    limits.check_count(len(song.metres) + len(song.keys), limits.MAX_CHANGES, "changes of metre and key")


def _add_instrument(sequence: "NoteSequence", number: int, instrument: Instrument, tempos: _Tempos) -> None:
    """Adds the notes, pitch bends and controllers of an instrument."""
    if instrument.name:
        sequence.instrument_infos.add(instrument=number, name=instrument.name)
    program, is_drum = instrument.program, instrument.is_drum
    notes = instrument.notes
    starts, ends = tempos.at(notes[:, 0]).tolist(), tempos.at(notes[:, 1]).tolist()
    sequence.total_time = max([sequence.total_time, *ends])
    for start, end, pitch, velocity in zip(starts, ends, *notes[:, 2:].T.tolist()):
        sequence.notes.add(
            start_time=start, end_time=end, pitch=pitch, velocity=velocity,
            instrument=number, program=program, is_drum=is_drum,
        )  # fmt: skip
    for time, value in zip(tempos.at(instrument.bends[:, 0]).tolist(), instrument.bends[:, 1].tolist()):
        sequence.pitch_bends.add(time=time, bend=value, instrument=number, program=program, is_drum=is_drum)
    controls = instrument.controls
    for time, kind, value in zip(tempos.at(controls[:, 0]).tolist(), *controls[:, 1:].T.tolist()):
        sequence.control_changes.add(
            time=time, control_number=kind, control_value=value,
            instrument=number, program=program, is_drum=is_drum,
        )  # fmt: skip
