"""Music like a few pieces of one's own, by a trained VAE that stays as it is: MidiMe (Dinculescu et al., 2019).

The pieces' windows become latent vectors. A small dense VAE learns how these are spread, in one compiled call of some
seconds; its draws are vectors like theirs, which the large model decodes. Every step of the fit draws each vector anew
from its posterior, so that the small model learns no more of it than the large one holds to be certain.
"""

import collections
import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from musejax import errors, stages, zoo
from musejax.base import Array, Choice, Params
from musejax.generation import (
    latent_music,
    latent_windows,
    quantising,
    restrictions,
    sampling,
    sources,
)
from musejax.models import dense_vae
from musejax.nn import latent_layers

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Vectors in a step of the fit.
BATCH = 64
LAYERS = (256, 64)
# Latent dimensions of the small model.
SIZE = 4
LEARNING_RATE = 3e-3


def _normal(out: Array) -> tuple[Array, Array]:
    """What the decoder gives, float[..., 2 Z], as mean and scale of vectors, float[..., Z] each."""
    mean, raw = jnp.split(out, 2, axis=-1)
    return mean, jax.nn.softplus(raw) + latent_layers.MIN_SCALE


@functools.partial(jax.jit, static_argnames=("size", "steps"))
def fit(key: Array, mean: Array, scale: Array, *, size: int, steps: int) -> tuple[Params, Array]:
    """Fits a small VAE to latent vectors that are known as normals.

    Args:
        key: A random key.
        mean: float32[N, Z].
        scale: float32[N, Z].
        size: Of its own latent vectors.
        steps: Updates of Adam.

    Returns:
        Its parameters, and by step the bound in nats a vector, float32[steps].
    """
    net = dense_vae.Net(LAYERS, size, 2 * mean.shape[1])
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))
    )

    def loss(params: Params, key: Array) -> Array:
        which, spread, inner = (jax.random.fold_in(key, i) for i in range(3))
        rows = jax.random.randint(which, (BATCH,), 0, len(mean))
        z = mean[rows] + scale[rows] * jax.random.normal(spread, (BATCH, mean.shape[1]))
        out, kl, _ = dense_vae.autoencode(net, params, z, inner)
        center, width = _normal(out)
        cost = 0.5 * jnp.square((z - center) / width) + jnp.log(width) + 0.5 * math.log(2 * math.pi)
        return (cost.sum(-1) + kl).mean()

    def update(carry: tuple[Params, Any], key: Array) -> tuple[tuple[Params, Any], Array]:
        params, memory = carry
        cost, grads = jax.value_and_grad(loss)(params, key)
        updates, memory = optimizer.update(grads, memory, params)
        return (optax.apply_updates(params, updates), memory), cost

    params = net.init(jax.random.fold_in(key, 0), mean[:1])["params"]
    keys = jax.random.split(jax.random.fold_in(key, 1), steps)
    (params, _), costs = jax.lax.scan(update, (params, optimizer.init(params)), keys)
    return params, costs


@functools.partial(jax.jit, static_argnames=("size", "width"))
def draw_vectors(params: Params, key: Array, *, size: int, width: int) -> Array:
    """A vector of the large model's, float32[Z] with Z = width, from the small one's prior."""
    own, spread = (jax.random.fold_in(key, i) for i in range(2))
    out: Any = dense_vae.Net(LAYERS, size, 2 * width).apply(
        {"params": params}, jax.random.normal(own, (size,)), method="decode"
    )
    center, scale = _normal(out)
    return center + scale * jax.random.normal(spread, (width,))


def personalize(
    loaded: zoo.Loaded,
    pieces: "Sequence[NoteSequence]",
    num: int,
    seed: int,
    *,
    temperature: float,
    steps: int,
    quantise: quantising.Quantise | None,
    say: sources.Say,
) -> list[sampling.Piece]:
    """Samples pieces like the given ones; arguments and errors are those of `musejax.personalize`."""
    latent_windows.encoder(loaded)  # fails before music is read
    width = latent_windows.latent_functions(loaded).size
    windows = _read(loaded, pieces, quantise, say)
    arrays = {name: np.concatenate([w.arrays[name] for w in windows]) for name in windows[0].arrays}
    if len(next(iter(arrays.values()))) < 2:
        raise errors.UserError(
            f"the music fills one window of {loaded.name}, and two or more are needed; give more or longer music"
        )
    mean, scale = latent_windows.posterior(loaded, arrays)
    key = jax.random.key(seed)
    with stages.stage("fitting"):
        params, _ = jax.block_until_ready(
            fit(jax.random.fold_in(key, 0), jnp.asarray(mean), jnp.asarray(scale), size=SIZE, steps=steps)
        )
    keys = (jax.random.fold_in(jax.random.fold_in(key, 1), i) for i in range(num))
    z = np.stack([np.asarray(draw_vectors(params, k, size=SIZE, width=width)) for k in keys])
    qpm = next((s.tempos[0].qpm for s in pieces if s.tempos), sampling.QPM)
    usual = _usual_metre(windows)
    decoded = latent_windows.decode(loaded, z, seed, choice=Choice(temperature=temperature), qpm=qpm)
    written = [latent_music.in_bars_of(loaded, usual, piece, qpm)[0] for piece in decoded]
    restrictions.heard(loaded, [piece.sequence for piece in written], temperature)
    return written


def _read(
    loaded: zoo.Loaded,
    pieces: "Sequence[NoteSequence]",
    quantise: quantising.Quantise | None,
    say: sources.Say,
) -> list[latent_windows.Windows]:
    """Returns the windows of the pieces that fit the model's codec, and reports the others.

    Raises:
        errors.UserError: None fits; the message says why the last one does not.
    """
    out, left_out, reason = [], [], "no piece is given"
    for piece in pieces:
        try:
            out.append(latent_windows.read(loaded, piece, quantise=quantise, say=lambda line: None))
        except errors.UserError as error:
            reason = str(error)
        except Exception as error:  # a fault that one piece shows does not cost the others
            reason = errors.failure("could not be read", error)
        else:
            continue
        left_out.append(f"{piece.filename or 'a piece'} is left out: {reason}")
    if not out:
        raise errors.UserError(reason)
    for line in left_out:
        say(line)
    return out


def _usual_metre(windows: Sequence[latent_windows.Windows]) -> latent_windows.Windows:
    """Returns a piece with the bars that most pieces have."""
    bars = collections.Counter(w.layout.bar for w in windows)
    most = max(bars, key=lambda bar: (bars[bar], -bar))
    return next(w for w in windows if w.layout.bar == most)
