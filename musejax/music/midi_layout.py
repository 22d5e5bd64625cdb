"""How the voices of a piece are laid out in MIDI: ticks, tracks, ports and channels."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors
from musejax.music import midi_notes, timing
from musejax.music.voices_and_bars import Voice

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Ticks in a quarter note where the sequence does not say, and what also fits tuplets of 7, of 5 and 9, and finer ones.
_RESOLUTIONS = 480, 3360, 10080, 30240
# A coarser resolution is multiplied.
_COARSEST = 24
# How far from a tick a time may lie to fit a resolution, in ticks.
_TOLERANCE = 1e-3
# Notes of one pitch and voice that sound at once and end apart.
_MAX_OVERLAPS = 16
_MAX_TRACKS = 2**16 - 2
_PITCHED_CHANNELS = [channel for channel in range(16) if channel != midi_notes.DRUMS]


class Clock(NamedTuple):
    """The conversion of seconds to ticks.

    Attributes:
        tempos: The tempo map.
        resolution: Ticks in a quarter note.
    """

    tempos: timing.TempoMap
    resolution: int

    def ticks(self, seconds: Iterable[float]) -> list[int]:
        """Returns times in seconds as ticks, none below 0."""
        quarters = self.tempos.quarters(np.array([*seconds], np.float64))
        return np.maximum(np.rint(quarters * self.resolution), 0).astype(np.int64).tolist()


class Track(NamedTuple):
    """A track of notes.

    Attributes:
        voice: Number of its voice.
        overlaps: Whether its notes overlap those of the voice's tracks before it.
        notes: Start and end in ticks, pitch and velocity.
        port: Sixteen channels each; 0 for the first.
        channel: 0..15.
    """

    voice: int
    overlaps: bool
    notes: list[tuple[int, int, int, int]]
    port: int
    channel: int


def make_clock(sequence: "NoteSequence") -> Clock:
    """Returns the clock of a sequence.

    The resolution is the sequence's own, 480 where it has none, or more where that alone fits the times of all notes.
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

    A note-off says which pitch ends and not which note. So where notes of one pitch overlap in a voice and end apart,
    the later one goes to a further track behind the voice's. Each track of pitched notes has a channel of its own, as
    has each drum kit, in as many ports as that takes.

    Args:
        voices: Their notes lie in the order of time.
        clock: Gives the ticks.

    Raises:
        errors.UserError: More than 16 such notes of a pitch overlap, or there are more voices than MIDI holds.
    """
    layers = [_layers(voice, clock) for voice in voices]
    if sum(map(len, layers)) > _MAX_TRACKS:
        raise errors.UserError(f"it has {sum(map(len, layers)):,} voices; a MIDI file holds {_MAX_TRACKS:,}")
    kits = {program: port for port, program in enumerate(dict.fromkeys(v.program for v in voices if v.is_drum))}
    pitched = ((port, channel) for port in itertools.count() for channel in _PITCHED_CHANNELS)
    places: dict[tuple[int, int], tuple[int, int]] = {}
    # The first tracks of voices come first, so that they have the first port, which every player knows.
    for depth in range(_MAX_OVERLAPS):
        for number, voice in enumerate(voices):
            if depth < len(layers[number]):
                is_drum = voice.is_drum
                places[number, depth] = (kits[voice.program], midi_notes.DRUMS) if is_drum else next(pitched)
    return [
        Track(number, depth > 0, notes, *places[number, depth])
        for number, of_voice in enumerate(layers)
        for depth, notes in enumerate(of_voice)
    ]


def _layers(voice: Voice, clock: Clock) -> list[list[tuple[int, int, int, int]]]:
    """Returns the notes of a voice in layers without overlaps of one pitch, but for those that end together."""
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
