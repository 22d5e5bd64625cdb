"""A net that is a table of logits by the token before: every distribution over its short pieces can be enumerated."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from musejax import vocabulary
from musejax.base import Decoder, Info, Likelihood, Model
from musejax.decoding import autoregressive
from musejax.nn import losses

VOCABULARY = vocabulary.melody(60, 60)
SIZE = VOCABULARY.size
LENGTH = 2
# All pieces of two tokens. The rows of the table are then states: the start, or the first token.
PIECES = np.array(list(itertools.product(range(SIZE), repeat=LENGTH)), np.int32)


def batch_of(tokens):
    ones = jnp.ones(tokens.shape, jnp.int32)
    return {"tokens": jnp.asarray(tokens), "length": ones.sum(1), "pad_mask": ones, "loss_mask": ones}


def params(seed):
    return {"table": jax.random.normal(jax.random.key(seed), (SIZE + 1, SIZE))}


@functools.cache
def make(with_logits=True):
    def logits(params, state, batch):
        tokens = jnp.asarray(batch["tokens"])
        before = jnp.pad(tokens, ((0, 0), (1, 0)), constant_values=SIZE)[:, :-1]
        return params["table"][before]

    def nll(params, state, batch):
        return losses.categorical_nll(logits(params, state, batch), jnp.asarray(batch["tokens"]))

    def loss(params, state, key, batch, *, step, train):
        return losses.cross_entropy(logits(params, state, batch), batch["tokens"], batch["loss_mask"], state)

    def step(params, state, cache, previous, pos, conditions):
        return params["table"][previous], cache

    pair = Decoder(lambda p, s, num, length: jnp.zeros(num), step, SIZE, logits=logits if with_logits else None)

    def sample(params, state, key, request):
        return autoregressive.sample_request(pair, VOCABULARY, params, state, key, request)

    return Model(Info(None), lambda key, batch: (params(0), {}), loss, sample, Likelihood("exact", nll), pair)


def log_probs(p):
    """Of every piece: float[9]."""
    return -make().likelihood.nll(p, {}, batch_of(PIECES)).sum(1)
