"""Music through the latent vectors of a trained model: reconstruct a piece, go from one to another, play drums anew.

A model that finds no vector for a piece, as a GAN, goes from one drawn vector to another.

A file is read as the model's codec reads a primer, from a bar line on, and cut into windows as long as those that the
model was trained on; the last is filled up with silence. A window's vector is the mean of its posterior.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, zoo
from musejax import vocabulary as vocabularies
from musejax.base import Choice, Latent, Request
from musejax.decoding import latent_paths
from musejax.generation import piece_lengths, primers, restrictions, sampling, sources, weaving
from musejax.music import timing

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence


def latent_functions(loaded: zoo.Loaded) -> Latent:
    """The latent functions of a trained model.

    Raises:
        errors.UserError: It has no latent vector.
    """
    if loaded.model.latent is None:
        names = ", ".join(e.name for e in zoo.select(shipped=True) if e.family in ("music_vae", "dense_vae"))
        raise errors.UserError(
            f"{loaded.name} has no latent vector; a VAE has one" + (f", such as {names}" if names else "")
        )
    return loaded.model.latent


@contextlib.contextmanager
def _fitting(loaded: zoo.Loaded) -> Iterator[None]:
    """Turns what a codec says of a piece outside its domain into a user's mistake."""
    try:
        yield
    except errors.DiscardError as error:
        name = loaded.codec.vocabulary.name
        raise errors.UserError(f"the piece does not fit codec {name} of {loaded.name}: {error}") from None


def windows(loaded: zoo.Loaded, sequence: "NoteSequence") -> codecs.Arrays:
    """A piece as the windows that the model reads, one after the other: arrays [N, T, ...] of codec and conditions.

    Raises:
        errors.UserError: It does not fit the codec.
    """
    with _fitting(loaded):
        return _cut(loaded, loaded.codec.prime(sequence))


def _cut(loaded: zoo.Loaded, arrays: codecs.Arrays) -> codecs.Arrays:
    """The arrays of a piece as windows, the last filled up with silence."""
    vocabulary, length = loaded.codec.vocabulary, piece_lengths.default(loaded)
    field = "frames" if "frames" in arrays else "tokens"
    cells = arrays[field]
    missing = -len(cells) % length
    cells = np.concatenate([cells, primers.silence(vocabulary, cells, missing)])
    told = codecs.free_conditions(vocabulary, 1, len(cells), arrays)
    return {
        field: cells.reshape(-1, length, *cells.shape[1:]),
        **{name: row[0].reshape(-1, length) for name, row in told.items()},
    }


@functools.lru_cache(maxsize=16)
def _compiled(function: Any) -> Any:
    return jax.jit(function)


def encoder(loaded: zoo.Loaded) -> Any:
    """How a model finds the vector of a piece: its `base.Latent.encode`.

    Raises:
        errors.UserError: It does not, or has no latent vector.
    """
    latent = latent_functions(loaded)
    if latent.encode is None:
        raise errors.UserError(
            f"{loaded.name} finds no latent vector for a piece; a VAE does. Without files `musejax interpolate` goes "
            "from one drawn vector to another"
        )
    return latent.encode


def encode(loaded: zoo.Loaded, arrays: codecs.Arrays) -> np.ndarray:
    """The vectors of windows [N, T, ...]: float32[N, Z]; errors are those of `encoder`."""
    return posterior(loaded, arrays)[0]


def posterior(loaded: zoo.Loaded, arrays: codecs.Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of the posteriors of windows [N, T, ...]: float32[N, Z] each; errors are those of `encoder`."""
    variables, width = loaded.variables, sampling.WIDTH
    run, out = _compiled(encoder(loaded)), []
    num, length = next(iter(arrays.values())).shape[:2]
    for first in range(0, num, width):
        rows = np.minimum(np.arange(first, first + width), num - 1)
        batch = {name: jnp.asarray(a[rows]) for name, a in arrays.items()}
        batch["pad_mask"] = batch["loss_mask"] = jnp.ones((width, length), jnp.int32)
        found = run(variables["params"], variables["state"], batch)
        out.append([np.asarray(x)[: num - first] for x in found])
    mean, scale = (np.concatenate(x) for x in zip(*out, strict=True))
    return mean, scale


def decode(
    loaded: zoo.Loaded,
    z: np.ndarray,
    seed: int = 0,
    *,
    choice: Choice | None = None,
    conditions: codecs.Arrays | None = None,
    given: tuple[np.ndarray, np.ndarray] | None = None,
    qpm: float = 100.0,
) -> list[sampling.Piece]:
    """Draws a piece for each vector.

    Args:
        loaded: A model with a latent vector.
        z: float[N, Z].
        seed: Any integer; piece i does not change with how many there are.
        choice: How a token is chosen.
        conditions: int32[N, T] for each condition; by default those of a free sample.
        given: Cells that are kept and their infill_mask, [N, T, ...] each; see `base.Request`.
        qpm: Quarter notes a minute.
    """
    sampling.check_whole(loaded, choice)
    if track := loaded.model.info.given_track:
        raise errors.UserError(f"{loaded.name} accompanies the {track}, which latent vectors do not give")
    variables, width, length = loaded.variables, sampling.WIDTH, piece_lengths.default(loaded)
    run, key, pieces = _compiled(latent_functions(loaded).decode), jax.random.key(seed), []
    told = conditions or codecs.free_conditions(loaded.codec.vocabulary, len(z), length)
    grammar = None if loaded.codec.grammar is None else loaded.codec.grammar()
    for first in range(0, len(z), width):
        rows = np.minimum(np.arange(first, first + width), len(z) - 1)
        request = Request(
            num=width,
            length=length,
            choice=choice or Choice(),
            first=jnp.asarray(first),  # type: ignore[arg-type]
            conditions={name: jnp.asarray(rows_of[rows]) for name, rows_of in told.items()},
            grammar=grammar,
        )
        if given is not None:
            cells, mask = (jnp.asarray(a[rows]) for a in given)
            request = request.replace(given=cells, infill_mask=mask)  # type: ignore[attr-defined]
        out = run(variables["params"], variables["state"], key, jnp.asarray(z[rows], jnp.float32), request)
        arrays = {k: np.asarray(v) for k, v in out.items() if k != "blocked"}
        pieces += [sampling.piece(loaded.codec, arrays, row, qpm) for row in range(min(width, len(z) - first))]
    return pieces


def reconstruct(
    model: "str | zoo.Loaded",
    sequence: "NoteSequence",
    seed: int = 0,
    *,
    temperature: float = 1.0,
    say: sources.Say = sources.to_stderr,
) -> "NoteSequence":
    """A piece as a model remembers it: each of its windows through its latent vector and back.

    The notes that the model reads are replaced by those that it remembers, in the same parts. All else stays: tempos,
    signatures, and notes that the model does not read.

    Args:
        model: A run's name or directory, or what `load` returned.
        sequence: The music.
        seed: Any integer.
        temperature: Of the draws; near 0 takes the likeliest.
        say: Is told what the model does not read; prints to standard error by default.

    Raises:
        errors.UserError: The model has no latent vector, or the music does not fit its codec.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    encoder(loaded)
    with _fitting(loaded):
        source = sources.read(loaded.codec, sequence, reader=loaded.name, say=say, fit=False)
    arrays = _cut(loaded, source.arrays)
    conditions = {name: arrays[name] for name, _ in loaded.codec.vocabulary.conditions}
    choice = Choice(temperature=temperature)
    pieces = decode(loaded, encode(loaded, arrays), seed, choice=choice, conditions=conditions)
    # What a model draws into the silence behind the end of the piece is not part of it.
    length = len(source.arrays["frames" if "frames" in source.arrays else "tokens"])
    whole = {name: array[:length] for name, array in _joined(pieces).items()}
    remembered = loaded.codec.decode(whole, 60.0)
    restrictions.heard(loaded, [remembered], temperature)
    gone = frozenset(index for voice in source.voices for index in voice)
    return weaving.weave(loaded.codec, source, remembered.notes, gone=gone)


def humanize(
    model: "str | zoo.Loaded",
    sequence: "NoteSequence",
    seed: int = 0,
    *,
    temperature: float = 1.0,
    say: sources.Say = sources.to_stderr,
) -> "NoteSequence":
    """Drums as a player might play them: every hit stays on its 16th, how loud and how early or late it is is drawn.

    Every hit keeps its drum and its length, and all that is not a hit of the nine classes stays as it is.

    Args:
        model: A run's name or directory, or what `load` returned; of codec `groove`, trained with `humanize`.
        sequence: The drums; what they have of velocities and of timing within a 16th is not read.
        seed: Any integer.
        temperature: Of the draws; near 0 takes the likeliest.
        say: Is told what the model does not read; prints to standard error by default.

    Raises:
        errors.UserError: The model does not humanise, or the music does not fit its codec.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    if not loaded.model.info.humanizes:
        raise errors.UserError(
            f"{loaded.name} does not humanise drums; a VAE of codec groove trained with humanize does"
        )
    with _fitting(loaded):
        source = sources.read(loaded.codec, sequence, reader=loaded.name, say=say, fit=False)
    arrays = _cut(loaded, source.arrays)
    free = np.ones(arrays["frames"].shape, np.int32)
    free[..., : vocabularies.DRUMS] = 0
    pieces = decode(
        loaded,
        encode(loaded, arrays),
        seed,
        choice=Choice(temperature=temperature),
        given=(arrays["frames"], free),
    )
    return restrictions.heard(loaded, [weaving.played(source, _joined(pieces)["frames"])], temperature)[0]


def _joined(pieces: list[sampling.Piece]) -> codecs.Arrays:
    """The arrays of windows, one after the other."""
    return {name: np.concatenate([p.arrays[name] for p in pieces]) for name in pieces[0].arrays}


def interpolate(
    model: "str | zoo.Loaded",
    a: "NoteSequence",
    b: "NoteSequence",
    num: int = 9,
    seed: int = 0,
    *,
    temperature: float = 1.0,
) -> "list[NoteSequence]":
    """Pieces on the way from the first window of one piece to that of another, both ends included.

    They have the tempo, the metre, the key and the instruments of the first at its start.

    Args:
        model: A run's name or directory, or what `load` returned.
        a: Where the path begins.
        b: Where it ends.
        num: Pieces, 2 or more.
        seed: Any integer.
        temperature: Of the draws; near 0 takes the likeliest.

    Raises:
        errors.UserError: The model has no latent vector, or the music does not fit its codec.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    encoder(loaded)
    if num < 2:
        raise errors.UserError(f"num is {num}; it must be 2 or more: both ends are among the pieces")
    first, last = ({k: v[:1] for k, v in windows(loaded, s).items()} for s in (a, b))
    start, end = (jnp.asarray(encode(loaded, window)[0]) for window in (first, last))
    z = latent_paths.path(start, end, num)
    conditions = {name: np.repeat(first[name], num, axis=0) for name, _ in loaded.codec.vocabulary.conditions}
    choice, qpm = Choice(temperature=temperature), timing.opening_tempo(a)
    pieces = decode(loaded, np.asarray(z), seed, choice=choice, conditions=conditions, qpm=qpm)
    sequences = restrictions.heard(loaded, [p.sequence for p in pieces], temperature)
    for sequence in sequences:
        _take_looks(loaded.codec, a, sequence)
    return sequences


def _take_looks(codec: codecs.Codec, source: "NoteSequence", out: "NoteSequence") -> None:
    """Gives a new piece the key at the start of another, and its programs."""
    keys = sorted(source.key_signatures, key=lambda key: key.time)
    if keys and not out.key_signatures:
        out.key_signatures.add(key=keys[0].key, mode=keys[0].mode)
    voices = codec.voices(source)
    for note in out.notes:
        voice = voices[note.instrument if codec.parts else 0]
        if voice and not note.is_drum:
            note.program = source.notes[voice[0]].program


def drawn(
    model: "str | zoo.Loaded",
    num: int = 9,
    seed: int = 0,
    *,
    latent: str | None = None,
    temperature: float = 1.0,
) -> "list[NoteSequence]":
    """Pieces on the way from one drawn vector to another, both ends included.

    Args:
        model: A run's name or directory, or what `load` returned.
        num: Pieces, 2 or more.
        seed: Any integer; it says which vectors.
        latent: The latent vector that moves, of a model that has several; the others stay as they are at the first
            piece. None moves them all.
        temperature: Of the draws, for a model that has one.

    Raises:
        errors.UserError: The model has no latent vector, or none of this name.
    """
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    space = latent_functions(loaded)
    if num < 2:
        raise errors.UserError(f"num is {num}; it must be 2 or more: both ends are among the pieces")
    if latent is not None and latent not in space.parts:
        have = ", ".join(space.parts) or "one alone, without a name"
        raise errors.UserError(f"{loaded.name} has no latent vector {latent!r}; it has {have}")
    first, end = space.parts[latent] if latent is not None else (0, space.size)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1))
    a, b = latent_paths.prior(keys, space.size, loaded.variables["state"].get("latent_prior"))
    z = jnp.tile(a, (num, 1)).at[:, first:end].set(latent_paths.path(a[first:end], b[first:end], num))
    pieces = decode(loaded, np.asarray(z), seed, choice=Choice(temperature=temperature))
    return restrictions.heard(loaded, [p.sequence for p in pieces], temperature)
