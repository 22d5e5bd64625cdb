"""The MusicVAE family."""

from musejax.models.music_vae.family import (
    DRUMS_2BAR,
    FAMILY,
    GROOVE_4BAR,
    MELODY_2BAR,
    MELODY_2BAR_BIG,
    MELODY_2BAR_CHORDS,
    MELODY_16BAR,
    PLACES_2BAR,
    PLACES_16BAR,
    PRESETS,
    Config,
    Net,
    make,
)

__all__ = [
    "DRUMS_2BAR",
    "GROOVE_4BAR",
    "MELODY_16BAR",
    "MELODY_2BAR",
    "MELODY_2BAR_BIG",
    "MELODY_2BAR_CHORDS",
    "PLACES_16BAR",
    "PLACES_2BAR",
    "FAMILY",
    "PRESETS",
    "Config",
    "Net",
    "make",
]
