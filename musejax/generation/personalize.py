"""Music like a few pieces of one's own, by a trained VAE that stays as it is: MidiMe (Dinculescu et al., 2019).

The pieces' windows become latent vectors. A small dense VAE learns how these are spread, in one compiled call of some
seconds; its draws are vectors like theirs, which the large model decodes. Every step of the fit draws each vector anew
from its posterior, so that the small model learns no more of it than the large one holds to be certain.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from musejax import codecs, errors, zoo
from musejax.base import Array, Choice, Params
from musejax.generation import latent_verbs, restrictions
from musejax.models import dense_vae
from musejax.nn import latent_layers

if TYPE_CHECKING:
    from note_seq.protobuf.music_pb2 import NoteSequence

# Vectors in a step of the fit.
BATCH = 64
LAYERS = (256, 64)
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
        out, kl, _ = dense_vae.through(net, params, z, inner)
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
    model: "str | zoo.Loaded",
    pieces: "Sequence[NoteSequence]",
    num: int = 8,
    seed: int = 0,
    *,
    temperature: float = 1.0,
    size: int = 4,
    steps: int = 500,
    say: Callable[[str], None] | None = None,
) -> "list[NoteSequence]":
    """New pieces like those that are given, each as long as a window of the model.

    Args:
        model: A run's name or directory, or what `load` returned; it is not trained.
        pieces: Music that fits the model's codec, two windows of it or more in all.
        num: Pieces to write; piece i does not change with how many there are.
        seed: Any integer.
        temperature: Of the draws of music; near 0 takes the likeliest.
        size: Of the small model's latent vectors.
        steps: Updates of its fit.
        say: Is told of pieces that do not fit; without it they are an error.

    Raises:
        errors.UserError: The model finds no latent vectors, a piece does not fit its codec, or there is too little
            music.
    """
    for name, value in (("num", num), ("size", size), ("steps", steps)):
        if value < 1:
            raise errors.UserError(f"{name} is {value}; it must be 1 or more")
    loaded = model if isinstance(model, zoo.Loaded) else zoo.load(model)
    latent_verbs.encoder(loaded)  # before music is read that it has no use for
    width = latent_verbs.latent_functions(loaded).size
    mean, scale = latent_verbs.posterior(loaded, _windows(loaded, pieces, say))
    key = jax.random.key(seed)
    params, _ = fit(jax.random.fold_in(key, 0), jnp.asarray(mean), jnp.asarray(scale), size=size, steps=steps)
    keys = (jax.random.fold_in(jax.random.fold_in(key, 1), i) for i in range(num))
    z = np.stack([np.asarray(draw_vectors(params, k, size=size, width=width)) for k in keys])
    qpm = next((s.tempos[0].qpm for s in pieces if s.tempos), 100.0)
    written = latent_verbs.decode(loaded, z, seed, choice=Choice(temperature=temperature), qpm=qpm)
    return restrictions.heard(loaded, [p.sequence for p in written], temperature)


def _windows(loaded: zoo.Loaded, pieces: "Sequence[NoteSequence]", say: Callable[[str], None] | None) -> codecs.Arrays:
    """The windows of all pieces together: arrays [N, T, ...], two or more.

    Raises:
        errors.UserError: There are fewer, or a piece does not fit and there is no one to tell.
    """
    found, left_out, reason = [], [], "no piece is given"
    for piece in pieces:
        try:
            found.append(latent_verbs.windows(loaded, piece))
        except errors.UserError as error:
            reason = str(error)
        except Exception as error:  # a fault that one piece shows does not cost the others
            reason = errors.failure("could not be read", error)
        else:
            continue
        left_out.append(f"{piece.filename or 'a piece'} is left out: {reason}")
    if not found or (left_out and say is None):
        raise errors.UserError(reason)
    out = {name: np.concatenate([arrays[name] for arrays in found]) for name in found[0]}
    if len(next(iter(out.values()))) < 2:
        raise errors.UserError(
            f"one window of {loaded.name} is all there is; two or more are needed: give more or longer music"
        )
    if say is not None:
        for line in left_out:
            say(line)
    return out
