"""Assembly of a NoteSequence from the measures of all parts of a score, for all file formats.

The bars, the tempo map and the order of playing are computed from all parts.
"""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from musejax.music import (
    limits,
    loss_counts,
    musicxml_bars,
    musicxml_jumps,
    musicxml_losses,
    musicxml_measures,
    musicxml_playback,
    musicxml_repeats,
    musicxml_ties,
    noteseq,
    score_annotations,
    timing,
)

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_RESOLUTION = 480


def assemble(
    names: Sequence[str],
    parts: Sequence[Sequence[musicxml_measures.Measure]],
    spans: Sequence[Sequence[musicxml_bars.Span]],
    losses: loss_counts.Losses,
    *,
    has_common_lines: bool,
    repeats: bool = True,
    sections: Sequence[range] | None = None,
) -> "NoteSequence":
    """Returns the NoteSequence of a score, without titles.

    Args:
        names: Name of each part.
        parts: Measures of each part.
        spans: Spans of the measures of each part.
        losses: Counts repeats that cannot be played.
        has_common_lines: Whether all parts share their bar lines; their spans are then equal.
        repeats: Whether to play repeats, endings and jumps; otherwise the score is read as written.
        sections: Measures of the sections in the order of playing, each with its repeats; None for the whole score.

    Raises:
        errors.UserError: The score exceeds `limits`.
    """
    order = None
    if has_common_lines and repeats:
        order = _order(parts, spans[0] if spans else [], sections, losses)
    elif repeats and any(map(_has_repeats, parts)):
        losses[musicxml_losses.OWN_BARS] += 1
    if order is None:
        order = [musicxml_repeats.Played(measure, 1) for measure in range(max(map(len, spans), default=0))]
    starts = [_starts(row, order) for row in spans]
    limits.check_count(float(max((row[-1] for row in starts), default=0)), limits.MAX_QUARTERS, "quarter notes")
    counts = (len(part[m].notes) for part in parts for m, _ in order if m < len(part))
    limits.check_count(sum(counts), limits.MAX_NOTES, "notes")
    score = musicxml_playback.Score(names, parts, spans, order, starts)
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=_RESOLUTION)
    info = sequence.source_info
    info.parser, info.source_type = info.UNKNOWN_PARSER, info.SCORE_BASED
    musicxml_playback.add_tempos(sequence, score)
    musicxml_playback.add_signatures(sequence, score)
    _add_notes(sequence, score)
    musicxml_playback.add_numbers(sequence, score)
    musicxml_playback.add_chords(sequence, score)
    return sequence


def _order(
    parts: Sequence[Sequence[musicxml_measures.Measure]],
    spans: Sequence[musicxml_bars.Span],
    sections: Sequence[range] | None,
    losses: loss_counts.Losses,
) -> list[musicxml_repeats.Played] | None:
    """Returns the order of playing, or None if it exceeds the limits."""
    marks = [
        musicxml_jumps.combine([measure.directions.marks for measure in measures if measure is not None])
        for measures in itertools.zip_longest(*parts)
    ]
    lengths = [span.length for span in spans]
    order = musicxml_repeats.playing_order(marks, lengths, limits.MAX_BARS, sections)
    counts = [sum(len(part[m].notes) for part in parts if m < len(part)) for m in range(len(spans))]
    if (
        order is None
        or sum(counts[m] for m, _ in order) > limits.MAX_NOTES
        or sum((lengths[m] for m, _ in order), Fraction(0)) > limits.MAX_QUARTERS
    ):
        losses[musicxml_losses.UNFOLDING] += 1
        return None
    return order


def _has_repeats(measures: Sequence[musicxml_measures.Measure]) -> bool:
    """Returns whether a part has repeats or jumps."""
    marks = [measure.directions.marks for measure in measures]
    return any(mark.backward or mark.backward_before or mark.jump is not None for mark in marks)


def _starts(spans: Sequence[musicxml_bars.Span], order: Sequence[musicxml_repeats.Played]) -> list[Fraction]:
    """Returns the start of each measure in the order of playing and the end of the last, in quarters."""
    lengths = (spans[m].length if m < len(spans) else Fraction(0) for m, _ in order)
    return [Fraction(0), *itertools.accumulate(lengths)]


def _add_notes(sequence: "NoteSequence", score: musicxml_playback.Score) -> None:
    """Adds parts, notes, fermatas and lyrics to a sequence that already has its tempos."""
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
