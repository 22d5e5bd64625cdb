"""Stacked LSTM and GRU layers as one Flax module: whole sequences and single steps by the same call."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax.array_types import Array, Float, Key
from musejax.nn import dropout as dropouts
from musejax.nn import recurrent_cells

Carry = Any  # a tuple of arrays [B, H]
GATES = {"lstm": 4, "gru": 3}


def initial(cell: str, num_layers: int, hidden: int, num: int, params: Any = None) -> tuple[Carry, ...]:
    """Zero states for `num` sequences, one a layer; a net computes in the type of its state, that of `params`."""
    zero = jnp.zeros((num, hidden), jnp.float32 if params is None else jax.tree.leaves(params)[0].dtype)
    return tuple((zero, zero) if cell == "lstm" else (zero,) for _ in range(num_layers))


class Layer(nn.Module):
    """One recurrent layer.

    Attributes:
        cell: `lstm` (gates in the order input, forget, cell, output) or `gru` (reset, update, new; the reset gate
            acts on the recurrent product, as in cuDNN and PyTorch).
        hidden: Units, H.
    """

    cell: Literal["lstm", "gru"]
    hidden: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L D"],
        carry: Carry,
        *,
        recurrent_dropout: float,
        key: Key[Array, ""] | None,
        embedding: Float[Array, "N E"] | None = None,
        input_grad: bool = True,
        ones: int = 0,
    ) -> tuple[Float[Array, "B L {self.hidden}"], Carry]:
        """Runs over a sequence.

        Args:
            x: float[B, L, D].
            carry: The state before it, of arrays [B, H].
            recurrent_dropout: Share of the recurrent matrix's weights dropped for the whole sequence
                (Merity et al., 2018).
            key: None when nothing is to be dropped.
            embedding: float[N, E] for an x whose first N columns are a one-hot that it replaces.
            input_grad: Whether x needs a gradient.
            ones: How many of the inputs are 1 at a time where the others are 0; 0 where x is dense. Weights that began
                by the width of a one-hot would let almost nothing of it through.

        Returns:
            float[B, L, H] and the state after it.
        """
        gates = GATES[self.cell] * self.hidden
        size = x.shape[-1]
        if embedding is not None:
            size += embedding.shape[1] - embedding.shape[0]
        start = nn.initializers.normal(ones**-0.5) if ones else nn.initializers.lecun_normal()
        w_in = self.param("input", start, (size, gates))
        w_rec = self.param("recurrent", orthogonal, (self.hidden, gates))
        bias = self.param("bias", _forget_bias if self.cell == "lstm" else nn.initializers.zeros, (gates,))
        w_rec = dropouts.drop(w_rec, recurrent_dropout, key)
        w_in, w_rec, bias = (w.astype(x.dtype) for w in (w_in, w_rec, bias))
        if embedding is not None:
            # Into the input weights, so that a sequence is read as the one-hot it is and needs no gradient.
            e = embedding.shape[1]
            w_in = jnp.concatenate([embedding @ w_in[:e], w_in[e:]])
        if self.cell == "gru":
            new = self.param("new_bias", nn.initializers.zeros, (self.hidden,)).astype(x.dtype)
            return recurrent_cells.gru(x, carry, w_in, w_rec, bias, new, input_grad=input_grad)
        return recurrent_cells.lstm(x, carry, w_in, w_rec, bias, input_grad=input_grad)


def orthogonal(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, "..."]:
    """Rows or columns at right angles, one matrix after the other also where many are made at once.

    QR factorisations of several batches of matrices, side by side on two cores, wait for each other for ever
    (jaxlib 0.10).
    """
    return jax.custom_batching.sequential_vmap(lambda key: nn.initializers.orthogonal()(key, shape, dtype))(key)


def _forget_bias(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, " G"]:
    """Ones for the forget gate (Jozefowicz et al., 2015), zeros for the others."""
    hidden = shape[0] // 4
    return jnp.zeros(shape, dtype).at[hidden : 2 * hidden].set(1.0)


class Stack(nn.Module):
    """Recurrent layers one above the other.

    Attributes:
        cell: As in `Layer`.
        num_layers: How many.
        hidden: Units in each.
        dropout: On each layer's output.
        variational: Whether one dropout mask serves all frames of a sequence (Gal and Ghahramani, 2016).
        recurrent_dropout: As in `Layer`.
        residual: Whether a layer's input is added to its output from the second layer on.
        layer_norm: Whether each layer's output is normalised.
    """

    cell: Literal["lstm", "gru"] = "lstm"
    num_layers: int = 2
    hidden: int = 128
    dropout: float = 0.0
    variational: bool = False
    recurrent_dropout: float = 0.0
    residual: bool = False
    layer_norm: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L D"],
        carry: tuple[Carry, ...],
        key: Key[Array, ""] | None = None,
        *,
        embedding: Float[Array, "N E"] | None = None,
        input_grad: bool = True,
        ones: int = 0,
    ) -> tuple[Float[Array, "B L {self.hidden}"], tuple[Carry, ...]]:
        """Runs over a sequence (of length 1 when sampling).

        Args:
            x: float[B, L, D].
            carry: The states before it, one a layer.
            key: For dropout; None when nothing is to be dropped.
            embedding: float[N, E] that stands for the one-hot in the first N columns of x.
            input_grad: Whether x needs a gradient: not when it holds tokens and conditions alone.
            ones: As in `Layer`, for the first.

        Returns:
            float[B, L, H] and the states after it.
        """
        after = []
        for i, state in enumerate(carry):
            keys = (None, None) if key is None else tuple(jax.random.split(jax.random.fold_in(key, i)))
            layer = Layer(self.cell, self.hidden, name=f"layer_{i}")
            first = {"embedding": embedding, "input_grad": input_grad, "ones": ones} if i == 0 else {}
            y, state = layer(x, state, recurrent_dropout=self.recurrent_dropout, key=keys[0], **first)
            after.append(state)
            if self.layer_norm:
                y = nn.LayerNorm(name=f"norm_{i}")(y)
            y = dropouts.drop(y, self.dropout, keys[1], (y.shape[0], 1, y.shape[2]) if self.variational else None)
            x = y + x if self.residual and i else y
        return x, tuple(after)
