"""Features of the past of a piece for its next frame: durations, last intervals, and an earlier similar passage.

Training and sampling share one definition: `push` appends a frame, `read` returns the features of the next frame, and
`read_all` does both for whole pieces. Every feature of frame t depends only on frames before t.

The match is the longest run of frames that ends now and has occurred before in the piece; it proposes the frame that
followed then. This is prediction by partial matching, as in data compression, or the copy mechanism of pointer
networks. Chorales repeat their phrases, so the match is often right; the network learns when to trust it.
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
# Classes of the number of 4/4 bars since the start of a piece; the last class is for all later bars.
PLACES = 48
# Bars whose `place` is repeated in a piece that must not end: the first, and the first after them.
MIDDLE = (4, 8)
# Classes of the number of 4/4 bars left, the last for all larger numbers; an unknown number is one more class.
LEFT = 17
# Period of the phase in frames: whole bars of 4/4, 3/4, 6/8 and 2/4 on the grid of 16ths.
PHASES = 48
# Largest interval up or down that has a class of its own, in semitones.
NARROW, WIDE = 12, 24


class History(NamedTuple):
    """The past of N pieces of up to T frames of S streams.

    Attributes:
        frames: int32[N, T, S], the tokens.
        codes: int32[N, T], a hash of each frame.
        run: int32[N, T]; at j, the number of frames up to j that equal those up to the last frame.
        last: int32[N, S], the last frame; V before the first.
        sounding: int32[N, S], the token of the note (or rest) that sounds in the last frame; V before the first.
        hold: int32[N, S], the number of frames for which it has sounded.
        interval: int32[N, S], class of the last melodic interval of each stream.
        length: Number of frames so far, int32[].
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
    """The properties of a vocabulary that these features need.

    Attributes:
        size: V, which is also the id before the first frame.
        pitch: int32[V + 1], the pitch of each id, or -1 for an id without a pitch.
        hold: The id of a hold, or -1 for a vocabulary without holds.
        period: Frames of a quarter note; matches are sought at distances that are multiples of it.
    """

    size: int
    pitch: Int[np.ndarray, " V"]
    hold: int
    period: int


@functools.lru_cache(maxsize=16)
def tables(vocabulary: vocabularies.Vocabulary) -> Tables:
    """Returns the tables of a vocabulary of tokens."""
    hold = vocabulary.id("hold") if vocabulary.has("hold") else -1
    pitch = np.append(vocabulary.values("pitch"), -1).astype(np.int32)
    return Tables(vocabulary.size, pitch, hold, vocabulary.frames_per_quarter)


def num_interval_classes(width: int) -> int:
    """Returns the number of classes of `interval_class`."""
    return 2 * width + 4


def interval_class(t: Tables, a: Int[AnyArray, " *N"], b: Int[AnyArray, " *N"], width: int) -> Int[Array, " *N"]:
    """Returns the class of the step from b to a: the interval clipped to `width` semitones, or a class for other steps.

    Args:
        t: The vocabulary's tables.
        a: int32[...], ids.
        b: int32[...], ids.
        width: Largest interval in semitones.

    Returns:
        int32[...]: 0..2 width for intervals, then one class each for a pitch after no pitch, a hold, anything else.
    """
    pitch = jnp.asarray(t.pitch)
    p, q = pitch[a], pitch[b]
    alone = jnp.where(p >= 0, 2 * width + 1, jnp.where(a == t.hold, 2 * width + 2, 2 * width + 3))
    return jnp.where((p >= 0) & (q >= 0), jnp.clip(p - q, -width, width) + width, alone)


def start(t: Tables, num: int, length: int, streams: int) -> History:
    """Returns the history of pieces before their first frame, with room for `length` frames."""
    cell = jnp.zeros((num, streams), jnp.int32)
    long = jnp.zeros((num, length), jnp.int32)
    frames = jnp.zeros((num, length, streams), jnp.int32)
    before = jnp.full_like(cell, t.size)
    unknown = jnp.full_like(cell, 2 * NARROW + 3)
    return History(frames, long - 1, long, before, before, cell, unknown, jnp.zeros((), jnp.int32))


def sounding(t: Tables, frame: Int[AnyArray, " *N"], before: Int[AnyArray, " *N"]) -> Int[Array, " *N"]:
    """Returns the ids that sound in a frame: holds are replaced by the id that sounded before."""
    return jnp.where(frame == t.hold, before, frame) if t.hold >= 0 else jnp.asarray(frame)


def push(t: Tables, h: History, frame: Int[Array, "N S"]) -> History:
    """Appends a frame, int32[N, S], to the history."""
    now = sounding(t, frame, h.sounding)
    goes_on = frame == t.hold if t.hold >= 0 else frame == h.last
    step = interval_class(t, now, h.sounding, NARROW)
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
    """Returns the features of the next frame.

    Returns:
        The fields `FIELDS`: `match_length`, `place` and `phase` int32[N], the others int32[N, S]. Without a match,
        `match` is V.
    """
    place = jnp.arange(h.run.shape[1])[None]
    distance = h.length - 1 - place
    run = jnp.where((distance > 0) & (distance % t.period == 0), h.run, 0)
    longest = run.max(axis=1, initial=0)
    # The latest of equally long matches.
    at = jnp.max(jnp.where(run == longest[:, None], place, -1), axis=1)
    after = jnp.clip(at + 1, 0, h.run.shape[1] - 1)
    match = jnp.take_along_axis(h.frames, after[:, None, None], axis=1)[:, 0]
    return {
        "previous": h.last,
        "sounding": h.sounding,
        "hold": jnp.digitize(h.hold, jnp.asarray(HOLDS)),
        "interval": h.interval,
        "match": jnp.where(longest[:, None] > 0, match, t.size),
        "match_length": jnp.digitize(longest, jnp.asarray(MATCHES)),
        "place": jnp.broadcast_to(jnp.minimum(h.length // (4 * t.period), PLACES - 1), longest.shape),
        "phase": jnp.broadcast_to(h.length % PHASES, longest.shape),
    }


def read_all(t: Tables, frames: Int[AnyArray, "N T S"]) -> dict[str, Array]:
    """Returns the features of all frames of whole pieces.

    Args:
        t: The vocabulary's tables.
        frames: int32[N, T, S].

    Returns:
        The fields `FIELDS`: `match_length`, `place` and `phase` int32[N, T], the others int32[N, T, S].
    """
    num, length, streams = frames.shape

    def one(h: History, frame: Int[Array, "N S"]) -> tuple[History, dict[str, Array]]:
        return push(t, h, frame), read(t, h)

    _, features = jax.lax.scan(one, start(t, num, length, streams), jnp.swapaxes(frames, 0, 1))
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), features)


def pretend_endless(features: dict[str, Array], endless: Int[AnyArray, " N"]) -> dict[str, Array]:
    """Changes the features of a piece that must not end yet, so that the network does not write an ending.

    From bar 8 on, `place` cycles through bars 4 to 7, and matches, which are with music that the network itself wrote,
    count as short: a network that trusts them copies its own long notes more and more.

    Args:
        features: The output of `read`.
        endless: int32[N], 1 where the piece must not end.

    Returns:
        The changed features.
    """
    first, last = MIDDLE
    late = (endless > 0) & (features["place"] >= last)
    place = first + (features["place"] - first) % (last - first)
    short = jnp.minimum(features["match_length"], 1)
    return {
        **features,
        "place": jnp.where(late, place, features["place"]),
        "match_length": jnp.where(late, short, features["match_length"]),
    }


def bars_left(t: Tables, lengths: Int[Array, " N"], frames: int) -> Int[Array, "N {frames}"]:
    """Returns the number of 4/4 bars after each frame's bar, with bars counted backwards from the end of the piece.

    Args:
        t: The vocabulary's tables.
        lengths: int32[N], the number of frames of each piece.
        frames: Number of frames, T.

    Returns:
        int32[N, T], 0 in the last 16 frames, at most LEFT - 1.
    """
    after = lengths[:, None] - 1 - jnp.arange(frames)[None]
    return jnp.clip(after // (4 * t.period), 0, LEFT - 1)
