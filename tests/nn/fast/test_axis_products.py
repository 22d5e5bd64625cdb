import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musejax.nn.fast import axis_products

SHAPE = (2, 3, 8, 12, 5)
DIMENSIONS = ("NDHWC", "DHWIO", "NDHWC")


def kernel_of(params, axis, width, channels, features):
    """The same weights as XLA's kernel, 1 wide along all axes but one."""
    shape = [1, 1, 1, channels, features]
    shape[axis - 1] = width
    return params["Kernel_0"]["kernel"].reshape(shape)


@pytest.mark.parametrize(
    ("axis", "width", "stride"), [(1, 2, 1), (2, 4, 4), (2, 3, 2), (3, 12, 12), (3, 7, 1), (2, 1, 1)]
)
def test_a_convolution_is_xlas(axis, width, stride):
    x = jax.random.normal(jax.random.key(0), SHAPE)
    net = axis_products.Convolution(6, axis, width, stride)
    params = net.init(jax.random.key(1), x)["params"]
    params["bias"] = jnp.arange(6.0)
    strides = [1, 1, 1]
    strides[axis - 1] = stride
    expected = jax.lax.conv_general_dilated(
        x, kernel_of(params, axis, width, 5, 6), strides, "VALID", dimension_numbers=DIMENSIONS
    )
    np.testing.assert_allclose(net.apply({"params": params}, x), expected + jnp.arange(6.0).reshape(1, 1, 1, 1, 6),
                               rtol=1e-4, atol=1e-4)  # fmt: skip


# Fewer channels come out than go in, or more, or one goes in along the last axis: three ways of the same product.
@pytest.mark.parametrize("channels", [(5, 2), (5, 6), (1, 4), (1, 1)])
@pytest.mark.parametrize(("axis", "width"), [(2, 3), (3, 13), (3, 3), (1, 3)])
def test_a_convolution_that_keeps_the_length_is_xlas(axis, width, channels):
    x = jax.random.normal(jax.random.key(0), (*SHAPE[:-1], channels[0]))
    net = axis_products.Convolution(channels[1], axis, width, same=True, bias=False)
    params = net.init(jax.random.key(1), x)["params"]
    expected = jax.lax.conv_general_dilated(
        x, kernel_of(params, axis, width, *channels), (1, 1, 1), "SAME", dimension_numbers=DIMENSIONS
    )
    np.testing.assert_allclose(net.apply({"params": params}, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("axis", "width"), [(1, 2), (2, 3), (3, 12)])
def test_a_transposed_convolution_is_xlas(axis, width):
    x = jax.random.normal(jax.random.key(0), SHAPE)
    net = axis_products.Transposed(4, axis, width)
    params = net.init(jax.random.key(1), x)["params"]
    strides = [1, 1, 1]
    strides[axis - 1] = width
    # XLA correlates with the kernel as it is, so that place j of an output meets the last tap but j.
    w = params["Kernel_0"]["kernel"].reshape(5, width, 4).transpose(1, 0, 2)[::-1]
    shape = [1, 1, 1, 5, 4]
    shape[axis - 1] = width
    expected = jax.lax.conv_transpose(x, w.reshape(shape), strides, "VALID", dimension_numbers=DIMENSIONS)
    np.testing.assert_allclose(net.apply({"params": params}, x), expected, rtol=1e-4, atol=1e-4)


def test_spectral_normalisation_finds_the_largest_singular_value():
    net = axis_products.Kernel(9, 6, spectral=True, refine=True)
    variables = net.init(jax.random.key(0))
    state = {"spectral": variables["spectral"]}
    for _ in range(60):
        w, state = net.apply({"params": variables["params"], **state}, mutable=["spectral"])
    plain = np.asarray(variables["params"]["kernel"])
    largest = np.linalg.svd(plain, compute_uv=False)[0]
    np.testing.assert_allclose(w, plain / largest, rtol=1e-4)
    fixed = axis_products.Kernel(9, 6, spectral=True)
    np.testing.assert_allclose(fixed.apply({"params": variables["params"], **state}), w, rtol=1e-5)

    # The value's own gradient is part of it: scaling the matrix changes nothing.
    def size(scale):
        params = {"kernel": variables["params"]["kernel"] * scale}
        return jnp.square(fixed.apply({"params": params, **state})).sum()  # type: ignore[arg-type]

    np.testing.assert_allclose(jax.grad(size)(1.0), 0.0, atol=1e-3)


def test_factors():
    assert [axis_products.prime_factors(n) for n in (1, 4, 24, 12, 7)] == [[], [2, 2], [2, 2, 2, 3], [2, 2, 3], [7]]
