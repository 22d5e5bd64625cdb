"""LSTM and GRU over whole sequences, as functions of their weights.

Each cell has two forms. The plain form is a scan over time with the input projection outside the loop, which suits a
GPU. The form for CPUs has a hand-written backward pass and gives the same results up to rounding, as a test checks:

- Activations are [features, batch] and a product is weights @ activations, which is fastest in XLA on a CPU.
- Each step is one product, [w_in, w_rec] @ [x, h], with operands in cache; a separate projection would leave the cache.
- The backward loop computes the gradients of the gates. Those of the weights are computed for `CHUNK` steps at a time,
  in one large product, so that gate gradients are never stored for a whole sequence.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Float

# Steps per product for weight gradients; the largest divisor of the length up to this number is used.
CHUNK = 16
# Size of weight gradients, in bytes, that fits a core's cache: up to this size they are summed at every step.
CACHED = 1 << 20


def lstm_gates(
    z: Float[Array, "_ _"], c: Float[Array, "X Y"], axis: int
) -> tuple[Float[Array, "X Y"], Float[Array, "X Y"], Float[Array, "_ _"]]:
    """Returns h and c after one step, from its pre-activations, and the activated gates."""
    i, f, g, o = jnp.split(z, 4, axis=axis)
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    c = f * c + i * g
    return o * jnp.tanh(c), c, jnp.concatenate([i, f, g, o], axis=axis)


def gru_gates(
    zx: Float[Array, "P Q"], zh: Float[Array, "P Q"], new_bias: Float[Array, "X Y"], h: Float[Array, "X Y"], axis: int
) -> tuple[Float[Array, "X Y"], Float[Array, "_ _"]]:
    """Returns h after one step, from the pre-activations of input and state, and residuals for the backward pass."""
    xr, xu, xn = jnp.split(zx, 3, axis=axis)
    hr, hu, hn = jnp.split(zh, 3, axis=axis)
    r, u, inner = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xu + hu), hn + new_bias
    n = jnp.tanh(xn + r * inner)
    return n + u * (h - n), jnp.concatenate([r, u, n, inner], axis=axis)


def _as_rows(bias: Float[Array, " G"], rows: int) -> Float[Array, "{rows} G"]:
    return jnp.broadcast_to(bias[None], (rows, bias.shape[0]))


def _as_columns(bias: Float[Array, " G"], columns: int) -> Float[Array, "G {columns}"]:
    return jnp.broadcast_to(bias[:, None], (bias.shape[0], columns))


def lstm_scan(
    x: Float[Array, "B L D"],
    carry: tuple[Float[Array, "B H"], Float[Array, "B H"]],
    w_in: Float[Array, "D 4*H"],
    w_rec: Float[Array, "H 4*H"],
    bias: Float[Array, " 4*H"],
) -> tuple[Float[Array, "B L H"], tuple[Float[Array, "B H"], Float[Array, "B H"]]]:
    """Computes `lstm` in its plain form."""

    def step(carry: Any, at: Array) -> tuple[Any, Array]:
        h, c, _ = lstm_gates(at + carry[0] @ w_rec + _as_rows(bias, len(x)), carry[1], -1)
        return (h, c), h

    carry, hs = jax.lax.scan(step, carry, jnp.swapaxes(x @ w_in, 0, 1))
    return jnp.swapaxes(hs, 0, 1), carry


def gru_scan(
    x: Float[Array, "B L D"],
    carry: tuple[Float[Array, "B H"]],
    w_in: Float[Array, "D 3*H"],
    w_rec: Float[Array, "H 3*H"],
    bias: Float[Array, " 3*H"],
    new_bias: Float[Array, " H"],
) -> tuple[Float[Array, "B L H"], tuple[Float[Array, "B H"]]]:
    """Computes `gru` in its plain form."""
    num = x.shape[0]

    def step(carry: Any, at: Array) -> tuple[Any, Array]:
        h, _ = gru_gates(at + _as_rows(bias, num), carry[0] @ w_rec, _as_rows(new_bias, num), carry[0], -1)
        return (h,), h

    carry, hs = jax.lax.scan(step, carry, jnp.swapaxes(x @ w_in, 0, 1))
    return jnp.swapaxes(hs, 0, 1), carry


def _shift_right(first: Float[Array, "H B"], sequence: Float[Array, "L H B"]) -> Float[Array, "L H B"]:
    """Returns the value before each step."""
    return jnp.concatenate([first[None], sequence[:-1]])


def _weight_grad(cotangents: Float[Array, "C G B"], values: Float[Array, "C K B"]) -> Float[Array, "G K"]:
    """Returns the gradient of a weight: [C, G, B] x [C, K, B] -> [G, K]."""
    return jnp.einsum("cgb,ckb->gk", cotangents, values)


def _scan_backwards(
    step: Callable[..., Any], gradients: Callable[..., Any], zeros: Any, carry: Any, parts: Any
) -> tuple[Any, Array, Any]:
    """Runs `step` backwards over time and sums `gradients` over chunks of steps.

    Args:
        step: (carry, the part of one step) -> carry, (gradient of x, gradients of gates).
        gradients: (gradients of gates, parts), both for C steps -> a tuple of weight gradients.
        zeros: Initial values of the sums.
        carry: The cotangent of the last state.
        parts: A tree of arrays [L, ...].

    Returns:
        The cotangent of the initial state, the gradient of x [L, D, B], and the sums.
    """
    length = jax.tree.leaves(parts)[0].shape[0]
    if sum(z.nbytes for z in zeros) <= CACHED:

        def both(carry: Any, part: Any) -> tuple[Any, Array]:
            state, (dx, dz) = step(carry[0], part)
            more = gradients(*jax.tree.map(lambda a: a[None], (dz, part)))
            return (state, jax.tree.map(jnp.add, carry[1], more)), dx

        (carry, sums), dx = jax.lax.scan(both, (carry, zeros), parts, reverse=True)
        return carry, dx, sums
    chunk = max(c for c in range(1, min(CHUNK, length) + 1) if length % c == 0)
    parts = jax.tree.map(lambda a: a.reshape(length // chunk, chunk, *a.shape[1:]), parts)

    def over(carry: Any, part: Any) -> tuple[Any, Array]:
        state, sums = carry
        state, (dx, dz) = jax.lax.scan(step, state, part, reverse=True)
        return (state, jax.tree.map(jnp.add, sums, gradients(dz, part))), dx

    (carry, sums), dx = jax.lax.scan(over, (carry, zeros), parts, reverse=True)
    return carry, dx.reshape(length, *dx.shape[2:]), sums


def _transpose(w: Float[Array, "G K"]) -> Float[Array, "K G"]:
    """Copies the transpose once; the barrier keeps XLA from folding it into each product."""
    return jax.lax.optimization_barrier(w.T)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _lstm_cpu(
    w: Float[Array, "G K"], bias: Float[Array, " G"], xs: Float[Array, "L D B"], carry: Any, input_grad: bool
) -> tuple[Float[Array, "L H B"], Any]:
    """Maps w [4H, D + H], bias [4H], xs [L, D, B] and carry (h, c) of [H, B] to hs [L, H, B] and the new carry."""
    return _lstm_forward(w, bias, xs, carry, input_grad)[0]


def _lstm_forward(
    w: Float[Array, "G K"], bias: Float[Array, " G"], xs: Float[Array, "L D B"], carry: Any, input_grad: bool
) -> tuple[Any, Any]:
    def step(carry: Any, x: Array) -> tuple[Any, Any]:
        h, c = carry
        h, c, gates = lstm_gates(w @ jnp.concatenate([x, h]) + _as_columns(bias, x.shape[1]), c, 0)
        return (h, c), (h, c, gates)

    last, (hs, cs, gates) = jax.lax.scan(step, carry, xs)
    return (hs, last), (w, xs, carry, hs, cs, gates)


def _lstm_backward(input_grad: bool, saved: Any, cotangents: Any) -> tuple[Any, ...]:
    w, xs, (h_first, c_first), hs, cs, gates = saved
    dhs, dlast = cotangents
    size = xs.shape[1]
    back = _transpose(w if input_grad else w[:, size:])
    reach = size if input_grad else 0

    def step(carry: Any, part: Any) -> tuple[Any, Any]:
        (dh, dc), (dy, c_before, c, gate) = carry, part[:4]
        i, f, g, o = jnp.split(gate, 4)
        t = jnp.tanh(c)
        dh = dh + dy
        dc = dc + dh * o * (1.0 - t * t)
        dz = (dc * g * i * (1.0 - i), dc * c_before * f * (1.0 - f), dc * i * (1.0 - g * g), dh * t * o * (1.0 - o))
        dz = jnp.concatenate(dz)
        d = back @ dz
        return (d[reach:], dc * f), (d[:reach], dz)

    def gradients(dz: Array, part: Any) -> Any:
        x, h_before = part[4:]
        return _weight_grad(dz, jnp.concatenate([x, h_before], axis=1)), dz.sum((0, 2))

    zeros = (jnp.zeros_like(w), jnp.zeros(w.shape[0], w.dtype))
    parts = (dhs, _shift_right(c_first, cs), cs, gates, xs, _shift_right(h_first, hs))
    dcarry, dx, (dw, dbias) = _scan_backwards(step, gradients, zeros, dlast, parts)
    return dw, dbias, dx if input_grad else jnp.zeros_like(xs), dcarry


_lstm_cpu.defvjp(_lstm_forward, _lstm_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(6,))
def _gru_cpu(
    w_in: Float[Array, "G D"],
    w_rec: Float[Array, "G H"],
    bias: Float[Array, " G"],
    new_bias: Float[Array, " H"],
    xs: Float[Array, "L D B"],
    carry: Any,
    input_grad: bool,
) -> tuple[Float[Array, "L H B"], Any]:
    """Maps w_in [3H, D], w_rec [3H, H], xs [L, D, B] and carry (h,) of [H, B] to hs [L, H, B] and the new carry."""
    return _gru_forward(w_in, w_rec, bias, new_bias, xs, carry, input_grad)[0]


def _gru_forward(
    w_in: Float[Array, "G D"],
    w_rec: Float[Array, "G H"],
    bias: Float[Array, " G"],
    new_bias: Float[Array, " H"],
    xs: Float[Array, "L D B"],
    carry: Any,
    input_grad: bool,
) -> tuple[Any, Any]:
    def step(carry: Any, x: Array) -> tuple[Any, Any]:
        zx = w_in @ x + _as_columns(bias, x.shape[1])
        h, residuals = gru_gates(zx, w_rec @ carry[0], _as_columns(new_bias, x.shape[1]), carry[0], 0)
        return (h,), (h, residuals)

    last, (hs, residuals) = jax.lax.scan(step, carry, xs)
    return (hs, last), (w_in, w_rec, xs, carry, hs, residuals)


def _gru_backward(input_grad: bool, saved: Any, cotangents: Any) -> tuple[Any, ...]:
    w_in, w_rec, xs, (h_first,), hs, residuals = saved
    dhs, (dlast,) = cotangents
    hidden = w_rec.shape[1]
    back_in, back_rec = _transpose(w_in), _transpose(w_rec)

    def step(dh: Array, part: Any) -> tuple[Array, Any]:
        dy, values, _, h_before = part
        r, u, n, inner = jnp.split(values, 4)
        dh = dh + dy
        dn = dh * (1.0 - u) * (1.0 - n * n)
        dr, du = dn * inner * r * (1.0 - r), dh * (h_before - n) * u * (1.0 - u)
        dzx, dzh = jnp.concatenate([dr, du, dn]), jnp.concatenate([dr, du, dn * r])
        dx = back_in @ dzx if input_grad else jnp.zeros((0, dh.shape[1]), dh.dtype)
        return dh * u + back_rec @ dzh, (dx, (dzx, dzh))

    def gradients(dz: Any, part: Any) -> Any:
        (dzx, dzh), (x, h_before) = dz, part[2:]
        return _weight_grad(dzx, x), _weight_grad(dzh, h_before), dzx.sum((0, 2)), dzh[:, 2 * hidden :].sum((0, 2))

    zeros = tuple(jnp.zeros_like(a) for a in (w_in, w_rec, w_in[:, 0], w_in[:hidden, 0]))
    parts = (dhs, residuals, xs, _shift_right(h_first, hs))
    dcarry, dx, sums = _scan_backwards(step, gradients, zeros, dlast, parts)
    return *sums, dx if input_grad else jnp.zeros_like(xs), (dcarry,)


_gru_cpu.defvjp(_gru_forward, _gru_backward)


def _uses_cpu_form(x: Float[Array, "B L D"]) -> bool:
    """Returns whether to use the form for CPUs: for sequences in float32 on a CPU."""
    return jax.default_backend() == "cpu" and x.dtype == jnp.float32 and x.shape[1] > 1


def lstm(
    x: Float[Array, "B L D"],
    carry: tuple[Float[Array, "B H"], Float[Array, "B H"]],
    w_in: Float[Array, "D 4*H"],
    w_rec: Float[Array, "H 4*H"],
    bias: Float[Array, " 4*H"],
    *,
    input_grad: bool = True,
) -> tuple[Float[Array, "B L H"], tuple[Float[Array, "B H"], Float[Array, "B H"]]]:
    """Runs an LSTM (Hochreiter and Schmidhuber, 1997; forget gate by Gers et al., 2000).

    Args:
        x: float[B, L, D].
        carry: h and c before the sequence, float[B, H] each.
        w_in: float[D, 4H], gates in the order input, forget, cell, output.
        w_rec: float[H, 4H].
        bias: float[4H].
        input_grad: Whether to compute the gradient of x; if False, it is 0.

    Returns:
        h at every step, float[B, L, H], and (h, c) after the last step.
    """
    if not _uses_cpu_form(x):
        return lstm_scan(x, carry, w_in, w_rec, bias)
    w = jnp.concatenate([w_in, w_rec]).T
    flipped = jax.tree.map(jnp.transpose, carry)
    hs, after = _lstm_cpu(w, bias, x.transpose(1, 2, 0), flipped, input_grad)  # type: ignore[misc]
    return hs.transpose(2, 0, 1), jax.tree.map(jnp.transpose, after)


def gru(
    x: Float[Array, "B L D"],
    carry: tuple[Float[Array, "B H"]],
    w_in: Float[Array, "D 3*H"],
    w_rec: Float[Array, "H 3*H"],
    bias: Float[Array, " 3*H"],
    new_bias: Float[Array, " H"],
    *,
    input_grad: bool = True,
) -> tuple[Float[Array, "B L H"], tuple[Float[Array, "B H"]]]:
    """Runs a GRU (Cho et al., 2014) whose reset gate acts on the recurrent product, as in cuDNN.

    Args:
        x: float[B, L, D].
        carry: h before the sequence, float[B, H], as a tuple of one.
        w_in: float[D, 3H], gates in the order reset, update, new.
        w_rec: float[H, 3H].
        bias: float[3H].
        new_bias: float[H], added to the recurrent product before the reset gate multiplies it.
        input_grad: Whether to compute the gradient of x; if False, it is 0.

    Returns:
        h at every step, float[B, L, H], and (h,) after the last step.
    """
    if not _uses_cpu_form(x):
        return gru_scan(x, carry, w_in, w_rec, bias, new_bias)
    flipped = jax.tree.map(jnp.transpose, carry)
    flat = x.transpose(1, 2, 0)
    hs, after = _gru_cpu(w_in.T, w_rec.T, bias, new_bias, flat, flipped, input_grad)  # type: ignore[misc]
    return hs.transpose(2, 0, 1), jax.tree.map(jnp.transpose, after)
