"""Kinds of content of a MIDI file that a NoteSequence cannot represent."""

from musejax.music.loss_counts import Loss

UNENDED = Loss("1 note without an end is left out", "{} notes without an end are left out")
EMPTY = Loss("1 note without length is left out", "{} notes without length are left out")
AFTERTOUCH = Loss("1 aftertouch message is left out", "{} aftertouch messages are left out")
UNHEARD = Loss(
    "1 controller or pitch bend of a channel without notes is left out",
    "{} controllers and pitch bends of channels without notes are left out",
)
KEY = Loss("1 key signature that cannot be read is left out", "{} key signatures that cannot be read are left out")
METRE = Loss("1 time signature that cannot be read is left out", "{} time signatures that cannot be read are left out")
TEMPO = Loss("1 tempo that cannot be read is left out", "{} tempos that cannot be read are left out")
FRAMES = Loss(
    "1 tempo is left out, because time is counted in video frames",
    "{} tempos are left out, because time is counted in video frames",
)
PATTERNS = Loss(
    "its tracks are independent patterns (format 2); they are read in parallel",
    "its tracks are independent patterns (format 2); they are read in parallel",
)
CUT = Loss("what follows the end of 1 track is left out", "what follows the end of {} tracks is left out")
