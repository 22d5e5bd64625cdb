"""MuseGAN's 3-D convolutions along one axis at a time, as matrix products.

All kernels of MuseGAN have width 1 along all axes but one: 1 x 1 x 12 over pitches, 1 x 2 x 1 over frames. Such a
convolution is a product of a matrix with concatenated neighbours. This is fast on every device, also for second
derivatives, and can be batched over networks of the same shape. A test compares the results with XLA's convolutions.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float


class Kernel(nn.Module):
    """A matrix [rows, columns] with optional spectral normalisation (Miyato et al., 2018).

    Each call with `refine` estimates the largest singular value by one step of power iteration, whose vector is stored
    in the collection `spectral`.
    """

    rows: int
    columns: int
    spectral: bool = False
    refine: bool = False

    @nn.compact
    def __call__(self) -> Float[Array, "{self.rows} {self.columns}"]:
        """Returns the matrix, float[rows, columns]."""
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
        # The gradient of the singular value treats both vectors as constants.
        left = jax.lax.stop_gradient(fixed @ right)
        left = left / jnp.maximum(jnp.linalg.norm(left), 1e-12)
        sigma = left @ w.astype(jnp.float32) @ right
        return w / jnp.maximum(sigma, 1e-6).astype(w.dtype)


class Convolution(nn.Module):
    """A convolution along one axis.

    Attributes:
        features: Number of output channels.
        axis: Axis of [..., channels], counted from the left.
        width: Width of the kernel.
        stride: Stride; positions at the end that do not fill a kernel are left out.
        same: Whether the axis is padded to keep its length (with stride 1 and odd width).
        bias: Whether the layer has a bias.
        spectral: As in `Kernel`.
        refine: As in `Kernel`.
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
        """Convolves [..., n, ..., C] to [..., (n - width) // stride + 1, ..., features]."""
        axis, channels = self.axis % x.ndim, x.shape[-1]
        w = Kernel(self.width * channels, self.features, self.spectral, self.refine)()
        x = x.astype(w.dtype)
        if self.same and channels == 1 and axis == x.ndim - 2:
            y = _convolve_banded(x[..., 0], w)
        elif self.same and self.features < channels:
            y = _convolve_narrowing(x, axis, w.reshape(self.width, channels, self.features))
        else:
            y = self._convolve_windows(x, axis, w)
        if self.bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,)).reshape((1,) * (y.ndim - 1) + (-1,))
        return y

    def _convolve_windows(self, x: Float[Array, "... C"], axis: int, w: Float[Array, "K D"]) -> Float[Array, "... D"]:
        """Convolves by one product, with neighbours concatenated along the channels."""
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


def _convolve_banded(x: Float[Array, "*B n"], w: Float[Array, "width D"]) -> Float[Array, "*B n D"]:
    """Convolves one channel along the last axis with a kernel [width, D], keeping the length: [..., n] -> [..., n, D].

    The kernel becomes a banded matrix [n, n D]. This takes more arithmetic but much less memory than concatenated
    neighbours, which for one channel would be `width` copies of the input.
    """
    n = x.shape[-1]
    place = jnp.arange(n)
    hot = jax.nn.one_hot(place[:, None] - place[None] + len(w) // 2, len(w), dtype=w.dtype)
    return (x @ jnp.einsum("pqk,kd->pqd", hot, w).reshape(n, -1)).reshape(*x.shape, -1)


def _convolve_narrowing(x: Float[Array, "... C"], axis: int, w: Float[Array, "width C D"]) -> Float[Array, "... D"]:
    """Convolves with a kernel [width, C, D] along an axis that keeps its length, by summing shifted products.

    With fewer output than input channels, the shifted outputs take less memory than concatenated inputs.
    """
    width, channels, features = w.shape
    each = x @ w.transpose(1, 0, 2).reshape(channels, width * features)
    side, n = width // 2, x.shape[axis]
    each = jnp.pad(each, [(side, width - 1 - side) if i == axis else (0, 0) for i in range(x.ndim)])
    shifted = [jax.lax.slice_in_dim(each, i, i + n, axis=axis) for i in range(width)]
    first, *rest = (part[..., i * features : (i + 1) * features] for i, part in enumerate(shifted))
    return sum(rest, first)


class Transposed(nn.Module):
    """A transposed convolution along one axis whose stride is the width of its kernel.

    Attributes:
        features: Number of output channels.
        axis: Axis of [..., channels], counted from the left.
        width: Number of output positions per input position.
        bias: Whether the layer has a bias.
    """

    features: int
    axis: int
    width: int = 1
    bias: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "... C"]) -> Float[Array, "... {self.features}"]:
        """Maps [..., n, ..., C] to [..., n width, ..., features]."""
        x = jnp.moveaxis(x, self.axis, -2)
        w = Kernel(x.shape[-1], self.width * self.features)()
        y = (x.astype(w.dtype) @ w).reshape(*x.shape[:-2], x.shape[-2] * self.width, self.features)
        if self.bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,)).reshape((1,) * (y.ndim - 1) + (-1,))
        return jnp.moveaxis(y, -2, self.axis)


def prime_factors(number: int) -> list[int]:
    """Returns the prime factors of a number in increasing order; the list is empty for 1."""
    out, factor = [], 2
    while number > 1:
        while number % factor == 0:
            out.append(factor)
            number //= factor
        factor += 1
    return out
