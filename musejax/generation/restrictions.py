"""What bounds the drawing of pieces: constraints that users give, rules of our own, and what ends in an error."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Constraint
from musejax.decoding import allowed, constraints, gaps, gibbs
from musejax.decoding import track_grammar as bars_and_tracks
from musejax.generation import primers

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

_TRACED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
)


def check(constraint: Constraint, vocabulary: vocabularies.Vocabulary, num: int, length: int) -> Constraint:
    """Returns a user's constraint in the form in which the compiled loop takes it.

    Args:
        constraint: A function (frame, stream, values) -> bool, broadcast to [N, V].
        vocabulary: The model's.
        num: N.
        length: Frames of a piece.

    Raises:
        errors.UserError: It is not such a function.
    """
    try:
        ready = constraints.partial(constraint)
    except TypeError as error:
        raise errors.UserError(f"constraint: {error}") from None
    try:
        inspect.signature(ready).bind(0, 0, 0)
    except TypeError as error:
        raise errors.UserError(f"constraint: it is called with (frame, stream, values): {error}") from None
    except ValueError:  # a callable without a signature
        pass
    index = jax.ShapeDtypeStruct((), jnp.int32)
    shape = (num, length * (vocabulary.streams if vocabulary.kind == "tokens" else 1))
    if vocabulary.kind != "tokens":
        shape = (*shape, vocabulary.size)
    values = jax.ShapeDtypeStruct(shape, jnp.float32 if vocabulary.kind == "groove" else jnp.int32)
    try:
        answer = jax.eval_shape(ready, index, index, values)
    except _TRACED:
        raise errors.UserError(
            "constraint: it runs in a compiled loop, where `if`, int() and NumPy functions cannot read its arguments; "
            "use jax.numpy, such as jnp.where, or index an array by frame"
        ) from None
    found = getattr(answer, "shape", None)
    wanted = (
        f"it must return bool of shape [{vocabulary.size}] or [{num}, {vocabulary.size}], tokens or pieces by tokens"
    )
    if found is None:
        raise errors.UserError(f"constraint: {wanted}; it returned {type(answer).__name__}")
    if answer.dtype != jnp.bool_:
        raise errors.UserError(f"constraint: {wanted}; it returned {answer.dtype}{list(found)}")
    if len(found) > 2 or any(a not in (1, b) for a, b in zip(found[::-1], (vocabulary.size, num))):
        raise errors.UserError(f"constraint: {wanted}; it returned shape {list(found)}")
    return ready


def lively(
    loaded: zoo.Loaded, given: primers.Given | None, drawn_tracks: Sequence[int] | None = None
) -> tuple[Constraint, ...]:
    """The rules against silence, endless notes and loops, for a model that draws from left to right; none for switches.

    Args:
        loaded: The model.
        given: What is fixed in every piece.
        drawn_tracks: The tracks that are drawn, of codec `tracks`; None for all.
    """
    vocabulary, pair = loaded.codec.vocabulary, loaded.model.decoder
    if loaded.model.info.samplers or loaded.model.info.piece_frames:
        return ()
    if bars_and_tracks.fits(vocabulary):
        return (gaps.silent_bars(vocabulary, drawn_tracks),)
    if not gaps.fits(vocabulary):
        return ()
    order = pair.order if pair is not None else ()
    cells, mask = (None, None) if given is None else given[:2]
    rest = gaps.rest(vocabulary, order, given=cells, infill_mask=mask)
    # Drums are made of loops.
    loops = () if any(r.type.startswith("drum") for r in vocabulary.ranges) else (gaps.loop(vocabulary, order),)
    return rest, gaps.note(vocabulary, order), *loops


def blocked(loaded: zoo.Loaded, place: np.ndarray) -> errors.UserError:
    """The error of a piece that stopped because nothing could be drawn.

    Args:
        loaded: The model.
        place: int[3], frame, stream and reason.
    """
    vocabulary, (frame, stream, reason) = loaded.codec.vocabulary, place.tolist()
    where = f"in frame {frame}" if vocabulary.frames_per_quarter else f"at token {frame}"
    if vocabulary.streams > 1:
        where += f" of stream {stream}"
    beside = ""
    if reason == allowed.TOGETHER:
        beside = f" that codec {vocabulary.name} and the given cells allow"
    return errors.UserError(
        f"the constraint leaves no token{beside} {where} (counted from 0); allow more there: a wider scale, range of "
        "pitches, set of chords or density"
    )


def is_silent(
    codec: codecs.Codec,
    arrays: codecs.Arrays,
    given: primers.Given | None = None,
    drawn_tracks: Sequence[int] | None = None,
) -> bool:
    """Whether nothing sounds of what was drawn. Less than a bar within something given may be silent.

    Args:
        codec: The model's.
        arrays: A piece, as the codec decodes it.
        given: What was fixed.
        drawn_tracks: As for `lively`.
    """
    vocabulary = codec.vocabulary
    if drawn_tracks is not None:
        drawn = bars_and_tracks.segments(vocabulary, arrays["tokens"], tuple(drawn_tracks))
        return not (vocabulary.values("pitch")[drawn[drawn >= 0]] >= 0).any()
    rows = vocabulary.kind != "tokens"
    if not codec.is_music:
        return False
    if given is None:
        return not codec.decode(arrays, 100.0).notes
    cells = arrays["frames" if rows else "tokens"]
    free = np.asarray(given.infill_mask)[: len(cells)] > 0
    frames = np.asarray(free.reshape(len(free), -1).any(1))
    if frames.sum() < min(max(vocabulary.bar, 1), len(frames)):
        return False
    if rows:
        return not cells[frames].any()
    if gaps.fits(vocabulary):
        sounds = gaps.strikes(vocabulary)[np.arange(vocabulary.streams), cells.reshape(len(cells), -1)]
    else:
        sounds = constraints.pitches(vocabulary)[cells] >= 0
    return not (sounds.reshape(free.shape) & free).any()


def silence(
    loaded: zoo.Loaded, *, beams: int | None = None, sharp: bool = False, constrained: bool = False
) -> errors.UserError:
    """The error of a request that ends in silence alone.

    Args:
        loaded: The model.
        beams: Of a search.
        sharp: Whether likely tokens were preferred.
        constrained: Whether there was a constraint.
    """
    how = "" if beams is None else f" in a search with {beams} {'beam' if beams == 1 else 'beams'}"
    advice = ["relax the constraint"] if constrained else []
    if beams is not None:
        advice.append("leave out the beams")
    elif sharp:
        advice.append("raise the temperature, top_k or top_p")
    else:
        advice.append("give another seed or a larger length")
    return errors.UserError(f"{loaded.name} wrote only silence{how}; {', or '.join(advice)}")


def sampling(loaded: zoo.Loaded, sampler: str | None, steps: int | None) -> gibbs.Sampling | None:
    """How a model that draws cells in any order draws them; None for its own way.

    Raises:
        errors.UserError: It does not, or not so.
    """
    have = loaded.model.info.samplers
    if sampler is None and steps is None:
        return None
    if not have:
        raise errors.UserError(
            f"{loaded.name} does not draw cells in any order; a sampler and its steps are for DeepBach and Coconet"
        )
    if sampler is not None and sampler not in have:
        raise errors.UserError(f"sampler {sampler!r} is unknown to {loaded.name}, which has {', '.join(have)}")
    if steps is not None and steps < 1:
        raise errors.UserError(f"steps is {steps}; it must be at least 1")
    return gibbs.Sampling(sampler or have[0], steps or loaded.model.info.sampling_steps)  # type: ignore[arg-type]


def heard(loaded: zoo.Loaded, pieces: "list[NoteSequence]", temperature: float) -> "list[NoteSequence]":
    """Returns pieces of which some sound; raises `errors.UserError` if all are silent."""
    if not any(piece.notes for piece in pieces):
        raise silence(loaded, sharp=temperature < 1.0)
    return pieces
