"""Rules against three ways in which likelihood runs idle: silence without end, notes without end, and loops.

The likeliest continuation of a rest is a rest, that of a held note a hold, and that of a bar which has been repeated
the same bar again (Holtzman et al., 2020). Pieces drawn by the model's own distribution leave all three after a while;
a choice of the likeliest tokens need not. The rules bound them by what music for training has: Magenta ends a melody at
a rest of one bar (`gap_bars`), the notes of REMI (Huang and Yang, 2020) last two bars at most, and RL Tuner (Jaques et
al., 2017) strikes no tone more than four times in a row. They are meant for `Request.rules`, so they yield to what is
asked for.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int, Shaped
from musejax.base import Constraint

# Quarters of a phrase in which nothing need sound, of one line and of several voices: 95 of 100 of Bach's chorales keep
# to the second.
LINE_REST, VOICES_REST, PHRASE = 4, 1, 16
# Quarters that a note may last.
NOTE = 8
# Quarters of a passage that may be stated twice in a row, but not a third time.
PASSAGES = (2, 4, 8, 16)


@struct.dataclass
class Roles:
    """What the tokens of each stream do, streams in drawing order.

    Attributes:
        strikes: bool[S, V], sounds by itself.
        rests: bool[S, V], is silent by itself.
        holds: bool[S, V], goes on with what was before.
        places: int32[S], the place of each stream within a frame.
        counted: bool[S], whether the stream breaks a silence.
    """

    strikes: Bool[Array, "S V"]
    rests: Bool[Array, "S V"]
    holds: Bool[Array, "S V"]
    places: Int[Array, " S"]
    counted: Bool[Array, " S"]


def fits(vocabulary: vocabularies.Vocabulary) -> bool:
    """Whether the vocabulary has frames of tokens, to which these rules apply."""
    return vocabulary.kind == "tokens" and vocabulary.frames_per_quarter > 0


def _kind(type: str) -> str:
    """The kind of an event type: hold, off, rest, end, or what sounds."""
    return type.rpartition("_")[2]


def holds(vocabulary: vocabularies.Vocabulary) -> Bool[np.ndarray, " V"]:
    """Which tokens hold: bool[V]."""
    types = [r.type for r in vocabulary.ranges if _kind(r.type) == "hold"]
    return np.isin(np.arange(vocabulary.size), [vocabulary.start(type) for type in types])


def strikes(vocabulary: vocabularies.Vocabulary) -> Bool[np.ndarray, "S V"]:
    """Which tokens of each stream sound by themselves, pitches and sets of drums: bool[S, V]."""
    out = np.zeros((vocabulary.streams, vocabulary.size), bool)
    for stream, row in enumerate(out):
        for type in vocabulary.types(stream):
            if _kind(type) not in ("hold", "off", "rest", "end"):
                row |= vocabulary.values(type) >= 0
        row[vocabulary.silence(stream)[0]] = False
    return out


def _roles(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...]) -> Roles:
    """The roles; raises ValueError where tokens are not frames."""
    if not fits(vocabulary):
        raise ValueError(f"{vocabulary.name} has no frames of tokens")
    order = tuple(order) or tuple(range(vocabulary.streams))
    ids, silence = np.arange(vocabulary.size), [vocabulary.silence(stream)[0] for stream in order]
    return Roles(
        strikes=jnp.asarray(strikes(vocabulary)[list(order)]),
        rests=jnp.asarray(ids == np.array(silence)[:, None]),
        holds=jnp.asarray(np.tile(holds(vocabulary), (len(order), 1))),
        places=jnp.asarray(np.argsort(order)),
        counted=jnp.ones(len(order), bool),
    )


def _framed(roles: Roles, values: Int[Array, "N L"]) -> Int[Array, "N T S"]:
    """Values [N, L] as frames [N, T, S] of streams in drawing order."""
    return values.reshape(len(values), -1, len(roles.places))


def _sounds(
    roles: Roles, end: Int[Array, " S"], frames: Int[Array, "N T S"]
) -> tuple[Bool[Array, "N T S"], Int[Array, "N T S"]]:
    """Where each stream sounds, bool[N, T, S], and where its note began, int32[N, T, S]; `end` int32[S] are known."""
    index = jnp.broadcast_to(jnp.arange(frames.shape[1])[None, :, None], frames.shape)
    stream = jnp.broadcast_to(jnp.arange(frames.shape[2]), frames.shape)
    known = index < end[stream]
    struck, rested = (
        jax.lax.cummax(jnp.where(known & table[stream, frames], index, -1), axis=1)
        for table in (roles.strikes, roles.rests)
    )
    return known & (struck > rested), struck


def _rest(
    roles: Roles,
    sounds: Bool[Array, " T"],
    limits: Int[Array, " 3"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    place, (opening, most, phrase) = roles.places[stream], limits
    frames = _framed(roles, values)
    sounding, _ = _sounds(roles, frame + (jnp.arange(frames.shape[2]) < place), frames)
    heard, index = (sounding & roles.counted[None, None]).any(2), jnp.arange(frames.shape[1])[None]
    silent = (~heard & (index < frame) & (index >= frame - phrase)).sum(1)
    too_long = jnp.where(heard.any(1), silent >= most, silent >= opening)
    must = too_long & ~heard[:, frame] & ~sounds[jnp.minimum(frame, len(sounds) - 1)]
    goes_on = (frame > 0) & sounding[:, frame - 1, place]
    silence = roles.rests[place][None] | (roles.holds[place][None] & ~goes_on[:, None])
    return ~(must[:, None] & silence)


def rest(
    vocabulary: vocabularies.Vocabulary,
    order: tuple[int, ...] = (),
    *,
    given: Shaped[np.ndarray, "..."] | None = None,
    infill_mask: Shaped[np.ndarray, "..."] | None = None,
) -> Constraint:
    """Forbids more than a bar of silence within four bars, and in the first frame if nothing is given.

    Silence is that of all streams; where there are several it lasts a quarter at most. A frame breaks it in its first
    free stream, unless something that is given sounds in it. Streams of which all is given do not count: what is drawn
    beside them must not be silent either, as long as they sound.

    Args:
        vocabulary: Of frames of tokens; a bar is one of 4/4.
        order: The streams in the order in which they are drawn, `Decoder.order`; empty for the vocabulary's.
        given: int[T, S], or [T] for one stream: the given cells.
        infill_mask: 1 where a cell is free, of the same shape.

    Raises:
        ValueError: Tokens are not frames.
    """
    roles, quarter = _roles(vocabulary, order), vocabulary.frames_per_quarter
    free, sounds = np.ones(vocabulary.streams, bool), np.zeros(1, bool)
    if given is not None and infill_mask is not None:
        free = np.asarray(infill_mask).reshape(len(given), -1).any(0)
        heard = sounding(vocabulary, given, infill_mask)
        sounds = heard[:, free].any(1) | (~free.all() & ~heard[:, ~free].any(1))
    most = quarter * (LINE_REST if free.sum() == 1 else VOICES_REST)
    opening = 0 if given is None else most
    roles = roles.replace(counted=jnp.asarray(free[np.argsort(roles.places)]))  # type: ignore[attr-defined]
    limits = jnp.asarray((opening, most, quarter * PHRASE))
    return jax.tree_util.Partial(_rest, roles, jnp.asarray(sounds), limits)


def _note(
    roles: Roles, most: Int[Array, ""], frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, "N V"]:
    place, frames = roles.places[stream], _framed(roles, values)
    sounding, struck = _sounds(roles, jnp.full((frames.shape[2],), frame), frames)
    before = jnp.maximum(frame - 1, 0)
    held = sounding[:, before, place] & (frame - struck[:, before, place] >= most)
    # Without holds a note goes on where its pitch stands again.
    last, index = frames[:, before, place][:, None], jnp.arange(frames.shape[1])[None]
    since = jnp.where((index < frame) & (frames[:, :, place] != last), index, -1).max(1)
    repeated = ~roles.holds.any() & (before - since >= most)
    same = (jnp.arange(roles.strikes.shape[1])[None] == last) & roles.strikes[place][None]
    return ~((held[:, None] & roles.holds[place][None]) | (repeated[:, None] & same))


def note(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...] = ()) -> Constraint:
    """Forbids notes of more than two bars; without holds, a pitch that stands for longer.

    Args:
        vocabulary: Of frames of tokens; a bar is one of 4/4.
        order: As for `rest`.

    Raises:
        ValueError: Tokens are not frames.
    """
    most = NOTE * vocabulary.frames_per_quarter
    return jax.tree_util.Partial(_note, _roles(vocabulary, order), jnp.asarray(most))


def _loop(
    roles: Roles, passages: Int[Array, " P"], frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, "N V"]:
    place, frames = roles.places[stream], _framed(roles, values)
    index = jnp.arange(frames.shape[1])

    def repeats(passage: Int[Array, ""]) -> Int[Array, " N"]:
        """Whether the passage before is stated twice, and the token that would begin it again: bool[N], int32[N]."""
        earlier = frames[:, jnp.maximum(index - passage, 0)]
        within = (index < frame) & (index >= frame - passage)
        differs = (frames != earlier).any(2) & within[None]
        first, before = (frames[:, jnp.maximum(frame - passage - i, 0), place] for i in range(2))
        # Without holds a token begins a note where it is not the one before.
        begins = roles.strikes[place][first] & (roles.holds.any() | (first != before))
        return jnp.where((frame >= 2 * passage) & ~differs.any(1) & begins, first, -1)

    third = jax.vmap(repeats, out_axes=1)(passages)
    return (jnp.arange(roles.strikes.shape[1])[None, :, None] != third[:, None]).all(2)


def loop(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...] = ()) -> Constraint:
    """Forbids that a passage of half a bar, or of one, two or four bars, is stated a third time in a row.

    Of such a passage, the notes that would begin it once more must be others.

    Args:
        vocabulary: Of frames of tokens; a bar is one of 4/4.
        order: As for `rest`.

    Raises:
        ValueError: Tokens are not frames.
    """
    passages = vocabulary.frames_per_quarter * np.asarray(PASSAGES)
    return jax.tree_util.Partial(_loop, _roles(vocabulary, order), jnp.asarray(passages))


def sounding(
    vocabulary: vocabularies.Vocabulary, given: Shaped[np.ndarray, "..."], infill_mask: Shaped[np.ndarray, "..."]
) -> Bool[np.ndarray, "T S"]:
    """Where a given cell sounds: bool[T, S]; a hold sounds if the given note that it prolongs does."""
    cells = np.asarray(given).reshape(len(given), -1)
    fixed = np.asarray(infill_mask).reshape(cells.shape) == 0
    begins, prolongs = strikes(vocabulary)[np.arange(cells.shape[1]), cells] & fixed, holds(vocabulary)[cells] & fixed
    place = np.arange(len(cells))[:, None]
    struck, stopped = (np.maximum.accumulate(np.where(x, place, -1)) for x in (begins, ~begins & ~prolongs))
    return struck > stopped


def _silent_bars(
    events: Bool[Array, "3 V"],
    names: Int[Array, " V"],
    drawn: Bool[Array, " K"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    is_bar, is_pitch, is_zero = events
    index = jnp.arange(values.shape[1])[None]
    before = index < frame
    bar = is_bar[values] & before
    begun = jnp.where(bar, index, -1).max(1, keepdims=True)
    since = jnp.where(bar & (index < begun), index, -1).max(1, keepdims=True)
    # The track of each token is that of the last name before it.
    named = jax.lax.cummax(jnp.where((names[values] >= 0) & before, index, -1), axis=1)
    track = names[jnp.take_along_axis(values, jnp.maximum(named, 0), axis=1)]
    of_drawn = (named >= 0) & drawn[jnp.maximum(track, 0)]
    silent = ~(is_pitch[values] & of_drawn & before & (index > since)).any(1)
    last = jnp.where(drawn, jnp.arange(len(drawn)), -1).max()
    previous = jax.lax.dynamic_index_in_dim(values, jnp.maximum(frame - 1, 0), 1, False)
    must = silent & (frame > 0) & (names[previous] == last)
    return ~(must[:, None] & is_zero[None])


def silent_bars(vocabulary: vocabularies.Vocabulary, drawn: Sequence[int] | None = None) -> Constraint:
    """Forbids two bars in a row in which all drawn tracks are silent, and a first bar in which they are.

    The last of the drawn tracks then breaks the silence.

    Args:
        vocabulary: That of codec `tracks`.
        drawn: The tracks that are drawn; None for all.
    """
    number = vocabulary.range("track").size
    mask = np.isin(np.arange(number), range(number) if drawn is None else list(drawn))
    events = np.stack(
        [vocabulary.values("bar") >= 0, vocabulary.values("pitch") >= 0, vocabulary.values("density") == 0]
    )
    return jax.tree_util.Partial(
        _silent_bars, jnp.asarray(events), jnp.asarray(vocabulary.values("track")), jnp.asarray(mask)
    )
