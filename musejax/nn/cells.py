"""LSTM and GRU over whole sequences, as functions of their weights."""

import jax
import jax.numpy as jnp

from musejax.base import Array


def lstm(
    x: Array, carry: tuple[Array, Array], w_in: Array, w_rec: Array, bias: Array
) -> tuple[Array, tuple[Array, Array]]:
    """An LSTM (Hochreiter and Schmidhuber, 1997; forget gate by Gers et al., 2000).

    Args:
        x: float[B, L, D].
        carry: h and c before the sequence, float[B, H] each.
        w_in: float[D, 4H], gates in the order input, forget, cell, output.
        w_rec: float[H, 4H].
        bias: float[4H].

    Returns:
        h at every step, float[B, L, H], and (h, c) after the last.
    """
    projected = jnp.swapaxes(x @ w_in + jnp.broadcast_to(bias, (*x.shape[:2], bias.shape[0])), 0, 1)

    def step(carry: tuple[Array, Array], at: Array) -> tuple[tuple[Array, Array], Array]:
        h, c = carry
        i, f, g, o = jnp.split(at + h @ w_rec, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    carry, hs = jax.lax.scan(step, (carry[0].astype(x.dtype), carry[1].astype(x.dtype)), projected)
    return jnp.swapaxes(hs, 0, 1), carry


def gru(
    x: Array, carry: tuple[Array], w_in: Array, w_rec: Array, bias: Array, new_bias: Array
) -> tuple[Array, tuple[Array]]:
    """A GRU (Cho et al., 2014), its reset gate after the recurrent product as in cuDNN.

    Args:
        x: float[B, L, D].
        carry: h before the sequence, float[B, H].
        w_in: float[D, 3H], gates in the order reset, update, new.
        w_rec: float[H, 3H].
        bias: float[3H].
        new_bias: float[H], inside the reset gate's product.

    Returns:
        h at every step, float[B, L, H], and (h,) after the last.
    """
    hidden = w_rec.shape[0]
    projected = jnp.swapaxes(x @ w_in + jnp.broadcast_to(bias, (*x.shape[:2], bias.shape[0])), 0, 1)

    def step(carry: tuple[Array], at: Array) -> tuple[tuple[Array], Array]:
        (h,) = carry
        product = h @ w_rec
        r, z = jnp.split(jax.nn.sigmoid(at[:, : 2 * hidden] + product[:, : 2 * hidden]), 2, axis=-1)
        inner = product[:, 2 * hidden :] + jnp.broadcast_to(new_bias, h.shape)
        n = jnp.tanh(at[:, 2 * hidden :] + r * inner)
        h = (1.0 - z) * n + z * h
        return (h,), h

    carry, hs = jax.lax.scan(step, (carry[0].astype(x.dtype),), projected)
    return jnp.swapaxes(hs, 0, 1), carry
