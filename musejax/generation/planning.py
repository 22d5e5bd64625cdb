"""Which cells of a sequence are given, and which are free."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors, zoo
from musejax import vocabulary as vocabularies
from musejax.generation import cells, primers, quantising, source_grid, sources
from musejax.music import bar_numbers

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

VOICES = cells.VOICES

Say = sources.Say
to_stderr = sources.to_stderr


class Plan(NamedTuple):
    """What is asked of a model for one sequence.

    Attributes:
        source: The sequence on the model's grid.
        given: Its given cells, and its conditions.
        redrawn: The notes that are replaced.
    """

    source: source_grid.Source
    given: primers.Given
    redrawn: list[source_grid.Placed]


def harmony(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    voice: str = "soprano",
    *,
    sharps: int | None = None,
    quantise: quantising.Quantise | None = None,
    say: Say = to_stderr,
) -> Plan:
    """What `steering.harmonize` asks of a model; arguments and errors are its own."""
    vocabulary = loaded.codec.vocabulary
    if vocabulary.streams != len(VOICES):
        raise errors.UserError(
            f"{loaded.name} writes codec {vocabulary.name}, which has no voices to harmonise; a model of codec chorale "
            "or chorale-pitches has"
        )
    kept = _voice(voice)
    source = source_grid.read(loaded, sequence, melody=kept, sharps=sharps, quantise=quantise, say=say)
    if not any(n.stream == kept and n.last > n.first for n in source.notes):
        raise errors.UserError(f"{source.name}: its {voice} has no notes to harmonise")
    selected = np.ones((source.length, len(VOICES)), bool)
    selected[:, kept] = False
    return _plan(loaded, source, selected)


def infilling(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    bars: Sequence[tuple[bar_numbers.Bar, bar_numbers.Bar]] | None = None,
    voices: Sequence[str] | None = None,
    *,
    keep: Sequence[cells.Place | int] = (),
    vary: float | None = None,
    seed: int = 0,
    sharps: int | None = None,
    quantise: quantising.Quantise | None = None,
    say: Say = to_stderr,
) -> Plan:
    """What `steering.infill` asks of a model; arguments and errors are its own."""
    vocabulary = loaded.codec.vocabulary
    if vary is not None and not 0 < vary <= 1:
        raise errors.UserError(f"vary is {vary}; it must lie in (0, 1]")
    if not bars and not voices and vary is None:
        raise errors.UserError("nothing is to be filled; name bars, voices or both")
    if vocabulary.frames_per_quarter == 0:
        raise errors.UserError(
            f"{loaded.name} writes codec {vocabulary.name}, which has no grid whose cells could be kept; infilling "
            "needs a model of a codec with frames, such as chorale or melody, and a primer continues any piece"
        )
    if not (vocabulary.has("pitch") or vocabulary.has("key")):
        raise errors.UserError(
            f"{loaded.name} writes codec {vocabulary.name}; only pitched notes of chorales, melodies and binary frames "
            "can be filled in"
        )
    if voices and vocabulary.streams == 1:
        raise errors.UserError(
            f"voices {', '.join(voices)}: codec {vocabulary.name} of {loaded.name} has no voices; name bars alone"
        )
    streams = sorted({_voice(v) for v in voices}) if voices else list(range(vocabulary.streams))
    source = source_grid.read(loaded, sequence, sharps=sharps, quantise=quantise, say=say)
    inside = np.ones(source.length, bool)
    if bars:
        inside[:] = False
        for low, high in bars:
            wanted = source.numbers.inside(low, high)
            if not (source.numbers.has(low) and source.numbers.has(high) and wanted.any()):
                raise errors.UserError(f"bars {low}-{high}: {source.name} has {source.numbers}")
            inside |= wanted
    selected = np.zeros((source.length, vocabulary.streams), bool)
    selected[:, streams] = inside[:, None]
    return _plan(loaded, source, selected, _kept(source, selected, keep, vary, seed))


def _kept(
    source: source_grid.Source, selected: np.ndarray, keep: Sequence[cells.Place | int], vary: float | None, seed: int
) -> set[int]:
    """Indices of the notes of a selection that are kept: those asked for, and all but a share of the rest."""
    kept = {at for at in keep if isinstance(at, int)}
    places = [cells.inside(at, source.numbers, beat_of(source)) for at in keep if isinstance(at, cells.Place)]
    inside = [n for n in source.notes if selected[min(n.first, source.length - 1), n.stream]]
    kept |= {n.number for n in inside if any(p[n.first : n.last, n.stream].any() for p in places)}
    rest = [n.number for n in inside if n.number not in kept]
    if vary is not None and rest:
        redrawn = max(1, round(vary * len(rest)))
        kept |= set(np.random.default_rng([seed, 2]).permutation(rest)[redrawn:].tolist())
    return kept


def beat_of(source: source_grid.Source) -> np.ndarray:
    """Positions in the bar in 16ths: int[T]; of a pick-up as if its bar were whole."""
    place = np.arange(source.length)
    begun = np.maximum.accumulate(np.where(np.diff(source.bars, prepend=source.bars[0]) != 0, place, 0))
    into = place - begun
    first = source.bars == source.bars[0]
    if source.bars[0] == 0:
        into[first] += max(source.bar - int(first.sum()), 0)
    return into


def _voice(name: str) -> int:
    if name.lower() not in VOICES:
        raise errors.UserError(f"voice {name!r} is unknown; the voices are {', '.join(VOICES)}")
    return VOICES.index(name.lower())


def _plan(
    loaded: zoo.Loaded, source: source_grid.Source, selected: np.ndarray, keep: AbstractSet[int] = frozenset()
) -> Plan:
    """The cells that a selection, bool[T, S], leaves given, and those of the notes to be kept within it.

    Raises:
        errors.UserError: It frees no cell.
    """
    vocabulary = loaded.codec.vocabulary
    redrawn = [n for n in source.notes if selected[min(n.first, source.length - 1), n.stream] and n.number not in keep]
    gone = {n.number for n in redrawn}
    kept = [n for n in source.notes if n.number not in gone]
    free, given = selected.copy(), np.zeros(selected.shape, bool)
    for notes, sounds in ((redrawn, free), (kept, given)):
        for n in notes:
            sounds[n.first : n.last, n.stream] = True
    if vocabulary.kind == "bits":
        free = selected
    else:
        free &= ~given
    if not free.any():
        raise errors.UserError(f"{source.name}: nothing is left to draw, a given note sounds throughout")
    cells, free = cells_of(vocabulary, kept, free)
    return Plan(source, primers.Given(cells, free.astype(np.int32), source.conditions), redrawn)


def cells_of(
    vocabulary: vocabularies.Vocabulary, notes: Sequence[source_grid.Placed], free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The given cells of a piece and where cells are free, as a request has them.

    Args:
        vocabulary: The model's.
        notes: The given notes.
        free: bool[T, S].

    Returns:
        int32[T, S] and bool[T, S], with a given frame of END behind where the codec has it; without the axis S for one
        stream; int32[T, V] and bool[T] for bits.
    """
    if vocabulary.kind == "bits":
        frames = np.zeros((len(free), vocabulary.size), np.int32)
        lowest = vocabulary.range("key").min
        for n in notes:
            frames[n.first : n.last, n.pitch - lowest] = 1
        return frames, free[:, 0]
    sounds = np.zeros(free.shape, bool)
    for n in notes:
        sounds[n.first : n.last, n.stream] = True
    if vocabulary.has("rest"):
        out = np.full(free.shape, vocabulary.id("rest"), np.int32)
    else:
        # A rest goes on as a hold; it begins where a note ended, or may have ended.
        out = np.full(free.shape, vocabulary.id("hold"), np.int32)
        out[1:][~sounds[1:] & (sounds | free)[:-1]] = vocabulary.id("note_off")
    for n in notes:
        pitch = vocabulary.id("pitch", n.pitch)
        out[n.first : n.last, n.stream] = vocabulary.id("hold") if vocabulary.has("hold") else pitch
        out[n.first : n.last, n.stream][:1] = pitch
    if vocabulary.has("end"):
        out = np.concatenate([out, np.full_like(out[:1], vocabulary.id("end"))])
        free = np.concatenate([free, np.zeros_like(free[:1])])
    return (out, free) if vocabulary.streams > 1 else (out[:, 0], free[:, 0])
