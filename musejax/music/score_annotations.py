"""Text annotations that stand for marks of a written score, whatever file format it comes from."""

# Stands at the start of each note under a fermata.
FERMATA = "fermata"
# Stands at each bar line, the start of a pickup included, wherever time signatures alone do not say where bars begin.
BAR_LINE = "bar line"
# Begins the annotation of the number that is printed at a bar, such as 12 or 12a. It stands at the start of each bar as
# it is played, wherever printed numbers are not those that counting gives (1 is the first whole bar, 0 a pickup).
MEASURE = "measure: "
# Begins the annotation of a sung syllable, which stands at the start of its note. A hyphen at the end of the annotation
# means that the word goes on.
LYRIC = "lyric: "
# Begins the annotation of a marker or cue point of a MIDI file, such as the name of a section.
MARKER = "marker: "
