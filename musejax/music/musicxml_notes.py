"""The notes of a MusicXML measure: pitch, length, ties, instrument and lyrics."""

import dataclasses
import math
import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import NamedTuple

from musejax import errors
from musejax.music import (
    loss_counts,
    musicxml_attributes,
    musicxml_directions,
    musicxml_instruments,
    musicxml_losses,
    musicxml_numbers,
)
from musejax.theory import pitch_names

_NOTHING = musicxml_attributes.Transposition()
_NO_INSTRUMENT = musicxml_instruments.Instrument()


@dataclasses.dataclass(slots=True)
class WrittenNote:
    """A sounding note as it is written, before ties are joined.

    Attributes:
        start: Onset in quarters from the beginning of the measure.
        length: Length in quarters.
        pitch: MIDI pitch.
        voice: Number of the voice.
        velocity: MIDI velocity; 0 until the dynamics of the measure have been applied.
        instrument: The instrument.
        is_drum: Whether it is a percussion note.
        starts_tie: Whether the next note of this pitch continues it.
        stops_tie: Whether it continues a previous note.
        fermata: Whether it has a fermata.
        lyrics: Syllables by number of the verse.
    """

    start: Fraction
    length: Fraction
    pitch: int
    voice: int
    velocity: int
    instrument: musicxml_instruments.Instrument
    is_drum: bool
    starts_tie: bool
    stops_tie: bool
    fermata: bool
    lyrics: dict[int, str] | None


class Step(NamedTuple):
    """The step in time of a `<note>`.

    Attributes:
        length: Length in quarters.
        in_chord: Whether it sounds together with the previous note.
        is_rest: Whether it is a rest.
        sign: The printed note value and dots; empty if the file does not have them.
    """

    length: Fraction
    in_chord: bool
    is_rest: bool
    sign: str


@dataclasses.dataclass(slots=True)
class Context:
    """The context of the notes of a part.

    Attributes:
        instruments: The instruments of the part by id.
        losses: Counts what is left out.
        divisions: Divisions per quarter.
        transpositions: Transpositions by staff; the key None stands for all staves.
        percussion_staves: Whether a staff has a percussion clef, by staff; the key None stands for an unnumbered clef.
        voices: Numbers of the voices by name.
        lengths: Cache of lengths in quarters by text of a duration, until the divisions change.
        stretch: Factor of the lengths of notes in a measure with a local time signature, else None.
    """

    instruments: dict[str, musicxml_instruments.Instrument]
    losses: loss_counts.Losses
    divisions: Fraction = Fraction(1)
    transpositions: dict[str | None, musicxml_attributes.Transposition] = dataclasses.field(default_factory=dict)
    percussion_staves: dict[str | None, bool] = dataclasses.field(default_factory=dict)
    voices: dict[str, int] = dataclasses.field(default_factory=dict)
    lengths: dict[str | None, Fraction] = dataclasses.field(default_factory=dict)
    stretch: Fraction | None = None

    def transposition(self, staff: str) -> musicxml_attributes.Transposition:
        """Returns the transposition of a staff."""
        return self.transpositions.get(staff) or self.transpositions.get(None) or _NOTHING

    def quarters(self, duration: str | None) -> Fraction:
        """Returns the length of a duration in quarters.

        Raises:
            errors.UserError: The duration is negative or not a number.
        """
        length = self.lengths.get(duration)
        if length is None:
            length = musicxml_numbers.fraction(duration, "a duration") / self.divisions
            if length < 0:
                raise errors.UserError(f"it cannot be read as MusicXML (a duration of {(duration or '').strip()})")
            self.lengths[duration] = length
        return length

    def voice(self, name: str) -> int:
        """Returns the number of a voice: its name if that is a number, else an unused number."""
        number = self.voices.get(name)
        if number is None:
            number = musicxml_numbers.whole(name) or 0
            if not 0 < number < 2**16:
                number = 1 + max(self.voices.values(), default=0)
            self.voices[name] = number
        return number


def read_note(
    element: ET.Element,
    context: Context,
    place: Fraction,
    latest: tuple[Fraction, Fraction, str],
    notes: list[WrittenNote],
) -> Step | None:
    """Reads a `<note>`, and adds it to the notes of its measure if it sounds.

    Args:
        element: The element.
        context: The context of the part.
        place: Current position, in quarters from the beginning of the measure.
        latest: Onset, length and sign of the previous note, with which a note of a chord sounds.
        notes: The notes of the measure.

    Returns:
        The step in time, or None for a grace note.
    """
    pitch = unpitched = lyrics = None
    duration: str | None = None
    sign = ""
    staff, voice, instrument = "1", "1", None
    in_chord = is_cue = is_rest = starts = stops = fermata = False
    for child in element:
        tag = child.tag
        if tag == "pitch":
            pitch = child
        elif tag == "duration":
            duration = child.text
        elif tag == "voice":
            voice = (child.text or "").strip()
        elif tag == "type":
            sign = (child.text or "").strip()
        elif tag == "dot":
            sign += "."
        elif tag == "chord":
            in_chord = True
        elif tag == "rest":
            is_rest = True
        elif tag == "tie":
            starts |= child.get("type") == "start"
            stops |= child.get("type") == "stop"
        elif tag == "notations":
            fermata = fermata or child.find("fermata") is not None
        elif tag == "lyric":
            lyrics = _add_lyric(child, lyrics)
        elif tag == "staff":
            staff = (child.text or "").strip()
        elif tag == "unpitched":
            unpitched = child
        elif tag == "instrument":
            instrument = child.get("id")
        elif tag == "grace":
            if element.find("rest") is None:
                context.losses[musicxml_losses.GRACE] += 1
            return None
        elif tag == "cue":
            is_cue = True
    start, length = latest[:2] if in_chord else (place, Fraction(0))
    # Notes of a chord with the same sign have one length: some programs omit dots and tuplets in the later durations.
    if duration is not None and not (in_chord and sign and sign == latest[2]):
        length = context.quarters(duration)
        if context.stretch is not None and not is_rest:
            length *= context.stretch
    step = Step(length, in_chord, is_rest, sign)
    if is_rest or not length:
        return step
    if is_cue:
        context.losses[musicxml_losses.CUE] += 1
        return step
    played = _instrument(context.instruments, instrument)
    is_drum = unpitched is not None or _is_percussion(context, staff, played)
    sounding = _pitch(pitch, context.losses) if pitch is not None else None
    doubling = 0
    if is_drum and (unpitched is not None or played.percussion is not None):
        sounding = played.percussion
        if sounding is None:
            context.losses[musicxml_losses.PERCUSSION] += 1
            return step
    elif sounding is None:
        context.losses[musicxml_losses.PITCH] += 1
        return step
    elif not is_drum:
        transposition = context.transposition(staff)
        sounding, doubling = sounding + transposition.semitones, transposition.doubling
    velocity = musicxml_directions.velocity(element.get("dynamics")) or 0
    for number in (sounding, sounding + doubling) if doubling else (sounding,):
        if not 0 <= number <= 127:
            context.losses[musicxml_losses.RANGE] += 1
            continue
        notes.append(
            WrittenNote(
                start, length, number, context.voice(voice), velocity, played, is_drum, starts, stops, fermata, lyrics
            )
        )
    return step


def _instrument(
    instruments: dict[str, musicxml_instruments.Instrument], name: str | None
) -> musicxml_instruments.Instrument:
    """Returns the instrument that a note names, or else the first of its part."""
    if name is not None and name in instruments:
        return instruments[name]
    return next(iter(instruments.values()), _NO_INSTRUMENT)


def _is_percussion(context: Context, staff: str, instrument: musicxml_instruments.Instrument) -> bool:
    """Returns whether a pitched note is a percussion note."""
    clefs = context.percussion_staves
    return instrument.channel == 10 and (instrument.percussion is not None or clefs.get(staff, clefs.get(None, False)))


def _pitch(pitch: ET.Element, losses: loss_counts.Losses) -> int | None:
    """Returns the written MIDI pitch, or None if it cannot be read."""
    step, octave, alter = None, None, None
    for child in pitch:
        if child.tag == "step":
            step = pitch_names.STEPS.get((child.text or "").strip())
        elif child.tag == "octave":
            octave = musicxml_numbers.whole(child.text)
        elif child.tag == "alter":
            alter = musicxml_numbers.decimal(child.text)
    if step is None or octave is None:
        return None
    semitones = math.floor((alter or 0.0) + 0.5)
    if alter is not None and semitones != alter:
        losses[musicxml_losses.MICROTONE] += 1
    return 12 * octave + 12 + step + semitones


def _add_lyric(lyric: ET.Element, lyrics: dict[int, str] | None) -> dict[int, str] | None:
    """Adds the text of a `<lyric>` to the syllables of a note, with a hyphen at its end if the word continues."""
    text, hyphen = "", ""
    for child in lyric:
        if child.tag == "text":
            text += (child.text or "").strip()
        elif child.tag == "elision":
            text += " "
        elif child.tag == "syllabic":
            hyphen = "-" if (child.text or "").strip() in ("begin", "middle") else ""
    text = " ".join(text.split())
    if text.endswith("-") and text.strip("- "):
        text, hyphen = text.rstrip("- "), "-"  # Some programs write the hyphen into the text.
    if not text:
        return lyrics
    lyrics = {} if lyrics is None else lyrics
    lyrics.setdefault(musicxml_numbers.whole(lyric.get("number")) or 1 + len(lyrics), text + hyphen)
    return lyrics
