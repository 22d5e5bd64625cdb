"""Operations in a latent space, as functions of arrays: paths between vectors, directions, walks and neighbours.

Samples of a standard normal distribution in many dimensions lie near a sphere, so paths follow the sphere instead of a
straight line (White, 2016).
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Float, Int, Key, Num

_SMALL = 1e-6


def prior(keys: Key[Array, " N"], size: int, fitted: Mapping[str, Array] | None = None) -> Float[Array, "N {size}"]:
    """Samples latent vectors from the prior, one per key: float32[N, Z].

    Args:
        keys: PRNG keys, [N].
        size: Size of a vector, Z.
        fitted: Prior fitted to the training pieces (`training.priors`), with `mean` [Z] and `axes` [A, Z]; None for the
            standard normal distribution.
    """
    if fitted is None:
        return jax.vmap(lambda key: jax.random.normal(key, (size,)))(keys)
    coordinates = jax.vmap(lambda key: jax.random.normal(key, (len(fitted["axes"]),)))(keys)
    return fitted["mean"][None] + coordinates @ fitted["axes"]


def slerp(
    a: Float[Array, "... Z"], b: Float[Array, "... Z"], t: Float[AnyArray, "..."] | float
) -> Float[Array, "... Z"]:
    """Interpolates spherically: the direction turns at a constant rate, and the length changes linearly.

    If both vectors have the same direction, or one of them is 0, the path is a straight line. For opposite vectors the
    plane of rotation is undetermined; a fixed plane that contains a is used.

    Args:
        a: First vector, float[..., Z] with Z >= 2.
        b: Second vector, float[..., Z].
        t: 0 for a, 1 for b; broadcasts to the leading axes.

    Returns:
        Interpolated vectors, float[..., Z].
    """
    t = jnp.asarray(t, jnp.float32)[..., None]
    lengths = [jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b)]
    u, v = (x / jnp.maximum(n, _SMALL) for x, n in zip((a, b), lengths, strict=True))
    u, v = jnp.where(lengths[0] > _SMALL, u, v), jnp.where(lengths[1] > _SMALL, v, u)

    def orthogonal_part(x: Array) -> Array:
        """Returns the unit vector of the part of x orthogonal to u, computed twice to remove rounding errors."""
        for _ in range(2):
            x = x - (x * u).sum(-1, keepdims=True) * u
            size = jnp.linalg.norm(x, axis=-1, keepdims=True)
            x = jnp.where(size > 0, x / jnp.maximum(size, _SMALL**2), x)
        return x

    cosine = jnp.clip((u * v).sum(-1, keepdims=True), -1.0, 1.0)
    sine = jnp.linalg.norm(v - cosine * u, axis=-1, keepdims=True)
    # For opposite vectors, the axis along which u is smallest replaces b.
    axis = jax.nn.one_hot(jnp.abs(u).argmin(-1), u.shape[-1], dtype=u.dtype)
    across = jnp.where(sine > _SMALL, orthogonal_part(v), orthogonal_part(axis))
    angle = jnp.arctan2(sine, cosine)
    length = lengths[0] + t * (lengths[1] - lengths[0])
    return length * (jnp.cos(t * angle) * u + jnp.sin(t * angle) * across)


def path(a: Float[Array, " Z"], b: Float[Array, " Z"], num: int) -> Float[Array, "{num} Z"]:
    """Returns `num` vectors from a to b, including both: float[num, Z]."""
    steps = jnp.linspace(0.0, 1.0, num)
    return jax.vmap(lambda t: slerp(a, b, t))(steps)


def attribute(z: Float[Array, "N Z"], values: Num[Array, " N"], share: float = 0.25) -> Float[Array, " Z"]:
    """Returns the direction of an attribute: from the mean of pieces with small values to that of large values.

    Args:
        z: Latent vectors of pieces, float[N, Z].
        values: Attribute of each piece, float[N].
        share: Share of the pieces that is averaged on either side.

    Returns:
        Direction, float[Z].

    Raises:
        ValueError: `share` is not in (0, 0.5], or too small for a single piece.
    """
    count = int(len(z) * share)
    if not 0.0 < share <= 0.5 or count < 1:
        raise ValueError(f"share is {share}; it must be at most 0.5 and select at least one of {len(z)} pieces")
    order = jnp.argsort(values)
    return z[order[-count:]].mean(0) - z[order[:count]].mean(0)


def walk(key: Key[Array, ""], start: Float[Array, " Z"], num: int, angle: float) -> Float[Array, "{num} Z"]:
    """Returns a random walk on a sphere, in which each vector is rotated by `angle` from the previous one.

    Args:
        key: PRNG key.
        start: First vector, float[Z]; its length is the radius of the sphere.
        num: Number of vectors, including the first.
        angle: Angle in radians.

    Returns:
        Vectors, float[num, Z].
    """
    length = jnp.maximum(jnp.linalg.norm(start), _SMALL)

    def turn(u: Float[Array, " Z"], key: Key[Array, ""]) -> tuple[Float[Array, " Z"], Float[Array, " Z"]]:
        noise = jax.random.normal(key, u.shape)
        across = noise - (noise * u).sum() * u
        u = jnp.cos(angle) * u + jnp.sin(angle) * across / jnp.maximum(jnp.linalg.norm(across), _SMALL)
        return u, u

    first = start / length
    _, rest = jax.lax.scan(turn, first, jax.random.split(key, num - 1))
    return length * jnp.concatenate([first[None], rest])


def nearest(
    z: Float[Array, "N Z"], bank: Float[Array, "M Z"], num: int
) -> tuple[Int[Array, "N {num}"], Float[Array, "N {num}"]]:
    """Finds the vectors of a bank with the smallest angle to given vectors.

    Args:
        z: Given vectors, float[N, Z].
        bank: Vectors to search, float[M, Z].
        num: Number of neighbours, at most M.

    Returns:
        Indices of the neighbours, int32[N, num], the nearest first, and their cosine similarities, float[N, num].
    """
    unit = [x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), _SMALL) for x in (z, bank)]
    cosines, indices = jax.lax.top_k(unit[0] @ unit[1].T, num)
    return indices, cosines
