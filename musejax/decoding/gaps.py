"""Rules against three kinds of degenerate samples: endless silence, endless notes, and loops.

The likeliest continuation of a rest is a rest, that of a held note a hold, and that of a repeated bar the same bar
again (Holtzman et al., 2020). Sampling from the full distribution leaves these states after a while, but choosing the
likeliest tokens may not. The limits follow the training data: Magenta ends a melody at a rest of one bar (`gap_bars`),
notes in REMI (Huang and Yang, 2020) last at most two bars, and RL Tuner (Jaques et al., 2017) plays a note at most
four times in a row. The rules are meant for `Request.rules`, so that hard constraints have priority.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Bool, Int, Shaped
from musejax.base import Constraint

# Largest silence, in quarters, of a single line and of several voices within a phrase, and length of a phrase. 95 % of
# Bach's chorales satisfy the limit for voices.
LINE_REST, VOICES_REST, PHRASE = 4, 1, 16
# Longest note in quarters.
NOTE = 8
# Lengths, in quarters, of passages that may occur twice in succession, but not three times.
PASSAGES = (2, 4, 8, 16)


@struct.dataclass
class Roles:
    """Roles of the tokens in each stream, with streams in sampling order.

    Attributes:
        strikes: Tokens that begin a sound, bool[S, V].
        rests: Tokens that begin a silence, bool[S, V].
        holds: Tokens that prolong the previous event, bool[S, V].
        places: Place of each stream within a frame, int32[S].
        counted: Streams that can break a silence, bool[S].
    """

    strikes: Bool[Array, "S V"]
    rests: Bool[Array, "S V"]
    holds: Bool[Array, "S V"]
    places: Int[Array, " S"]
    counted: Bool[Array, " S"]


def fits(vocabulary: vocabularies.Vocabulary) -> bool:
    """Returns whether the vocabulary has frames of tokens, to which these rules apply."""
    return vocabulary.kind == "tokens" and vocabulary.frames_per_quarter > 0


def _kind(type: str) -> str:
    """Returns the last part of an event type, such as hold, off, rest, end or pitch."""
    return type.rpartition("_")[2]


def holds(vocabulary: vocabularies.Vocabulary) -> Bool[np.ndarray, " V"]:
    """Returns True for hold tokens: bool[V]."""
    types = [r.type for r in vocabulary.ranges if _kind(r.type) == "hold"]
    return np.isin(np.arange(vocabulary.size), [vocabulary.start(type) for type in types])


def strikes(vocabulary: vocabularies.Vocabulary) -> Bool[np.ndarray, "S V"]:
    """Returns True for tokens of each stream that begin a sound, such as pitches and sets of drums: bool[S, V]."""
    out = np.zeros((vocabulary.streams, vocabulary.size), bool)
    for stream, row in enumerate(out):
        for type in vocabulary.types(stream):
            if _kind(type) not in ("hold", "off", "rest", "end"):
                row |= vocabulary.values(type) >= 0
        row[vocabulary.silence(stream)[0]] = False
    return out


def _roles(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...]) -> Roles:
    """Returns the roles of tokens; raises ValueError if the vocabulary has no frames of tokens."""
    if not fits(vocabulary):
        raise ValueError(f"{vocabulary.name} has no frames of tokens, which this rule needs")
    order = tuple(order) or tuple(range(vocabulary.streams))
    ids, silence = np.arange(vocabulary.size), [vocabulary.silence(stream)[0] for stream in order]
    return Roles(
        strikes=jnp.asarray(strikes(vocabulary)[list(order)]),
        rests=jnp.asarray(ids == np.array(silence)[:, None]),
        holds=jnp.asarray(np.tile(holds(vocabulary), (len(order), 1))),
        places=jnp.asarray(np.argsort(order)),
        counted=jnp.ones(len(order), bool),
    )


def _reshape(roles: Roles, values: Int[Array, "N L"]) -> Int[Array, "N T S"]:
    """Reshapes values [N, L] to frames [N, T, S] with streams in sampling order."""
    return values.reshape(len(values), -1, len(roles.places))


def _sounds(
    roles: Roles, end: Int[Array, " S"], frames: Int[Array, "N T S"]
) -> tuple[Bool[Array, "N T S"], Int[Array, "N T S"]]:
    """Finds the sounding cells.

    Args:
        roles: Roles of tokens.
        end: Number of sampled frames of each stream, int32[S].
        frames: Tokens, int32[N, T, S].

    Returns:
        Whether a note sounds in each cell, bool[N, T, S], and the frame of the last onset, int32[N, T, S].
    """
    index = jnp.broadcast_to(jnp.arange(frames.shape[1])[None, :, None], frames.shape)
    stream = jnp.broadcast_to(jnp.arange(frames.shape[2]), frames.shape)
    past = index < end[stream]
    onset, rest_start = (
        jax.lax.cummax(jnp.where(past & table[stream, frames], index, -1), axis=1)
        for table in (roles.strikes, roles.rests)
    )
    return past & (onset > rest_start), onset


def _rest(
    roles: Roles,
    sounds: Bool[Array, " T"],
    limits: Int[Array, " 3"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    place, (opening, most, phrase) = roles.places[stream], limits
    frames = _reshape(roles, values)
    sounding, _ = _sounds(roles, frame + (jnp.arange(frames.shape[2]) < place), frames)
    any_sound, index = (sounding & roles.counted[None, None]).any(2), jnp.arange(frames.shape[1])[None]
    silent = (~any_sound & (index < frame) & (index >= frame - phrase)).sum(1)
    too_long = jnp.where(any_sound.any(1), silent >= most, silent >= opening)
    must = too_long & ~any_sound[:, frame] & ~sounds[jnp.minimum(frame, len(sounds) - 1)]
    holds_note = (frame > 0) & sounding[:, frame - 1, place]
    silence = roles.rests[place][None] | (roles.holds[place][None] & ~holds_note[:, None])
    return ~(must[:, None] & silence)


def rest(
    vocabulary: vocabularies.Vocabulary,
    order: tuple[int, ...] = (),
    *,
    given: Shaped[np.ndarray, "..."] | None = None,
    infill_mask: Shaped[np.ndarray, "..."] | None = None,
) -> Constraint:
    """Returns a rule that limits silence within four bars: to a bar for a single line, to a quarter for several voices.

    A frame is silent if all streams are. Without given cells, the first frame must not be silent either. The first free
    stream of a frame breaks a silence, unless a given note sounds in the frame. Streams that are completely given do
    not count: while they sound, the sampled streams must not be silent.

    Args:
        vocabulary: Vocabulary with frames of tokens; a bar is one of 4/4.
        order: Sampling order of the streams (`Decoder.order`); empty for the order of the vocabulary.
        given: Given cells, int[T, S], or [T] for one stream.
        infill_mask: 1 for free cells, of the same shape.

    Raises:
        ValueError: The vocabulary has no frames of tokens.
    """
    roles, quarter = _roles(vocabulary, order), vocabulary.frames_per_quarter
    free, sounds = np.ones(vocabulary.streams, bool), np.zeros(1, bool)
    if given is not None and infill_mask is not None:
        free = np.asarray(infill_mask).reshape(len(given), -1).any(0)
        given_sounds = sounding(vocabulary, given, infill_mask)
        sounds = given_sounds[:, free].any(1) | (~free.all() & ~given_sounds[:, ~free].any(1))
    most = quarter * (LINE_REST if free.sum() == 1 else VOICES_REST)
    opening = 0 if given is None else most
    roles = roles.replace(counted=jnp.asarray(free[np.argsort(roles.places)]))  # type: ignore[attr-defined]
    limits = jnp.asarray((opening, most, quarter * PHRASE))
    return jax.tree_util.Partial(_rest, roles, jnp.asarray(sounds), limits)


def _note(
    roles: Roles, most: Int[Array, ""], frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, "N V"]:
    place, frames = roles.places[stream], _reshape(roles, values)
    sounding, onset = _sounds(roles, jnp.full((frames.shape[2],), frame), frames)
    before = jnp.maximum(frame - 1, 0)
    held = sounding[:, before, place] & (frame - onset[:, before, place] >= most)
    # Without holds, a note continues as long as its pitch is repeated.
    last, index = frames[:, before, place][:, None], jnp.arange(frames.shape[1])[None]
    since = jnp.where((index < frame) & (frames[:, :, place] != last), index, -1).max(1)
    repeated = ~roles.holds.any() & (before - since >= most)
    same = (jnp.arange(roles.strikes.shape[1])[None] == last) & roles.strikes[place][None]
    return ~((held[:, None] & roles.holds[place][None]) | (repeated[:, None] & same))


def note(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...] = ()) -> Constraint:
    """Returns a rule that forbids notes longer than two bars; without holds, longer repetitions of a pitch.

    Args:
        vocabulary: Vocabulary with frames of tokens; a bar is one of 4/4.
        order: Sampling order of the streams, as for `rest`.

    Raises:
        ValueError: The vocabulary has no frames of tokens.
    """
    most = NOTE * vocabulary.frames_per_quarter
    return jax.tree_util.Partial(_note, _roles(vocabulary, order), jnp.asarray(most))


def _loop(
    roles: Roles, passages: Int[Array, " P"], frame: Int[Array, ""], stream: Int[Array, ""], values: Int[Array, "N L"]
) -> Bool[Array, "N V"]:
    place, frames = roles.places[stream], _reshape(roles, values)
    index = jnp.arange(frames.shape[1])

    def repeats(passage: Int[Array, ""]) -> Int[Array, " N"]:
        """Returns the token that would begin a third occurrence of a passage, -1 if there is none: int32[N]."""
        earlier = frames[:, jnp.maximum(index - passage, 0)]
        within = (index < frame) & (index >= frame - passage)
        differs = (frames != earlier).any(2) & within[None]
        first, before = (frames[:, jnp.maximum(frame - passage - i, 0), place] for i in range(2))
        # Without holds, a token begins a note if it differs from the previous one.
        begins = roles.strikes[place][first] & (roles.holds.any() | (first != before))
        return jnp.where((frame >= 2 * passage) & ~differs.any(1) & begins, first, -1)

    third = jax.vmap(repeats, out_axes=1)(passages)
    return (jnp.arange(roles.strikes.shape[1])[None, :, None] != third[:, None]).all(2)


def loop(vocabulary: vocabularies.Vocabulary, order: tuple[int, ...] = ()) -> Constraint:
    """Returns a rule against a third successive occurrence of a passage of half a bar, or one, two or four bars.

    After two occurrences, it forbids the notes with which the passage begins.

    Args:
        vocabulary: Vocabulary with frames of tokens; a bar is one of 4/4.
        order: Sampling order of the streams, as for `rest`.

    Raises:
        ValueError: The vocabulary has no frames of tokens.
    """
    passages = vocabulary.frames_per_quarter * np.asarray(PASSAGES)
    return jax.tree_util.Partial(_loop, _roles(vocabulary, order), jnp.asarray(passages))


def sounding(
    vocabulary: vocabularies.Vocabulary, given: Shaped[np.ndarray, "..."], infill_mask: Shaped[np.ndarray, "..."]
) -> Bool[np.ndarray, "T S"]:
    """Returns True for given cells in which a given note begins or is held: bool[T, S]."""
    cells = np.asarray(given).reshape(len(given), -1)
    fixed = np.asarray(infill_mask).reshape(cells.shape) == 0
    begins, prolongs = strikes(vocabulary)[np.arange(cells.shape[1]), cells] & fixed, holds(vocabulary)[cells] & fixed
    place = np.arange(len(cells))[:, None]
    onset, end = (np.maximum.accumulate(np.where(x, place, -1)) for x in (begins, ~begins & ~prolongs))
    return onset > end


def _silent_bars(
    events: Bool[Array, "3 V"],
    names: Int[Array, " V"],
    sampled: Bool[Array, " K"],
    frame: Int[Array, ""],
    stream: Int[Array, ""],
    values: Int[Array, "N L"],
) -> Bool[Array, "N V"]:
    is_bar, is_pitch, is_zero = events
    index = jnp.arange(values.shape[1])[None]
    before = index < frame
    bar = is_bar[values] & before
    this_bar = jnp.where(bar, index, -1).max(1, keepdims=True)
    previous_bar = jnp.where(bar & (index < this_bar), index, -1).max(1, keepdims=True)
    # Each token belongs to the track of the last track token before it.
    at = jax.lax.cummax(jnp.where((names[values] >= 0) & before, index, -1), axis=1)
    track = names[jnp.take_along_axis(values, jnp.maximum(at, 0), axis=1)]
    in_sampled = (at >= 0) & sampled[jnp.maximum(track, 0)]
    silent = ~(is_pitch[values] & in_sampled & before & (index > previous_bar)).any(1)
    last = jnp.where(sampled, jnp.arange(len(sampled)), -1).max()
    previous = jax.lax.dynamic_index_in_dim(values, jnp.maximum(frame - 1, 0), 1, False)
    must = silent & (frame > 0) & (names[previous] == last)
    return ~(must[:, None] & is_zero[None])


def silent_bars(vocabulary: vocabularies.Vocabulary, drawn: Sequence[int] | None = None) -> Constraint:
    """Returns a rule against two successive bars, or a first bar, in which all sampled tracks are silent.

    The last of the sampled tracks then must not be silent.

    Args:
        vocabulary: Vocabulary of the codec `tracks`.
        drawn: Numbers of the sampled tracks; None for all.
    """
    number = vocabulary.range("track").size
    mask = np.isin(np.arange(number), range(number) if drawn is None else list(drawn))
    events = np.stack(
        [vocabulary.values("bar") >= 0, vocabulary.values("pitch") >= 0, vocabulary.values("density") == 0]
    )
    return jax.tree_util.Partial(
        _silent_bars, jnp.asarray(events), jnp.asarray(vocabulary.values("track")), jnp.asarray(mask)
    )
