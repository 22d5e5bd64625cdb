"""Stacked LSTM and GRU layers as one Flax module, which runs whole sequences and single steps by the same call."""

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
    """Returns zero states of all layers for `num` sequences, in the type of `params`, which sets the compute type."""
    zero = jnp.zeros((num, hidden), jnp.float32 if params is None else jax.tree.leaves(params)[0].dtype)
    return tuple((zero, zero) if cell == "lstm" else (zero,) for _ in range(num_layers))


class Layer(nn.Module):
    """One recurrent layer.

    Attributes:
        cell: `lstm` (gates in the order input, forget, cell, output) or `gru` (reset, update, new; the reset gate
            acts on the recurrent product, as in cuDNN and PyTorch).
        hidden: Number of units, H.
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
        """Runs the layer over a sequence.

        Args:
            x: float[B, L, D].
            carry: The state before the sequence, arrays [B, H].
            recurrent_dropout: Dropout rate of the recurrent matrix's weights, dropped for the whole sequence
                (Merity et al., 2018).
            key: Key for dropout, or None to drop nothing.
            embedding: float[N, E], an embedding of the one-hot in the first N columns of x; None for no embedding.
            input_grad: Whether x needs a gradient.
            ones: For sparse x, the number of inputs that are 1 at a time, which scales the initial weights; 0 for dense
                x. Weights scaled by the width of a one-hot would be far too small.

        Returns:
            float[B, L, H] and the state after the sequence.
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
            # Merged into the input weights, so that the layer reads the one-hot itself, which needs no gradient.
            e = embedding.shape[1]
            w_in = jnp.concatenate([embedding @ w_in[:e], w_in[e:]])
        if self.cell == "gru":
            new = self.param("new_bias", nn.initializers.zeros, (self.hidden,)).astype(x.dtype)
            return recurrent_cells.gru(x, carry, w_in, w_rec, bias, new, input_grad=input_grad)
        return recurrent_cells.lstm(x, carry, w_in, w_rec, bias, input_grad=input_grad)


def orthogonal(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, "..."]:
    """Initialises an orthogonal matrix; under `vmap`, matrices are initialised one after the other.

    Several batched QR factorisations in parallel on two cores deadlock (jaxlib 0.10).
    """
    return jax.custom_batching.sequential_vmap(lambda key: nn.initializers.orthogonal()(key, shape, dtype))(key)


def _forget_bias(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, " G"]:
    """Returns ones for the forget gate (Jozefowicz et al., 2015) and zeros for the other gates."""
    hidden = shape[0] // 4
    return jnp.zeros(shape, dtype).at[hidden : 2 * hidden].set(1.0)


class Stack(nn.Module):
    """A stack of recurrent layers.

    Attributes:
        cell: As in `Layer`.
        num_layers: Number of layers.
        hidden: Units in each layer.
        dropout: Dropout rate of each layer's output.
        variational: Whether all frames of a sequence share one dropout mask (Gal and Ghahramani, 2016).
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
        """Runs the stack over a sequence (of length 1 when sampling).

        Args:
            x: float[B, L, D].
            carry: The state of each layer before the sequence.
            key: Key for dropout, or None to drop nothing.
            embedding: As in `Layer`, for the first layer.
            input_grad: Whether x needs a gradient; False if x consists of tokens and conditions.
            ones: As in `Layer`, for the first layer.

        Returns:
            float[B, L, H] and the states after the sequence.
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
