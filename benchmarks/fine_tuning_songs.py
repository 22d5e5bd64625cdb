"""Writes the songs of the guide to fine-tuning: ten melodies of POP909 to tune on, and the other 33 of its test split.

    python -m benchmarks.fine_tuning_songs

The melodies go to the folders my_midis and others, which must not exist.
"""

from pathlib import Path

from musejax import corpora
from musejax.corpora import preparation
from musejax.music import midi_writing


def main() -> None:
    """Writes both folders."""
    pieces = preparation.of_split(corpora.load("pop909-melody"), "test")
    for folder, part in (("my_midis", pieces[:10]), ("others", pieces[10:])):
        Path(folder).mkdir()
        for piece in part:
            assert piece.sequence is not None
            name = f"{piece.name.replace('/', '-')}.mid"
            (Path(folder) / name).write_bytes(midi_writing.to_bytes(piece.sequence()))


if __name__ == "__main__":
    main()
