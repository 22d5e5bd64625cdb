"""Cells by place, as people name them: a voice, bars, a beat; what may stand there, which notes of it are kept."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musejax import errors, zoo
from musejax.base import Constraint
from musejax.codecs import chorale
from musejax.decoding import constraints
from musejax.generation import piece_forms
from musejax.music import bar_numbers, grid, limits, metre, noteseq, score_annotations, timing
from musejax.theory.sixteenths import QUARTER

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

VOICES = tuple(voice.lower() for voice in chorale.VOICES)
_PLACE = re.compile(r"(?:([a-z]+)@)?(\w{1,15}(?:-\w{1,15})?)(?:\.(\d{1,2}))?")
_PITCHES = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


class Place(NamedTuple):
    """Where cells lie.

    Attributes:
        voice: A name of VOICES; None for all.
        first: The first bar, by its number (see `bar_numbers`).
        last: The last bar, included.
        beat: The quarter of each of these bars, from 1; None for whole bars.
    """

    voice: str | None
    first: bar_numbers.Bar
    last: bar_numbers.Bar
    beat: int | None


class Rule(NamedTuple):
    """Pitches from `low` to `high`, both included, at a place."""

    place: Place
    low: int
    high: int


def place(text: str) -> Place | None:
    """A place such as alto@5-8, bass@3.2 or 4; None for what is none."""
    found = _PLACE.fullmatch(text.strip().lower())
    if not found or (found[1] and found[1] not in VOICES) or found[3] == "0":
        return None
    ends = bar_numbers.parse_range(found[2])
    return Place(found[1], *ends, int(found[3]) if found[3] else None) if ends else None


def rule(text: str) -> Rule | None:
    """A place and pitches, such as alto@5-8:60-67 or 3.1:62; None for what is none."""
    where, _, pitches = text.partition(":")
    found, at = _PITCHES.fullmatch(pitches.strip()), place(where)
    if not found or at is None or int(found[2] or found[1]) < int(found[1]):
        return None
    return Rule(at, int(found[1]), int(found[2] or found[1]))


def inside(at: Place, bars: bar_numbers.BarNumbers, beat: np.ndarray) -> np.ndarray:
    """The cells of a place: bool[T, 4].

    Args:
        at: The place.
        bars: The number of each frame's bar.
        beat: int[T], positions in the bar in 16ths.

    Raises:
        errors.UserError: There are none.
    """
    frames = bars.inside(at.first, at.last)
    if at.beat is not None:
        frames &= beat // 4 == at.beat - 1
    if not frames.any():
        where = f"{at.first}-{at.last}" + (f", beat {at.beat}" if at.beat else "")
        raise errors.UserError(f"bars {where}: the piece has {bars}")
    voices = np.array([at.voice in (None, voice) for voice in VOICES])
    return frames[:, None] & voices


def constraint(
    loaded: zoo.Loaded,
    bars: bar_numbers.BarNumbers,
    beat: np.ndarray,
    allow: Sequence[Rule] = (),
    forbid: Sequence[Rule] = (),
) -> Constraint:
    """Which pitches may sound where.

    Of cells for which pitches are allowed no other may sound; rests may stand anywhere.

    Args:
        loaded: A model of four voices.
        bars: The number of each frame's bar.
        beat: int[T], positions in the bar in 16ths.
        allow: What alone may sound in places.
        forbid: What may not.

    Raises:
        errors.UserError: The model has no voices, a place lies outside the piece, or a rule leaves nothing.
    """
    table = loaded.codec.vocabulary
    if table.streams != len(VOICES):
        raise errors.UserError(f"{loaded.name} writes codec {table.name}, whose cells have no voices")
    pitch = table.values("pitch")
    asked, wanted = np.zeros((len(beat), len(VOICES), table.size), bool), np.zeros((len(beat), len(VOICES)), bool)
    for r in allow:
        where = inside(r.place, bars, beat)
        asked |= where[..., None] & ((pitch >= r.low) & (pitch <= r.high))
        wanted |= where
    allowed = asked | (pitch < 0) | ~wanted[..., None]
    for r in forbid:
        allowed &= ~(inside(r.place, bars, beat)[..., None] & ((pitch >= r.low) & (pitch <= r.high)))
    if not allowed[..., pitch >= 0].any(-1).all():
        raise errors.UserError(f"no pitch of codec {table.name} is left where pitches were allowed or forbidden")
    return constraints.by_cell(table, allowed)


def with_fermatas(sequence: "NoteSequence", marks: Sequence[piece_forms.Mark]) -> "NoteSequence":
    """A copy with fermatas over these quarters, in place of its own.

    Raises:
        errors.UserError: There is no such bar or beat.
    """
    limits.check(sequence)
    out = noteseq.load().NoteSequence()
    out.CopyFrom(sequence)
    kept = [a for a in sequence.text_annotations if a.text.strip().lower() != score_annotations.FERMATA]
    del out.text_annotations[:]
    out.text_annotations.extend(kept)
    beat = metre.read_beats(sequence, grid.total_frames(sequence))[:-1]
    where = piece_forms.marked(beat, marks, bar_numbers.read(sequence, beat))
    starts = np.flatnonzero(np.diff(where, prepend=0) == 1)
    for time in timing.to_seconds(sequence, starts / QUARTER).tolist():
        out.text_annotations.add(time=time, text=score_annotations.FERMATA)
    return out
