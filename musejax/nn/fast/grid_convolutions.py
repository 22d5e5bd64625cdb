"""Convolutions over a plane of frames x pitches, with zero padding that keeps its size.

On a CPU, XLA's gradient of the kernel takes several times as long as the convolution. There it is computed as a sum
over pieces, with one matrix product per piece: concatenated neighbours in pitch times cotangents of nearby frames.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from musejax.array_types import Array, Float


def _plain(x: Float[Array, "B T P C"], kernel: Float[Array, "H W C F"]) -> Float[Array, "B T P F"]:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_vjp
def convolve_same(x: Float[Array, "B T P C"], kernel: Float[Array, "H W C F"]) -> Float[Array, "B T P F"]:
    """Convolves with zero padding that keeps the size of the plane.

    Args:
        x: float[B, T, P, C].
        kernel: float[H, W, C, F], of odd H and W.

    Returns:
        float[B, T, P, F].
    """
    return _plain(x, kernel)


def _forward(
    x: Float[Array, "B T P C"], kernel: Float[Array, "H W C F"]
) -> tuple[Float[Array, "B T P F"], tuple[Float[Array, "B T P C"], Float[Array, "H W C F"]]]:
    return _plain(x, kernel), (x, kernel)


def _backward(
    kept: tuple[Float[Array, "B T P C"], Float[Array, "H W C F"]], dy: Float[Array, "B T P F"]
) -> tuple[Float[Array, "B T P C"], Float[Array, "H W C F"]]:
    x, kernel = kept
    (dx,) = jax.vjp(lambda x: _plain(x, kernel), x)[1](dy)
    if jax.default_backend() != "cpu":
        (dkernel,) = jax.vjp(lambda kernel: _plain(x, kernel), kernel)[1](dy)
        return dx, dkernel
    height, width, channels, filters = kernel.shape
    rows, pitches = x.shape[1] + height - 1, x.shape[2]

    def piece(
        total: Float[Array, "M N"], both: tuple[Float[Array, "T P C"], Float[Array, "T P F"]]
    ) -> tuple[Float[Array, "M N"], None]:
        x, dy = both
        x = jnp.pad(x, ((height // 2, height // 2), (width // 2, width // 2), (0, 0)))
        neighbours = jnp.concatenate([x[:, j : j + pitches] for j in range(width)], -1)
        dy = jnp.pad(dy, ((height - 1, height - 1), (0, 0), (0, 0)))
        # A row of the padded plane contributes to the outputs of the `height` rows before it.
        before = jnp.concatenate([dy[height - 1 - i :][:rows] for i in range(height)], -1)
        left, right = (v.reshape(rows * pitches, -1) for v in (neighbours, before))
        return total + jnp.matmul(left.T, right, preferred_element_type=jnp.float32), None

    start = jnp.zeros((width * channels, height * filters), jnp.float32)
    total = lax.scan(piece, start, (x, dy))[0].reshape(width, channels, height, filters)
    return dx, total.transpose(2, 0, 1, 3).astype(kernel.dtype)


convolve_same.defvjp(_forward, _backward)


class Convolution(nn.Module):
    """A layer of 3 x 3 filters; the parameters are those of `flax.linen.Conv`.

    Attributes:
        filters: Number of filters, F.
        bias: Whether each filter has a bias.
    """

    filters: int
    bias: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "B T P C"]) -> Float[Array, "B T P {self.filters}"]:
        """Maps float[B, T, P, C] to float[B, T, P, F], in the type of x."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (3, 3, x.shape[-1], self.filters))
        y = convolve_same(x, kernel.astype(x.dtype))
        if self.bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.filters,)).astype(x.dtype)[None, None, None]
        return y
