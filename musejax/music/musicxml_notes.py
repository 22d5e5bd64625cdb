"""The notes of a MusicXML measure: pitch, length, ties, instrument and words."""

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
        start: Onset in quarters from the beginning of its measure.
        length: Length in quarters.
        pitch: MIDI pitch.
        voice: Number of its voice.
        velocity: MIDI velocity; 0 until the dynamics of its measure are known.
        instrument: The instrument that plays it.
        is_drum: Whether it is a percussion note.
        starts_tie: Whether the next note of its pitch continues it.
        stops_tie: Whether it continues a note before it.
        fermata: Whether a fermata stands over it.
        lyrics: Its syllables by number of the verse.
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
    """What a `<note>` does to the place in its measure.

    Attributes:
        length: Its length in quarters.
        in_chord: Whether it sounds with the note before it.
        is_rest: Whether it is a rest.
        sign: Its note value and dots as printed; empty if the file does not give them.
    """

    length: Fraction
    in_chord: bool
    is_rest: bool
    sign: str


@dataclasses.dataclass(slots=True)
class Context:
    """What notes depend on.

    Attributes:
        instruments: The instruments of the part by id.
        losses: Counts what is left out.
        divisions: Divisions of a quarter.
        transpositions: By staff; None stands for all staves.
        percussion_staves: Whether a staff has a percussion clef; None stands for a clef without a number.
        voices: Numbers of the voices by their names.
        lengths: Quarters by the text of a duration, until the divisions change.
        stretch: By what the lengths of notes are multiplied in a measure with a local time signature; else None.
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
        """Returns the length of a duration.

        Raises:
            errors.UserError: It is not a number from 0 on.
        """
        length = self.lengths.get(duration)
        if length is None:
            length = musicxml_numbers.fraction(duration, "a duration") / self.divisions
            if length < 0:
                raise errors.UserError(f"it cannot be read as MusicXML (a duration of {(duration or '').strip()})")
            self.lengths[duration] = length
        return length

    def voice(self, name: str) -> int:
        """Returns the number of a voice: its name if that is a number, else one that is free."""
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
        context: What it depends on.
        place: Where it stands, in quarters from the beginning of its measure.
        latest: Onset, length and sign of the note before it, with which a note of a chord sounds.
        notes: The notes of its measure.

    Returns:
        How the place in the measure moves on, or None for a grace note.
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
    # A chord has one stem. Some programs forget the dots and tuplets of its further notes in their durations.
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
    """Returns the instrument of a note: the one it names, else the first of its part."""
    if name is not None and name in instruments:
        return instruments[name]
    return next(iter(instruments.values()), _NO_INSTRUMENT)


def _is_percussion(context: Context, staff: str, instrument: musicxml_instruments.Instrument) -> bool:
    """Returns whether a note with a pitch is a percussion note."""
    clefs = context.percussion_staves
    return instrument.channel == 10 and (instrument.percussion is not None or clefs.get(staff, clefs.get(None, False)))


def _pitch(pitch: ET.Element, losses: loss_counts.Losses) -> int | None:
    """Returns the written MIDI pitch, or None where it cannot be read."""
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
    """Adds the text of a `<lyric>` to the syllables of a note; a hyphen at its end says that the word goes on."""
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
