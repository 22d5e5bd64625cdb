"""Melody, bridge and piano as REMI (Huang and Yang, 2020), tokenised by the package miditok: `remi`.

The array is tokens int32[L], the ids of `miditok.REMI` over a single stream of three programs (52 melody, 48 bridge, 0
piano). Positions and durations are in 16ths, durations are at most 32, every bar has a time signature, and there are no
velocities. `encode` adds EOS. miditok is an optional extra and is imported when this codec is requested. The
vocabulary is the tokenizer's table with its types in lower case, in the order of their ids, and EOS as `end`. The
domain, the assignment of parts to tracks and the grid are those of `tracks`; in addition, bars must be whole quarters.

Lost in encoding: the same as in `tracks`, and the difference between time signatures with bars of equal length.

Tokens survive decode and `encode` if `encode` made them.
"""

import functools
import importlib
import itertools
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from musejax import codecs, errors, vocabulary
from musejax.codecs import song_parts, tracks
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# name -> description in one line
CODECS = {
    "remi": "melody, bridge and piano as miditok's REMI (needs the package miditok)",
}
PROGRAMS = (52, 48, 0)
# Ticks per quarter in the scores that are exchanged with miditok: a tick is a 16th.
_TICKS = QUARTER
# Longest bar and longest note, in quarters.
_QUARTERS = 8


def make(name: str) -> codecs.Codec:
    """Returns the codec `remi`.

    Raises:
        errors.UserError: miditok is not installed.
    """
    tokenizer = _tokenizer()
    vocab = _vocabulary(name, tokenizer.vocab)
    return codecs.Codec(
        vocabulary=vocab,
        encode=lambda sequence: [{"tokens": _encode(tokenizer, [vocab.id("end")], sequence)}],
        decode=lambda arrays, qpm: _decode(tokenizer, vocab.id("end"), arrays, qpm),
        prime=lambda sequence: {"tokens": _encode(tokenizer, [], sequence)},
        variants=lambda sequence: [sequence],
        voices=song_parts.voices,
        parts=song_parts.PARTS,
    )


def _miditok() -> types.ModuleType:
    try:
        return importlib.import_module("miditok")
    except ModuleNotFoundError as e:
        raise errors.UserError(
            f"codec remi needs the package {e.name}, which is not installed; pip install 'miditok>=3.1,<4'"
        ) from e


@functools.cache
def _tokenizer() -> Any:
    miditok = _miditok()
    pitches = vocabulary.tracks().range("pitch")
    config = miditok.TokenizerConfig(
        pitch_range=(pitches.min, pitches.max),
        beat_res={(0, _QUARTERS): _TICKS},
        special_tokens=["PAD", "EOS"],
        use_velocities=False,
        use_programs=True,
        programs=sorted(PROGRAMS),
        use_note_duration_programs=sorted(PROGRAMS),
        use_pitchdrum_tokens=False,
        use_time_signatures=True,
        time_signature_range={4: list(range(1, _QUARTERS + 1))},
        encode_ids_split="no",
    )
    return miditok.REMI(config)


def _vocabulary(name: str, table: dict[str, int]) -> vocabulary.Vocabulary:
    """Converts the tokenizer's table, with texts such as `Pitch_60`, to event ranges.

    Values that are not consecutive integers are numbered from 0.
    """
    ranges = []
    texts = [text.split("_", 1) for text in sorted(table, key=lambda text: table[text])]
    for type, of_type in itertools.groupby(texts, key=lambda text: text[0]):
        values = [value for _, value in of_type]
        first = int(values[0]) if values[0].isdecimal() else 0
        if values != [str(first + i) for i in range(len(values))]:
            first = 0
        type = "end" if type == "EOS" else type.lower()
        ranges.append(vocabulary.EventRange(type, first, first + len(values) - 1))
    return vocabulary.Vocabulary(name=name, version=1, ranges=tuple(ranges), frames_per_quarter=0)


def _encode(tokenizer: Any, end: list[int], sequence: "NoteSequence") -> np.ndarray:
    """Returns tokens int32[L]; raises `errors.DiscardError` if the sequence is outside the domain."""
    import symusic

    music = tracks.read(sequence)
    if (music.sizes % _TICKS).any():
        raise errors.DiscardError("a bar is not a whole number of quarters")
    score: Any = symusic.Score(_TICKS)
    for bar in np.flatnonzero(np.diff(music.sizes, prepend=0)):
        numerator = int(music.sizes[bar]) // _TICKS
        score.time_signatures.append(symusic.TimeSignature(int(music.starts[bar]), numerator, 4))
    for track, program in enumerate(PROGRAMS):
        part: Any = symusic.Track(name=song_parts.NAMES[track], program=program)
        for _, onset, pitch, length in music.notes[music.notes[:, 0] == track].tolist():
            part.notes.append(symusic.Note(onset, length, pitch, codecs.VELOCITY))
        if len(part.notes):
            score.tracks.append(part)
    return np.array([*tokenizer.encode(score).ids, *end], np.int32)


def _decode(tokenizer: Any, end: int, arrays: codecs.Arrays, qpm: float) -> "NoteSequence":
    """Returns a NoteSequence with three parts from tokens int[L], up to `end`."""
    tokens = np.asarray(arrays["tokens"])
    stops = np.flatnonzero(tokens == end)
    ids = tokens[: stops[0] if len(stops) else None].tolist()
    score = tokenizer.decode(_miditok().TokSequence(ids=ids))
    tick = 60.0 / qpm / _TICKS
    notes = [(PROGRAMS.index(p.program), note.start, note.end, note.pitch) for p in score.tracks for note in p.notes]
    sequence = codecs.write(song_parts.PARTS, notes, score.end(), qpm, frames_per_quarter=_TICKS)
    for signature in score.time_signatures:
        sequence.time_signatures.add(
            time=signature.time * tick, numerator=signature.numerator, denominator=signature.denominator
        )
    return sequence
