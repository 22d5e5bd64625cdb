"""A reader of MusicXML, which converts scores to NoteSequences, based on the XML parser of the standard library.

The score is read measure by measure in exact quarters (`musicxml_measures`). Then `score_assembly` computes the lengths
of measures and the tempo map from all parts (`musicxml_bars`), and plays repeats (`musicxml_repeats`).
"""

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from musejax import errors
from musejax.music import (
    collector,
    limits,
    loss_counts,
    musicxml_bars,
    musicxml_instruments,
    musicxml_local_metres,
    musicxml_measures,
    score_assembly,
    score_tree,
)

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def musicxml_to_sequence(
    path: Path, *, repeats: bool = True, losses: loss_counts.Losses | None = None
) -> "NoteSequence":
    """Reads a MusicXML file, plain or zipped (.mxl).

    All parts share one tempo map and, unless the score specifies otherwise, their bar lines. Notes and keys are at
    concert pitch. Tied notes are merged; grace notes and cue notes are left out. Fermatas, chord symbols and lyrics
    become text annotations (see `score_annotations`), as do bar lines that do not follow from the time signatures, and
    bar numbers that differ from counted ones.

    Args:
        path: The file.
        repeats: Whether to play repeats, endings, D.C., D.S. and coda; otherwise the score is read as written.
        losses: Receives the counts of content that a NoteSequence cannot represent, by kind.

    Returns:
        The NoteSequence, with times in seconds.

    Raises:
        errors.UserError: The file is not MusicXML, is damaged, or exceeds `limits`.
    """
    try:
        with collector.paused():
            sequence = _read(score_tree.read(path), repeats, loss_counts.Losses() if losses is None else losses)
    except (errors.UserError, OSError):
        raise
    except Exception as e:  # any other failure on a damaged file
        raise errors.UserError(errors.failure("it cannot be read as MusicXML", e)) from e
    limits.check(sequence)
    return sequence


def _read(root: ET.Element, repeats: bool, losses: loss_counts.Losses) -> "NoteSequence":
    """Reads the tree of a score."""
    names, parts = _parts(root, losses)
    has_own_lines = any(measure.has_own_lines for measures in parts for measure in measures)
    if has_own_lines:
        spans = [musicxml_bars.own_spans(measures) for measures in parts]
    else:
        counted = loss_counts.Losses()  # a second reading must not count losses twice
        musicxml_local_metres.align(parts, lambda stretches: _parts(root, counted, stretches)[1], losses)
        spans = [musicxml_bars.spans(parts)] * len(parts)
    sequence = score_assembly.assemble(names, parts, spans, losses, has_common_lines=not has_own_lines, repeats=repeats)
    sequence.source_info.encoding_type = sequence.source_info.MUSIC_XML
    _add_titles(sequence, root)
    return sequence


def _parts(
    root: ET.Element, losses: loss_counts.Losses, stretches: musicxml_local_metres.Stretches | None = None
) -> tuple[list[str], musicxml_local_metres.Parts]:
    """Returns the names and the measures of all parts."""
    heads = musicxml_instruments.read_heads(root)
    names, parts, divisions = [], [], Fraction(1)
    for number, (name, measures) in enumerate(_sources(root)):
        head = heads.get(name, musicxml_instruments.Head("", {}))
        names.append(head.name)
        part_stretches = stretches[number] if stretches else None
        # Some programs write divisions only in the first part.
        part, divisions = musicxml_measures.read_part(measures, head, losses, divisions, part_stretches)
        parts.append(part)
    return names, parts


def _sources(root: ET.Element) -> list[tuple[str, list[musicxml_measures.Source]]]:
    """Returns id and measures of each part, from a score ordered by parts or by measures.

    Raises:
        errors.UserError: The document is not a score.
    """
    source = musicxml_measures.Source
    if root.tag == "score-partwise":
        return [
            (part.get("id", ""), [source(measure.attrib, measure) for measure in part.iterfind("measure")])
            for part in root.iterfind("part")
        ]
    if root.tag != "score-timewise":
        raise errors.UserError(f"it cannot be read as MusicXML (it is a document of <{root.tag[:40]}>)")
    parts: dict[str, list[musicxml_measures.Source]] = {}
    for number, measure in enumerate(root.iterfind("measure")):
        for part in measure.iterfind("part"):
            measures = parts.setdefault(part.get("id", ""), [])
            measures += [source({}, ())] * (number - len(measures))
            measures.append(source(measure.attrib, part))
    return list(parts.items())


def _add_titles(sequence: "NoteSequence", root: ET.Element) -> None:
    """Adds title and composers to a sequence."""
    metadata = sequence.sequence_metadata
    titles = (" ".join((root.findtext(path) or "").split()) for path in ("work/work-title", "movement-title"))
    title = next(filter(None, titles), "")
    if title:
        metadata.title = title
    for creator in root.iterfind("identification/creator"):
        name = " ".join((creator.text or "").split())
        if name and creator.get("type") == "composer":
            metadata.composers.append(name)
