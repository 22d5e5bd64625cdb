"""A custom corpus: a collection of files with fixed splits and terms of use.

musejax train melody-lstm --plugin my_corpus.py --data my-songs --workdir r
"""

from pathlib import Path

from musejax.corpora.corpus import Corpus, Piece
from musejax.music import files

FOLDER = Path(__file__).parent / "my_tunes"


def pieces() -> list[Piece]:
    """Returns the tunes; the tunes of one group share a split."""
    tunes = []
    for path in sorted(FOLDER.rglob("*.abc")):
        for number, sequence in enumerate(files.read(path)):
            name = f"{path.stem}-{number}"
            tunes.append(Piece(name, group=name, sequence=lambda sequence=sequence: sequence))
    return tunes


CORPUS = Corpus("my-songs", pieces, summary="tunes from my notebook", terms="composed by me, CC0")
