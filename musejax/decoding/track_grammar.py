"""Constraints over the vocabulary `tracks`: well-formed bars, controls and bar lengths asked for, tracks given.

Each says which tokens may stand at a place from what stands before it, so that it holds for a primer as well as for
what was drawn; join them by `constraints.all_of`. `controls`, `metre` and `script` only say what a token of some kind
may be, and `grammar` which kind stands where: use them beside it. Bars are counted from the first of the sequence, a
primer's included.
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
# Which kinds may follow a kind, before anything is known of values; the last row is the start.
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
    """Whether a vocabulary has the bars, tracks and controls that this grammar is about."""
    return all(vocabulary.has(kind) for kind in _KINDS)


@struct.dataclass
class Table:
    """The vocabulary as constants of the compiled loop, so that constraints side by side share their work.

    Attributes:
        vocabulary: The model's.
    """

    vocabulary: vocabularies.Vocabulary = struct.field(pytree_node=False)

    @property
    def kind(self) -> Int[np.ndarray, " V"]:
        """The index of each id's range: int32[V]."""
        return np.repeat(np.arange(len(_KINDS), dtype=np.int32), [r.size for r in self.vocabulary.ranges])

    @property
    def value(self) -> Int[np.ndarray, " V"]:
        """The value of each id: int32[V]."""
        return np.concatenate([np.arange(r.min, r.max + 1, dtype=np.int32) for r in self.vocabulary.ranges])

    def of(self, kind: int, values: Int[Array, " *N"]) -> tuple[Bool[Array, " *N"], Int[Array, " *N"]]:
        """Which tokens are of a kind, and their values if they are: bool and int32 of values' shape."""
        r, first = self.vocabulary.ranges[kind], self.vocabulary.start(_KINDS[kind])
        return (values >= first) & (values < first + r.size), values - first + r.min


class Place(NamedTuple):
    """Where a sequence has got to, int32[N] each.

    Attributes:
        previous: Kind of the token before, -1 at the start.
        bar: Number of bars begun, so 1 within the first.
        size: 16ths of this bar.
        track: The track named last in this bar, -1 before the first.
        token: Tokens since the one that named it.
        density: The track's bin.
        position: Where the last notes begin, -1 before the first.
        pitch: Of the last note that begins there, -1 before the first.
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
    """The vocabulary's kinds and values; raises ValueError if it is another's."""
    if tuple(r.type for r in vocabulary.ranges) != _KINDS:
        raise ValueError(f"{vocabulary.name} has no tracks, bars and notes: its events are not {', '.join(_KINDS)}")
    return Table(vocabulary)


def place(table: Table, pos: Int[Array, ""], values: Int[Array, "N L"]) -> Place:
    """Where sequences stand before place `pos`.

    Args:
        table: The vocabulary's.
        pos: int32, how many tokens there are.
        values: int32[N, L], of which the first `pos` count.
    """
    index = jnp.arange(values.shape[1])[None]
    before = index < pos

    def last(kind: int, after: Int[Array, " N"]) -> tuple[Int[Array, " N"], Int[Array, " N"]]:
        """Place and value of the last token of a kind after a place; that place and -1 if there is none."""
        found = jnp.where(table.of(kind, values)[0] & before & (index > after[:, None]), index, -1).max(axis=1)
        token = jnp.take_along_axis(values, jnp.maximum(found, 0)[:, None], axis=1)[:, 0]
        return jnp.where(found < 0, after, found), jnp.where(found < 0, -1, table.of(kind, token)[1])

    bar, size = last(_BAR, jnp.full((len(values),), -1))
    track_at, track = last(_TRACK, bar)
    position_at, position = last(_POSITION, track_at)
    previous = jax.lax.dynamic_index_in_dim(values, jnp.maximum(pos - 1, 0), 1, False)
    return Place(
        previous=jnp.where(pos > 0, jnp.asarray(table.kind)[previous], -1),
        bar=(table.of(_BAR, values)[0] & before).sum(axis=1),
        size=size,
        track=track,
        token=pos - 1 - track_at,
        density=last(_DENSITY, track_at)[1],
        position=position,
        pitch=last(_PITCH, position_at)[1],
    )


def _follow() -> Bool[np.ndarray, "_ _"]:
    """`_FOLLOW` as a table: bool[kinds + 1, kinds], the start last."""
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
    # A segment may close once it has its notes, or has its controls and is silent; a bar closes with its last track.
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
    """Allows well-formed sequences alone, as the codec writes them.

    A bar, then every track of it in order with its three controls, all of them 0 or none; no note where they are 0,
    at least one where not; notes by position, which lies in the bar, and at one position from low to high; after the
    last track another bar or END.

    Raises:
        ValueError: The vocabulary is not that of `tracks`.
    """
    return jax.tree_util.Partial(_grammar, _table(vocabulary))


def _pick(array: Int[Array, "M *A"], *index: Array) -> Array:
    """array[n, *index] for each piece n; an array of one piece serves all."""
    rows = jnp.arange(len(index[0])) if len(array) > 1 else 0
    return array[(rows, *index)]


def _controls(
    table: Table,
    wanted: Int[Array, "M bars K 3"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    at = place(table, frame, values)
    asked = _pick(wanted, jnp.clip(at.bar - 1, 0, wanted.shape[1] - 1), jnp.maximum(at.track, 0))
    which = table.kind - _DENSITY
    bins = jnp.take(asked, np.clip(which, 0, len(CONTROLS) - 1), axis=1)
    other = jnp.asarray((which < 0) | (which >= len(CONTROLS)))[None]
    # Bin 0 of one control is bin 0 of all.
    sounds, silent = (asked > 0).any(-1, keepdims=True), (asked == 0).any(-1, keepdims=True)
    value = jnp.asarray(table.value)[None]
    fits = jnp.where(bins >= 0, value == bins, (~sounds | (value > 0)) & (~silent | (value == 0)))
    return other | fits


def controls(vocabulary: vocabularies.Vocabulary, wanted: Integer[np.ndarray, "..."]) -> Constraint:
    """Fixes the control tokens of bars and tracks; bars beyond those given are free.

    That the notes do what their controls say is up to the model; `codecs.tracks.attributes` tells how far they did.

    Args:
        vocabulary: The model's.
        wanted: int[N or 1, bars, tracks, 3], bins of density, polyphony and duration, -1 where one is free.

    Raises:
        ValueError: The array does not fit the vocabulary, or asks for silence and notes at once.
    """
    table, wanted = _table(vocabulary), np.asarray(wanted)
    tracks = vocabulary.range("track").size
    if wanted.ndim != 4 or wanted.shape[2:] != (tracks, len(CONTROLS)) or not wanted.shape[0]:
        raise ValueError(f"wanted has shape {wanted.shape}; it must be [N or 1, bars, {tracks}, {len(CONTROLS)}]")
    for i, name in enumerate(CONTROLS):
        most = vocabulary.range(name).max
        if wanted[..., i].min(initial=0) < -1 or wanted[..., i].max(initial=0) > most:
            raise ValueError(f"{name} wanted lies outside 0..{most} (-1 is free)")
    if ((wanted == 0).any(-1) & (wanted > 0).any(-1)).any():
        raise ValueError("one control of a track is 0, which is silence, and another is not")
    free = np.full((len(wanted), 1, tracks, len(CONTROLS)), -1)
    return jax.tree_util.Partial(_controls, table, jnp.asarray(np.concatenate([wanted, free], 1), jnp.int32))


def _metre(
    table: Table, sizes: Int[Array, "M bars"], frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, "N V"]:
    before = jnp.arange(values.shape[1])[None] < frame
    bars = (table.of(_BAR, values)[0] & before).sum(axis=1)
    size = _pick(sizes, jnp.minimum(bars, sizes.shape[1] - 1))[:, None]
    kind, value = jnp.asarray(table.kind)[None], jnp.asarray(table.value)[None]
    return jnp.where(size > 0, (kind != _END) & ((kind != _BAR) | (value == size)), kind != _BAR)


def metre(vocabulary: vocabularies.Vocabulary, sixteenths: Integer[np.ndarray, "..."]) -> Constraint:
    """A piece of exactly these bars: fixes the bar tokens, and END after the last.

    Args:
        vocabulary: The model's.
        sixteenths: int[N or 1, bars], the 16ths of each bar; 0 or -1 after the last bar of a shorter piece.

    Raises:
        ValueError: The array does not fit the vocabulary, or has a piece without bars or with a gap.
    """
    table, sizes = _table(vocabulary), np.maximum(np.asarray(sixteenths), 0)
    most = vocabulary.range("bar").max
    if sizes.ndim != 2 or not sizes.size:
        raise ValueError(f"sixteenths has shape {sizes.shape}; it must be [N or 1, bars]")
    if sizes.max() > most:
        raise ValueError(f"a bar of {sizes.max()} sixteenths; it may have 1..{most}")
    if (sizes[:, 0] == 0).any() or ((sizes[:, 1:] > 0) & (sizes[:, :-1] == 0)).any():
        raise ValueError("every piece needs a first bar, and no bar may follow a 0")
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
    within = at.track >= 0
    opens = _pick(given, bar, track, jnp.zeros_like(bar))
    token = _pick(given, bar, track, jnp.clip(at.token, 0, given.shape[3] - 1))
    token, fixed = token[:, None], (within & (opens >= 0))[:, None]
    kind = jnp.asarray(table.kind)[None]
    # When all has been played the segment is closed: nothing is added to it.
    ids = jnp.arange(kind.shape[1])[None]
    told = jnp.where(token >= 0, ids == token, (kind != _POSITION) & (kind != _PITCH))
    return ~fixed | told


def script(vocabulary: vocabularies.Vocabulary, given: Integer[np.ndarray, "..."]) -> Constraint:
    """Plays given tracks as they are, token by token, and leaves the others free: accompaniment.

    The positions of a given track must lie within its bars: fix these with `metre(vocabulary, bars(...))` of the same
    piece. A constraint on controls or pitches must leave the given tracks alone.

    Args:
        vocabulary: The model's.
        given: int[N or 1, bars, tracks, M], what `segments` returns: all tokens of a track of a bar after the `track`
            token, -1 behind them, and nothing but -1 where a track is free.

    Raises:
        ValueError: The array does not fit the vocabulary.
    """
    table, given = _table(vocabulary), np.asarray(given)
    tracks = vocabulary.range("track").size
    if given.ndim != 4 or given.shape[2] != tracks or not given.shape[0]:
        raise ValueError(f"given has shape {given.shape}; it must be [N or 1, bars, {tracks}, M]")
    if given.min(initial=-1) < -1 or given.max(initial=-1) >= vocabulary.size:
        raise ValueError(f"given holds tokens outside 0..{vocabulary.size - 1} (-1 is nothing)")
    # One more bar, which is free, and one more place, in which every segment has ended.
    padded = np.pad(given, ((0, 0), (0, 1), (0, 0), (0, 1)), constant_values=-1)
    return jax.tree_util.Partial(_script, table, jnp.asarray(padded, jnp.int32))


def segments(
    vocabulary: vocabularies.Vocabulary, tokens: Integer[np.ndarray, " L"], tracks: tuple[int, ...]
) -> Int[np.ndarray, "1 bars K M"]:
    """What `script` plays of a piece.

    Args:
        vocabulary: The codec's.
        tokens: int[L], as the codec writes them, with or without END.
        tracks: The tracks to give; all others are free.

    Returns:
        int32[1, bars, K, M]; M is the longest segment's length.

    Raises:
        ValueError: There is no such track.
    """
    table, names = _table(vocabulary), vocabulary.range("track")
    if any(not names.min <= track <= names.max for track in tracks):
        raise ValueError(f"tracks {tracks}: they are {names.min}..{names.max}")
    kind, value = table.kind, table.value
    found: list[tuple[int, int, list[int]]] = []
    bar, inside = -1, False
    for token in np.asarray(tokens).tolist():
        if kind[token] == _END:
            break
        if kind[token] in (_BAR, _TRACK):
            bar += kind[token] == _BAR
            inside = bool(kind[token] == _TRACK and value[token] in tracks)
            if inside:
                found.append((bar, int(value[token]), []))
        elif inside:
            found[-1][2].append(token)
    longest = max((len(segment) for _, _, segment in found), default=1)
    out = np.full((1, max(bar + 1, 1), names.size, longest), -1, np.int32)
    for at, track, segment in found:
        out[0, at, track, : len(segment)] = segment
    return out


def bars(vocabulary: vocabularies.Vocabulary, tokens: Integer[np.ndarray, " L"]) -> Int[np.ndarray, "1 bars"]:
    """The 16ths of each bar of a piece, for `metre`: int32[1, bars]."""
    sizes = vocabulary.values("bar")[np.asarray(tokens)]
    return sizes[None, sizes >= 0]
