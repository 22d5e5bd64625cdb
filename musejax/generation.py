"""Music from a function call: a model, a seed, and NoteSequences come back."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Choice, Constraint, Request
from musejax.decoding import constraints

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Pieces drawn together by default. Matrix products of another number of rows round differently, so the width is part
# of what a seed stands for; within it, piece i is the same however many are asked for.
WIDTH = 8
# A piece that its model does not end within the length is drawn again, so often in all.
TRIES = 8


class Piece(NamedTuple):
    """One sampled piece.

    Attributes:
        sequence: The music.
        arrays: The same in the model's codec.
        log_prob: Log-likelihood in nats of what was drawn.
        ended: Whether the model ended it (always true for codecs without END).
    """

    sequence: "NoteSequence"
    arrays: codecs.Arrays
    log_prob: float
    ended: bool


@functools.lru_cache(maxsize=32)
def _compiled(sample: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(sample)


def default_length(vocabulary: vocabularies.Vocabulary) -> int:
    """Frames of a free sample: as many as a piece may have (32 bars) where the model ends it, else 16 bars of 4/4."""
    if vocabulary.frames_per_quarter == 0:
        return 1024
    return vocabulary.frames_per_quarter * 4 * (32 if vocabulary.has("end") else 16)


def _prompt(
    vocabulary: vocabularies.Vocabulary, primer: codecs.Arrays, width: int, length: int
) -> tuple[jax.Array, jax.Array]:
    """Given cells and infill_mask of a batch that begins with a primer."""
    field = "frames" if vocabulary.kind == "bits" else "tokens"
    cells = primer[field]
    if len(cells) >= length:
        raise errors.UserError(f"the primer has {len(cells)} frames, the piece only {length}; give a larger --length")
    given = np.zeros((width, length, *cells.shape[1:]), np.int32)
    given[:, : len(cells)] = cells
    mask = np.ones(given.shape[:2] if vocabulary.kind == "bits" else given.shape, np.int32)
    mask[:, : len(cells)] = 0
    return jnp.asarray(given), jnp.asarray(mask)


def draw(
    loaded: zoo.Loaded,
    num: int,
    seed: int,
    *,
    length: int | None = None,
    min_length: int | None = None,
    choice: Choice | None = None,
    primer: codecs.Arrays | None = None,
    constraint: Constraint | None = None,
    sharps: int | None = None,
    width: int = WIDTH,
    qpm: float = 100.0,
) -> list[Piece]:
    """Samples pieces; see `sample` for the arguments, of which `primer` is already encoded here."""
    vocabulary = loaded.codec.vocabulary
    length = default_length(vocabulary) if length is None else length
    for name, value in (("num", num), ("length", length), ("width", width)):
        if value < 1:
            raise errors.UserError(f"{name} is {value}; it must be 1 or more")
    if sharps is not None and not -7 <= sharps <= 7:
        raise errors.UserError(f"sharps is {sharps}; it must lie in -7..7")
    parts = [] if constraint is None else [constraint]
    if vocabulary.has("end"):
        shortest = min(8 * 16, length // 2) if min_length is None else min_length
        parts.append(constraints.no_end_before(vocabulary, shortest))
    request = Request(
        num=width,
        length=length,
        choice=choice or Choice(),
        constraint=constraints.all_of(*parts) if parts else None,
    )
    if primer is not None:
        given, mask = _prompt(vocabulary, primer, width, length)
        request = request.replace(given=given, infill_mask=mask)  # type: ignore[attr-defined]
    run = _compiled(loaded.model.sample)
    variables = loaded.variables
    keys = jax.random.split(jax.random.key(seed), TRIES)
    pieces: list[Piece] = []
    for first in range(0, num, width):
        signatures = np.array([_key(loaded, seed, first + row, sharps) for row in range(width)])
        conditions = codecs.free_conditions(vocabulary, width, length, primer, signatures)
        block = request.replace(  # type: ignore[attr-defined]
            first=jnp.asarray(first), conditions={n: jnp.asarray(c) for n, c in conditions.items()}
        )
        done: dict[int, Piece] = {}
        wanted = range(min(width, num - first))
        for key in keys:
            out = run(variables["params"], variables["state"], key, block)
            arrays = {k: np.asarray(v) for k, v in out.items()}
            for row in wanted:
                if row not in done or not done[row].ended:
                    done[row] = _piece(loaded.codec, arrays, row, qpm)
            if all(done[row].ended for row in wanted):
                break
        pieces += [done[row] for row in wanted]
    return pieces


def _key(loaded: zoo.Loaded, seed: int, index: int, sharps: int | None) -> int:
    """The key of a piece as 0..14: the one asked for, else drawn as often as it opens a piece of the training data."""
    if sharps is not None:
        return 7 + sharps
    counts = loaded.config["data"].get("keys") or {"7": 1}
    shares = np.array(list(counts.values()), float)
    rng = np.random.default_rng([seed % 2**63, index])
    return int(list(counts)[rng.choice(len(shares), p=shares / shares.sum())])


def _piece(codec: codecs.Codec, arrays: codecs.Arrays, row: int, qpm: float) -> Piece:
    log_prob, size = float(arrays["log_prob"][row]), int(arrays["length"][row])
    mine = {k: v[row, :size] for k, v in arrays.items() if k not in ("log_prob", "length")}
    ended = not codec.vocabulary.has("end") or bool((mine["tokens"][-1] == codec.vocabulary.id("end")).any())
    return Piece(codec.decode(mine, qpm), mine, log_prob, ended)


def sample(
    model: str | Path | zoo.Loaded,
    num: int = 1,
    seed: int = 0,
    *,
    length: int | None = None,
    min_length: int | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    primer: "NoteSequence | None" = None,
    constraint: Constraint | None = None,
    sharps: int | None = None,
    width: int = WIDTH,
    qpm: float = 100.0,
) -> list["NoteSequence"]:
    """Music from a trained model.

    The same arguments give the same music, and piece i does not change with how many are asked for.

    Args:
        model: A shipped run's name, a run directory, or what `load` returned.
        num: Number of pieces.
        seed: Any integer.
        length: Most frames of a piece (16ths; events for performances). Where the model ends pieces (32 bars by
            default), one that has not ended by then is drawn again, seven times at most.
        min_length: Frames before which a piece may not end, where the model ends it (default: eight bars).
        temperature: Below 1 is more cautious, above 1 bolder.
        top_k: Keeps the k likeliest tokens at each step.
        top_p: Keeps the likeliest tokens up to this probability.
        min_p: Keeps tokens at least this many times as likely as the likeliest.
        primer: Music to continue; it opens every piece.
        constraint: Which tokens may stand where (`musejax.decoding.constraints`).
        sharps: Key signature, -7..7 (negative: flats), where the model reads it; by default as in the training data.
        width: Pieces drawn together: larger is faster for many pieces, and draws other pieces.
        qpm: Quarter notes a minute of the result.

    Returns:
        NoteSequences.

    Raises:
        errors.UserError: The model cannot be loaded, or the primer does not fit its vocabulary.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    arrays = None if primer is None else prime(loaded, primer)
    choice = Choice(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    pieces = draw(
        loaded, num, seed, length=length, min_length=min_length, choice=choice, primer=arrays,
        constraint=constraint, sharps=sharps, width=width, qpm=qpm,
    )  # fmt: skip
    return [p.sequence for p in pieces]


def prime(loaded: zoo.Loaded, primer: "NoteSequence") -> codecs.Arrays:
    """A primer in a model's codec.

    Raises:
        errors.UserError: It does not fit the vocabulary.
    """
    try:
        return loaded.codec.prime(primer)
    except errors.DiscardError as error:
        codec = loaded.codec.vocabulary.name
        raise errors.UserError(f"the primer does not fit codec {codec} of {loaded.name}: {error}") from None
