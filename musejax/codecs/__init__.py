"""Conversion between NoteSequence and arrays: one representation per file, looked up by name.

A codec is a small record of functions over its vocabulary. Models are trained on its arrays and sample them:
`tokens` int32[T, S] for a vocabulary with several streams, `tokens` int32[L] for a single stream, `frames` uint8[T, V]
for binary frames, `frames` float32[T, V] for grooves, and one int32[T] array for each condition of the vocabulary.
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
# Velocity of every note that is written by a codec without dynamics.
VELOCITY = 80


class Part(NamedTuple):
    """The part that a codec writes for one of its streams.

    Attributes:
        name: Name of the part.
        program: General MIDI program, 0..127.
        is_drum: Whether pitches are drums.
    """

    name: str
    program: int = 0
    is_drum: bool = False


class Codec(NamedTuple):
    """The functions that read and write one representation.

    Attributes:
        vocabulary: The table of ids.
        encode: NoteSequence -> the pieces in it, one dictionary of arrays each. Raises `errors.DiscardError` with a
            short reason if nothing lies within the codec's domain.
        decode: arrays (`tokens` or `frames`, conditions optional), qpm -> NoteSequence.
        prime: NoteSequence -> arrays of a primer. Like `encode`, but no primer is too short, and nothing is added at
            the end. Raises `errors.DiscardError` if the primer does not fit the vocabulary.
        variants: NoteSequence -> the sequences to encode for a training piece (time stretches). Pieces of other splits
            are encoded once, unchanged.
        grammar: () -> the constraint that keeps samples well-formed; None if every sequence of ids is music.
        voices: NoteSequence -> for each part, the indices of the notes that the codec reads. Raises
            `errors.DiscardError` if the parts cannot be identified.
        parts: The parts of the music if there are several, else empty.
        metric: Whether `beat` counts from the bar lines of the music rather than from the first frame.
        transposition: NoteSequence -> the semitones by which `prime` transposes it; None if it never transposes.
        is_music: Whether arrays can be decoded to music; False for a vocabulary that only a data set defines.
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
        """Name of the codec and of its vocabulary."""
        return self.vocabulary.name

    voices: Callable[["NoteSequence"], list[list[int]]] = parts.everything
    parts: tuple[Part, ...] = ()
    metric: bool = False
    transposition: Callable[["NoteSequence"], int] | None = None
    is_music: bool = True


def get(name: str, *, plugin: str = "") -> Codec:
    """Returns the codec with the given name.

    The codec discards music that exceeds `music.limits` before it allocates memory in proportion to the length.

    Args:
        name: Name of the codec.
        plugin: The file that defined the codec when it was last used, for the error message.

    Raises:
        errors.UserError: No codec has this name.
    """
    codec = registry.get("codec", name, plugin=plugin)
    return codec._replace(
        encode=_within_limits(codec.encode), prime=_within_limits(codec.prime), variants=_within_limits(codec.variants)
    )


def for_vocabulary(vocabulary: vocabulary.Vocabulary, *, plugin: str = "") -> Codec:
    """Returns the codec of a run or data set, looked up by the name of its vocabulary.

    Args:
        vocabulary: The vocabulary of the run or data set.
        plugin: The file that defined the codec when the run or data set was made; empty if there was none.

    Raises:
        errors.UserError: The plugin's codec is unknown, or its version differs from that of the vocabulary.
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
    """Wraps a function of a sequence so that it discards a sequence that exceeds `music.limits`."""

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
    """Returns a NoteSequence of notes on a grid, at one tempo.

    Args:
        parts: The parts, in the order of their numbers.
        notes: Part number, first frame, end frame and pitch of each note.
        frames: Total number of frames.
        qpm: Quarter notes per minute.
        frames_per_quarter: Frames per quarter note.
        ticks_per_quarter: Resolution of a MIDI file of the sequence.
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
    """Returns the conditions of unconstrained samples: 4/4, no fermatas, no chords and one key throughout.

    Music with fermatas begins with a pickup of one quarter, as most of Bach's chorales do; other music begins at a bar
    line. The conditions of a primer come first; its beat is continued, and its last key is kept.

    Args:
        vocabulary: The model's vocabulary.
        num: Number of pieces, N.
        length: Number of frames, T.
        primer: Arrays of the primer.
        keys: int[N], the key of each piece (sharps -7..7 as 0..14), used without a primer; None for no sharps or flats.

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
    defaults = {"beat": beat, "fermata": np.zeros(length), "key": np.full(length, NO_SHARPS), "chord": np.zeros(length)}
    out = {}
    for name, size in vocabulary.conditions:
        row = np.asarray(defaults[name] % size, np.int32)
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
