"""Event tables of every representation: which token id stands for which typed symbol. NumPy only.

A vocabulary is a list of event ranges, numbered one after the other; nothing else decides a token's id. It is saved
with every run, so that a run can be read without the code that made it. The layout follows the event tables of MT3
(Gardner et al., 2021) in spirit; the ids of `melody` and `performance` are those of note-seq's encoders.
"""

from musejax.theory.chords import TRIADS
from musejax.theory.sixteenths import QUARTER
from musejax.vocabulary.events import HIT, KEY, EventRange, Vocabulary

# Positions in a bar (in 16ths) a beat condition tells apart; longer bars wrap.
BEATS = 32
# Key signatures from 7 flats to 7 sharps, as 0..14, and the one without sharps or flats.
KEYS = 15
NO_SHARPS = KEYS // 2
# No chord, then the twelve roots of major, minor, augmented, diminished and other chords (theory/chords).
CHORDS = 1 + 12 * len(TRIADS)
# Classes of drums: kick, snare, closed and open hat, low, middle and high tom, crash, ride.
DRUMS = 9


def melody(
    min_pitch: int = 0, max_pitch: int = 127, *, name: str = "melody", beat: bool = False, chords: bool = False
) -> Vocabulary:
    """note-seq's melody events: 0 holds, 1 ends the note, then a note-on for each pitch; frames are 16ths.

    Args:
        min_pitch: Lowest MIDI pitch.
        max_pitch: Highest MIDI pitch, included.
        name: The codec's name.
        beat: Whether the position in the bar comes with each frame.
        chords: Whether the class of a chord does.
    """
    ranges = (EventRange("hold"), EventRange("note_off"), EventRange("pitch", min_pitch, max_pitch))
    told = (("beat", BEATS),) * beat + (("chord", CHORDS),) * chords
    return Vocabulary(name=name, version=1, ranges=ranges, conditions=told)


def sketch() -> Vocabulary:
    """The 100 classes of the pattern page's window: 98 pitches (15..112), rest, hold; frames are 16ths."""
    ranges = (EventRange("pitch", 15, 112), EventRange("rest"), EventRange("hold"))
    return Vocabulary(name="melody-100", version=1, ranges=ranges)


def performance(velocity_bins: int = 32, *, name: str = "performance") -> Vocabulary:
    """note-seq's performance events: note-on, note-off, time-shift of 10 ms to 1 s, velocity bins (388 with 32 bins).

    Args:
        velocity_bins: Number of velocity bins; 0 leaves dynamics out (356 events).
        name: The codec's name.
    """
    ranges = [EventRange("note_on", 0, 127), EventRange("note_off", 0, 127), EventRange("time_shift", 1, 100)]
    if velocity_bins:
        ranges.append(EventRange("velocity", 1, velocity_bins))
    return Vocabulary(name=name, version=1, ranges=tuple(ranges), frames_per_quarter=0)


def chorale(*, holds: bool = True, name: str = "chorale") -> Vocabulary:
    """Four voices on the 16th grid, pitches 36..81, soprano to bass.

    Args:
        holds: Whether a held note is told apart from a repeated one (with END); without, a cell is the sounding
            pitch or a rest, as in the `jsb16` file, and pieces have no END.
        name: The codec's name.
    """
    ranges = [EventRange("rest"), EventRange("pitch", 36, 81)]
    if holds:
        ranges += [EventRange("hold"), EventRange("end")]
    conditions = (("beat", BEATS), ("fermata", 2), ("key", KEYS)) if holds else (("beat", BEATS),)
    return Vocabulary(name=name, version=1, ranges=tuple(ranges), streams=4, conditions=conditions)


def pianoroll(min_pitch: int = 21, max_pitch: int = 108, *, frames_per_quarter: int = 2) -> Vocabulary:
    """Binary frames of 88 keys (MIDI 21..108): each id a switch; eighth-note frames by default."""
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
    """Binary rolls of several tracks side by side, each id a switch: K ranges of P pitches.

    Args:
        name: The codec's name.
        tracks: Names of the tracks.
        min_pitch: The lowest pitch of each.
        max_pitch: The highest, included.
        frames_per_quarter: Frames in a quarter note, a multiple of 4.
        drums: Which of the tracks are drums: transposition leaves them as they are.
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
    """Melody, bridge and piano bar by bar, each bar of a track opened by controls of its own.

    In the way of MMM (Ens and Pasquier, 2020) and REMI (Huang and Yang, 2020). `bar` has the length of the bar in
    16ths, `density`, `polyphony` and `duration` are bins of what follows (0 where the track is silent), `position`
    and `length` count 16ths.
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
    """Nine classes of drums struck in each 16th, as one of the 512 sets of them: class k is bit k of the value."""
    return Vocabulary(name="drums", version=1, ranges=(EventRange("drums", 0, 2**DRUMS - 1),))


def drum_bits() -> Vocabulary:
    """The nine classes of `drums`, each a switch of its own; frames are 16ths."""
    return Vocabulary(name="drums-bits", version=1, ranges=(EventRange("drum", 0, DRUMS - 1),), kind="bits")


def trio() -> Vocabulary:
    """Melody, bass and drums on the 16th grid, three streams with ids of their own: 90 + 90 + 512.

    As MusicVAE's trio (Roberts et al., 2018): note-seq's melody events over pitches 21..108 for each of two lines, and
    the sets of `drums`.
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
    """Played drums (Gillick et al., 2019): 27 columns, for the nine classes whether, how loud and how early or late.

    `hit` is 0 or 1, `velocity` 0..1, `offset` -.5..+.5 of a frame; frames are 16ths.
    """
    ranges = tuple(EventRange(column, 0, DRUMS - 1) for column in ("hit", "velocity", "offset"))
    return Vocabulary(name="groove", version=1, ranges=ranges, kind="groove")
