"""Music that is given to a model, as its codec reads it: on the grid, in its range, voice by voice.

The model reads a copy. The music itself stays as it is, so that `weaving` can put what is drawn beside it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import codecs
from musejax import vocabulary as vocabularies
from musejax.generation import quantising
from musejax.music import grid, metre, noteseq, timing
from musejax.theory.sixteenths import QUARTER
from musejax.vocabulary.events import KEY

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

Say = Callable[[str], None]
# Types of events that stand for pitches, beside those of the tracks of a roll.
_PITCHES = ("pitch", "key", "melody", "bass")


class Source(NamedTuple):
    """A sequence as a codec reads it.

    Attributes:
        sequence: The sequence, as it is.
        copy: What the codec reads; a second is a quarter of the grid, but for performances.
        voices: Indices of the notes of each part of the codec.
        arrays: What the codec makes of the copy.
        start: Seconds of the copy at which the arrays begin.
        end: Seconds of the copy at which all notes have ended.
        grid: The map between the times of the sequence and of the copy; None where they are the same.
        shift: Semitones by which the model reads the notes higher than they are.
    """

    sequence: "NoteSequence"
    copy: "NoteSequence"
    voices: list[list[int]]
    arrays: codecs.Arrays
    start: float
    end: float
    grid: grid.Grid | None
    shift: int

    def seconds(self, times: np.ndarray) -> np.ndarray:
        """Seconds after the start of the arrays as seconds of the sequence: float64[N]."""
        times = np.asarray(times, np.float64) + self.start
        return times if self.grid is None else self.grid.seconds(times)


def to_stderr(text: str) -> None:
    """Prints one line to standard error."""
    print(text, file=sys.stderr)


def tell_assumptions(sequence: "NoteSequence", say: Say, *, reads_metre: bool = True) -> None:
    """Tells which tempo and time signature are assumed where a sequence has none.

    Args:
        sequence: The music.
        say: Is told.
        reads_metre: Whether the model reads where bars begin.
    """
    name = name_of(sequence)
    if not sequence.tempos:
        say(f"{name}: it has no tempo; {timing.DEFAULT_QPM:g} quarter notes a minute are assumed")
    if reads_metre and not sequence.time_signatures:
        say(f"{name}: it has no time signature; 4/4 from its start is assumed")


def name_of(sequence: "NoteSequence") -> str:
    """The name of a sequence in messages."""
    return sequence.filename or "the sequence"


def read(
    codec: codecs.Codec,
    sequence: "NoteSequence",
    *,
    reader: str,
    say: Say,
    voices: list[list[int]] | None = None,
    given: Sequence[int] | None = None,
    fit: bool = True,
    quantise: quantising.Quantise | None = None,
) -> Source:
    """Reads a sequence for a model.

    Args:
        codec: The model's codec.
        sequence: The music.
        reader: The model's name, for messages.
        say: Is told which notes the model does not read as they are.
        voices: Indices of the notes of each part of the codec; by default those that the codec tells apart.
        given: The parts about which `say` is told; None for all.
        fit: Whether pitches outside the codec's range are read in another octave.
        quantise: A grid to which the notes move before the codec's own.

    Raises:
        errors.DiscardError: The music lies outside the codec's domain.
    """
    vocabulary = codec.vocabulary
    grid.check_start(np.array([note.start_time for note in sequence.notes]))
    voices = codec.voices(sequence) if voices is None else voices
    told = range(len(voices)) if given is None else given
    end = max(n.end_time for n in sequence.notes)
    if vocabulary.has("time_shift"):
        quantising.refuse(quantise, f"codec {vocabulary.name} of {reader}")
        _tell(sequence, voices, voices, {}, reader, say)
        return Source(sequence, sequence, voices, codec.prime(sequence), 0.0, end, None, 0)
    restarting = grid.read(sequence)
    frames = vocabulary.frames_per_quarter or QUARTER
    copy = in_quarters(sequence, restarting)
    kept: list[list[int]] = []
    for voice, indices in enumerate(voices):
        notes = _on_grid(sequence, indices, restarting, vocabulary, quantise)
        kept.append([index for index, _, _ in notes])
        for index, first, last in notes:
            _add(copy, sequence.notes[index], voice, first, last, codec)
    # A score may rest in its last bar.
    last = end if metre.is_score(sequence) else max(end, sequence.total_time)
    total = float(grid.nearest(restarting.quarters(np.array(last)) * frames)) / frames
    copy.total_time = max(total, *(n.end_time for n in copy.notes), 0.0)
    shift, moved = _fit(codec, copy, set(told), fit)
    heard = [kept[v] if v in told else voices[v] for v in range(len(voices))]
    arrays = codec.prime(copy)
    # What does not fit is refused before anything is said of it.
    tell_assumptions(sequence, say, reads_metre=codec.metric or vocabulary.has("bar"))
    _tell(sequence, voices, heard, moved, reader, say)
    return Source(
        sequence, copy, voices, arrays, _start(codec, copy, arrays, frames), copy.total_time, restarting, shift
    )


def in_quarters(sequence: "NoteSequence", placed: grid.Grid) -> "NoteSequence":
    """Returns a sequence at 60 quarters a minute without notes, with the signatures and texts of another."""
    out = noteseq.load().NoteSequence()
    out.source_info.CopyFrom(sequence.source_info)
    out.tempos.add(qpm=60.0)
    for field in ("time_signatures", "key_signatures", "text_annotations"):
        items = getattr(sequence, field)
        times = placed.quarters(np.array([item.time for item in items]))
        for item, time in zip(items, times.tolist(), strict=True):
            new = getattr(out, field).add()
            new.CopyFrom(item)
            new.time = max(time, 0.0)
    return out


def _on_grid(
    sequence: "NoteSequence",
    indices: Sequence[int],
    restarting: grid.Grid,
    vocabulary: vocabularies.Vocabulary,
    quantise: quantising.Quantise | None,
) -> list[tuple[int, float, float]]:
    """Index, start and end in quarters of the notes of a voice that the model reads, by onset.

    A voice of tokens has one note at a time: of notes that begin together the highest stays, and a note ends where the
    next one begins.
    """
    frames = vocabulary.frames_per_quarter or QUARTER
    notes = [sequence.notes[i] for i in indices]
    exact = quantising.apply(quantise, restarting.quarters(grid.note_seconds(notes))) * frames
    if vocabulary.kind == "groove":
        # Offsets from the grid are part of what the model reads.
        return [(i, max(a, 0.0) / frames, b / frames) for i, (a, b) in zip(indices, exact.tolist(), strict=True)]
    spans = grid.spans(np.maximum(exact, 0.0))
    rows = sorted(zip(spans[:, 0].tolist(), [-n.pitch for n in notes], (-spans[:, 1]).tolist(), indices, strict=True))
    if vocabulary.kind != "tokens" or not vocabulary.frames_per_quarter or any(n.is_drum for n in notes):
        return [(index, first / frames, -last / frames) for first, _, last, index in rows]
    alone = [row for at, row in enumerate(rows) if not at or rows[at - 1][0] != row[0]]
    ends = [*(row[0] for row in alone[1:]), np.inf][: len(alone)]
    return [(i, first / frames, min(-last, end) / frames) for (first, _, last, i), end in zip(alone, ends, strict=True)]


def _add(
    copy: "NoteSequence", note: "NoteSequence.Note", voice: int, first: float, last: float, codec: codecs.Codec
) -> None:
    """Adds a note to the copy, in the part of its voice."""
    program = codec.parts[voice].program if codec.parts else note.program
    copy.notes.add(
        start_time=first, end_time=last, pitch=note.pitch, velocity=note.velocity, program=program,
        is_drum=note.is_drum, instrument=voice, part=voice,
    )  # fmt: skip
    if codec.parts and len(copy.part_infos) < len(codec.parts):
        for number, part in enumerate(codec.parts):
            copy.part_infos.add(part=number, name=part.name)
            copy.instrument_infos.add(instrument=number, name=part.name)


def _fit(codec: codecs.Codec, copy: "NoteSequence", told: set[int], fit: bool) -> tuple[int, dict[str, int]]:
    """Transposes the copy as the codec does, and moves its notes into the codec's range if `fit`.

    A piece of which at least half lies outside moves by octaves as a whole, if it fits then. Else single notes move.

    Returns:
        The semitones by which all notes were moved; how many notes of the parts in `told` moved alone, by range.
    """
    if codec.transposition is not None:
        shift = codec.transposition(copy)
        for note in copy.notes:
            note.pitch += shift
        return shift, {}
    ranges = [r for r in codec.vocabulary.ranges if r.type in _PITCHES or r.type.endswith(KEY)]
    notes = [n for n in copy.notes if not n.is_drum]
    if not ranges or not notes or not fit:
        return 0, {}
    low, high = ranges[0].min, ranges[0].max
    shift = common_shift([note.pitch for note in notes], low, high)
    outside = [n for n in notes if not low <= n.pitch + shift <= high]
    for note in notes:
        note.pitch = folded(note.pitch + shift, low, high)
    return shift, {f"{low}..{high}": sum(note.instrument in told for note in outside)}


def common_shift(pitches: Sequence[int], low: int, high: int) -> int:
    """Returns the semitones, whole octaves, by which a model reads all notes of a piece higher than they are.

    There are none unless at least half of the pitches lie outside of `low` to `high`, and all lie inside when moved.
    """
    if 2 * sum(not low <= pitch <= high for pitch in pitches) < len(pitches):
        return 0
    shifts = (12 * octaves for octaves in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7))
    return next((s for s in shifts if low <= min(pitches) + s and max(pitches) + s <= high), 0)


def folded(pitch: int, low: int, high: int) -> int:
    """Returns a pitch moved by octaves to the nearest place from `low` to `high`."""
    if pitch < low:
        return pitch + 12 * -((pitch - low) // 12)
    return pitch + 12 * ((high - pitch) // 12) if pitch > high else pitch


def tell_folded(name: str, count: int, limits: str, reader: str, say: Say) -> None:
    """Tells of notes that a model reads in another octave.

    Args:
        name: What messages call the music.
        count: How many notes.
        limits: The model's range.
        reader: The model's name.
        say: Is told, where there are any.
    """
    if count:
        notes, them = ("note lies", "it") if count == 1 else ("notes lie", "them")
        say(
            f"{name}: {count} {notes} outside {limits}; {reader} reads {them} in another octave, but the result has "
            f"{them} as given"
        )


def _tell(
    sequence: "NoteSequence",
    voices: Sequence[Sequence[int]],
    heard: Sequence[Sequence[int]],
    moved: Mapping[str, int],
    reader: str,
    say: Say,
) -> None:
    """Tells of the notes of a sequence that a model does not read, or reads in another octave."""
    name, everything = name_of(sequence), {i for voice in voices for i in voice}
    missing = len(everything) - sum(len(voice) for voice in heard)
    others = sum(note.velocity > 0 for i, note in enumerate(sequence.notes) if i not in everything)
    for count, what in ((missing, "beside others of the same voice"), (others, "of other parts")):
        if count:
            notes, they = ("note", "it is kept as it is") if count == 1 else ("notes", "they are kept as they are")
            say(f"{name}: {reader} does not read {count} {notes} {what}; {they}")
    for limits, count in moved.items():
        tell_folded(name, count, limits, reader, say)


def _start(codec: codecs.Codec, copy: "NoteSequence", arrays: codecs.Arrays, frames: int) -> float:
    """Seconds of the copy at which its arrays begin: the first note stands in both."""
    first = min(n.start_time for n in copy.notes)
    if codec.vocabulary.kind == "groove":
        lit = np.flatnonzero(arrays["frames"][:, : vocabularies.DRUMS].any(axis=1))[0]
        return float(grid.nearest(first * frames, grid.HALF_WAY) - lit) / frames
    read = min((n.start_time for n in codec.decode(arrays, 60.0).notes), default=0.0)
    return float(grid.nearest((first - read) * frames)) / frames
