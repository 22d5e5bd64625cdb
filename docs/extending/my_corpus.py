"""A corpus of one's own: a collection of files with splits and terms that are always the same.

musejax train melody-lstm --plugin my_corpus.py --data my-songs --workdir r
"""

from pathlib import Path

from musejax.corpora.corpus import Corpus, Piece
from musejax.music import files

FOLDER = Path(__file__).parent / "my_tunes"


def pieces() -> list[Piece]:
    """Lists the tunes; a file is read when its piece is encoded, and the tunes of one group share a split."""
    found = []
    for path in sorted(FOLDER.rglob("*.abc")):
        for number, sequence in enumerate(files.read(path)):
            name = f"{path.stem}-{number}"
            found.append(Piece(name, group=name, sequence=lambda sequence=sequence: sequence))
    return found


CORPUS = Corpus("my-songs", pieces, summary="tunes from my notebook", terms="composed by me, CC0")
