"""The options of the public functions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from musejax.options.declaration import Option

# How the values of a piece are sampled: fields of `Sampling`.
Temperature = Annotated[
    float, Option("Divides the logits: below 1 is more cautious, above 1 bolder.", low=0, above=True)
]
TopK = Annotated[int | None, Option("Keeps the k most likely tokens of each step.", low=1)]
TopP = Annotated[
    float | None,
    Option("Keeps the most likely tokens up to this probability (nucleus sampling).", low=0, high=1, above=True),
]
MinP = Annotated[
    float | None,
    Option("Keeps tokens at least this many times as likely as the most likely token.", low=0, high=1, above=True),
]
Beams = Annotated[
    int | None, Option("Beam search with this many beams instead of sampling; it returns one piece.", low=1)
]
Guidance = Annotated[
    float | None,
    Option(
        "Scale of classifier-free guidance, above 1 to follow the conditions more closely. The model must have been "
        "trained with `condition_dropout`.",
        low=0,
        metavar="SCALE",
    ),
]
Sampler = Annotated[
    str | None,
    Option(
        "Sampler of a model that fills cells in any order: gibbs, span, contiguous, ancestral or upsampling for "
        "Coconet, rounds for DeepBach (default: the model's own)."
    ),
]
Steps = Annotated[
    int | None,
    Option("Network evaluations of such a sampler; more are slower and better up to a point.", low=1),
]
Width = Annotated[
    int | None,
    Option(
        "Pieces sampled together (default: 8, or 1 for a model that fills cells in any order). It changes the music "
        "of a seed; larger is faster for many pieces.",
        low=1,
    ),
]

# What the pieces are to be.
Num = Annotated[int, Option("Number of pieces.", low=1)]
PathNum = Annotated[int, Option("Number of pieces, both ends included.", low=2)]
Seed = Annotated[int, Option("The same seed gives the same music.", low=0, high=2**32 - 1)]
Primer = Annotated[
    Any,
    Option(
        "Music to continue: a MIDI, MusicXML or ABC file, or a NoteSequence. Every piece starts with it, unchanged, "
        "and continues in its tempo, metre and key.",
        metavar="FILE",
        is_music=True,
    ),
]
Length = Annotated[
    int | None,
    Option(
        "Largest number of frames (16ths, or events of a performance). A piece that the model does not end within them "
        "is sampled again, seven times at most.",
        low=1,
    ),
]
MinLength = Annotated[int | None, Option("Frames before which the model may not end a piece (default: 8 bars).", low=0)]
Bars = Annotated[
    int | None,
    Option(
        "Number of bars of 4/4, for models of several tracks (default: 16) and for models that are conditioned on the "
        "length of a piece.",
        low=1,
    ),
]
BarRanges = Annotated[
    str | Sequence[Any] | None,
    Option(
        "Bars to fill, such as 5-8 or 0-2,12a, by the numbers that are printed in the score. A repeated bar is filled "
        "each time that it is played. Without printed numbers 1 is the first whole bar and 0 a pickup (default: all).",
        metavar="A-B",
    ),
]
Key = Annotated[
    str | None,
    Option(
        "Key of the piece, such as G or C:minor, for a model that is conditioned on it. A key in the given music has "
        "priority.",
        metavar="TONIC[:MODE]",
    ),
]
Qpm = Annotated[
    float | None,
    Option(
        "Tempo in quarter notes per minute (default: 100). A tempo in the given music has priority.", low=0, above=True
    ),
]
Scale = Annotated[
    str | None, Option("Allows only the pitches of a scale, such as G or A:minor.", metavar="TONIC[:SCALE]")
]
Pitches = Annotated[
    str | tuple[int, int] | None, Option("Allows only MIDI pitches in a range, such as 48-83.", metavar="LOW-HIGH")
]
Chords = Annotated[
    str | None,
    Option(
        'A chord progression such as "C G Am F", repeated: a condition of models that read chords, and a constraint on '
        "the pitches of all others.",
        metavar="CHORDS",
    ),
]
ChordFrames = Annotated[int, Option("Frames of each chord.", low=1)]
Density = Annotated[
    str | tuple[int, int] | None, Option("Least and most onsets in a bar, such as 4-8.", metavar="LOW-HIGH")
]
Allow = Annotated[
    str | Sequence[str] | None,
    Option("The only pitches that are allowed at a place, such as bass@3-4:36-48.", metavar="PLACE:PITCHES,..."),
]
Forbid = Annotated[
    str | Sequence[str] | None,
    Option("Pitches that are not allowed at a place, such as alto@5.2:60,6:72.", metavar="PLACE:PITCHES,..."),
]
Fermatas = Annotated[
    str | Sequence[str] | None,
    Option(
        "Bar and beat of each fermata, such as 2.3,4.3, for a model that is conditioned on them.",
        metavar="BAR.BEAT,...",
    ),
]
Attributes = Annotated[
    str | Mapping[str, int] | None,
    Option(
        "Bins of density (0-9), polyphony and duration (0-5) of a track, such as piano.density=8. The tracks are "
        "melody, bridge and piano.",
        metavar="TRACK.NAME=BIN,...",
    ),
]
Voice = Annotated[
    str,
    Option("The voice that is kept, or that the melody is.", choices=("soprano", "alto", "tenor", "bass")),
]
Voices = Annotated[
    str | Sequence[str] | None,
    Option("Voices to fill, of soprano, alto, tenor and bass (default: all).", metavar="V,V"),
]
Keep = Annotated[
    str | Sequence[Any] | None,
    Option("Notes within the selection that are kept, such as soprano@5.1,bass@6-7.", metavar="PLACE,..."),
]
Vary = Annotated[
    float | None,
    Option("Share of the selected notes that are replaced, chosen at random.", low=0, high=1, above=True),
]
Then = Annotated[
    Any,
    Option("A second phrase, to which the filled bars lead.", metavar="FILE", is_music=True),
]
Gap = Annotated[int, Option("Number of bars between the music and `then`.", low=1)]
Tracks = Annotated[
    str | Sequence[str] | None,
    Option(
        "Tracks that are kept, of melody, bridge and piano (default: melody, or the track that the model accompanies).",
        metavar="T,T",
    ),
]
AsWritten = Annotated[bool, Option("Leaves the repeats of a score as they are written instead of playing them.")]
Quantize = Annotated[
    str | None,
    Option(
        "Grid to which the notes that a model reads move, with the share of the way and the swing ratio, such as 1/8, "
        "1/16,0.5 or 1/8,1,0.66. The result keeps the given notes as they are in the file.",
        metavar="GRID[,STRENGTH[,SWING]]",
    ),
]
LatentName = Annotated[
    str | None,
    Option("Name of the latent vector that moves, for a model with several and no files (default: all)."),
]
FitSteps = Annotated[int, Option("Training steps of the small model of the latent vectors.", low=1)]

# How a model is measured.
Data = Annotated[
    str | None, Option("A corpus, a folder or a prepared data set (default: what the model was trained on).")
]
Split = Annotated[str, Option("Part of the data.", choices=("train", "valid", "test"))]
Draws = Annotated[int, Option("Random draws per piece where the likelihood is estimated.", low=1)]
GivenVoices = Annotated[
    str | Sequence[str] | None,
    Option("Voices of a chorale that are given; the likelihood is that of the others.", metavar="V,V"),
]
FramesPerBar = Annotated[
    int | None, Option("Frames of a bar, such as 12 for 3/4 in 16ths (default: those of 4/4).", low=1)
]
Samples = Annotated[
    int | None, Option("Samples of a GAN (default: 1,000), or melodies of `--rules` (default: 2,000).", low=1)
]
Rules = Annotated[
    bool, Option("Prints the music rules of RL Tuner's table, of the model and of the model that it was tuned from.")
]
Reference = Annotated[
    str, Option("Held-out real music: a folder, or a split of a corpus such as bach-chorales:test.", metavar="DIR")
]
TrainingSet = Annotated[
    str | None,
    Option("The music that the model was trained on (default: the training split of the reference).", metavar="DIR"),
]
CorpusCodec = Annotated[str | None, Option("Codec through which a corpus is read (default: the corpus's usual one).")]
Grid = Annotated[int, Option("Frames of a quarter note.", low=1, high=96)]

# Files and data sets.
WindowBars = Annotated[int | None, Option("Cuts the pieces into windows of this many bars, each once.", low=1)]
Overwrite = Annotated[bool, Option("Replaces files that exist (default: refuse).")]
Bits = Annotated[int, Option("Bits of a weight: 16 for bfloat16, or 8.")]
Merge = Annotated[bool, Option("Merges adapters into the run that they adapt (default: packs them alone).")]
