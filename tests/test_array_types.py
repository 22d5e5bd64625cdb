"""Shapes in annotations: checked in every call while tests run, and plain arrays where jaxtyping is not installed."""

import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from musejax import array_types
from musejax.decoding import draws
from musejax.models.shared import token_model
from musejax.nn import losses


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (losses.masked_mean, (jnp.zeros((2, 3)), jnp.ones((3, 2)))),
        (draws.invert, (jnp.zeros((2, 5)), jnp.zeros(3))),
        (token_model.shift, (jnp.zeros(4, jnp.int32), 1, 0)),
    ],
    ids=["nn", "decoding", "models"],
)
def test_a_wrong_shape_raises(function, args):
    with pytest.raises(TypeCheckError):
        function(*args)


def test_a_wrong_dtype_raises():
    with pytest.raises(TypeCheckError):
        losses.kl_to_standard(jnp.zeros(2, jnp.int32), jnp.ones(2))


def test_batches_may_be_numpy_arrays():
    np.testing.assert_array_equal(token_model.shift(np.ones((1, 3), np.int32), 1, 5), [[5, 1, 1]])
    with pytest.raises(TypeCheckError):
        token_model.shift(np.ones((1, 3), np.float32), 1, 5)


def test_without_jaxtyping_annotations_are_plain_arrays(monkeypatch):
    monkeypatch.setitem(sys.modules, "jaxtyping", None)
    spec = importlib.util.spec_from_file_location("plain_array_types", array_types.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    for name in set(plain.__all__) - {"Array", "AnyArray"}:
        assert getattr(plain, name)[plain.Array, "B T"] is jax.Array
    assert plain.Float[plain.AnyArray, "B T"] | None == jax.Array | np.ndarray | None
