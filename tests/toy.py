"""A bigram model that compiles in a moment, and small prepared data, for tests of what surrounds a model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary
from musejax.base import Info, Model
from musejax.nn import losses
from musejax.pipeline import batches, dataset, stream

VOCABULARY = vocabulary.melody(60, 69, name="melody")
SIZE = VOCABULARY.size


@functools.cache
def make(dropout=0.0, fail_at=None, counts=True):
    """Logits of a token are a row of a table chosen by the token before; the loss is NaN from step `fail_at` on.

    Where it `counts` what it has seen, it has state.
    """

    def init(key, batch):
        params = {"table": jax.random.normal(key, (SIZE, SIZE)) * 0.1, "bias": jnp.zeros((SIZE,))}
        return params, {"seen": jnp.zeros(())} if counts else {}

    def loss(params, state, key, batch, *, step, train):
        tokens = batch["tokens"]
        table = params["table"]
        if train and dropout:
            table = jnp.where(jax.random.bernoulli(key, 1 - dropout, table.shape), table, 0)
        logits = table[jnp.pad(tokens, ((0, 0), (1, 0)))[:, :-1]]
        logits = logits + jnp.broadcast_to(params["bias"], logits.shape)
        mean, weight = losses.masked_mean(losses.categorical_nll(logits, tokens), batch["loss_mask"])
        if train and fail_at is not None:
            mean = jnp.where(step >= fail_at, jnp.nan, mean)
        state = {"seen": state["seen"] + weight} if train and counts else state
        return mean, (state, {"loss": mean, "weight": weight})

    return Model(Info(None), init, loss, lambda *a: {})


def items(num=12, seed=0, length=20):
    rng = np.random.default_rng(seed)
    return [
        dataset.Item(f"tune {i}", f"group {i}", {"tokens": rng.integers(2, SIZE, length + i).astype(np.int32)})
        for i in range(num)
    ]


def source(batch_size=4, window=8, seed=0, **kwargs):
    return batches.Batches(items(), VOCABULARY, batch_size=batch_size, window=window, seed=seed, **kwargs)


def plain_stream():
    return stream.ArrayStream(source(transpose=2))


def validation():
    return (batch for _, batch in batches.whole(items(3, seed=9), 4))
