"""The measures of one part of a MusicXML score, with positions in quarters from the beginning of the measure.

Clefs and octave shifts are ignored, because they only affect printing: apart from the transposition of the part, the
pitches in a file are sounding pitches.
"""

import bisect
import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from musejax.music import (
    loss_counts,
    musicxml_attributes,
    musicxml_chords,
    musicxml_directions,
    musicxml_instruments,
    musicxml_jumps,
    musicxml_losses,
    musicxml_notes,
    musicxml_numbers,
    musicxml_ties,
)

# Velocity of notes before the first dynamic mark.
VELOCITY = 64
_START = Fraction(0)


@dataclasses.dataclass(slots=True)
class Measure:
    """One measure of one part.

    Attributes:
        name: The printed number.
        extent: Length of the longest voice, in quarters.
        notes: The sounding notes, by onset.
        rests: Number of rests.
        advances: Whether the measure has any notes, rests or other elements with a duration.
        metre: The current time signature; None before the first.
        changes_metre: Whether the time signature is in this measure.
        keys: Position and key of each change of key.
        chords: Position and figure of each chord symbol.
        directions: Tempos, dynamics and marks that change the order of playing.
        is_implicit: Whether the measure is not counted, like a pickup.
        has_own_lines: Whether the bar lines are independent of other parts.
    """

    name: str
    extent: Fraction
    notes: list[musicxml_notes.WrittenNote]
    rests: int
    advances: bool
    metre: musicxml_attributes.Metre | None
    changes_metre: bool
    keys: list[tuple[Fraction, musicxml_attributes.Key]]
    chords: list[tuple[Fraction, str]]
    directions: musicxml_directions.Directions
    is_implicit: bool
    has_own_lines: bool


class Source(NamedTuple):
    """A measure in the file.

    Attributes:
        attributes: The XML attributes of its `<measure>`.
        children: The child elements.
    """

    attributes: dict[str, str]
    children: Iterable[ET.Element]


@dataclasses.dataclass(slots=True)
class _State:
    """The state that is carried from measure to measure."""

    context: musicxml_notes.Context
    metre: musicxml_attributes.Metre | None = None
    velocity: int = VELOCITY


def read_part(
    measures: Iterable[Source],
    head: musicxml_instruments.Head,
    losses: loss_counts.Losses,
    divisions: Fraction = Fraction(1),
    stretches: Mapping[int, Fraction] | None = None,
) -> tuple[list[Measure], Fraction]:
    """Reads all measures of a part.

    Args:
        measures: The measures.
        head: The entry of the part in the part list; the music may change its instruments.
        losses: Counts what is left out.
        divisions: Divisions per quarter, if the part does not specify them.
        stretches: Factor of the lengths of notes, by index of the measure.

    Returns:
        The measures, and the divisions per quarter at their end.

    Raises:
        errors.UserError: A duration or the number of divisions cannot be read.
    """
    state = _State(musicxml_notes.Context(head.instruments, losses, divisions))
    out = []
    for m, source in enumerate(measures):
        state.context.stretch = stretches.get(m) if stretches else None
        out.append(_read_measure(source, state))
    musicxml_ties.close_ties((measure.extent, measure.notes) for measure in out)
    return out, state.context.divisions


def _read_measure(source: Source, state: _State) -> Measure:
    context, losses = state.context, state.context.losses
    directions = musicxml_directions.Directions([], [], musicxml_jumps.Marks())
    notes: list[musicxml_notes.WrittenNote] = []
    measure = Measure(
        source.attributes.get("number", ""), _START, notes, 0, False, state.metre, False, [], [], directions,
        source.attributes.get("implicit") == "yes" or source.attributes.get("number") == "0",
        source.attributes.get("non-controlling") == "yes",
    )  # fmt: skip
    place, latest = _START, (_START, _START, "")
    for child in source.children:
        tag = child.tag
        if tag == "note":
            note = musicxml_notes.read_note(child, context, place, latest, notes)
            if note is None:
                continue
            if not note.in_chord:
                latest = place, note.length, note.sign
                place += note.length
            measure.rests += note.is_rest
        elif tag == "backup":
            # Programs omit hidden parts of a voice, but include them in `<backup>`.
            place = max(place - context.quarters(child.findtext("duration")), _START)
        elif tag == "forward":
            place += context.quarters(child.findtext("duration"))
        elif tag == "attributes":
            _read_attributes(child, place, measure, state)
            continue
        elif tag == "direction":
            musicxml_directions.read_direction(child, place, context.divisions, directions, context.instruments, losses)
            continue
        elif tag == "sound":
            musicxml_directions.read_sound(child, place, context.divisions, directions, context.instruments)
            continue
        elif tag == "barline":
            musicxml_jumps.read_barline(child, place, directions.marks)
            continue
        elif tag == "harmony":
            _read_harmony(child, place, measure, context)
            continue
        else:
            continue
        if place > measure.extent:
            measure.extent = place
        measure.advances = True
    notes.sort(key=lambda note: note.start)
    state.velocity = apply_dynamics(notes, directions.dynamics, state.velocity)
    state.metre = measure.metre
    return measure


def _read_attributes(attributes: ET.Element, place: Fraction, measure: Measure, state: _State) -> None:
    """Reads `<attributes>`; the first of several keys or time signatures holds."""
    context = state.context
    keys: list[ET.Element] = []
    for child in attributes:
        if child.tag == "divisions":
            context.divisions = musicxml_attributes.read_divisions(child)
            context.lengths.clear()
        elif child.tag == "key":
            keys.append(child)
        elif child.tag == "time" and not measure.changes_metre:
            metre = musicxml_attributes.read_metre(child)
            musicxml_attributes.count_loss(context.losses, musicxml_losses.METRE, metre)
            if metre is not None:
                measure.metre, measure.changes_metre = metre, True
        elif child.tag == "transpose":
            transposition = musicxml_attributes.read_transposition(child)
            if child.get("number") is None:
                context.transpositions.clear()
            context.transpositions[child.get("number")] = transposition
        elif child.tag == "clef":
            context.percussion_staves[child.get("number")] = child.findtext("sign") == "percussion"
    for element in keys[:1]:
        key = musicxml_attributes.read_key(element, context.transposition(element.get("number") or "1").semitones)
        musicxml_attributes.count_loss(context.losses, musicxml_losses.KEY, key)
        if key is not None and not any(context.percussion_staves.values()):
            measure.keys.append((place, key))


def _read_harmony(harmony: ET.Element, place: Fraction, measure: Measure, context: musicxml_notes.Context) -> None:
    """Reads a chord symbol, which may have an offset."""
    staff = harmony.findtext("staff") or "1"
    figure = musicxml_chords.read_chord(harmony, context.transposition(staff).semitones, context.losses)
    if figure is not None:
        offset = musicxml_numbers.decimal(harmony.findtext("offset"))
        shift = Fraction(0) if not offset else Fraction(offset).limit_denominator(10**6) / context.divisions
        measure.chords.append((max(place + shift, _START), figure))


def apply_dynamics(
    notes: list[musicxml_notes.WrittenNote], dynamics: list[musicxml_directions.Dynamic], before: int
) -> int:
    """Sets the velocity of each note of a measure from the dynamics at its onset; returns the velocity at the end."""
    dynamics = sorted(dynamics, key=lambda dynamic: dynamic.position)
    places = [dynamic.position for dynamic in dynamics]
    levels = [before, *(dynamic.velocity for dynamic in dynamics)]
    for note in notes:
        if not note.velocity:
            note.velocity = levels[bisect.bisect_right(places, note.start)] if places else before
    return levels[-1]
