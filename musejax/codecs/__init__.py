"""NoteSequence to arrays and back: one representation a file, looked up by name.

A codec is a small record of functions over its vocabulary. Its arrays are what the core trains on and samples:
`tokens` int32[T, S] for a vocabulary of several streams, int32[L] for one, uint8[T, V] `frames` for bits, float32[T, V]
`frames` for groove, and one int32[T] array for each condition of the vocabulary.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from musejax import errors, registry, vocabulary
from musejax.music import limits, noteseq, parts
from musejax.theory.sixteenths import BAR, QUARTER
from musejax.vocabulary import NO_SHARPS

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

    from musejax.base import Constraint

Arrays = dict[str, np.ndarray]
T = TypeVar("T")
# Of the notes of codecs that keep no dynamics.
VELOCITY = 80


class Part(NamedTuple):
    """The part that a codec writes for one of its streams.

    Attributes:
        name: Its name.
        program: General MIDI program, 0..127.
        is_drum: Whether its pitches stand for drums.
    """

    name: str
    program: int = 0
    is_drum: bool = False


class Codec(NamedTuple):
    """How one representation is read and written.

    Attributes:
        vocabulary: The table of its ids.
        encode: NoteSequence -> the pieces found in it (one dictionary of arrays each). Raises `errors.DiscardError`
            with a short reason when there is nothing within the codec's domain.
        decode: arrays (`tokens` or `frames`, conditions optional), qpm -> NoteSequence.
        prime: NoteSequence -> arrays of a primer: as `encode`, but nothing is discarded for being too short and
            nothing is added at the end. Raises `errors.DiscardError` when it does not fit the vocabulary.
        variants: NoteSequence -> the sequences to encode for a training piece (time stretches); the others of a split
            are encoded once, as they are.
        grammar: () -> the constraint that keeps samples well-formed; None where every sequence of ids is music.
        voices: NoteSequence -> for each of its parts the indices of the notes that it reads from. Raises
            `errors.DiscardError` when they cannot be told.
        parts: The parts of the music, for codecs with several; empty for those with one.
        metric: Whether `beat` counts from the bar lines of the music, not from the first frame.
        transposition: NoteSequence -> the semitones by which `prime` moves its notes; None where it moves none.
        is_music: Whether arrays become music; False for a vocabulary that is known by its data set alone.
    """

    vocabulary: vocabulary.Vocabulary
    encode: Callable[["NoteSequence"], list[Arrays]]
    decode: Callable[[Arrays, float], "NoteSequence"]
    prime: Callable[["NoteSequence"], Arrays]
    variants: Callable[["NoteSequence"], list["NoteSequence"]]
    grammar: Callable[[], "Constraint"] | None = None

    record_kind = "codec"

    @property
    def name(self) -> str:
        """The codec's name: that of its vocabulary."""
        return self.vocabulary.name

    voices: Callable[["NoteSequence"], list[list[int]]] = parts.everything
    parts: tuple[Part, ...] = ()
    metric: bool = False
    transposition: Callable[["NoteSequence"], int] | None = None
    is_music: bool = True


def get(name: str, *, plugin: str = "") -> Codec:
    """Returns the codec of a name; it discards music that exceeds `music.limits` before it allocates by time.

    Args:
        name: Its name.
        plugin: The file that it came from when it was last used, for the error message.

    Raises:
        errors.UserError: No codec has this name.
    """
    codec = registry.get("codec", name, plugin=plugin)
    return codec._replace(
        encode=_within_limits(codec.encode), prime=_within_limits(codec.prime), variants=_within_limits(codec.variants)
    )


def for_vocabulary(vocabulary: vocabulary.Vocabulary, *, plugin: str = "") -> Codec:
    """Returns the codec of a run or a data set by the name of its vocabulary.

    Args:
        vocabulary: Its table.
        plugin: The file that its codec came from when it was made; empty where there was none.

    Raises:
        errors.UserError: The codec of the plugin is not known, or has another version than the vocabulary.
    """
    if not plugin and not registry.is_known("codec", vocabulary.name):
        from musejax.codecs import arrays_only

        return arrays_only.make(vocabulary)
    codec = get(vocabulary.name, plugin=plugin)
    if codec.vocabulary.version != vocabulary.version:
        raise errors.UserError(
            f"it has version {vocabulary.version} of codec {vocabulary.name}; this musejax has version "
            f"{codec.vocabulary.version}"
        )
    return codec


def _within_limits(function: Callable[["NoteSequence"], T]) -> Callable[["NoteSequence"], T]:
    """A function of a sequence that discards one larger than music is before it allocates anything by its length."""

    @functools.wraps(function)
    def guarded(sequence: "NoteSequence") -> T:
        message = limits.excess(sequence)
        if message:
            raise errors.DiscardError(message)
        return function(sequence)

    return guarded


def write(
    parts: Sequence[Part],
    notes: Iterable[tuple[int, int, int, int]],
    frames: int,
    qpm: float,
    *,
    frames_per_quarter: int = QUARTER,
    ticks_per_quarter: int = 220,
) -> "NoteSequence":
    """Writes notes on a grid as music at one tempo.

    Args:
        parts: Its parts, one for each number of a part.
        notes: Part, first frame, end frame and pitch of each note.
        frames: Frames in all.
        qpm: Quarter notes a minute.
        frames_per_quarter: The grid.
        ticks_per_quarter: Of a MIDI file of it.
    """
    tick = 60.0 / qpm / frames_per_quarter
    sequence = noteseq.load().NoteSequence(ticks_per_quarter=ticks_per_quarter, total_time=frames * tick)
    sequence.tempos.add(qpm=qpm)
    for number, part in enumerate(parts):
        sequence.part_infos.add(part=number, name=part.name)
        sequence.instrument_infos.add(instrument=number, name=part.name)
    for number, first, end, pitch in notes:
        sequence.notes.add(
            start_time=first * tick, end_time=end * tick, pitch=pitch, velocity=VELOCITY,
            program=parts[number].program, is_drum=parts[number].is_drum, instrument=number, part=number,
        )  # fmt: skip
    return sequence


def free_conditions(
    vocabulary: vocabulary.Vocabulary,
    num: int,
    length: int,
    primer: Arrays | None = None,
    keys: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Conditions of a free sample: 4/4, no fermatas, no chords, one key throughout; a primer's own as far as it goes.

    Music with fermatas begins with a pickup of a quarter, as most of Bach's chorales do; other music begins at the bar.

    Args:
        vocabulary: The model's.
        num: Number of pieces, N.
        length: Number of frames, T.
        primer: Arrays whose conditions stand at the beginning; the beat goes on from its last, and its last key holds.
        keys: int[N], the key of each piece (sharps -7..7 as 0..14); None for no sharps or flats.

    Returns:
        int32[N, T] for each condition.
    """
    beat = np.arange(length)
    if "fermata" in dict(vocabulary.conditions):
        beat = (beat + BAR - QUARTER) % BAR
    elif vocabulary.kind == "tokens":
        beat = beat % BAR
    elif vocabulary.tracks:
        beat = beat % vocabulary.bar
    known = {"beat": beat, "fermata": np.zeros(length), "key": np.full(length, NO_SHARPS), "chord": np.zeros(length)}
    out = {}
    for name, size in vocabulary.conditions:
        row = np.asarray(known[name] % size, np.int32)
        if primer is not None and name in primer:
            done = len(primer[name])
            row[:done] = primer[name]
            if name == "beat" and done:
                bar = BAR if vocabulary.kind == "tokens" else vocabulary.bar if vocabulary.tracks else size
                row[done:] = (primer[name][-1] + 1 + np.arange(length - done)) % bar
            if name == "key" and done:
                row[done:] = primer[name][-1]
        out[name] = np.tile(row, (num, 1))
        if name == "key" and keys is not None and primer is None:
            out[name][:] = np.asarray(keys, np.int32)[:, None]
    return out
