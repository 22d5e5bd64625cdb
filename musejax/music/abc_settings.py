"""What a voice of an ABC tune goes by: unit length, metre, key, transposition and instrument."""

import dataclasses
from fractions import Fraction

from musejax.music.musicxml_attributes import Key, Metre

# How far accidentals reach, by `%%propagate-accidentals`.
SCOPES = ("not", "octave", "pitch")


@dataclasses.dataclass(slots=True)
class Settings:
    """What a voice goes by; those of the header hold for all voices at first.

    Attributes:
        unit: The unit note length in quarters.
        metre: The time signature; None before the first.
        accidentals: Semitones by which the key alters steps.
        key: The key as it is written; None where there is none.
        octave: Octaves by which notes are shifted.
        clef_octave: Octaves by which the clef shifts them.
        transposition: Semitones from written to sounding pitch that the voice or key asks for.
        midi_transposition: The same of `%%MIDI transpose`.
        program: The MIDI program.
        is_drum: Whether the notes are percussion notes.
        scope: Which notes an accidental alters up to the bar line: `pitch` for those of its letter, `octave` for those
            of its letter and octave, `not` for its own note alone.
    """

    unit: Fraction
    metre: Metre | None
    accidentals: dict[str, int]
    key: Key | None
    octave: int = 0
    clef_octave: int = 0
    transposition: int = 0
    midi_transposition: int = 0
    program: int = 0
    is_drum: bool = False
    scope: str = "pitch"

    @property
    def semitones(self) -> int:
        """Semitones from the written to the sounding pitch, octaves left out."""
        return self.transposition + self.midi_transposition
