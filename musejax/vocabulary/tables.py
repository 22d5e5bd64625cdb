"""The vocabularies of all representations. NumPy only.

A vocabulary is a list of event ranges, numbered in order, which fully determines the id of each event. It is similar to
the vocabularies of MT3 (Gardner et al., 2021); the ids of `melody` and `performance` are those of note-seq's encoders.
"""

from musejax.theory.chords import TRIADS
from musejax.theory.sixteenths import QUARTER
from musejax.vocabulary.events import HIT, KEY, EventRange, Vocabulary

# Number of positions in a bar, in 16ths, of a beat condition; positions in longer bars wrap around.
BEATS = 32
# Number of key signatures, from 7 flats to 7 sharps, and the index of the one without sharps or flats.
KEYS = 15
NO_SHARPS = KEYS // 2
# Number of chord classes: no chord, then twelve roots each of major, minor, augmented, diminished and other chords.
CHORDS = 1 + 12 * len(TRIADS)
# Number of drum classes: kick, snare, closed and open hi-hat, low, middle and high tom, crash, ride.
DRUMS = 9


def melody(
    min_pitch: int = 0, max_pitch: int = 127, *, name: str = "melody", beat: bool = False, chords: bool = False
) -> Vocabulary:
    """Returns note-seq's melody events: 0 holds, 1 ends a note, then a note-on for each pitch; frames are 16ths.

    Args:
        min_pitch: Lowest MIDI pitch.
        max_pitch: Highest MIDI pitch, inclusive.
        name: Name of the codec.
        beat: Whether the position in the bar is a condition.
        chords: Whether the class of the chord is a condition.
    """
    ranges = (EventRange("hold"), EventRange("note_off"), EventRange("pitch", min_pitch, max_pitch))
    conditions = (("beat", BEATS),) * beat + (("chord", CHORDS),) * chords
    return Vocabulary(name=name, version=1, ranges=ranges, conditions=conditions)


def sketch() -> Vocabulary:
    """Returns the 100 events of the pattern page: 98 pitches (15..112), rest, hold; frames are 16ths."""
    ranges = (EventRange("pitch", 15, 112), EventRange("rest"), EventRange("hold"))
    return Vocabulary(name="melody-100", version=1, ranges=ranges)


def performance(velocity_bins: int = 32, *, name: str = "performance") -> Vocabulary:
    """Returns note-seq's performance events: note-on, note-off, time shifts of 10 ms to 1 s, and velocity bins.

    Args:
        velocity_bins: Number of velocity bins: 32 for 388 events in all, 0 for 356 events without dynamics.
        name: Name of the codec.
    """
    ranges = [EventRange("note_on", 0, 127), EventRange("note_off", 0, 127), EventRange("time_shift", 1, 100)]
    if velocity_bins:
        ranges.append(EventRange("velocity", 1, velocity_bins))
    return Vocabulary(name=name, version=1, ranges=tuple(ranges), frames_per_quarter=0)


def chorale(*, holds: bool = True, name: str = "chorale") -> Vocabulary:
    """Returns the events of four voices, soprano to bass, on a grid of 16ths, with pitches 36..81.

    Args:
        holds: Whether there are events for holds, which distinguish held from repeated notes, and END. Otherwise a cell
            is the sounding pitch or a rest, as in the `jsb16` file.
        name: Name of the codec.
    """
    ranges = [EventRange("rest"), EventRange("pitch", 36, 81)]
    if holds:
        ranges += [EventRange("hold"), EventRange("end")]
    conditions = (("beat", BEATS), ("fermata", 2), ("key", KEYS)) if holds else (("beat", BEATS),)
    return Vocabulary(name=name, version=1, ranges=tuple(ranges), streams=4, conditions=conditions)


def pianoroll(min_pitch: int = 21, max_pitch: int = 108, *, frames_per_quarter: int = 2) -> Vocabulary:
    """Returns the vocabulary of binary frames of 88 keys (MIDI 21..108); frames are eighth notes by default."""
    return Vocabulary(
        name="pianoroll-88",
        version=1,
        ranges=(EventRange("key", min_pitch, max_pitch),),
        kind="bits",
        conditions=(("beat", BEATS),),
        frames_per_quarter=frames_per_quarter,
    )


def rolls(
    name: str,
    tracks: tuple[str, ...],
    min_pitch: int,
    max_pitch: int,
    frames_per_quarter: int = QUARTER,
    *,
    drums: tuple[str, ...] = (),
) -> Vocabulary:
    """Returns the vocabulary of binary rolls of several tracks: K ranges of P pitches.

    Args:
        name: Name of the codec.
        tracks: Names of the tracks.
        min_pitch: Lowest pitch of each track.
        max_pitch: Highest pitch of each track, inclusive.
        frames_per_quarter: Number of frames in a quarter note, a multiple of 4.
        drums: Names of the drum tracks, which are not transposed.
    """
    return Vocabulary(
        name=name,
        version=1,
        ranges=tuple(EventRange(t + (HIT if t in drums else KEY), min_pitch, max_pitch) for t in tracks),
        kind="bits",
        conditions=(("beat", BEATS * frames_per_quarter // QUARTER),),
        frames_per_quarter=frames_per_quarter,
    )


def tracks() -> Vocabulary:
    """Returns the events of melody, bridge and piano, bar by bar, where controls precede each bar of a track.

    The representation is similar to MMM (Ens and Pasquier, 2020) and REMI (Huang and Yang, 2020). The value of `bar` is
    the length of the bar in 16ths; `density`, `polyphony` and `duration` are bins of the attributes of the track's bar
    (0 if it is silent); `position` and `length` are in 16ths.
    """
    ranges = (
        EventRange("end"),
        EventRange("bar", 1, BEATS),
        EventRange("track", 0, 2),
        EventRange("density", 0, 9),
        EventRange("polyphony", 0, 5),
        EventRange("duration", 0, 5),
        EventRange("position", 0, BEATS - 1),
        EventRange("pitch", 21, 108),
        EventRange("length", 1, 32),
    )
    return Vocabulary(name="tracks", version=1, ranges=ranges, frames_per_quarter=0)


def drums() -> Vocabulary:
    """Returns the 512 sets of the nine drum classes that are struck in a 16th; bit k of the value is class k."""
    return Vocabulary(name="drums", version=1, ranges=(EventRange("drums", 0, 2**DRUMS - 1),))


def drum_bits() -> Vocabulary:
    """Returns the nine drum classes as bits; frames are 16ths."""
    return Vocabulary(name="drums-bits", version=1, ranges=(EventRange("drum", 0, DRUMS - 1),), kind="bits")


def trio() -> Vocabulary:
    """Returns the events of melody, bass and drums on a grid of 16ths: three streams with 90 + 90 + 512 ids.

    These are the events of MusicVAE's trio (Roberts et al., 2018): note-seq's melody events over pitches 21..108 for
    melody and bass, and the sets of `drums`.
    """
    lines = [(EventRange(f"{n}_hold"), EventRange(f"{n}_off"), EventRange(n, 21, 108)) for n in ("melody", "bass")]
    streams = (*lines, drums().ranges)
    return Vocabulary(
        name="trio",
        version=1,
        ranges=tuple(r for ranges in streams for r in ranges),
        streams=len(streams),
        own=tuple(tuple(r.type for r in ranges) for ranges in streams),
    )


def groove() -> Vocabulary:
    """Returns the 27 columns of drum performances (Gillick et al., 2019): hit, velocity and offset of nine classes.

    `hit` is 0 or 1, `velocity` is in 0..1, and `offset` is in -0.5..0.5 frames; frames are 16ths.
    """
    ranges = tuple(EventRange(column, 0, DRUMS - 1) for column in ("hit", "velocity", "offset"))
    return Vocabulary(name="groove", version=1, ranges=ranges, kind="groove")
