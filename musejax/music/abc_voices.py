"""A voice of an ABC tune: its notes in measures, with places in exact quarters."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from musejax import errors
from musejax.music import (
    abc_bars,
    abc_losses,
    abc_rhythm,
    abc_tokens,
    limits,
    loss_counts,
    musicxml_directions,
    musicxml_jumps,
    musicxml_losses,
    musicxml_measures,
)
from musejax.music.abc_settings import Settings
from musejax.music.musicxml_attributes import Key, Metre
from musejax.music.musicxml_instruments import Instrument
from musejax.music.musicxml_notes import WrittenNote
from musejax.theory import pitch_names

_START = Fraction(0)
# The largest denominator of a place in a measure; 64 bits suffice for any plausible music.
_LARGEST_DENOMINATOR = 2**64


class Group(NamedTuple):
    """A note or chord that can have a syllable.

    Attributes:
        notes: The notes; empty if all of them are left out.
        bar: Index of the measure.
    """

    notes: list[WrittenNote]
    bar: int


class _Latest(NamedTuple):
    """The latest note, chord or rest, to which a broken rhythm or tie can apply."""

    notes: list[WrittenNote]
    length: Fraction
    written: list[abc_tokens.Pitch]


class Voice:
    """A voice that is being read.

    Attributes:
        name: Name of the voice.
        settings: Current settings.
        measures: The finished measures.
        current: The measure that is being read.
        place: Where the next note begins, in quarters from the beginning of that measure.
        line: The notes and chords of the latest line of music, to which the next lines of lyrics belong.
        line_number: Number of that line.
        verses: Number of lines of lyrics that the line has had so far.
    """

    def __init__(self, name: str, number: int, settings: Settings, losses: loss_counts.Losses) -> None:
        """Begins a voice; `number` distinguishes its notes from those of other voices."""
        self.name = name
        self.settings = settings
        self.measures: list[musicxml_measures.Measure] = []
        self.place = _START
        self.line: list[Group] = []
        self.line_number = -1
        self.verses = 0
        self._number = number
        self._losses = losses
        self._velocity = musicxml_measures.VELOCITY
        self._doubles: set[int] = set()
        self._ending: int | None = None
        self._layer = 1
        self._altered: dict[tuple[str, int], int | Fraction] = {}
        self._latest: _Latest | None = None
        self._rhythm = abc_rhythm.Rhythm()
        self._ties: dict[int, list[tuple[abc_tokens.Pitch, int]]] = {}
        self._fermata = self._ends_under_fermata = False
        self._extent = _START  # How far earlier layers of the measure reach.
        self.current = self._new_measure()
        self._write_key()

    def is_empty(self) -> bool:
        """Returns whether the current measure has no notes or rests yet."""
        return not self.current.advances

    def set_metre(self, metre: Metre) -> None:
        """Changes the time signature, which begins a new measure."""
        self.close_measure()
        self.settings.metre = self.current.metre = metre
        self.current.changes_metre = True

    def change(self, changes: Mapping[str, Any]) -> None:
        """Changes settings; a change of key or transposition adds a key to the measure where the next note begins."""
        settings = self.settings
        before = settings.key, settings.semitones, settings.is_drum
        for name, value in changes.items():
            setattr(settings, name, value)
        if "accidentals" in changes:
            self._altered.clear()
        if "key" in changes or (settings.key, settings.semitones, settings.is_drum) != before:
            self._write_key()

    def add_fermata(self) -> None:
        """Adds a fermata to the next note."""
        self._fermata = True

    def add_chord_symbol(self, figure: str) -> None:
        """Adds a chord symbol where the next note begins."""
        self.current.chords.append((self.place, figure))

    def add_tempo(self, qpm: float) -> None:
        """Adds a tempo where the next note begins."""
        self.current.directions.tempos.append(musicxml_directions.Tempo(self.place, qpm, True))

    def add_notes(self, written: Sequence[str], own: str, length: str) -> None:
        """Adds a note, or the notes of a chord, which last as long as its first note.

        Args:
            written: The written pitch of each note.
            own: The written length of the first note.
            length: The written length of the whole chord; empty for a single note.
        """
        quarters = self._rhythm.next_length(own, length, self.settings.unit)
        velocity, instrument = 0, Instrument(self._number, self.settings.program)
        ties = self._ties.pop(self._layer, [])
        pitches = [abc_tokens.read_pitch(text) for text in written]
        notes = []
        for pitch in pitches:
            sounding, is_tied = self._sounding(pitch, ties)
            if not 0 <= sounding <= 127:
                self._losses[musicxml_losses.RANGE] += 1
                continue
            notes.append(
                WrittenNote(
                    self.place, quarters, sounding, self._layer, velocity, instrument, self.settings.is_drum,
                    False, is_tied, self._fermata, None,
                )
            )  # fmt: skip
        self._fermata = self._ends_under_fermata = False
        self.current.notes += notes
        if self._layer == 1:
            self.line.append(Group(notes, len(self.measures)))
        self._advance(_Latest(notes, quarters, pitches))

    def add_grace_notes(self, pitches: Sequence[str]) -> None:
        """Counts grace notes, and remembers their accidentals up to the bar line."""
        self._losses[musicxml_losses.GRACE] += len(pitches)
        for text in pitches:
            self._alteration(abc_tokens.read_pitch(text))

    def add_rest(self, length: str) -> None:
        """Adds a rest of the given length; a fermata over it may belong to the following bar line."""
        self._ends_under_fermata, self._fermata = self._fermata, False
        self._ties.pop(self._layer, None)
        self.current.rests += 1
        self._advance(_Latest([], self._rhythm.next_length(length, "", self.settings.unit), []))

    def add_bars_of_rest(self, count: int) -> None:
        """Adds bars of rest, or whole rests if there is no time signature.

        Raises:
            errors.UserError: There are more bars than a piece may have.
        """
        metre = self.settings.metre
        length = (metre.quarters if metre is not None else None) or Fraction(4)
        limits.check_count(len(self.measures) + count, limits.MAX_BARS, "bars")
        limits.check_count(float(count * length), limits.MAX_QUARTERS, "quarter notes")
        for number in range(count):
            if number:
                self.close_measure()
            self.current.rests += 1
            self._advance(_Latest([], length, []))

    def tie(self) -> None:
        """Ties the latest note or chord to the next."""
        if self._latest is None or not self._latest.notes:
            return
        for note in self._latest.notes:
            note.starts_tie = True
        self._ties[self._layer] = self._tied(self._latest, range(len(self._latest.written)))

    def tie_notes(self, indices: Sequence[int]) -> None:
        """Ties individual notes of the latest chord, given by index."""
        if self._latest is not None and len(self._latest.notes) == len(self._latest.written):
            for index in indices:
                self._latest.notes[index].starts_tie = True
            self._ties[self._layer] = self._tied(self._latest, indices)

    def break_rhythm(self, signs: str) -> None:
        """Lengthens the latest note and shortens the next (`>`), or vice versa (`<`)."""
        if self._latest is None:
            return
        factor = self._rhythm.break_rhythm(signs)
        for note in self._latest.notes:
            note.length *= factor
        length = self._latest.length
        self.place -= length
        self._advance(self._latest._replace(length=length * factor))

    def begin_tuplet(self, text: str) -> None:
        """Begins a tuplet: `3`, `3:2`, `3:2:3` and the like."""
        if not self._rhythm.begin_tuplet(text, self.settings.metre):
            self._losses[abc_losses.CHARACTERS] += 1

    def begin_overlay(self) -> None:
        """Returns to the beginning of the measure for another layer of notes."""
        self._layer += 1
        self.place, self._latest, self._extent = _START, None, self.current.extent

    def end_bar(self, bar: abc_bars.BarLine) -> None:
        """Ends a bar, and reads its repeats and endings."""
        self.close_measure()
        last = self.measures[-1].directions.marks if self.measures else None
        if last is not None:
            last.backward = max(last.backward, bar.backward)
            # After a jump, music ends at a fermata on a double bar line.
            last.fine |= (self._fermata or self._ends_under_fermata) and (bar.is_double or bool(bar.backward))
            if self._ending is not None and (bar.backward or bar.is_double or bar.forward):
                last.ending_stops, self._ending = True, None
        self._fermata = self._ends_under_fermata = False
        if bar.is_double:
            self._doubles.add(len(self.measures))
        if bar.forward:
            self.current.directions.marks.forward = True
        if bar.ending is not None:
            self.begin_ending(bar.ending)

    def begin_ending(self, numbers: tuple[int, ...]) -> None:
        """Begins an ending."""
        self.close_measure()
        if self.measures:
            last = self.measures[-1].directions.marks
            if self._ending is not None:
                last.ending_stops = True
            if min(numbers, default=1) > 1 and not last.backward and last.ending_stops:
                last.backward = 2
                self._losses[abc_losses.REPEATS] += 1
        self.current.directions.marks.ending = numbers
        self._ending = len(self.measures)

    def close_measure(self) -> None:
        """Ends the measure, unless it is empty; an empty one continues with its marks.

        Raises:
            errors.UserError: There are more measures or notes than a piece may have.
        """
        self._altered.clear()
        self._layer = 1
        self._latest = None
        if self.is_empty():
            return
        measure = self.current
        measure.notes.sort(key=lambda note: note.start)
        self._velocity = musicxml_measures.apply_dynamics(measure.notes, measure.directions.dynamics, self._velocity)
        self.measures.append(measure)
        limits.check_count(len(self.measures), limits.MAX_BARS, "bars")
        self.place = self._extent = _START
        self.current = self._new_measure()

    def end_line(self) -> None:
        """Moves a jump or Fine after the last bar line of a line to the preceding measure."""
        marks = self.current.directions.marks
        if self.is_empty() and self.measures:
            last = self.measures[-1].directions.marks
            last.jump, marks.jump = last.jump or marks.jump, None
            last.fine, marks.fine = last.fine or marks.fine, False

    def finish(self) -> None:
        """Ends the voice."""
        self.close_measure()
        self.end_line()
        abc_bars.open_sections([measure.directions.marks for measure in self.measures], self._doubles)

    def _write_key(self) -> None:
        """Adds the key at concert pitch to the measure, or replaces one at the same place."""
        key = self.settings.key
        if self.current.keys and self.current.keys[-1][0] == self.place:
            self.current.keys.pop()
        if key is not None and not self.settings.is_drum:
            self.current.keys.append((self.place, Key((key.tonic + self.settings.semitones) % 12, key.is_minor)))

    def _new_measure(self) -> musicxml_measures.Measure:
        directions = musicxml_directions.Directions([], [], musicxml_jumps.Marks())
        return musicxml_measures.Measure(
            "", _START, [], 0, False, self.settings.metre, False, [], [], directions, False, False
        )

    def _advance(self, latest: _Latest) -> None:
        """Advances by the length of a note, chord or rest.

        Raises:
            errors.UserError: The length is implausible.
        """
        self.place += latest.length
        if self.place.denominator > _LARGEST_DENOMINATOR:
            raise errors.UserError("the lengths of its notes have no plausible common unit")
        self._latest = latest
        self.current.advances = True
        self.current.extent = self.place if not self._extent or self.place > self._extent else self._extent

    def _sounding(self, pitch: abc_tokens.Pitch, ties: list[tuple[abc_tokens.Pitch, int]]) -> tuple[int, bool]:
        """Returns the sounding pitch of a note, and whether it continues a tied note."""
        if pitch.alter is None:
            # A tied note keeps its accidental across the bar line.
            for tied, number in ties:
                if (tied.step, tied.octave) == (pitch.step, pitch.octave):
                    return number, True
        semitones = self._alteration(pitch)
        if isinstance(semitones, Fraction):
            self._losses[musicxml_losses.MICROTONE] += semitones.denominator > 1
            semitones = math.floor(semitones + Fraction(1, 2))
        settings = self.settings
        octave = pitch.octave + 1 + settings.octave + settings.clef_octave
        number = 12 * octave + pitch_names.STEPS[pitch.step] + semitones
        if not settings.is_drum:
            number += settings.semitones
        return number, any(number == other for _, other in ties)

    def _alteration(self, pitch: abc_tokens.Pitch) -> int | Fraction:
        """Returns the alteration of a note in semitones, and remembers its accidental up to the bar line."""
        octave = pitch.octave if self.settings.scope == "octave" else 0
        if pitch.alter is None:
            before = self._altered.get((pitch.step, octave))
            return self.settings.accidentals.get(pitch.step, 0) if before is None else before
        if self.settings.scope != "not":
            self._altered[pitch.step, octave] = pitch.alter
        return pitch.alter

    @staticmethod
    def _tied(latest: _Latest, indices: Sequence[int]) -> list[tuple[abc_tokens.Pitch, int]]:
        if len(latest.notes) != len(latest.written):
            return []
        return [(latest.written[index], latest.notes[index].pitch) for index in indices]
