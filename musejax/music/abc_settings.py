"""Settings of a voice of an ABC tune: unit length, metre, key, transposition and instrument."""

import dataclasses
from fractions import Fraction

from musejax.music.musicxml_attributes import Key, Metre

# Values of `%%propagate-accidentals`.
SCOPES = ("not", "octave", "pitch")


@dataclasses.dataclass(slots=True)
class Settings:
    """The settings of a voice; all voices begin with those of the header.

    Attributes:
        unit: The unit note length in quarters.
        metre: The time signature; None before the first.
        accidentals: Semitones by which the key alters steps.
        key: The key as it is written, or None.
        octave: Octaves by which notes are shifted.
        clef_octave: Octaves by which the clef shifts notes.
        transposition: Semitones from written to sounding pitch, from the voice or key field.
        midi_transposition: Semitones from written to sounding pitch, from `%%MIDI transpose`.
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
        """Semitones from written to sounding pitch, without octave shifts."""
        return self.transposition + self.midi_transposition
