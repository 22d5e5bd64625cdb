"""Text annotations that represent marks of a written score, for all file formats."""

# At the start of each note with a fermata.
FERMATA = "fermata"
# At each bar line, including the start of a pickup, if the bar lines do not follow from the time signatures.
BAR_LINE = "bar line"
# Prefix of the printed number of a bar, such as 12 or 12a, at the start of each bar in the order of playing. Numbers
# are annotated only if they differ from counted ones (1 is the first whole bar, 0 a pickup).
MEASURE = "measure: "
# Prefix of a sung syllable, at the start of its note. A hyphen at the end means that the word continues.
LYRIC = "lyric: "
# Prefix of a marker or cue point of a MIDI file, such as the name of a section.
MARKER = "marker: "
