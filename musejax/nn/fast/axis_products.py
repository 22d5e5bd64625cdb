"""3-D convolutions along one axis at a time, MuseGAN's kind, as matrix products.

All of its kernels are as wide as 1 along all axes but one: 1 x 1 x 12 over pitches, 1 x 2 x 1 over frames. Such a
convolution is a product of a matrix with neighbours laid side by side, which is fast on every device, keeps its speed
under a gradient of a gradient, and can be batched over nets of the same shape. A test compares them with XLA's.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float


class Kernel(nn.Module):
    """A matrix [rows, columns], with spectral normalisation where it is asked for (Miyato et al., 2018).

    The largest singular value is found by one step of the power method each time it is called with `refine`; its vector
    stays in the collection `spectral`.
    """

    rows: int
    columns: int
    spectral: bool = False
    refine: bool = False

    @nn.compact
    def __call__(self) -> Float[Array, "{self.rows} {self.columns}"]:
        """float[rows, columns]."""
        w = self.param("kernel", nn.initializers.he_uniform(), (self.rows, self.columns))
        if not self.spectral:
            return w
        u = self.variable("spectral", "u", lambda: jnp.full((self.columns,), self.columns**-0.5, jnp.float32))
        fixed, left, right = jax.lax.stop_gradient(w).astype(jnp.float32), None, u.value
        for _ in range(1 if self.refine else 0):
            left = fixed @ right
            right = fixed.T @ (left / jnp.maximum(jnp.linalg.norm(left), 1e-12))
            right = right / jnp.maximum(jnp.linalg.norm(right), 1e-12)
            if not self.is_initializing():
                u.value = right
        right = jax.lax.stop_gradient(right)
        # The gradient goes through the value w.r.t. the matrix, with both vectors held fixed.
        left = jax.lax.stop_gradient(fixed @ right)
        left = left / jnp.maximum(jnp.linalg.norm(left), 1e-12)
        sigma = left @ w.astype(jnp.float32) @ right
        return w / jnp.maximum(sigma, 1e-6).astype(w.dtype)


class Convolution(nn.Module):
    """A convolution along one axis.

    Attributes:
        features: Channels that come out.
        axis: Of [..., channels], from the left.
        width: Of the kernel.
        stride: Step; the last places that do not fill a kernel are left out.
        same: Whether the axis is padded so that it keeps its length (stride 1, odd width).
        bias: Whether there is one.
        spectral: As `Kernel`.
        refine: As `Kernel`.
    """

    features: int
    axis: int
    width: int = 1
    stride: int = 1
    same: bool = False
    bias: bool = True
    spectral: bool = False
    refine: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "... C"]) -> Float[Array, "... {self.features}"]:
        """[..., n, ..., C] -> [..., (n - width) // stride + 1, ..., features]."""
        axis, channels = self.axis % x.ndim, x.shape[-1]
        w = Kernel(self.width * channels, self.features, self.spectral, self.refine)()
        x = x.astype(w.dtype)
        if self.same and channels == 1 and axis == x.ndim - 2:
            y = _banded(x[..., 0], w)
        elif self.same and self.features < channels:
            y = _narrowing(x, axis, w.reshape(self.width, channels, self.features))
        else:
            y = self._side_by_side(x, axis, w)
        if self.bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,)).reshape((1,) * (y.ndim - 1) + (-1,))
        return y

    def _side_by_side(self, x: Float[Array, "... C"], axis: int, w: Float[Array, "K D"]) -> Float[Array, "... D"]:
        """Neighbours as more channels, and one product."""
        x = jnp.moveaxis(x, axis, -2)
        if self.same:
            side = self.width // 2
            x = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(side, self.width - 1 - side), (0, 0)])
        count, channels = x.shape[-2:]
        out = (count - self.width) // self.stride + 1
        if self.width == self.stride:
            x = x[..., : out * self.width, :].reshape(*x.shape[:-2], out, self.width * channels)
        elif self.width > 1 or self.stride > 1:
            last = (out - 1) * self.stride + 1
            x = jnp.concatenate([x[..., i : i + last : self.stride, :] for i in range(self.width)], -1)
        return jnp.moveaxis(x @ w, -2, axis)


def _banded(x: Float[Array, "*B n"], w: Float[Array, "width D"]) -> Float[Array, "*B n D"]:
    """One channel along the last axis by a kernel [width, D], of the same length: [..., n] -> [..., n, D].

    The kernel becomes a matrix [n, n D] with a band. That is more arithmetic and much less memory: of one channel,
    neighbours side by side are as many copies of everything as the kernel is wide.
    """
    n = x.shape[-1]
    place = jnp.arange(n)
    hot = jax.nn.one_hot(place[:, None] - place[None] + len(w) // 2, len(w), dtype=w.dtype)
    return (x @ jnp.einsum("pqk,kd->pqd", hot, w).reshape(n, -1)).reshape(*x.shape, -1)


def _narrowing(x: Float[Array, "... C"], axis: int, w: Float[Array, "width C D"]) -> Float[Array, "... D"]:
    """A kernel [width, C, D] along an axis that keeps its length: what each place gives its neighbours, added up.

    Where fewer channels come out than go in, these are smaller to lay beside each other than what goes in.
    """
    width, channels, features = w.shape
    each = x @ w.transpose(1, 0, 2).reshape(channels, width * features)
    side, n = width // 2, x.shape[axis]
    each = jnp.pad(each, [(side, width - 1 - side) if i == axis else (0, 0) for i in range(x.ndim)])
    moved = [jax.lax.slice_in_dim(each, i, i + n, axis=axis) for i in range(width)]
    first, *rest = (part[..., i * features : (i + 1) * features] for i, part in enumerate(moved))
    return sum(rest, first)


class Transposed(nn.Module):
    """A transposed convolution along one axis whose stride is the width of its kernel.

    Attributes:
        features: Channels that come out.
        axis: Of [..., channels], from the left.
        width: Places that each place becomes.
        bias: Whether there is one.
    """

    features: int
    axis: int
    width: int = 1
    bias: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "... C"]) -> Float[Array, "... {self.features}"]:
        """[..., n, ..., C] -> [..., n width, ..., features]."""
        x = jnp.moveaxis(x, self.axis, -2)
        w = Kernel(x.shape[-1], self.width * self.features)()
        y = (x.astype(w.dtype) @ w).reshape(*x.shape[:-2], x.shape[-2] * self.width, self.features)
        if self.bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,)).reshape((1,) * (y.ndim - 1) + (-1,))
        return jnp.moveaxis(y, -2, self.axis)


def factors(number: int) -> list[int]:
    """The prime factors of a number, the smallest first; none of 1."""
    out, by = [], 2
    while number > 1:
        while number % by == 0:
            out.append(by)
            number //= by
        by += 1
    return out
