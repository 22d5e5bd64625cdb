"""Tempos, signatures, bar lines and chord symbols of a score in the order of playing."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musejax.music import (
    bar_numbers,
    grid,
    metre,
    musicxml_attributes,
    musicxml_bars,
    musicxml_directions,
    musicxml_measures,
    score_annotations,
    timing,
)
from musejax.music.musicxml_repeats import Played
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


class Score(NamedTuple):
    """A score with the order in which it is played.

    Attributes:
        names: The name of each part.
        parts: The measures of each part.
        spans: The spans of the measures of each part; the same for all parts, unless they have independent bar lines.
        order: The measures in the order of playing.
        starts: For each part, the starts of the measures in the order of playing and the end of the last, in quarters.
    """

    names: Sequence[str]
    parts: Sequence[Sequence[musicxml_measures.Measure]]
    spans: Sequence[Sequence[musicxml_bars.Span]]
    order: Sequence[Played]
    starts: Sequence[Sequence[Fraction]]


def add_tempos(sequence: "NoteSequence", score: Score) -> None:
    """Adds the tempo marks of all parts; a mark for playback and an earlier part take precedence at one place.

    After a jump, the tempo written at its target holds. A score without a mark leads to a sequence without a tempo.
    """
    written = _written_tempos(score)
    by_measure: dict[int, list[tuple[Fraction, int, float]]] = {}
    for (m, position), (part, tempo) in sorted(written.items()):
        by_measure.setdefault(m, []).append((position, part, tempo.qpm))
    before: list[float | None] = [None]
    for m in range(max(map(len, score.parts), default=0)):
        before.append(by_measure[m][-1][2] if m in by_measure else before[-1])
    marks: dict[Fraction, float] = {}
    for at, (m, _) in enumerate(score.order):
        held = before[m]
        if at and m != score.order[at - 1].measure + 1 and held is not None:
            marks[score.starts[0][at]] = held
        for position, part, qpm in by_measure.get(m, ()):
            marks[score.starts[part][at] + position] = qpm
    time, last, current = 0.0, 0.0, timing.DEFAULT_QPM
    for place, qpm in sorted(marks.items()):
        time += (float(place) - last) * 60.0 / current
        last = float(place)
        if not sequence.tempos or qpm != current:
            sequence.tempos.add(time=time, qpm=qpm)
        current = qpm


def _written_tempos(score: Score) -> dict[tuple[int, Fraction], tuple[int, musicxml_directions.Tempo]]:
    """Returns part and tempo by measure and position."""
    out: dict[tuple[int, Fraction], tuple[int, musicxml_directions.Tempo]] = {}
    for part, measures in enumerate(score.parts):
        for m, measure in enumerate(measures):
            for tempo in measure.directions.tempos:
                before = out.get((m, tempo.position))
                # The last of several marks in one part holds.
                if before is None or tempo.is_sound > before[1].is_sound:
                    is_stronger = True
                else:
                    is_stronger = before[0] == part and tempo.is_sound == before[1].is_sound
                if is_stronger:
                    out[m, tempo.position] = part, tempo
    return out


def add_signatures(sequence: "NoteSequence", score: Score) -> None:
    """Adds time and key signatures, and bar lines if they do not follow from the time signatures."""
    if not score.parts:
        return
    spans = score.spans[0]
    bars = musicxml_bars.bars([spans[m] for m, _ in score.order if m < len(spans)])
    for time, (_, signature) in _timed(sequence, musicxml_bars.signatures(bars)):
        sequence.time_signatures.add(time=time, numerator=signature.numerator, denominator=signature.denominator)
    for time, (_, key) in _timed(sequence, _keys(score)):
        mode = sequence.KeySignature.MINOR if key.is_minor else sequence.KeySignature.MAJOR
        sequence.key_signatures.add(time=time, key=key.tonic, mode=mode)
    if not all(musicxml_bars.is_regular(bar) for bar in bars[:-1]):
        for time, _ in _timed(sequence, [(bar.start, None) for bar in bars]):
            sequence.text_annotations.add(time=time, text=score_annotations.BAR_LINE)


def add_numbers(sequence: "NoteSequence", score: Score) -> None:
    """Adds the printed bar numbers to a sequence with time signatures, unless they all equal counted numbers.

    Consecutive measures that make up one bar are counted once.
    """
    names: list[str] = []
    for measures in score.parts:
        names += [measure.name for measure in measures[len(names) :]]
    if not any(name[:1].isdigit() for name in names):
        return
    numbers = bar_numbers.printed(names)
    starts = list(zip(score.starts[0] if score.starts else (), (numbers[m] for m, _ in score.order)))
    frames = [int(grid.nearest(float(start) * QUARTER)) for start, _ in starts]
    beat = metre.read_beats(sequence, grid.total_frames(sequence))
    counted = np.cumsum(beat == 0)
    if all(int(counted[frame]) == number.value for frame, (_, number) in zip(frames, starts) if frame < len(counted)):
        return
    for time, (_, number) in _timed(sequence, starts):
        sequence.text_annotations.add(time=time, text=f"{score_annotations.MEASURE}{number}")


def add_chords(sequence: "NoteSequence", score: Score) -> None:
    """Adds chord symbols; equal symbols of several parts at one place are added once."""
    symbols: dict[tuple[Fraction, str], None] = {}
    for measures, starts in zip(score.parts, score.starts):
        for start, (m, _) in zip(starts, score.order):
            for position, figure in measures[m].chords if m < len(measures) else ():
                symbols.setdefault((start + position, figure))
    kind = sequence.TextAnnotation.CHORD_SYMBOL
    for time, (_, figure) in _timed(sequence, sorted(symbols, key=lambda chord: chord[0])):
        sequence.text_annotations.add(time=time, text=figure, annotation_type=kind)


def _keys(score: Score) -> list[tuple[Fraction, musicxml_attributes.Key]]:
    """Returns the changes of key; if several parts have one at a place, the first part decides."""
    keys: dict[Fraction, musicxml_attributes.Key] = {}
    for measures, starts in zip(score.parts, score.starts):
        part_keys: dict[Fraction, musicxml_attributes.Key] = {}
        before: list[musicxml_attributes.Key | None] = [None]
        for measure in measures:
            before.append(measure.keys[-1][1] if measure.keys else before[-1])
        for at, (start, (m, _)) in enumerate(zip(starts, score.order)):
            if m >= len(measures):
                continue
            key = before[m]
            if at and m != score.order[at - 1].measure + 1 and key is not None:
                part_keys[start] = key
            part_keys.update((start + position, key) for position, key in measures[m].keys)
        keys = part_keys | keys
    out: list[tuple[Fraction, musicxml_attributes.Key]] = []
    for place, key in sorted(keys.items(), key=lambda item: item[0]):
        if not out or out[-1][1] != key:
            out.append((place, key))
    return out


def _timed(sequence: "NoteSequence", items: Sequence[tuple[Fraction, Any]]) -> list[tuple[float, tuple[Fraction, Any]]]:
    """Returns items, whose first field is a place in quarters, with their times in seconds."""
    times = timing.to_seconds(sequence, np.array([float(item[0]) for item in items], np.float64))
    return list(zip(times.tolist(), items))
