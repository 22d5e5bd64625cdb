"""The named voices of a NoteSequence and its bars, for all writers."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from musejax import errors
from musejax.music import exact_times, limits, metre, noteseq, score_annotations

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Bars of all parts of a written score together.
_MAX_BARS = 100_000


class Voice(NamedTuple):
    """The notes of one part or instrument.

    Attributes:
        name: Name, never empty and unique within the sequence.
        program: General MIDI program, 0..127.
        is_drum: Whether pitches are drums.
        part: Part number in the NoteSequence.
        instrument: Instrument number in the NoteSequence, to find its pedal and pitch bends.
        notes: The notes by start, pitch and end.
        indices: Indices of these notes in the NoteSequence.
    """

    name: str
    program: int
    is_drum: bool
    part: int
    instrument: int
    notes: list["NoteSequence.Note"]
    indices: list[int]


class Bar(NamedTuple):
    """One bar; times are quarter notes from the start of the piece.

    Attributes:
        number: Number of the bar: 1 for the first full bar, 0 for a pickup.
        start: Where the bar begins.
        length: Length; a pickup or a cut bar is shorter than its time signature.
        numerator: Numerator of the printed time signature.
        denominator: Denominator of the printed time signature.
        cut: Whether the bar is shorter than its time signature.
    """

    number: int
    start: Fraction
    length: Fraction
    numerator: int
    denominator: int
    cut: bool


def voices(sequence: "NoteSequence") -> list[Voice]:
    """Returns the voices of a sequence, in the order of their part and instrument numbers.

    Names come from `part_infos`, then `instrument_infos`, then the General MIDI program; equal names are numbered.

    Raises:
        errors.UserError: There are no notes, or a pitch is outside 0..127.
    """
    noteseq.load()
    from pretty_midi import program_to_instrument_name

    if not sequence.notes:
        raise errors.UserError("the sequence has no notes; there is nothing to write")
    parts = {info.part: info.name for info in sequence.part_infos}
    instruments = {info.instrument: info.name for info in sequence.instrument_infos}
    groups: dict[tuple[int, int, bool, int], list[tuple[NoteSequence.Note, int]]] = {}
    for index, note in enumerate(sequence.notes):
        if not 0 <= note.pitch <= 127:
            raise errors.UserError(f"a note has pitch {note.pitch}; pitches are 0..127")
        groups.setdefault((note.part, note.instrument, note.is_drum, note.program), []).append((note, index))
    out: list[Voice] = []
    taken: set[str] = set()
    for (part, instrument, is_drum, program), notes in sorted(groups.items()):
        program = min(max(program, 0), 127)
        name = parts.get(part) or instruments.get(instrument) or ""
        name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
        name = name or ("Drums" if is_drum else program_to_instrument_name(program))
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name} {count}"
        taken.add(unique)
        notes.sort(key=lambda item: (item[0].start_time, item[0].pitch, item[0].end_time, item[0].velocity, item[1]))
        ordered, indices = [note for note, _ in notes], [index for _, index in notes]
        out.append(Voice(unique, program, is_drum, part, instrument, ordered, indices))
    return out


def bars(sequence: "NoteSequence", times: exact_times.ExactTimes) -> list[Bar]:
    """Returns the bars from the start to the end of the last note, or of the last rest of a notated piece.

    Bars begin at the annotated bar lines (`score_annotations.BAR_LINE`), if there are any, or else follow from the time
    signatures. A first time signature for a single bar, followed by one for several longer bars, is a pickup. If the
    span of the first signature is not a whole number of bars, the remainder is a pickup.

    Args:
        sequence: The music.
        times: The times of the sequence.

    Raises:
        errors.UserError: There are too many bars.
    """
    end = int(times.notes.max(initial=1))
    if metre.is_score(sequence):
        end = max(end, times.place(sequence.total_time))
    signatures = {0: (4, 4)}
    for s in sorted(sequence.time_signatures, key=lambda s: s.time):
        if s.numerator > 0 and s.denominator > 0:
            signatures[times.place(s.time)] = (s.numerator, s.denominator)
    starts = sorted(start for start in signatures if start < end)
    lines = {times.place(a.time) for a in sequence.text_annotations if a.text == score_annotations.BAR_LINE}
    sections = list(zip(starts, [*starts[1:], end]))
    lengths = [_full_length(*signatures[start], times.divisions) for start in starts]
    limits.check_count(sum((stop - start) / n for (start, stop), n in zip(sections, lengths)), limits.MAX_BARS, "bars")
    spans = [
        [
            Bar(0, Fraction(a, times.divisions), Fraction(b - a, times.divisions), *signatures[start], b - a < length)
            for a, b in _edges(
                start, stop, length, [line for line in sorted(lines) if start < line < stop], stop == end
            )
        ]
        for (start, stop), length in zip(sections, lengths)
    ]
    first, after = spans[0], spans[1] if len(spans) > 1 else []
    if len(first) == 1 and first[0].length < (after[0].length if len(after) > 1 else 0):
        # A signature that holds only for the pickup: print the following one, which lasts.
        first[0] = first[0]._replace(numerator=after[0].numerator, denominator=after[0].denominator, cut=True)
    pickup = first[0].cut and len(first) + len(after) > 1
    return [bar._replace(number=i + (not pickup)) for i, bar in enumerate(bar for span in spans for bar in span)]


def check_size(bars: int, parts: int) -> None:
    """Checks that a score is not too long to write.

    Raises:
        errors.UserError: All parts together have more bars than can be written.
    """
    if bars * parts > _MAX_BARS:
        raise errors.UserError(
            f"it has {bars:,} bars in {parts:,} parts; at most {_MAX_BARS:,} bars can be written in all parts together"
        )


def _full_length(numerator: int, denominator: int, divisions: int) -> int:
    """Returns the length in divisions of a bar of a time signature, at least one."""
    return max(1, round(4 * divisions * numerator / denominator))


def _edges(start: int, stop: int, full: int, lines: Sequence[int], is_last: bool) -> list[tuple[int, int]]:
    """Returns start and end of each bar of one time signature; the last bar of the piece is completed.

    Args:
        start: Place of the signature.
        stop: Place of the next signature, or end of the piece.
        full: Length of the bars.
        lines: Annotated bar lines between the two places.
        is_last: Whether the piece ends at `stop`.
    """
    if lines:
        edges = [start, *lines]
        edges += range(edges[-1] + full, stop, full)
    else:
        edges = list(range(start, stop, full))
        odd = (stop - start) % full
        if not start and odd and stop > full and not is_last:
            edges = [0, *range(odd, stop, full)]
    return list(zip(edges, [*edges[1:], max(stop, edges[-1] + full) if is_last else stop]))
