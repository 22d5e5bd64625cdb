"""Vocabularies of all representations, and their type. NumPy only."""

from musejax.vocabulary.events import HIT, KEY, EventRange, Vocabulary
from musejax.vocabulary.tables import (
    BEATS,
    CHORDS,
    DRUMS,
    KEYS,
    NO_SHARPS,
    chorale,
    drum_bits,
    drums,
    groove,
    melody,
    performance,
    pianoroll,
    rolls,
    sketch,
    tracks,
    trio,
)

__all__ = [
    "BEATS", "CHORDS", "DRUMS", "HIT", "KEY", "KEYS", "NO_SHARPS", "EventRange", "Vocabulary", "chorale", "drum_bits",
    "drums", "groove", "melody", "performance", "pianoroll", "rolls", "sketch", "tracks", "trio",
]  # fmt: skip
