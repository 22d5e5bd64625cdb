"""Kinds of content of a MusicXML score that a NoteSequence cannot represent."""

from musejax.music.loss_counts import Loss

GRACE = Loss("1 grace note is left out", "{} grace notes are left out")
CUE = Loss("1 cue note is left out", "{} cue notes are left out")
PITCH = Loss("1 note without a readable pitch is left out", "{} notes without a readable pitch are left out")
RANGE = Loss("1 note outside MIDI's pitches is left out", "{} notes outside MIDI's pitches are left out")
PERCUSSION = Loss(
    "1 percussion note is left out, because its instrument has no MIDI number",
    "{} percussion notes are left out, because their instruments have no MIDI number",
)
MICROTONE = Loss("1 note is moved to the nearest semitone", "{} notes are moved to the nearest semitone")
CHORD = Loss("1 chord symbol of an unknown kind is left out", "{} chord symbols of an unknown kind are left out")
ROOT = Loss("1 chord symbol without a root is left out", "{} chord symbols without a root are left out")
DEGREES = Loss("1 chord symbol is read without its degrees", "{} chord symbols are read without their degrees")
KEY = Loss("1 non-traditional key signature is left out", "{} non-traditional key signatures are left out")
METRE = Loss("1 time signature that cannot be read is left out", "{} time signatures that cannot be read are left out")
TEMPO = Loss("1 metronome mark without a tempo is left out", "{} metronome marks without a tempo are left out")
LOCAL_METRE = Loss(
    "1 measure is read as written, because its parts have different time signatures and lengths that do not fit",
    "{} measures are read as written, because their parts have different time signatures and lengths that do not fit",
)
UNFOLDING = Loss(
    "repeats cannot be played within the bounds; the score is read as written",
    "repeats cannot be played within the bounds; {} scores are read as written",
)
OWN_BARS = Loss(
    "parts have independent bar lines, so repeats of the score are not played",
    "parts have independent bar lines, so repeats of {} scores are not played",
)
