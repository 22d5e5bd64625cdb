"""MusicXML to NoteSequence, by a reader over the C parser of the standard library.

The score is read measure by measure in exact quarters (`musicxml_measures`). The lengths of measures and the tempo map
follow from all parts together (`musicxml_bars`), and repeats are played out (`musicxml_repeats`).
"""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musejax import errors
from musejax.music import (
    collector,
    limits,
    musicxml_bars,
    musicxml_instruments,
    musicxml_jumps,
    musicxml_losses,
    musicxml_measures,
    musicxml_playback,
    musicxml_repeats,
    musicxml_ties,
    noteseq,
    score_annotations,
    score_tree,
    timing,
)

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_RESOLUTION = 480


def musicxml_to_sequence(
    path: Path, *, repeats: bool = True, losses: musicxml_losses.Losses | None = None
) -> "NoteSequence":
    """Reads a MusicXML file, plain or zipped (.mxl), times in seconds.

    All parts share one tempo map and, unless the score says otherwise, their bar lines. Notes and keys are at concert
    pitch. Tied notes are one note; grace notes and cue notes are left out. Fermatas, chord symbols and lyrics are text
    annotations (see `score_annotations`), as are bar lines wherever time signatures alone do not say where they are,
    and the numbers of measures wherever counting bars does not give them.

    Args:
        path: The file.
        repeats: Whether repeats, endings, D.C., D.S. and coda are played out; otherwise the score is read as written.
        losses: Is given how many things of each kind a NoteSequence cannot hold, so that they are left out.

    Raises:
        errors.UserError: The file is not MusicXML, is damaged, or exceeds `limits`; the message is the reason.
    """
    try:
        with collector.paused():
            sequence = _read(score_tree.read(path), repeats, musicxml_losses.Losses() if losses is None else losses)
    except (errors.UserError, OSError):
        raise
    except Exception as e:  # Whatever else a damaged file provokes.
        raise errors.UserError(errors.failure("it cannot be read as MusicXML", e)) from e
    limits.check(sequence)
    return sequence


def _read(root: ET.Element, repeats: bool, losses: musicxml_losses.Losses) -> "NoteSequence":
    """Reads the tree of a score."""
    heads = musicxml_instruments.read_heads(root)
    names, parts, divisions = [], [], Fraction(1)
    for name, measures in _sources(root):
        head = heads.get(name, musicxml_instruments.Head("", {}))
        names.append(head.name)
        # Some programs write divisions in the first part only.
        part, divisions = musicxml_measures.read_part(measures, head, losses, divisions)
        parts.append(part)
    has_own_lines = any(measure.has_own_lines for measures in parts for measure in measures)
    spans = [] if has_own_lines else musicxml_bars.spans(parts)
    rows = [musicxml_bars.own_spans(measures) for measures in parts] if has_own_lines else [spans] * len(parts)
    order = _order(parts, spans, repeats, losses) if not has_own_lines else None
    if order is None:
        order = [musicxml_repeats.Played(measure, 1) for measure in range(max(map(len, rows), default=0))]
        if has_own_lines and repeats and any(_repeats(measures) for measures in parts):
            losses[musicxml_losses.OWN_BARS] += 1
    starts = [_starts(row, order) for row in rows]
    limits.check_count(float(max((row[-1] for row in starts), default=0)), limits.MAX_QUARTERS, "quarter notes")
    counts = (len(parts[p][m].notes) for p in range(len(parts)) for m, _ in order if m < len(parts[p]))
    limits.check_count(sum(counts), limits.MAX_NOTES, "notes")
    score = musicxml_playback.Score(names, parts, rows, order, starts)
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=_RESOLUTION)
    info = sequence.source_info
    info.parser, info.encoding_type, info.source_type = info.UNKNOWN_PARSER, info.MUSIC_XML, info.SCORE_BASED
    _add_titles(sequence, root)
    musicxml_playback.add_tempos(sequence, score)
    musicxml_playback.add_signatures(sequence, score)
    _add_notes(sequence, score)
    musicxml_playback.add_numbers(sequence, score)
    musicxml_playback.add_chords(sequence, score)
    return sequence


def _sources(root: ET.Element) -> list[tuple[str, list[musicxml_measures.Source]]]:
    """Returns the id and the measures of each part, of a score by parts or by measures.

    Raises:
        errors.UserError: The file holds something else.
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


def _order(
    parts: Sequence[Sequence[musicxml_measures.Measure]],
    spans: Sequence[musicxml_bars.Span],
    repeats: bool,
    losses: musicxml_losses.Losses,
) -> list[musicxml_repeats.Played] | None:
    """Returns the order of playing; None for the score as written."""
    if not repeats:
        return None
    marks = [
        musicxml_jumps.combine([measure.directions.marks for measure in measures if measure is not None])
        for measures in itertools.zip_longest(*parts)
    ]
    order = musicxml_repeats.playing_order(marks, [span.length for span in spans], limits.MAX_BARS)
    counts = [sum(len(part[m].notes) for part in parts if m < len(part)) for m in range(len(spans))]
    lengths = [span.length for span in spans]
    if (
        order is None
        or sum(counts[m] for m, _ in order) > limits.MAX_NOTES
        or sum((lengths[m] for m, _ in order), Fraction(0)) > limits.MAX_QUARTERS
    ):
        losses[musicxml_losses.UNFOLDING] += 1
        return None
    return order


def _repeats(measures: Sequence[musicxml_measures.Measure]) -> bool:
    """Returns whether a part has repeats or leaps."""
    marks = [measure.directions.marks for measure in measures]
    return any(mark.backward or mark.backward_before or mark.jump is not None for mark in marks)


def _starts(spans: Sequence[musicxml_bars.Span], order: Sequence[musicxml_repeats.Played]) -> list[Fraction]:
    """Returns where each measure begins in the order of playing, and where the last one ends, in quarters."""
    lengths = (spans[m].length if m < len(spans) else Fraction(0) for m, _ in order)
    return [Fraction(0), *itertools.accumulate(lengths)]


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


def _add_notes(sequence: "NoteSequence", score: musicxml_playback.Score) -> None:
    """Adds parts, notes, fermatas and lyrics to a sequence that has its tempos."""
    end = max((row[-1] for row in score.starts), default=Fraction(0))
    sequence.total_time = float(timing.to_seconds(sequence, np.array([float(end)]))[0])
    fermatas: set[float] = set()
    syllables: dict[tuple[float, int], str] = {}
    for part, (name, measures, starts) in enumerate(zip(score.names, score.parts, score.starts)):
        sequence.part_infos.add(part=part, name=name)
        played = (
            (start, verse, measures[m].notes) for start, (m, verse) in zip(starts, score.order) if m < len(measures)
        )
        notes = musicxml_ties.played_notes(played)
        places = np.array([(float(note.start), float(note.end)) for note in notes]).ravel()
        times = timing.to_seconds(sequence, places).reshape(-1, 2).tolist()
        for note, (start, stop) in zip(notes, times):
            written = note.written
            length = ((note.end - note.start) / 4).limit_denominator(2**20)
            sequence.notes.add(
                pitch=written.pitch, velocity=written.velocity, start_time=start, end_time=stop,
                numerator=length.numerator, denominator=length.denominator, instrument=written.instrument.channel,
                program=written.instrument.program, is_drum=written.is_drum, part=part, voice=written.voice,
            )  # fmt: skip
            if note.fermata:
                fermatas.add(start)
            if note.syllable:
                syllables.setdefault((start, part), note.syllable)
    for time in sorted(fermatas):
        sequence.text_annotations.add(time=time, text=score_annotations.FERMATA)
    for (time, _), syllable in sorted(syllables.items()):
        sequence.text_annotations.add(time=time, text=score_annotations.LYRIC + syllable)
