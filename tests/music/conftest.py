"""Readers of small MusicXML scores, and pieces to write."""

import numpy as np
import pytest
from small_scores import chorale, polyphony

from musejax.music import loss_counts, musicxml_reading, timing

__all__ = ["chorale", "polyphony"]


@pytest.fixture
def read_score(tmp_path):
    """Reads the text of a score; the remarks about what is left out are its attribute `remarks`."""

    def read(text, **options):
        path = tmp_path / "score.musicxml"
        path.write_text(text)
        losses = loss_counts.Losses()
        sequence = musicxml_reading.musicxml_to_sequence(path, losses=losses, **options)
        read.remarks = loss_counts.remarks(losses)
        return sequence

    return read


@pytest.fixture
def rows():
    """Gives the notes of a sequence, or of one part, as (pitch, onset, duration) in quarters."""

    def notes_of(sequence, part=None):
        notes = [note for note in sequence.notes if part is None or note.part == part]
        places = np.array([(note.start_time, note.end_time) for note in notes]).ravel()
        quarters = timing.to_quarters(sequence, places).reshape(-1, 2).tolist()
        return [(note.pitch, round(a, 4), round(b - a, 4)) for note, (a, b) in zip(notes, quarters)]

    return notes_of
