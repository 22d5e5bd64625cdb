"""What every rendering needs from a NoteSequence: its voices by name, musical time, bars and key signatures."""

from typing import TYPE_CHECKING, NamedTuple

from musejax import errors
from musejax.music import grid, noteseq
from musejax.theory.sixteenths import bar_length

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Longer pieces than this many 16ths (about 17 hours at 120 a minute) are damaged files, not music.
_LONGEST = 500_000


class Voice(NamedTuple):
    """The notes of one part or instrument.

    Attributes:
        name: Its name, never empty and unique within the sequence.
        program: General MIDI program, 0..127.
        is_drum: Whether pitches stand for drums.
        instrument: The NoteSequence instrument, to find its pedal and bends.
        notes: Its notes by start, pitch and end.
    """

    name: str
    program: int
    is_drum: bool
    instrument: int
    notes: list["NoteSequence.Note"]


class Bar(NamedTuple):
    """One bar; times are whole 16ths from the start of the piece.

    Attributes:
        number: 1 for the first full bar; a pick-up is 0.
        start: Where it begins.
        length: How long it is; a pick-up or a cut bar is shorter than its signature says.
        numerator: Of the time signature shown.
        denominator: Of the time signature shown.
        cut: Whether it is shorter than its signature says.
    """

    number: int
    start: int
    length: int
    numerator: int
    denominator: int
    cut: bool


def voices(sequence: "NoteSequence") -> list[Voice]:
    """The voices of a sequence, in the order of their part and instrument numbers.

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
    groups: dict[tuple[int, int, bool, int], list[NoteSequence.Note]] = {}
    for note in sequence.notes:
        if not 0 <= note.pitch <= 127:
            raise errors.UserError(f"a note has pitch {note.pitch}; pitches are 0..127")
        groups.setdefault((note.part, note.instrument, note.is_drum, note.program), []).append(note)
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
        notes.sort(key=lambda n: (n.start_time, n.pitch, n.end_time, n.velocity))
        out.append(Voice(unique, program, is_drum, instrument, notes))
    return out


def bars(sequence: "NoteSequence") -> list[Bar]:
    """The bars from the start to the end of the last note.

    Scores show an incomplete bar as a signature of its own. So a first signature for one bar, shorter than the next
    one's, is a pickup, as are the frames by which the first signature's span exceeds whole bars; a short last bar after
    a pickup, and two short bars in a row that make up one, are incomplete bars of the signature before them.

    Raises:
        errors.UserError: The last note ends too late for bars to make sense.
    """
    end = int(grid.spans(grid.note_positions(sequence, sequence.notes)).max())
    if end > _LONGEST:
        raise errors.UserError(f"the last note ends after {end // 4} quarter notes; at most {_LONGEST // 4} will do")
    signatures = {0: (4, 4)}
    marks = sorted(sequence.time_signatures, key=lambda s: s.time)
    for s, place in zip(marks, grid.frames(sequence, [s.time for s in marks]).tolist(), strict=True):
        if s.numerator > 0 and s.denominator > 0:
            signatures[max(place, 0)] = (s.numerator, s.denominator)
    starts = sorted(start for start in signatures if start < end)
    spans = [_span(start, stop, *signatures[start], stop == end) for start, stop in zip(starts, [*starts[1:], end])]
    if len(spans) > 1 and len(spans[0]) == 1 and spans[0][0].length < spans[1][0].length:
        spans[0] = [_under(spans[0][0], spans[1][0])]
    pickup = spans[0][0].cut and spans[0][0].length < _full(spans[0][0])
    for at in range(1, len(spans)):
        before, here = spans[at - 1][-1], spans[at]
        if len(here) == 1 and here[0].length < _full(before):
            after = spans[at + 1] if at + 1 < len(spans) else []
            halves = len(after) == 1 and here[0].length + after[0].length == _full(before)
            if halves or (pickup and not after):
                spans[at : at + 1 + halves] = [[_under(b, before)] for b in [here[0], *(after if halves else [])]]
            elif before.cut and here[0].length + before.length == _full(before) and at > 1:
                spans[at] = [_under(here[0], before)]
    return [bar._replace(number=i + (not pickup)) for i, bar in enumerate(bar for span in spans for bar in span)]


def _span(start: int, stop: int, numerator: int, denominator: int, last: bool) -> list[Bar]:
    """The bars of one time signature, numbered later; the last bar of the piece is drawn whole."""
    full = bar_length(numerator, denominator)
    odd = (stop - start) % full
    edges = list(range(start, stop, full))
    if not start and odd and stop > full and not last:
        edges = [0, *range(odd, stop, full)]
    return [
        Bar(0, a, full if last else b - a, numerator, denominator, not last and b - a < full)
        for a, b in zip(edges, [*edges[1:], stop])
    ]


def _full(bar: Bar) -> int:
    """How long a bar's signature says it is, in 16ths."""
    return bar_length(bar.numerator, bar.denominator)


def _under(bar: Bar, neighbour: Bar) -> Bar:
    """A short bar shown under its neighbour's signature."""
    return bar._replace(numerator=neighbour.numerator, denominator=neighbour.denominator, cut=True)
