"""Conversion between time signatures and the beat of every frame.

The beat of a frame is its position in the bar in 16ths, 0 at the bar line, modulo `vocabulary.BEATS`. Scores may split
a bar where a section is repeated, begin with a pickup and end with a bar that is shortened by the pickup. The MusicXML
reader gives an irregular bar its own time signature; MIDI files often do not. The rules are:

* A first bar that is shorter than the ordinary bar is a pickup: it ends at a bar line and begins inside the bar.
* If the span of the first signature is not a whole number of bars, the odd frames come first, as a pickup.
* Consecutive short bars that make up exactly one or two ordinary bars are counted as such.
* Every other bar counts from 0.

The ordinary bar is the bar length that fills most of the piece.
"""

import collections
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musejax import vocabulary
from musejax.music import grid, score_annotations, timing
from musejax.theory.sixteenths import BAR, bar_length

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def is_score(sequence: "NoteSequence") -> bool:
    """Returns whether a sequence comes from a written score, in MusicXML or ABC."""
    info = sequence.source_info
    return info.encoding_type in (info.MUSIC_XML, info.ABC)


def read(sequence: "NoteSequence", restarting: grid.Grid | None = None) -> list[tuple[int, int]]:
    """Returns the time signatures of a sequence: (frame, bar length) in 16ths, ordered by frame.

    Args:
        sequence: The music.
        restarting: The grid that restarts at each time signature, to return frames of that grid; None for the plain
            grid.
    """
    signatures = [s for s in sequence.time_signatures if s.numerator > 0 and s.denominator > 0]
    times = np.array([s.time for s in signatures])
    frames = grid.frames(sequence, times) if restarting is None else restarting.split(times)[0]
    lengths = [bar_length(s.numerator, s.denominator) for s in signatures]
    return sorted(zip(frames.tolist(), lengths), key=lambda s: s[0])


def read_beats(sequence: "NoteSequence", length: int) -> np.ndarray:
    """Returns the beat of every frame, computed by `beats` from the time signatures of a sequence."""
    return beats(read(sequence), length)


def usual_bar(beat: np.ndarray) -> int | None:
    """Returns the bar length that fills most of a piece, or None if there is no whole bar.

    Args:
        beat: int[T], 0 at each bar line.
    """
    sizes = collections.Counter(np.diff(np.flatnonzero(beat == 0)).tolist())
    return max(sizes, key=lambda size: (sizes[size] * size, size)) if sizes else None


def read_lines(sequence: "NoteSequence") -> list[tuple[int, int]]:
    """Returns time signatures like `read`, and repeats the current one at each bar line that is annotated.

    Bar lines are annotated with `score_annotations.BAR_LINE`; `beats` starts to count again at each of them.
    """
    marked = read(sequence)
    times = np.array([a.time for a in sequence.text_annotations if a.text == score_annotations.BAR_LINE])
    lines = []
    for frame in grid.frames(sequence, times).tolist():
        lines.append((frame, next((size for start, size in reversed(marked) if start <= frame), BAR)))
    return sorted([*marked, *lines], key=lambda s: s[0])


def drop_irregular(sequence: "NoteSequence") -> None:
    """Removes the time signatures of irregular bars: of a pickup, and of single bars between bars of one metre.

    Representations that split music at each time signature then read a tune as a whole.
    """
    marks = sorted((s for s in sequence.time_signatures if s.numerator > 0 and s.denominator > 0), key=lambda s: s.time)
    places = timing.to_quarters(sequence, np.array([mark.time for mark in marks])).tolist()
    sizes = [4 * mark.numerator / mark.denominator for mark in marks]
    spans = [after - place for place, after in zip(places, [*places[1:], math.inf])]
    lasting = [i for i, (span, size) in enumerate(zip(spans, sizes)) if span > 1.5 * size]
    kept: list[tuple[float, int, int]] = []
    for i, mark in enumerate(marks):
        metre = mark.numerator, mark.denominator
        later = next((j for j in lasting if j > i), None)
        if i not in lasting and later is not None:
            after = marks[later].numerator, marks[later].denominator
            is_pickup = not kept and later == 1 and sizes[0] < sizes[1]
            if is_pickup or (kept and kept[-1][1:] == after):
                continue
        if not kept or kept[-1][1:] != metre:
            kept.append((mark.time if kept or not i else marks[0].time, *metre))
    del sequence.time_signatures[:]
    for time, numerator, denominator in kept:
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=denominator)


def write(sequence: "NoteSequence", signatures: Sequence[tuple[int, int]], seconds_per_frame: float) -> None:
    """Adds time signatures of (frame, bar length) in 16ths to a sequence."""
    for frame, length in signatures:
        numerator, denominator = fraction(length)
        sequence.time_signatures.add(time=frame * seconds_per_frame, numerator=numerator, denominator=denominator)


def fraction(length: int) -> tuple[int, int]:
    """Returns the usual time signature of a bar length in 16ths: 16 is 4/4, 12 is 3/4, 24 is 3/2, 32 is 4/2."""
    if length in (24, 32):
        return length // 8, 2
    for unit in (4, 2):
        if length % unit == 0:
            return length // unit, BAR // unit
    return length, BAR


def beats(signatures: Sequence[tuple[int, int]], length: int) -> np.ndarray:
    """Returns the beat of every frame and of the place after the last: int32[length + 1].

    Args:
        signatures: (frame, bar length) in 16ths, ordered by frame, as `read` returns.
        length: Number of frames.
    """
    bars = _bars(_sections(signatures, length), length)
    out = np.zeros(length + 1, np.int64)
    ends = [*(start for start, _ in bars[1:]), length + 1]
    for (start, _), end, offset in zip(bars, ends, _offsets(bars, length)):
        out[start:end] = np.arange(len(out[start:end])) + offset
    return (out % vocabulary.BEATS).astype(np.int32)


def signatures(beat: np.ndarray) -> list[tuple[int, int]]:
    """Returns time signatures from which `beats` restores the given beat; empty if the beat is 0 throughout.

    The beat may include the place after the last frame.

    Args:
        beat: int[L]; a bar begins wherever the beat is 0 or does not continue the previous one.
    """
    beat = np.asarray(beat)
    if not beat.any():
        return []
    steps = (beat[1:] == 0) | (beat[1:] != (beat[:-1] + 1) % vocabulary.BEATS)
    starts = [0, *(np.flatnonzero(steps) + 1).tolist()]
    sizes = np.diff([*starts, len(beat)]).tolist()
    # The length of the bar to which a pickup would belong.
    whole = int(beat[0]) + sizes[0]
    if beat[0] and len(starts) == 1:
        # The length of the whole bar is needed even if nothing follows the pickup.
        return [(0, sizes[0]), (sizes[0], whole)]
    # The last bar may continue after the last frame: take the first length that leads to the same beat.
    last = sizes.pop()
    lengths = [
        whole if len(sizes) == 1 and beat[0] else sizes[-1] if sizes else BAR,
        whole,
        *sizes,
        *range(last, vocabulary.BEATS + 1),
    ]
    choices = [_changes(zip(starts, [*sizes, size])) for size in dict.fromkeys(lengths) if size >= last]
    return next((c for c in choices if (beats(c, len(beat) - 1) == beat).all()), choices[0])


def _changes(bars: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the bars, (frame, length), whose length differs from that of the bar before."""
    out: list[tuple[int, int]] = []
    for frame, length in bars:
        if not out or length != out[-1][1]:
            out.append((frame, length))
    return out


def _sections(signatures: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Returns at most one signature per frame, the first at 0; of several, one whose bars fill the span to the next."""
    grouped: dict[int, list[int]] = {0: []}
    for frame, bar in signatures:
        if frame <= length + 1:
            grouped.setdefault(max(frame, 0), []).append(bar)
    ends = [*list(grouped)[1:], length]
    out = []
    for (frame, bars), end in zip(grouped.items(), ends):
        choices = bars or [BAR]
        out.append((frame, next((c for c in choices if (end - frame) % c == 0), choices[0])))
    return out


def _bars(sections: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Returns start and size of every bar, up to the one that contains the place after the last frame."""
    bars = []
    for i, (start, size) in enumerate(sections):
        last = i + 1 == len(sections)
        end = max(start, length) + 1 if last else sections[i + 1][0]
        span = (length if last else end) - start
        odd = span % size
        if odd and i == 0 and not last:
            bars.append((start, odd))
            start += odd
        while start < end:
            bars.append((start, size if last else min(size, end - start)))
            start += size
    return bars


def _offsets(bars: list[tuple[int, int]], length: int) -> list[int]:
    """Returns the beat at which each bar of `_bars` begins."""
    weights: collections.Counter[int] = collections.Counter()
    for _, size in bars:
        weights[size] += size
    ordinary = max(weights, key=lambda size: (weights[size], size))
    offsets = [0] * len(bars)
    # A bar that begins at or after the end of the piece only contributes its length.
    count = sum(start < length for start, _ in bars)
    i = 0
    while i < count:
        j = i
        while j < count and bars[j][1] < ordinary:
            j += 1
        short = [size for _, size in bars[i:j]]
        if i == 0 and short and sum(short) != ordinary:
            offsets[0] = ordinary - short[0]
            i, short = 1, short[1:]
        sums = np.cumsum(short).tolist()
        if sums and ordinary in sums and sums[-1] in (ordinary, 2 * ordinary):
            offsets[i:j] = [s % ordinary for s in [0, *sums[:-1]]]
        i = max(j, i) + 1
    return offsets
