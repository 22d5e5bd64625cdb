"""Directions of a MusicXML measure: tempo, dynamics, and words and signs that change the order of playing."""

import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import NamedTuple

from musejax.music import loss_counts, musicxml_instruments, musicxml_jumps, musicxml_losses, musicxml_numbers

# Quarters of the beat unit of a metronome mark.
_UNITS = {
    "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25, "32nd": 0.125,
    "64th": 0.0625, "128th": 0.03125,
}  # fmt: skip
# Velocities of lasting dynamic marks, as MuseScore plays them.
DYNAMICS = {
    "pppppp": 1, "ppppp": 5, "pppp": 10, "ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112,
    "fff": 126, "ffff": 127, "fffff": 127, "ffffff": 127, "fp": 49, "sfp": 49, "sfpp": 33,
}  # fmt: skip
# MusicXML's dynamics are a percentage of this velocity.
FORTE = 90


class Tempo(NamedTuple):
    """A tempo mark.

    Attributes:
        position: Position in quarters from the beginning of the measure.
        qpm: Quarter notes per minute.
        is_sound: Whether the mark is for playback; it then takes precedence over a metronome mark.
    """

    position: Fraction
    qpm: float
    is_sound: bool


class Dynamic(NamedTuple):
    """A change of dynamics.

    Attributes:
        position: Position in quarters from the beginning of the measure.
        velocity: MIDI velocity of the following notes.
    """

    position: Fraction
    velocity: int


class Directions(NamedTuple):
    """The directions of one measure.

    Attributes:
        tempos: Tempo marks.
        dynamics: Changes of dynamics.
        marks: Marks that change the order of playing.
    """

    tempos: list[Tempo]
    dynamics: list[Dynamic]
    marks: musicxml_jumps.Marks


def velocity(percentage: str | None) -> int | None:
    """Returns the MIDI velocity 1..127 of a percentage of forte, or None if the text is not a number."""
    value = musicxml_numbers.decimal(percentage)
    return None if value is None else max(1, min(round(value * FORTE / 100), 127))


def read_direction(
    direction: ET.Element,
    position: Fraction,
    divisions: Fraction,
    out: Directions,
    instruments: dict[str, musicxml_instruments.Instrument],
    losses: loss_counts.Losses,
) -> None:
    """Reads a `<direction>`.

    Args:
        direction: The element.
        position: Position in quarters from the beginning of the measure.
        divisions: Divisions per quarter.
        out: Receives the marks.
        instruments: Instruments of the part; a `<sound>` may change their programs.
        losses: Counts metronome marks without a tempo.
    """
    words: list[str] = []
    signs: list[str] = []
    metronomes: list[ET.Element] = []
    dynamics: list[str] = []
    sounds: list[ET.Element] = []
    for child in direction:
        if child.tag == "direction-type":
            for item in child:
                if item.tag == "words":
                    words.append((item.text or "").strip())
                elif item.tag in ("segno", "coda"):
                    signs.append(item.tag)
                elif item.tag == "metronome":
                    metronomes.append(item)
                elif item.tag == "dynamics":
                    dynamics += [mark.tag for mark in item]
        elif child.tag == "sound":
            sounds.append(child)
        elif child.tag == "offset" and child.get("sound") == "yes":
            position = max(position + musicxml_numbers.fraction(child.text, "an offset") / divisions, Fraction(0))
    text = " ".join(filter(None, words))
    tempos, changes = len(out.tempos), len(out.dynamics)
    has_jumps = False
    for sound in sounds:
        has_jumps |= read_sound(sound, position, divisions, out, instruments, text)
    if not has_jumps and (text or signs):
        musicxml_jumps.read_words(text, signs, position, out.marks)
    lasting = [DYNAMICS[mark] for mark in dynamics if mark in DYNAMICS]
    if dynamics and not lasting:
        del out.dynamics[changes:]  # an accent such as sfz applies to one note
    elif lasting and len(out.dynamics) == changes:
        out.dynamics.append(Dynamic(position, lasting[-1]))
    if len(out.tempos) == tempos and metronomes:
        qpm = _metronome(metronomes[0])
        if qpm is None:
            losses[musicxml_losses.TEMPO] += 1
        else:
            out.tempos.append(Tempo(position, qpm, False))


def read_sound(
    sound: ET.Element,
    position: Fraction,
    divisions: Fraction,
    out: Directions,
    instruments: dict[str, musicxml_instruments.Instrument],
    words: str = "",
) -> bool:
    """Reads a `<sound>`, in a direction or on its own, and returns whether it changes the order of playing.

    Args:
        sound: The element.
        position: Position in quarters from the beginning of the measure.
        divisions: Divisions per quarter.
        out: Receives the marks.
        instruments: Instruments of the part; their programs may change.
        words: The words of the direction.
    """
    for child in sound:
        if child.tag == "offset":
            position = max(position + musicxml_numbers.fraction(child.text, "an offset") / divisions, Fraction(0))
        elif child.tag == "midi-instrument":
            musicxml_instruments.change_program(instruments, child)
    qpm = musicxml_numbers.decimal(sound.get("tempo"))
    if qpm is not None and qpm > 0:
        out.tempos.append(Tempo(position, qpm, True))
    level = velocity(sound.get("dynamics"))
    if level is not None:
        out.dynamics.append(Dynamic(position, level))
    return musicxml_jumps.read_sound(sound, position, out.marks, words)


def _metronome(mark: ET.Element) -> float | None:
    """Returns the quarters per minute of a metronome mark, or None if it has no tempo."""
    speed = re.search(r"[0-9]{1,6}(\.[0-9]{1,6})?", mark.findtext("per-minute") or "")
    unit = _UNITS.get((mark.findtext("beat-unit") or "").strip())
    if speed is None or unit is None or not float(speed.group()):
        return None
    return float(speed.group()) * unit * (2 - 0.5 ** len(mark.findall("beat-unit-dot")))
