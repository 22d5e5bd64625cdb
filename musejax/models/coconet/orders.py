"""Random orders of cells, by what is hidden at one place of each: the masks of orderless training and scoring.

In a uniform random order the cells that are still hidden at a uniform random place are a set of uniform size n, and of
its size a uniform one. The cost of a piece of D cells by the chain rule, averaged over all orders, is therefore the
mean over such sets of D / n times the summed cost of the hidden cells, each given those not hidden (Uria et al., 2014).
"""

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Bool, Int, Key


def sizes(key: Key[Array, ""], totals: Int[Array, " B"]) -> Int[Array, " B"]:
    """Numbers of hidden cells, one a row, each uniform on 1..total.

    Rows take different parts of the range, so that a mean over rows varies less than that of independent numbers.

    Args:
        key: A random key.
        totals: int32[B], cells of each row.

    Returns:
        int32[B], at least 1.
    """
    first, within = jax.random.split(key)
    rows = len(totals)
    place = (jnp.arange(rows) + jax.random.randint(first, (), 0, rows)) % rows
    share = (place + jax.random.uniform(within, (rows,))) / rows
    return jnp.clip(jnp.floor(share * totals).astype(jnp.int32) + 1, 1, jnp.maximum(totals, 1))


def hidden(key: Key[Array, ""], real: Bool[Array, "B T S"], number: Int[Array, " B"]) -> Bool[Array, "B T S"]:
    """Uniform sets of so many cells.

    Args:
        key: A random key.
        real: bool[B, T, S], the cells among which they are.
        number: int32[B], at least 1.

    Returns:
        bool[B, T, S].
    """
    bits = jax.random.bits(key, real.shape, jnp.uint32)
    below = number[:, None, None]

    def narrow(at: Array, low: Array) -> Array:
        """The highest threshold of these bits below which fewer than the wanted cells lie."""
        more = low | (jnp.uint32(1) << (31 - at).astype(jnp.uint32))
        return jnp.where((real & (bits < more)).sum((1, 2), keepdims=True) < below, more, low)

    # The n-th smallest number, bit by bit: a sort takes a minute to compile on a CPU.
    last = jax.lax.fori_loop(0, 32, narrow, jnp.zeros((len(real), 1, 1), jnp.uint32))
    return real & (bits <= last)
