"""What a latent space is for, as functions of arrays: paths between vectors, directions, walks, neighbours.

Draws of a standard normal in many dimensions lie near a sphere, so what moves between them turns instead of cutting
across (White, 2016).
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from musejax.array_types import AnyArray, Array, Float, Int, Key, Num

_SMALL = 1e-6


def prior(keys: Key[Array, " N"], size: int, fitted: Mapping[str, Array] | None = None) -> Float[Array, "N {size}"]:
    """Vectors to draw pieces from, one a key: float32[N, Z].

    Args:
        keys: Random keys [N].
        size: Z, numbers of a vector.
        fitted: Where the vectors of training lie (`training.priors`): their mean [Z] and axes [A, Z]; None for the
            standard normal.
    """
    if fitted is None:
        return jax.vmap(lambda key: jax.random.normal(key, (size,)))(keys)
    along = jax.vmap(lambda key: jax.random.normal(key, (len(fitted["axes"]),)))(keys)
    return fitted["mean"][None] + along @ fitted["axes"]


def slerp(
    a: Float[Array, "... Z"], b: Float[Array, "... Z"], t: Float[AnyArray, "..."] | float
) -> Float[Array, "... Z"]:
    """Spherical interpolation: the direction turns at an even rate, the length changes evenly.

    Equal directions give the straight line between the two, and so does an end that is 0. Of opposite ends the plane
    in which to turn is not determined; one is chosen that contains a, always the same.

    Args:
        a: float[..., Z], two dimensions or more.
        b: float[..., Z].
        t: 0 for a, 1 for b; broadcasts to the leading axes.

    Returns:
        float[..., Z].
    """
    t = jnp.asarray(t, jnp.float32)[..., None]
    lengths = [jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b)]
    u, v = (x / jnp.maximum(n, _SMALL) for x, n in zip((a, b), lengths, strict=True))
    u, v = jnp.where(lengths[0] > _SMALL, u, v), jnp.where(lengths[1] > _SMALL, v, u)

    def beside(x: Array) -> Array:
        """The part of x at right angles to u; taken twice, for what is left of a small one is rounding."""
        for _ in range(2):
            x = x - (x * u).sum(-1, keepdims=True) * u
            size = jnp.linalg.norm(x, axis=-1, keepdims=True)
            x = jnp.where(size > 0, x / jnp.maximum(size, _SMALL**2), x)
        return x

    cosine = jnp.clip((u * v).sum(-1, keepdims=True), -1.0, 1.0)
    sine = jnp.linalg.norm(v - cosine * u, axis=-1, keepdims=True)
    # Of opposite ends the axis along which u is shortest takes the place of b.
    axis = jax.nn.one_hot(jnp.abs(u).argmin(-1), u.shape[-1], dtype=u.dtype)
    across = jnp.where(sine > _SMALL, beside(v), beside(axis))
    angle = jnp.arctan2(sine, cosine)
    length = lengths[0] + t * (lengths[1] - lengths[0])
    return length * (jnp.cos(t * angle) * u + jnp.sin(t * angle) * across)


def path(a: Float[Array, " Z"], b: Float[Array, " Z"], num: int) -> Float[Array, "{num} Z"]:
    """`num` vectors from a to b, both included: float[num, Z] of float[Z] each."""
    steps = jnp.linspace(0.0, 1.0, num)
    return jax.vmap(lambda t: slerp(a, b, t))(steps)


def attribute(z: Float[Array, "N Z"], values: Num[Array, " N"], share: float = 0.25) -> Float[Array, " Z"]:
    """The direction in which an attribute grows, from pieces with little of it to pieces with much.

    Args:
        z: float[N, Z], vectors of pieces.
        values: float[N], how much of the attribute each has.
        share: Of the pieces on either side that count.

    Returns:
        float[Z].

    Raises:
        ValueError: share is not within (0, .5], or too small for one piece.
    """
    count = int(len(z) * share)
    if not 0.0 < share <= 0.5 or count < 1:
        raise ValueError(f"share is {share}; of {len(z)} pieces it must take one or more on either side, at most half")
    order = jnp.argsort(values)
    return z[order[-count:]].mean(0) - z[order[:count]].mean(0)


def walk(key: Key[Array, ""], start: Float[Array, " Z"], num: int, angle: float) -> Float[Array, "{num} Z"]:
    """A random walk over the sphere on which the start lies: each vector turned from the one before by `angle`.

    Args:
        key: A random key.
        start: float[Z], the first.
        num: Vectors, the first included.
        angle: In radians.

    Returns:
        float[num, Z].
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
    """The vectors of a bank that are nearest by angle.

    Args:
        z: float[N, Z].
        bank: float[M, Z].
        num: How many, at most M.

    Returns:
        Their indices int32[N, num], the nearest first, and the cosines float[N, num].
    """
    unit = [x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), _SMALL) for x in (z, bank)]
    cosines, indices = jax.lax.top_k(unit[0] @ unit[1].T, num)
    return indices, cosines
