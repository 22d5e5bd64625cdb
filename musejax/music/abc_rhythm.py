"""Lengths of the notes of an ABC voice: unit lengths, tuplets and broken rhythms."""

from fractions import Fraction

from musejax.music import abc_tokens, limits
from musejax.music.musicxml_attributes import Metre

# Number of plain notes in whose time the notes of a tuplet are played; for other tuplets it depends on the metre.
_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
# Notes of a tuplet beyond which a number is a mistake.
_MOST_NOTES = 99
# Signs of a broken rhythm beyond which more have no effect.
_MOST_SIGNS = 8


class Rhythm:
    """The state of a voice that changes the lengths of its next notes."""

    def __init__(self) -> None:
        """Begins without a tuplet or broken rhythm."""
        self._broken: Fraction | None = None
        self._tuplet = (Fraction(1), 0)
        self._lengths: dict[tuple[str, str, Fraction], Fraction] = {}

    def next_length(self, own: str, length: str, unit: Fraction) -> Fraction:
        """Returns the length in quarters of the next note, chord or rest.

        Args:
            own: The length of the note or rest, or of the first note of the chord, as it is written.
            length: The length of the whole chord as it is written.
            unit: The unit note length in quarters.

        Raises:
            errors.UserError: The length is implausible.
        """
        factor, self._broken = self._broken, None
        times, left = self._tuplet
        if left:
            factor = times if factor is None else factor * times
            self._tuplet = times, left - 1
        plain = self._quarters(own, length, unit)
        return plain if factor is None else plain * factor

    def break_rhythm(self, signs: str) -> Fraction:
        """Begins a broken rhythm (`>`, `>>`, `<` and the like).

        Returns:
            The factor by which the previous note is shortened or lengthened; the next note changes inversely.
        """
        short = Fraction(1, 2 ** min(len(signs), _MOST_SIGNS))
        if signs[0] == ">":
            self._broken = short
            return 2 - short
        self._broken = 2 - short
        return short

    def begin_tuplet(self, text: str, metre: Metre | None) -> bool:
        """Begins a tuplet, such as `3` or `5:4:6`; returns whether it is valid.

        Args:
            text: The number of notes, the number of plain notes in whose time they are played, and the number of notes
                to which this applies.
            metre: The time signature: five, seven or nine notes last as long as three in a compound one, else as two.
        """
        count, time, notes = (int(number[:4] or 0) for number in [*text.split(":"), "", ""][:3])
        if not 1 < count <= _MOST_NOTES or time > _MOST_NOTES:
            return False
        is_compound = metre is not None and metre.denominator == 8 and metre.numerator in (6, 9, 12)
        self._tuplet = Fraction(time or _TUPLETS.get(count, 3 if is_compound else 2), count), notes or count
        return True

    def _quarters(self, own: str, length: str, unit: Fraction) -> Fraction:
        """Returns the length of a note in quarters, from the written lengths of the note and of its chord."""
        quarters = self._lengths.get((own, length, unit))
        if quarters is None:
            quarters = abc_tokens.read_length(own) * abc_tokens.read_length(length) * unit
            limits.check_count(float(quarters), limits.MAX_QUARTERS, "quarter notes")
            self._lengths[own, length, unit] = quarters
        return quarters
