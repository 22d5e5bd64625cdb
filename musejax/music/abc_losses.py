"""Kinds of content of ABC tunes that a NoteSequence cannot represent or that the reader does not understand.

`musicxml_losses` has the kinds that MusicXML and ABC share.
"""

from musejax.music.loss_counts import Loss

BARS = Loss("1 bar is not equally long in all voices", "{} bars are not equally long in all voices")
CHARACTERS = Loss("1 character that is not ABC is passed over", "{} characters that are not ABC are passed over")
DECORATIONS = Loss("1 unknown decoration is left out", "{} unknown decorations are left out")
FIELDS = Loss("1 field that cannot be read is left out", "{} fields that cannot be read are left out")
KEYS = Loss("1 key that cannot be read is left out", "{} keys that cannot be read are left out")
MACROS = Loss("1 macro is not expanded", "{} macros are not expanded")
MIDI = Loss("1 %%MIDI instruction is not followed", "{} %%MIDI instructions are not followed")
MODES = Loss("1 key of an unknown mode is read as major", "{} keys of an unknown mode are read as major")
PARTS = Loss(
    "its order of parts (P:) cannot be followed; it is read as written",
    "its order of parts (P:) cannot be followed; it is read as written",
)
REPEATS = Loss(
    "1 repeat sign is missing before a further ending and is assumed",
    "{} repeat signs are missing before further endings and are assumed",
)
SYLLABLES = Loss("1 syllable without a note is left out", "{} syllables without a note are left out")
SYMBOL_LINES = Loss("1 symbol line (s:) is left out", "{} symbol lines (s:) are left out")
TEMPOS = Loss("1 tempo without a number is left out", "{} tempos without a number are left out")
