"""What the past of a piece says about its next frame: durations, last steps, and where this passage stood before.

One definition serves training and sampling: `push` takes a frame in, `read` gives the features of the next, and `over`
runs both along whole pieces. Every feature of frame t depends on frames before t alone.

The match is the oldest idea of data compression put to work as an input (prediction by partial matching; the copy
mechanism of pointer networks): the longest run of frames that ends now and has occurred before in the piece, and what
came after it then. Chorales repeat their phrases, so it is often right; the net learns when to trust it.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary as vocabularies
from musejax.array_types import AnyArray, Array, Int

# Buckets of a duration in frames, and of the length of a match.
HOLDS = tuple(range(1, 17)) + (20, 24, 32)
MATCHES = (1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64)
FIELDS = ("previous", "sounding", "hold", "interval", "match", "match_length", "place", "phase")
# Classes of how far a piece has come: bars of 4/4, the last for all beyond.
PLACES = 48
# The bars of a piece that those of one without an end are said to be: the first, and the first beyond them.
MIDDLE = (4, 8)
# Classes of how many bars of 4/4 are left, the last for all beyond; a net that is not told has one more.
LEFT = 17
# Frames after which the phase begins anew: whole bars of 4/4, 3/4, 6/8 and 2/4 on the 16th grid.
PHASES = 48
# Width of an interval that is told apart, in semitones either way.
NARROW, WIDE = 12, 24


class History(NamedTuple):
    """The past of N pieces of up to T frames of S streams.

    Attributes:
        frames: int32[N, T, S], token by token.
        codes: int32[N, T], a hash of each frame.
        run: int32[N, T]; at j, how many frames that end at j equal those that end at the last frame.
        last: int32[N, S], the last frame; V before the first.
        sounding: int32[N, S], the token of the note (or rest) that sounds in it; V before the first.
        hold: int32[N, S], how many frames that has sounded.
        interval: int32[N, S], class of each stream's last melodic step.
        length: Frames so far, int32[].
    """

    frames: Int[Array, "N T S"]
    codes: Int[Array, "N T"]
    run: Int[Array, "N T"]
    last: Int[Array, "N S"]
    sounding: Int[Array, "N S"]
    hold: Int[Array, "N S"]
    interval: Int[Array, "N S"]
    length: Int[Array, ""]


class Tables(NamedTuple):
    """What history needs to know of a vocabulary.

    Attributes:
        size: V; also the id that stands before the first frame.
        pitch: int32[V + 1], the pitch of an id, -1 where it has none.
        hold: The id of a hold, -1 where there is none.
        period: Matches are sought at distances that are multiples of so many frames (a quarter).
    """

    size: int
    pitch: Int[np.ndarray, " V"]
    hold: int
    period: int


@functools.lru_cache(maxsize=16)
def tables(vocabulary: vocabularies.Vocabulary) -> Tables:
    """The tables of a vocabulary of tokens."""
    hold = vocabulary.id("hold") if vocabulary.has("hold") else -1
    pitch = np.append(vocabulary.values("pitch"), -1).astype(np.int32)
    return Tables(vocabulary.size, pitch, hold, vocabulary.frames_per_quarter)


def relations(width: int) -> int:
    """Number of classes of `relation`."""
    return 2 * width + 4


def relation(t: Tables, a: Int[AnyArray, " *N"], b: Int[AnyArray, " *N"], width: int) -> Int[Array, " *N"]:
    """Class of the step from b to a: the interval within +-width semitones (clipped), or what stands instead.

    Args:
        t: The vocabulary's tables.
        a: int32[...], ids.
        b: int32[...], ids.
        width: In semitones.

    Returns:
        int32[...]: 0..2 width for intervals, then a pitch after none, a hold, anything else.
    """
    pitch = jnp.asarray(t.pitch)
    p, q = pitch[a], pitch[b]
    alone = jnp.where(p >= 0, 2 * width + 1, jnp.where(a == t.hold, 2 * width + 2, 2 * width + 3))
    return jnp.where((p >= 0) & (q >= 0), jnp.clip(p - q, -width, width) + width, alone)


def start(t: Tables, num: int, length: int, streams: int) -> History:
    """The past of pieces that have not begun, with room for `length` frames."""
    cell = jnp.zeros((num, streams), jnp.int32)
    long = jnp.zeros((num, length), jnp.int32)
    frames = jnp.zeros((num, length, streams), jnp.int32)
    before = jnp.full_like(cell, t.size)
    unknown = jnp.full_like(cell, 2 * NARROW + 3)
    return History(frames, long - 1, long, before, before, cell, unknown, jnp.zeros((), jnp.int32))


def sounding(t: Tables, frame: Int[AnyArray, " *N"], before: Int[AnyArray, " *N"]) -> Int[Array, " *N"]:
    """The ids that sound in a frame: holds replaced by what sounded before."""
    return jnp.where(frame == t.hold, before, frame) if t.hold >= 0 else jnp.asarray(frame)


def push(t: Tables, h: History, frame: Int[Array, "N S"]) -> History:
    """The past with one more frame, int32[N, S]."""
    now = sounding(t, frame, h.sounding)
    goes_on = frame == t.hold if t.hold >= 0 else frame == h.last
    step = relation(t, now, h.sounding, NARROW)
    place = jnp.arange(h.codes.shape[1])[None]
    code = jnp.zeros(frame.shape[0], jnp.int32)
    for s in range(frame.shape[1]):
        code = code * (t.size + 1) + frame[:, s]
    before = jnp.pad(h.run, ((0, 0), (1, 0)))[:, :-1]
    run = jnp.where((h.codes == code[:, None]) & (place < h.length), before + 1, 0)
    return History(
        jax.lax.dynamic_update_index_in_dim(h.frames, frame, h.length, 1),
        jax.lax.dynamic_update_index_in_dim(h.codes, code, h.length, 1),
        run,
        frame,
        now,
        jnp.where(goes_on, h.hold + 1, 1),
        jnp.where(goes_on, h.interval, step),
        h.length + 1,
    )


def read(t: Tables, h: History) -> dict[str, Array]:
    """The features of the next frame: `FIELDS`, each int32[N, S], `match_length`, `place` and `phase` int32[N].

    Without a match, `match` is V.
    """
    place = jnp.arange(h.run.shape[1])[None]
    distance = h.length - 1 - place
    run = jnp.where((distance > 0) & (distance % t.period == 0), h.run, 0)
    longest = run.max(axis=1, initial=0)
    # Of equally long matches the latest.
    at = jnp.max(jnp.where(run == longest[:, None], place, -1), axis=1)
    after = jnp.clip(at + 1, 0, h.run.shape[1] - 1)
    found = jnp.take_along_axis(h.frames, after[:, None, None], axis=1)[:, 0]
    return {
        "previous": h.last,
        "sounding": h.sounding,
        "hold": jnp.digitize(h.hold, jnp.asarray(HOLDS)),
        "interval": h.interval,
        "match": jnp.where(longest[:, None] > 0, found, t.size),
        "match_length": jnp.digitize(longest, jnp.asarray(MATCHES)),
        "place": jnp.broadcast_to(jnp.minimum(h.length // (4 * t.period), PLACES - 1), longest.shape),
        "phase": jnp.broadcast_to(h.length % PHASES, longest.shape),
    }


def over(t: Tables, frames: Int[AnyArray, "N T S"]) -> dict[str, Array]:
    """The features of every frame of whole pieces.

    Args:
        t: The vocabulary's tables.
        frames: int32[N, T, S].

    Returns:
        `FIELDS`, each int32[N, T, S], `match_length`, `place` and `phase` int32[N, T].
    """
    num, length, streams = frames.shape

    def one(h: History, frame: Int[Array, "N S"]) -> tuple[History, dict[str, Array]]:
        return push(t, h, frame), read(t, h)

    _, features = jax.lax.scan(one, start(t, num, length, streams), jnp.swapaxes(frames, 0, 1))
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), features)


def endless(found: dict[str, Array], told: Int[AnyArray, " N"]) -> dict[str, Array]:
    """What a net is told of a piece that may not end yet, so that it does not come to rest as one that ends.

    From bar 8 on its place is again that of bars 4 to 7, and matches, which are with what the net itself wrote, count
    as short: a net that trusts them copies its long notes more and more.

    Args:
        found: Of `read`.
        told: int32[N], 1 where the piece may not end.

    Returns:
        What `read` gives.
    """
    first, last = MIDDLE
    late = (told > 0) & (found["place"] >= last)
    place = first + (found["place"] - first) % (last - first)
    short = jnp.minimum(found["match_length"], 1)
    return {
        **found,
        "place": jnp.where(late, place, found["place"]),
        "match_length": jnp.where(late, short, found["match_length"]),
    }


def bars_left(t: Tables, lengths: Int[Array, " N"], frames: int) -> Int[Array, "N {frames}"]:
    """How many whole bars of 4/4 follow the bar that each frame would end if the piece were cut from its end.

    Args:
        t: The vocabulary's tables.
        lengths: int32[N], frames of each piece.
        frames: T.

    Returns:
        int32[N, T], 0 in the last 16 frames, at most LEFT - 1.
    """
    after = lengths[:, None] - 1 - jnp.arange(frames)[None]
    return jnp.clip(after // (4 * t.period), 0, LEFT - 1)
