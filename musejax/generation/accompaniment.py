"""Steering of pieces with several tracks: bars, attributes of each track, and tracks that are given.

A given track is read by the codec `tracks`, on the grid of 16ths, and is played note for note within the compiled loop;
the others are drawn around it. In the result it stands as it was given. Attributes are the codec's bins of density,
polyphony and duration, asked for in every bar; that the notes follow them is up to the model, and
`codecs.tracks.attributes` tells how far they do.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Constraint
from musejax.codecs import song_parts
from musejax.decoding import constraints
from musejax.decoding import track_grammar as bars_and_tracks
from musejax.generation import (
    option_values,
    piece_lengths,
    quantising,
    requirements,
    roll_accompaniment,
    sampling,
    sources,
    weaving,
)
from musejax.options.sampling import Sampling
from musejax.theory.sixteenths import BAR

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

TRACKS = tuple(name.lower() for name in song_parts.NAMES)
# Tokens that a bar may take on average: two thirds more than the fullest twentieth of pop909's songs do.
ROOM = 160


class Plan(NamedTuple):
    """What is asked for.

    Attributes:
        constraint: Which tokens may stand where.
        length: Tokens that a piece may have.
        write: Arrays of a piece -> the given music with the tracks that were drawn; None where none is given.
        drawn: The indices of the tracks that are drawn, where others are given; None for all.
    """

    constraint: Constraint
    length: int
    write: "Callable[[codecs.Arrays], NoteSequence] | None" = None
    drawn: tuple[int, ...] | None = None


def plan(
    loaded: zoo.Loaded,
    *,
    bars: int | None = None,
    attributes: Mapping[tuple[str, str], int] | None = None,
    sequence: "NoteSequence | None" = None,
    tracks: Sequence[str] = ("melody",),
    bar: int = BAR,
    quantise: quantising.Quantise | None = None,
    say: sources.Say = sources.to_stderr,
) -> Plan:
    """Bars, attributes and given tracks as one constraint.

    Args:
        loaded: A model of codec `tracks`.
        bars: Number of bars; None for as many as the sequence has, or as the model likes.
        attributes: (track, attribute) -> bin, in every bar: tracks melody, bridge, piano; attributes density,
            polyphony, duration.
        sequence: Music of which tracks are given.
        tracks: The tracks that are given of it.
        bar: 16ths of each of these bars; of a sequence its own signatures hold.
        quantise: A grid to which the notes that the model reads move before the codec's own.
        say: Is told what the model does not read of the sequence; prints to standard error by default.

    Raises:
        errors.UserError: The model has no tracks, or what is asked for does not fit it.
    """
    vocabulary = loaded.codec.vocabulary
    if not bars_and_tracks.fits(vocabulary):
        raise errors.UserError(
            f"{loaded.name} writes codec {vocabulary.name}; bars, attributes and given tracks need codec tracks"
        )
    unknown = [t for t in tracks if t not in TRACKS]
    if unknown or not tracks:
        raise errors.UserError(f"track {', '.join(unknown) or 'none'} is unknown; the tracks are {', '.join(TRACKS)}")
    parts, write, given = [], None, ()
    if sequence is not None:
        if bars is not None:
            raise errors.UserError("the bars are those of the given music; leave out their number")
        if len(set(tracks)) == len(TRACKS):
            raise errors.UserError("all tracks are given, and none is left to draw")
        name = sources.name_of(sequence)
        given = tuple(sorted(TRACKS.index(t) for t in set(tracks)))
        try:
            source = sources.read(loaded.codec, sequence, reader=loaded.name, say=say, given=given, quantise=quantise)
        except errors.DiscardError as error:
            raise errors.UserError(f"{name}: it does not fit codec tracks of {loaded.name}: {error}") from None
        tokens = source.arrays["tokens"]
        sizes = bars_and_tracks.bars(vocabulary, tokens)
        played = bars_and_tracks.segments(vocabulary, tokens, given)
        if not np.isin(played, np.flatnonzero(vocabulary.values("pitch") >= 0)).any():
            raise errors.UserError(f"{name}: no note lies in its {' or '.join(tracks)}")
        parts += [bars_and_tracks.metre(vocabulary, sizes), bars_and_tracks.script(vocabulary, played)]
        bars = sizes.shape[1]
        gone = weaving.replaced(loaded.codec, source, given, loaded.name, say)
        write = functools.partial(_write, loaded.codec, source, given, gone)
    elif bars is not None:
        if bars < 1:
            raise errors.UserError(f"bars is {bars}; it must be at least 1")
        parts.append(bars_and_tracks.metre(vocabulary, np.full((1, bars), bar)))
    if attributes:
        parts.append(bars_and_tracks.controls(vocabulary, _wanted(vocabulary, attributes, given, bars)))
    if not parts:
        raise errors.UserError("nothing is asked for; give bars, attributes or music with tracks to accompany")
    length = piece_lengths.default(loaded) if bars is None else ROOM * bars
    drawn = tuple(i for i in range(len(TRACKS)) if i not in given) if given else None
    return Plan(constraints.all_of(*parts), length, write, drawn)


def _write(
    codec: codecs.Codec,
    source: sources.Source,
    given: Sequence[int],
    gone: frozenset[int],
    arrays: codecs.Arrays,
) -> "NoteSequence":
    """The source with the tracks that are not given replaced by those that were drawn."""
    drawn = [note for note in codec.decode(arrays, 60.0).notes if note.instrument not in given]
    return weaving.weave(codec, source, drawn, gone=gone)


def draw_accompaniments(loaded: zoo.Loaded, wanted: Plan, num: int, seed: int, **options: Any) -> list[sampling.Piece]:
    """Draws what a plan asks for; the options are those of `sampling.draw_pieces`."""
    pieces = sampling.draw_pieces(loaded, num, seed, length=wanted.length, drawn_tracks=wanted.drawn, **options)
    return [p if wanted.write is None else p._replace(sequence=wanted.write(p.arrays)) for p in pieces]


def _wanted(
    vocabulary: vocabularies.Vocabulary,
    attributes: Mapping[tuple[str, str], int],
    given: tuple[int, ...],
    bars: int | None,
) -> np.ndarray:
    """The bins asked for: int[1, bars, tracks, 3], -1 where one is free."""
    names = bars_and_tracks.CONTROLS
    wanted = np.full((1, bars or 64, len(TRACKS), len(names)), -1)
    for (track, name), value in attributes.items():
        if track not in TRACKS or name not in names:
            raise errors.UserError(
                f"attribute {track}.{name} is unknown; give one of {', '.join(TRACKS)} and one of {', '.join(names)}"
            )
        most = vocabulary.range(name).max
        if not 0 <= value <= most:
            raise errors.UserError(f"attribute {track}.{name} is {value}; its bins are 0..{most}")
        if TRACKS.index(track) in given:
            raise errors.UserError(f"attribute {track}.{name}: the {track} is given as it is")
        wanted[..., TRACKS.index(track), names.index(name)] = value
    rows = wanted[0, 0]
    for track, row in zip(TRACKS, rows, strict=True):
        if (row == 0).any() and (row > 0).any():
            raise errors.UserError(f"attributes of the {track} ask for silence (0) and for notes at once")
    return wanted


def accompany(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    num: int,
    seed: int,
    *,
    tracks: Sequence[str],
    attributes: str | Mapping[str, int] | None,
    required: requirements.Requirements,
    quantise: quantising.Quantise | None,
    how: Sampling,
    say: sources.Say,
) -> list[sampling.Piece]:
    """Keeps tracks of a piece and samples the others; arguments and errors are those of `musejax.accompany`."""
    track_attributes = option_values.attributes(attributes)
    required.check_key(loaded)
    required.refuse_places(loaded)
    if loaded.codec.vocabulary.tracks:
        if track_attributes:
            raise errors.OptionError("attributes", attributes, f"{loaded.name} reads none; codec tracks has them")
        required.constraint(loaded, 0, None)
        sampling.check_whole(loaded, sampling.choice_of(how), how.constraint)
        drawing = sampling.arguments(how)
        del drawing["choice"]
        return roll_accompaniment.draw_roll_accompaniments(
            loaded, sequence, num, seed, tracks=tracks, quantise=quantise, say=say, **drawing
        )
    planned = plan(
        loaded,
        sequence=sequence,
        tracks=tracks or ("melody",),
        attributes=track_attributes,
        quantise=quantise,
        say=say,
    )
    limits = required.constraint(loaded, planned.length, None)
    required.check_notes_left(loaded, limits, planned.length)
    own = sampling.own_constraint(loaded, how, planned.length)
    rules = [rule for rule in (limits, own) if rule is not None]  # they yield to what is given
    return draw_accompaniments(
        loaded, planned, num, seed, constraint=planned.constraint, rules=rules, **sampling.arguments(how)
    )
