"""The convolution's gradients are those of Flax's, whichever way they are computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from musejax.nn.fast import grid_convolutions


@pytest.mark.parametrize("shape", [(3, 3), (1, 5), (5, 1)])
def test_its_gradients_are_those_of_a_plain_convolution(shape):
    rng = np.random.default_rng(0)
    x, kernel, weights = (
        jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 6, 5, 3), (*shape, 3, 4), (2, 6, 5, 4))
    )

    def plain(x, kernel):
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return (y * weights).sum()

    found = jax.grad(lambda x, kernel: (grid_convolutions.convolve_same(x, kernel) * weights).sum(), (0, 1))(x, kernel)
    for a, b in zip(found, jax.grad(plain, (0, 1))(x, kernel), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_layer_is_flaxs_with_the_same_parameters():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 5, 3)), jnp.float32)
    layer, theirs = grid_convolutions.Convolution(4, bias=True), nn.Conv(4, (3, 3))
    params = layer.init(jax.random.key(0), x)
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(theirs.init(jax.random.key(0), x)), strict=True):
        np.testing.assert_allclose(a, b)
    moved = jax.tree.map(lambda p: p + 0.1, params)
    np.testing.assert_allclose(layer.apply(moved, x), theirs.apply(moved, x), atol=1e-5)
