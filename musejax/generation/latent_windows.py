"""Music as windows of a model with latent vectors: encoded to vectors and decoded again.

A window is as long as those that the model was trained on, and its vector is the mean of its posterior. How a piece is
laid out in windows is in `bar_layout`.
"""

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, zoo
from musejax.base import Choice, Latent, Request
from musejax.generation import bar_layout, piece_lengths, quantising, samplers, sampling, sources

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


class Windows(NamedTuple):
    """A piece as the windows that a model reads.

    Attributes:
        source: The piece as the codec reads it.
        layout: Where its frames lie in the windows.
        arrays: Windows one after the other, arrays [N, T, ...] of the codec and its conditions.
    """

    source: sources.Source
    layout: bar_layout.BarLayout
    arrays: codecs.Arrays


def read(
    loaded: zoo.Loaded,
    sequence: "NoteSequence",
    *,
    quantise: quantising.Quantise | None = None,
    say: sources.Say,
) -> Windows:
    """Reads a piece as windows.

    Args:
        loaded: A model with latent vectors.
        sequence: The music.
        quantise: A grid to which the notes that the model reads move before the codec's own.
        say: Is called with a line for each thing that is assumed or not read.

    Raises:
        errors.UserError: The piece does not fit the codec.
    """
    vocabulary = loaded.codec.vocabulary
    try:
        source = sources.read(loaded.codec, sequence, reader=loaded.name, say=say, fit=False, quantise=quantise)
    except errors.DiscardError as error:
        raise errors.UserError(
            f"{sources.name_of(sequence)}: it does not fit codec {vocabulary.name} of {loaded.name}: {error}"
        ) from None
    window = piece_lengths.default(loaded)
    layout = bar_layout.read(vocabulary, source, window)
    field = "frames" if "frames" in source.arrays else "tokens"
    cells = layout.spread(vocabulary, source.arrays[field])
    known = None if layout.bar else source.arrays
    conditions = codecs.free_conditions(vocabulary, 1, len(cells), known)
    if layout.bar:
        beat = conditions.get("beat")
        if beat is not None:
            conditions["beat"] = np.arange(len(cells))[None] % vocabulary.bar
        for name in set(conditions) - {"beat"}:
            conditions[name][:, layout.slots] = source.arrays[name][: len(layout.slots)]
    arrays = {
        field: cells.reshape(-1, window, *cells.shape[1:]),
        **{name: row[0].reshape(-1, window) for name, row in conditions.items()},
    }
    return Windows(source, layout, arrays)


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
        found = samplers.staged(run, "encoding", variables["params"], variables["state"], batch)
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
        vectors = jnp.asarray(z[rows], jnp.float32)
        out = samplers.staged(run, "decoding", variables["params"], variables["state"], key, vectors, request)
        arrays = {k: np.asarray(v) for k, v in out.items() if k != "blocked"}
        pieces += [sampling.piece(loaded.codec, arrays, row, qpm) for row in range(min(width, len(z) - first))]
    return pieces
