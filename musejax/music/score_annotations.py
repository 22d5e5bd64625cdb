"""Text annotations that stand for marks of a written score, whatever file format it comes from."""

# Stands at the start of each note under a fermata.
FERMATA = "fermata"
# Stands at each bar line, the start of a pickup included, wherever time signatures alone do not say where bars begin.
BAR_LINE = "bar line"
# Begins the annotation of a sung syllable, which stands at the start of its note. A hyphen at the end of the annotation
# means that the word goes on.
LYRIC = "lyric: "
