"""Random sets of hidden cells for orderless training and scoring.

At a uniformly random position of a uniformly random order, the number n of cells that are still hidden is uniform, and
so is the set of these cells among all sets of its size. The chain rule's cost of a piece of D cells, averaged over all
orders, is therefore the mean over such sets of D / n times the summed cost of the hidden cells, each given the visible
cells (Uria et al., 2014).
"""

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Bool, Int, Key


def sample_sizes(key: Key[Array, ""], totals: Int[Array, " B"]) -> Int[Array, " B"]:
    """Samples the number of hidden cells of each row, uniform on 1..total.

    Rows use different parts of the range (stratified sampling), which reduces the variance of a mean over rows.

    Args:
        key: A random key.
        totals: int32[B], the number of cells of each row.

    Returns:
        int32[B], at least 1.
    """
    first, within = jax.random.split(key)
    rows = len(totals)
    place = (jnp.arange(rows) + jax.random.randint(first, (), 0, rows)) % rows
    share = (place + jax.random.uniform(within, (rows,))) / rows
    return jnp.clip(jnp.floor(share * totals).astype(jnp.int32) + 1, 1, jnp.maximum(totals, 1))


def sample_hidden(key: Key[Array, ""], real: Bool[Array, "B T S"], number: Int[Array, " B"]) -> Bool[Array, "B T S"]:
    """Samples a uniformly random set of cells of each row.

    Args:
        key: A random key.
        real: bool[B, T, S], the cells to choose from.
        number: int32[B], the size of the set, at least 1.

    Returns:
        bool[B, T, S].
    """
    bits = jax.random.bits(key, real.shape, jnp.uint32)
    size = number[:, None, None]

    def set_bit(at: Array, low: Array) -> Array:
        """Sets bit `at` of the threshold if fewer than `size` numbers are below the result."""
        more = low | (jnp.uint32(1) << (31 - at).astype(jnp.uint32))
        return jnp.where((real & (bits < more)).sum((1, 2), keepdims=True) < size, more, low)

    # Finds the n-th smallest number bit by bit: a sort takes a minute to compile on a CPU.
    last = jax.lax.fori_loop(0, 32, set_bit, jnp.zeros((len(real), 1, 1), jnp.uint32))
    return real & (bits <= last)
