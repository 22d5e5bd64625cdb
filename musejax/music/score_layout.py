"""Layout of notes in a score: parts, staves, and voices within a staff.

Notes of a voice do not overlap. Notes with the same onset, length and staff form a chord.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from musejax.music import exact_times, voices_and_bars

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# General MIDI programs of instruments that are written on two staves: pianos, celesta, organs and harp.
_TWO_STAVES = frozenset([*range(9), *range(16, 22), 46])
_MIDDLE_C = 60
# Largest range in semitones of such an instrument on a single staff.
_ONE_STAFF = 24
# The highest median pitch of a bass clef, and of a treble clef that sounds an octave lower.
_BASS, _TENOR = 53, 60
_TENOR_LOWEST = 45


class LaidNote(NamedTuple):
    """A note of a chord.

    Attributes:
        pitch: MIDI pitch.
        velocity: MIDI velocity.
        instrument: Index of its instrument in the part.
    """

    pitch: int
    velocity: int
    instrument: int


class Chord(NamedTuple):
    """Notes with the same onset and length, or their piece inside one bar; times are in divisions of a quarter.

    Attributes:
        start: Where the chord begins.
        end: Where the chord ends.
        notes: The notes in ascending order.
        is_tied: Whether it continues from the previous bar.
        holds: Whether it continues in the next bar.
    """

    start: int
    end: int
    notes: tuple[LaidNote, ...]
    is_tied: bool = False
    holds: bool = False


class Lane(NamedTuple):
    """A voice of a staff.

    Attributes:
        staff: The staff, from 1.
        chords: The chords in order, without overlaps.
    """

    staff: int
    chords: list[Chord]


class Part(NamedTuple):
    """A part of a score.

    Attributes:
        name: Name of the part.
        instruments: The voices of the sequence in this part; each is an instrument.
        staves: Number of staves.
        lanes: Voices in the order of staves; each staff has at least one.
    """

    name: str
    instruments: list[voices_and_bars.Voice]
    staves: int
    lanes: list[Lane]


def parts(sequence: "NoteSequence", times: exact_times.ExactTimes) -> list[Part]:
    """Returns the parts of a score: those that the sequence names, and one for each other voice.

    Args:
        sequence: The music.
        times: The times of the sequence.

    Raises:
        errors.UserError: There are no notes, or a pitch is outside 0..127.
    """
    named = {info.part for info in sequence.part_infos}
    groups: dict[tuple[int, int], list[voices_and_bars.Voice]] = {}
    for number, voice in enumerate(voices_and_bars.voices(sequence)):
        key = (voice.part, -1) if voice.part in named else (voice.part, number)
        groups.setdefault(key, []).append(voice)
    return [_part(instruments, times) for _, instruments in sorted(groups.items())]


def inside(chords: Sequence[Chord], start: int, stop: int) -> list[Chord]:
    """Returns the chords of a voice between two bar lines, cut at the bar lines."""
    return [
        Chord(max(c.start, start), min(c.end, stop), c.notes, c.is_tied or c.start < start, c.holds or c.end > stop)
        for c in chords
        if c.start < stop and c.end > start
    ]


def clef(name: str, pitches: Iterable[int], *, is_drum: bool) -> tuple[str, int, int]:
    """Returns the clef of a staff as sign, line and octave change.

    Args:
        name: Name of the part.
        pitches: MIDI pitches on the staff, possibly none.
        is_drum: Whether the staff is for drums.
    """
    if is_drum:
        return "percussion", 2, 0
    ordered = sorted(pitches)
    middle = statistics.median_low(ordered) if ordered else _MIDDLE_C
    # A part named tenor always has the tenor clef. An unnamed part has it only if it does not go as low as a bass.
    if "tenor" in name.lower() or (_BASS <= middle < _TENOR and ordered[0] >= _TENOR_LOWEST):
        return "G", 2, -1
    return ("G", 2, 0) if middle >= _TENOR else ("F", 4, 0)


def _part(instruments: list[voices_and_bars.Voice], times: exact_times.ExactTimes) -> Part:
    staves = _staves(instruments)
    upper = _upper_voices(instruments) if len(staves) > 1 else {}
    chords: dict[tuple[int, int, int, int, bool], list[LaidNote]] = {}
    extra: list[tuple[tuple[int, int, int, int, bool], LaidNote]] = []
    for number, instrument in enumerate(instruments):
        spans = times.notes[instrument.indices].tolist()
        for note, (start, end) in zip(instrument.notes, spans, strict=True):
            is_upper = upper.get(note.voice, note.pitch >= _MIDDLE_C)
            staff = 1 if len(staves) == 1 or is_upper else 2
            key = (staff, note.voice, start, end, instrument.is_drum)
            laid = LaidNote(note.pitch, note.velocity, number)
            # Two notes in unison are written in two voices.
            if any(other.pitch == note.pitch for other in chords.get(key, ())):
                extra.append((key, laid))
            else:
                chords.setdefault(key, []).append(laid)
    items = [*chords.items(), *((key, [laid]) for key, laid in extra)]
    lanes = [lane for staff in staves for lane in _lanes(staff, [item for item in items if item[0][0] == staff])]
    return Part(instruments[0].name, instruments, len(staves), lanes)


def _lanes(staff: int, items: list[tuple[tuple[int, int, int, int, bool], list[LaidNote]]]) -> list[Lane]:
    """Returns the voices of a staff; a voice of the sequence with overlaps is split into several."""
    items.sort(key=lambda item: (item[0][1], item[0][2], -max(note.pitch for note in item[1]), item[0][3]))
    out: list[tuple[int, Lane]] = []
    for (_, voice, start, end, _), notes in items:
        chord = Chord(start, end, tuple(sorted(notes)))
        fitting = (lane for number, lane in out if number == voice and lane.chords[-1].end <= start)
        lane = next(fitting, None)
        if lane is None:
            lane = Lane(staff, [])
            out.append((voice, lane))
        lane.chords.append(chord)
    return [lane for _, lane in out] or [Lane(staff, [])]


def _staves(instruments: Sequence[voices_and_bars.Voice]) -> range:
    """Returns the staves of a part: two for a keyboard part with a range too large for one staff."""
    if any(voice.is_drum or voice.program not in _TWO_STAVES for voice in instruments):
        return range(1, 2)
    pitches = [note.pitch for voice in instruments for note in voice.notes]
    crosses = min(pitches) < _MIDDLE_C <= max(pitches)
    return range(1, 3) if crosses and max(pitches) - min(pitches) > _ONE_STAFF else range(1, 2)


def _upper_voices(instruments: Sequence[voices_and_bars.Voice]) -> dict[int, bool]:
    """Returns, by voice, whether it belongs to the upper staff of a keyboard part; empty if notes have no voices."""
    pitches: dict[int, list[int]] = {}
    for instrument in instruments:
        for note in instrument.notes:
            pitches.setdefault(note.voice, []).append(note.pitch)
    if len(pitches) < 2:
        return {}
    return {voice: statistics.median_low(values) >= _MIDDLE_C for voice, values in pitches.items()}
