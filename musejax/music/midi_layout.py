"""Layout of the voices of a piece in MIDI: ticks, tracks, ports and channels."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import midi_notes, timing
from musejax.music.voices_and_bars import Voice

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Default ticks per quarter note, and resolutions that also fit tuplets of 7, of 5 and 9, and finer ones.
_RESOLUTIONS = 480, 3360, 10080, 30240
# A coarser resolution is multiplied.
_COARSEST = 24
# Largest distance from a tick, in ticks, of a time that fits a resolution.
_TOLERANCE = 1e-3
# Largest number of overlapping notes of one pitch and voice that end at different times.
_MAX_OVERLAPS = 16
_MAX_TRACKS = 2**16 - 2
_PITCHED_CHANNELS = [channel for channel in range(16) if channel != midi_notes.DRUMS]


class Clock(NamedTuple):
    """The conversion of seconds to ticks.

    Attributes:
        tempos: The tempo map.
        resolution: Ticks per quarter note.
    """

    tempos: timing.TempoMap
    resolution: int

    def ticks(self, seconds: Iterable[float]) -> list[int]:
        """Converts times in seconds to ticks, at least 0."""
        quarters = self.tempos.quarters(np.array([*seconds], np.float64))
        return np.maximum(np.rint(quarters * self.resolution), 0).astype(np.int64).tolist()


class Track(NamedTuple):
    """A track of notes.

    Attributes:
        voice: Number of the voice.
        overlaps: Whether the notes overlap those of the previous tracks of the voice.
        notes: Start and end in ticks, pitch and velocity.
        port: Number of the port (a group of sixteen channels), from 0.
        channel: 0..15.
    """

    voice: int
    overlaps: bool
    notes: list[tuple[int, int, int, int]]
    port: int
    channel: int


def make_clock(sequence: "NoteSequence") -> Clock:
    """Returns the clock of a sequence.

    The resolution is that of the sequence, or 480 if it has none, or a higher one if only that fits all notes exactly.
    """
    tempos = timing.tempo_map(sequence)
    own = sequence.ticks_per_quarter
    if 0 < own < _COARSEST:
        own *= _RESOLUTIONS[0] // own
    preferred = own if _COARSEST <= own < 2**15 else _RESOLUTIONS[0]
    quarters = tempos.quarters(np.array([(note.start_time, note.end_time) for note in sequence.notes], np.float64))
    for resolution in (preferred, *_RESOLUTIONS):
        ticks = quarters * resolution
        if (np.abs(ticks - np.rint(ticks)) < _TOLERANCE).all():
            return Clock(tempos, resolution)
    return Clock(tempos, preferred)


def lay_out(voices: Sequence[Voice], clock: Clock) -> list[Track]:
    """Returns the tracks of all voices.

    A note-off identifies a pitch, not a note. If notes of one pitch overlap in a voice and end at different times, the
    later one is therefore written to an additional track after the voice's track. Each pitched track and each drum kit
    has its own channel, in as many ports as necessary.

    Args:
        voices: The voices, with notes in temporal order.
        clock: Converts seconds to ticks.

    Raises:
        errors.UserError: More than 16 such notes of a pitch overlap, or there are too many voices for MIDI.
    """
    layers = [_layers(voice, clock) for voice in voices]
    if sum(map(len, layers)) > _MAX_TRACKS:
        raise errors.UserError(f"it has {sum(map(len, layers)):,} voices; a MIDI file can have {_MAX_TRACKS:,}")
    kits = {program: port for port, program in enumerate(dict.fromkeys(v.program for v in voices if v.is_drum))}
    pitched = ((port, channel) for port in itertools.count() for channel in _PITCHED_CHANNELS)
    places: dict[tuple[int, int], tuple[int, int]] = {}
    # The first tracks of all voices are placed first, to use the first port, which every player supports.
    for depth in range(_MAX_OVERLAPS):
        for number, voice in enumerate(voices):
            if depth < len(layers[number]):
                is_drum = voice.is_drum
                places[number, depth] = (kits[voice.program], midi_notes.DRUMS) if is_drum else next(pitched)
    return [
        Track(number, depth > 0, notes, *places[number, depth])
        for number, voice_layers in enumerate(layers)
        for depth, notes in enumerate(voice_layers)
    ]


def _layers(voice: Voice, clock: Clock) -> list[list[tuple[int, int, int, int]]]:
    """Returns the notes of a voice in layers; notes of one pitch overlap in a layer only if they end together."""
    starts = clock.ticks(note.start_time for note in voice.notes)
    ends = clock.ticks(note.end_time for note in voice.notes)
    layers: list[list[tuple[int, int, int, int]]] = []
    last_ends: list[dict[int, int]] = []  # by pitch, of each layer
    for note, start, end in zip(voice.notes, starts, ends):
        end = max(end, start + 1)
        depth = 0
        while depth < len(layers) and start < last_ends[depth].get(note.pitch, 0) != end:
            depth += 1
        if depth == _MAX_OVERLAPS:
            raise errors.UserError(
                f"more than {_MAX_OVERLAPS} notes of pitch {note.pitch} sound at once in {voice.name!r}; "
                f"at most {_MAX_OVERLAPS} can be written to MIDI"
            )
        if depth == len(layers):
            layers.append([])
            last_ends.append({})
        last_ends[depth][note.pitch] = end
        layers[depth].append((start, end, note.pitch, min(max(note.velocity, 1), 127)))
    return layers
