"""Measures of a MusicXML score that are not equally long in all parts.

Measures with the same number begin together, even if a part is incomplete: some programs do not write rests, and some
give a full-bar rest another length. Both judges of `benchmarks.score_judges` concatenate the measures of each part
instead, so that parts drift apart. This module therefore fills up such measures before the judges read them.
"""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

# Largest difference in quarters between measures that is due to rounding of tuplets.
_ROUNDING = Fraction(1, 16)


class Extent(NamedTuple):
    """The extent of a measure of one part.

    Attributes:
        length: Length in quarters.
        end: Where the last voice ends, in quarters.
        divisions: Divisions per quarter.
        has_notes: Whether the measure has notes.
    """

    length: Fraction
    end: Fraction
    divisions: Fraction
    has_notes: bool


def even_out(root: ET.Element) -> bool:
    """Makes the measures of a partwise score equally long in all parts; returns whether any measure was changed."""
    parts = [part.findall("measure") for part in root.findall("part")]
    changed = False
    for measures, extents in zip(zip(*parts), zip(*map(_extents, parts))):
        lengths = [extent.length for extent in extents]
        if max(lengths) - min(lengths) < _ROUNDING:
            continue
        changed = True
        length = _length(extents)
        for measure, extent in zip(measures, extents):
            if extent.length > length:
                for child in [child for child in measure if child.tag in ("note", "backup", "forward")]:
                    measure.remove(child)
                extent = extent._replace(length=Fraction(0), end=Fraction(0))
            if extent.length < length:
                if extent.end < extent.length:
                    _add(measure, "forward", extent.length - extent.end, extent.divisions)
                _add(measure, "note", length - extent.length, extent.divisions)
    return changed


def starts(root: ET.Element) -> list[Fraction]:
    """Returns the start of each measure of a partwise score, in quarters, without repeats."""
    rows = zip(*(_extents(part.findall("measure")) for part in root.findall("part")))
    return [Fraction(0), *itertools.accumulate(_length(row) for row in rows)][:-1]


def _length(extents: Sequence[Extent]) -> Fraction:
    """Returns the length of a measure in quarters, determined by the parts with notes."""
    lengths = [extent.length for extent in extents]
    return max((extent.length for extent in extents if extent.has_notes), default=min(lengths))


def _extents(measures: list[ET.Element]) -> list[Extent]:
    out: list[Extent] = []
    divisions = Fraction(1)
    for measure in measures:
        place = furthest = Fraction(0)
        has_notes = False
        for child in measure:
            if child.tag == "attributes":
                divisions = Fraction((child.findtext("divisions") or str(divisions)).strip())
                continue
            if child.tag not in ("note", "backup", "forward") or child.find("grace") is not None:
                continue
            has_notes = has_notes or (child.tag == "note" and child.find("rest") is None)
            if child.find("chord") is None:
                length = Fraction((child.findtext("duration") or "0").strip()) / divisions
                place = max(place + (-length if child.tag == "backup" else length), Fraction(0))
                furthest = max(furthest, place)
        out.append(Extent(furthest, place, divisions, has_notes))
    return out


def _add(measure: ET.Element, tag: str, length: Fraction, divisions: Fraction) -> None:
    element = ET.SubElement(measure, tag)
    if tag == "note":
        ET.SubElement(element, "rest")
    duration = length * divisions
    ET.SubElement(element, "duration").text = str(duration if duration.denominator == 1 else float(duration))
    if tag == "note":
        ET.SubElement(element, "voice").text = "1"
