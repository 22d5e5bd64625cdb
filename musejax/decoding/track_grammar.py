"""Constraints for the vocabulary `tracks`: well-formed bars, requested controls and bar lengths, and given tracks.

Each constraint returns the allowed tokens at a place given all previous tokens, so that it also works after a primer.
`grammar` determines which kinds of tokens may follow; `controls`, `metre` and `script` restrict the tokens of some
kinds and must be combined with it by `constraints.all_of`. Bars are counted from the start, including the primer.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int, Integer
from musejax.base import Constraint

CONTROLS = ("density", "polyphony", "duration")
_KINDS = ("end", "bar", "track", *CONTROLS, "position", "pitch", "length")
_END, _BAR, _TRACK, _DENSITY, _POLYPHONY, _DURATION, _POSITION, _PITCH, _LENGTH = range(len(_KINDS))
# Kinds that may follow a kind, whatever the values are; -1 is the start of a sequence.
_FOLLOW = {
    _END: (_END,),
    _BAR: (_TRACK,),
    _TRACK: (_DENSITY,),
    _DENSITY: (_POLYPHONY,),
    _POLYPHONY: (_DURATION,),
    _DURATION: (_POSITION, _TRACK, _BAR, _END),
    _POSITION: (_PITCH,),
    _PITCH: (_LENGTH,),
    _LENGTH: (_PITCH, _POSITION, _TRACK, _BAR, _END),
    -1: (_BAR,),
}


def fits(vocabulary: vocabularies.Vocabulary) -> bool:
    """Returns whether a vocabulary has the bars, tracks and controls that this grammar needs."""
    return all(vocabulary.has(kind) for kind in _KINDS)


@struct.dataclass
class Table:
    """The vocabulary as constants of the compiled loop, so that several constraints can share their computations.

    Attributes:
        vocabulary: Vocabulary of the model.
    """

    vocabulary: vocabularies.Vocabulary = struct.field(pytree_node=False)

    @property
    def kind(self) -> Int[np.ndarray, " V"]:
        """Kind of each token, an index into `_KINDS`: int32[V]."""
        return np.repeat(np.arange(len(_KINDS), dtype=np.int32), [r.size for r in self.vocabulary.ranges])

    @property
    def value(self) -> Int[np.ndarray, " V"]:
        """Value of each token: int32[V]."""
        return np.concatenate([np.arange(r.min, r.max + 1, dtype=np.int32) for r in self.vocabulary.ranges])

    def match(self, kind: int, tokens: Int[Array, " *N"]) -> tuple[Bool[Array, " *N"], Int[Array, " *N"]]:
        """Returns whether tokens are of a kind, and their values if they are: bool and int32 of the same shape."""
        r, first = self.vocabulary.ranges[kind], self.vocabulary.start(_KINDS[kind])
        return (tokens >= first) & (tokens < first + r.size), tokens - first + r.min


class Place(NamedTuple):
    """The current place in a sequence, int32[N] each.

    Attributes:
        previous: Kind of the previous token, -1 at the start.
        bar: Number of bars that have begun, 1 in the first bar.
        size: Length of the current bar in 16ths.
        track: Current track of the bar, -1 before the first.
        token: Number of tokens since the track token.
        density: Density bin of the track.
        position: Position of the current onset, -1 before the first.
        pitch: Pitch of the last note at that position, -1 before the first.
    """

    previous: Int[Array, " N"]
    bar: Int[Array, " N"]
    size: Int[Array, " N"]
    track: Int[Array, " N"]
    token: Int[Array, " N"]
    density: Int[Array, " N"]
    position: Int[Array, " N"]
    pitch: Int[Array, " N"]


def _table(vocabulary: vocabularies.Vocabulary) -> Table:
    """Returns the table of a vocabulary; raises ValueError if it is not that of `tracks`."""
    types = tuple(r.type for r in vocabulary.ranges)
    if types != _KINDS:
        raise ValueError(f"{vocabulary.name} has events {', '.join(types)}; they must be {', '.join(_KINDS)}")
    return Table(vocabulary)


def place(table: Table, pos: Int[Array, ""], values: Int[Array, "N L"]) -> Place:
    """Returns the place that sequences have reached.

    Args:
        table: Table of the vocabulary.
        pos: Number of tokens so far, int32[].
        values: Sequences, int32[N, L], of which the first `pos` tokens count.
    """
    index = jnp.arange(values.shape[1])[None]
    before = index < pos

    def last(kind: int, after: Int[Array, " N"]) -> tuple[Int[Array, " N"], Int[Array, " N"]]:
        """Returns the index and value of the last token of a kind after an index, or that index and -1 if none."""
        at = jnp.where(table.match(kind, values)[0] & before & (index > after[:, None]), index, -1).max(axis=1)
        token = jnp.take_along_axis(values, jnp.maximum(at, 0)[:, None], axis=1)[:, 0]
        return jnp.where(at < 0, after, at), jnp.where(at < 0, -1, table.match(kind, token)[1])

    bar, size = last(_BAR, jnp.full((len(values),), -1))
    track_at, track = last(_TRACK, bar)
    position_at, position = last(_POSITION, track_at)
    previous = jax.lax.dynamic_index_in_dim(values, jnp.maximum(pos - 1, 0), 1, False)
    return Place(
        previous=jnp.where(pos > 0, jnp.asarray(table.kind)[previous], -1),
        bar=(table.match(_BAR, values)[0] & before).sum(axis=1),
        size=size,
        track=track,
        token=pos - 1 - track_at,
        density=last(_DENSITY, track_at)[1],
        position=position,
        pitch=last(_PITCH, position_at)[1],
    )


def _follow() -> Bool[np.ndarray, "_ _"]:
    """Returns `_FOLLOW` as an array, with the start in the last row: bool[kinds + 1, kinds]."""
    follow = np.zeros((len(_KINDS) + 1, len(_KINDS)), bool)
    for kind, after in _FOLLOW.items():
        follow[kind, list(after)] = True
    return follow


def _grammar(
    table: Table, frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, "N V"]:
    at = place(table, frame, values)
    previous, track, density, position, pitch, size = (
        x[:, None] for x in (at.previous, at.track, at.density, at.position, at.pitch, at.size)
    )
    kind, value = jnp.asarray(table.kind)[None], jnp.asarray(table.value)[None]
    # The segment of a track may end after a note, or after its controls if it is silent.
    closes = (previous == _LENGTH) | ((previous == _DURATION) & (density == 0))
    next_track = jnp.where(previous == _BAR, value == 0, closes & (value == track + 1))
    next_bar = (previous < 0) | (closes & (track == table.vocabulary.range("track").max))
    allowed = jnp.asarray(_follow()[:, table.kind])[at.previous]
    allowed &= (kind != _TRACK) | next_track
    allowed &= ((kind != _BAR) & (kind != _END)) | next_bar | (previous == _END)
    allowed &= ((kind != _POLYPHONY) & (kind != _DURATION)) | ((value > 0) == (density > 0))
    allowed &= (kind != _POSITION) | ((density > 0) & (value > position) & (value < size))
    return allowed & ((kind != _PITCH) | (previous == _POSITION) | (value > pitch))


def grammar(vocabulary: vocabularies.Vocabulary) -> Constraint:
    """Returns a constraint that allows only well-formed sequences, as the codec writes them.

    Each bar token is followed by all tracks in order. Each track has its three controls, which are either all 0, for a
    track without notes, or all positive, for a track with notes. Notes are ordered by position, which lies in the bar,
    and then by pitch. The last track is followed by another bar or END.

    Raises:
        ValueError: The vocabulary is not that of `tracks`.
    """
    return jax.tree_util.Partial(_grammar, _table(vocabulary))


def _pick(array: Int[Array, "M *A"], *index: Array) -> Array:
    """Returns array[n, *index] for each piece n, or array[0, *index] if the array has a single row for all pieces."""
    rows = jnp.arange(len(index[0])) if len(array) > 1 else 0
    return array[(rows, *index)]


def _controls(
    table: Table,
    targets: Int[Array, "M bars K 3"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    at = place(table, frame, values)
    target = _pick(targets, jnp.clip(at.bar - 1, 0, targets.shape[1] - 1), jnp.maximum(at.track, 0))
    control = table.kind - _DENSITY
    bins = jnp.take(target, np.clip(control, 0, len(CONTROLS) - 1), axis=1)
    other = jnp.asarray((control < 0) | (control >= len(CONTROLS)))[None]
    # If one control is 0, all are.
    sounds, silent = (target > 0).any(-1, keepdims=True), (target == 0).any(-1, keepdims=True)
    value = jnp.asarray(table.value)[None]
    fits = jnp.where(bins >= 0, value == bins, (~sounds | (value > 0)) & (~silent | (value == 0)))
    return other | fits


def controls(vocabulary: vocabularies.Vocabulary, wanted: Integer[np.ndarray, "..."]) -> Constraint:
    """Returns a constraint that fixes the control tokens of bars and tracks; further bars are not restricted.

    Whether the notes match their controls depends on the model; `codecs.tracks.attributes` measures it.

    Args:
        vocabulary: Vocabulary of the model.
        wanted: Bins of density, polyphony and duration, int[N or 1, bars, tracks, 3]; -1 for a free control.

    Raises:
        ValueError: The array does not fit the vocabulary, or only some controls of a track are 0.
    """
    table, wanted = _table(vocabulary), np.asarray(wanted)
    tracks = vocabulary.range("track").size
    if wanted.ndim != 4 or wanted.shape[2:] != (tracks, len(CONTROLS)) or not wanted.shape[0]:
        raise ValueError(f"wanted has shape {wanted.shape}; it must be [N or 1, bars, {tracks}, {len(CONTROLS)}]")
    for i, name in enumerate(CONTROLS):
        most = vocabulary.range(name).max
        if wanted[..., i].min(initial=0) < -1 or wanted[..., i].max(initial=0) > most:
            raise ValueError(f"a value of {name} is outside 0..{most} (-1 leaves it free)")
    if ((wanted == 0).any(-1) & (wanted > 0).any(-1)).any():
        raise ValueError("only some controls of a track are 0; for a silent track all must be 0 or free")
    free = np.full((len(wanted), 1, tracks, len(CONTROLS)), -1)
    return jax.tree_util.Partial(_controls, table, jnp.asarray(np.concatenate([wanted, free], 1), jnp.int32))


def _metre(
    table: Table, sizes: Int[Array, "M bars"], frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, "N V"]:
    before = jnp.arange(values.shape[1])[None] < frame
    bars = (table.match(_BAR, values)[0] & before).sum(axis=1)
    size = _pick(sizes, jnp.minimum(bars, sizes.shape[1] - 1))[:, None]
    kind, value = jnp.asarray(table.kind)[None], jnp.asarray(table.value)[None]
    return jnp.where(size > 0, (kind != _END) & ((kind != _BAR) | (value == size)), kind != _BAR)


def metre(vocabulary: vocabularies.Vocabulary, sixteenths: Integer[np.ndarray, "..."]) -> Constraint:
    """Returns a constraint that fixes the bar tokens of a piece, and END after the last bar.

    Args:
        vocabulary: Vocabulary of the model.
        sixteenths: Length of each bar in 16ths, int[N or 1, bars]; 0 or -1 after the last bar of a shorter piece.

    Raises:
        ValueError: The array does not fit the vocabulary, or a piece has no bars or a gap between bars.
    """
    table, sizes = _table(vocabulary), np.maximum(np.asarray(sixteenths), 0)
    most = vocabulary.range("bar").max
    if sizes.ndim != 2 or not sizes.size:
        raise ValueError(f"sixteenths has shape {sizes.shape}; it must be [N or 1, bars]")
    if sizes.max() > most:
        raise ValueError(f"a bar has {sizes.max()} sixteenths; it may have 1..{most}")
    if (sizes[:, 0] == 0).any() or ((sizes[:, 1:] > 0) & (sizes[:, :-1] == 0)).any():
        raise ValueError("sixteenths has a 0 before the last bar of a piece; each piece must start with its bars")
    return jax.tree_util.Partial(_metre, table, jnp.asarray(np.pad(sizes, ((0, 0), (0, 1))), jnp.int32))


def _script(
    table: Table,
    given: Int[Array, "M bars K _"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    at = place(table, frame, values)
    bar, track = jnp.clip(at.bar - 1, 0, given.shape[1] - 1), jnp.maximum(at.track, 0)
    first = _pick(given, bar, track, jnp.zeros_like(bar))
    token = _pick(given, bar, track, jnp.clip(at.token, 0, given.shape[3] - 1))[:, None]
    is_given = ((at.track >= 0) & (first >= 0))[:, None]
    kind = jnp.asarray(table.kind)[None]
    ids = jnp.arange(kind.shape[1])[None]
    # After the given tokens of a segment, no further notes may be added to it.
    allowed = jnp.where(token >= 0, ids == token, (kind != _POSITION) & (kind != _PITCH))
    return ~is_given | allowed


def script(vocabulary: vocabularies.Vocabulary, given: Integer[np.ndarray, "..."]) -> Constraint:
    """Returns a constraint for accompaniment, which copies given tracks token by token and leaves the others free.

    The positions of a given track must lie within its bars, so fix the bars with `metre(vocabulary, bars(...))` of the
    same piece. Constraints on controls or pitches must not restrict the given tracks.

    Args:
        vocabulary: Vocabulary of the model.
        given: Result of `segments`, int[N or 1, bars, tracks, M]: the tokens of each track in each bar after the
            `track` token, padded with -1. A free track has only -1.

    Raises:
        ValueError: The array does not fit the vocabulary.
    """
    table, given = _table(vocabulary), np.asarray(given)
    tracks = vocabulary.range("track").size
    if given.ndim != 4 or given.shape[2] != tracks or not given.shape[0]:
        raise ValueError(f"given has shape {given.shape}; it must be [N or 1, bars, {tracks}, M]")
    if given.min(initial=-1) < -1 or given.max(initial=-1) >= vocabulary.size:
        raise ValueError(f"given has tokens outside 0..{vocabulary.size - 1} (-1 is padding)")
    # The padding adds a free bar, and a place after the end of every segment.
    padded = np.pad(given, ((0, 0), (0, 1), (0, 0), (0, 1)), constant_values=-1)
    return jax.tree_util.Partial(_script, table, jnp.asarray(padded, jnp.int32))


def segments(
    vocabulary: vocabularies.Vocabulary, tokens: Integer[np.ndarray, " L"], tracks: tuple[int, ...]
) -> Int[np.ndarray, "1 bars K M"]:
    """Returns the tokens of the given tracks of a piece, for `script`.

    Args:
        vocabulary: Vocabulary of the codec.
        tokens: Tokens of the piece, int[L], with or without END.
        tracks: Numbers of the given tracks; all others are free.

    Returns:
        Tokens by bar and track, int32[1, bars, K, M], padded with -1 to the length M of the longest segment.

    Raises:
        ValueError: A track number is invalid.
    """
    table, names = _table(vocabulary), vocabulary.range("track")
    if any(not names.min <= track <= names.max for track in tracks):
        raise ValueError(f"tracks are {tracks}; they must be in {names.min}..{names.max}")
    kind, value = table.kind, table.value
    parts: list[tuple[int, int, list[int]]] = []
    bar, inside = -1, False
    for token in np.asarray(tokens).tolist():
        if kind[token] == _END:
            break
        if kind[token] in (_BAR, _TRACK):
            bar += kind[token] == _BAR
            inside = bool(kind[token] == _TRACK and value[token] in tracks)
            if inside:
                parts.append((bar, int(value[token]), []))
        elif inside:
            parts[-1][2].append(token)
    longest = max((len(segment) for _, _, segment in parts), default=1)
    out = np.full((1, max(bar + 1, 1), names.size, longest), -1, np.int32)
    for bar, track, segment in parts:
        out[0, bar, track, : len(segment)] = segment
    return out


def bars(vocabulary: vocabularies.Vocabulary, tokens: Integer[np.ndarray, " L"]) -> Int[np.ndarray, "1 bars"]:
    """Returns the length of each bar of a piece in 16ths, for `metre`: int32[1, bars]."""
    sizes = vocabulary.values("bar")[np.asarray(tokens)]
    return sizes[None, sizes >= 0]
