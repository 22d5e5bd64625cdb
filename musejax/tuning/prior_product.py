"""The policy of G-learning: the product of a frozen prior and a trained network of the same family.

The logits of a token are the logits of the network plus the log-probability under the prior. The parameters of the
prior are model state, so that a run contains them.
"""

from typing import Any

import jax
import jax.numpy as jnp

from musejax.base import Array, Batch, Decoder, Likelihood, Metrics, Model, Params, Request, State
from musejax.decoding import autoregressive
from musejax.nn import losses
from musejax.vocabulary import Vocabulary


def make(model: Model, vocabulary: Vocabulary, prior: Model | None = None) -> Model:
    """Returns the record of the policy; its state is {"prior": parameters of the prior}.

    Args:
        model: Record of the trained network.
        vocabulary: Its vocabulary.
        prior: Record of the prior, if its parameters have another structure (adapters); None for `model`.

    Raises:
        ValueError: The family has no logits, or it has a state.
    """
    frozen = prior or model
    pair, other = model.decoder, frozen.decoder
    if pair is None or pair.logits is None or pair.read is not None or other is None or other.logits is None:
        raise ValueError("it does not predict one token after another from the previous tokens alone")
    added_logits, prior_logits = pair.logits, other.logits

    def init(key: Array, batch: Batch) -> tuple[Params, State]:
        params, state = model.init(key, batch)
        if state:
            raise ValueError("it has a state; G-learning needs a model without one")
        return params, {"prior": frozen.init(key, batch)[0]}

    def init_cache(params: Params, state: State, num: int, length: int) -> Any:
        return pair.init_cache(params, {}, num, length), other.init_cache(state["prior"], {}, num, length)

    def step(
        params: Params, state: State, cache: Any, previous: Array, pos: Array, conditions: dict[str, Array]
    ) -> tuple[Array, Any]:
        added, own_cache = pair.step(params, {}, cache[0], previous, pos, conditions)
        before, prior_cache = other.step(state["prior"], {}, cache[1], previous, pos, conditions)
        return added + jax.nn.log_softmax(before.astype(jnp.float32)), (own_cache, prior_cache)

    def logits(params: Params, state: State, batch: Batch) -> Array:
        before = prior_logits(jax.lax.stop_gradient(state["prior"]), {}, batch).astype(jnp.float32)
        return added_logits(params, {}, batch) + jax.nn.log_softmax(before)

    def nll(params: Params, state: State, batch: Batch) -> Array:
        return losses.categorical_nll(logits(params, state, batch), jnp.asarray(batch["tokens"]))

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        tokens = jnp.asarray(batch["tokens"])
        mask = jnp.asarray(batch["loss_mask"])
        mask = jnp.broadcast_to(mask.reshape(*mask.shape, *(1,) * (tokens.ndim - 2)), tokens.shape)
        return losses.cross_entropy(logits(params, state, batch), tokens, mask, state)

    both = Decoder(init_cache, step, pair.start, pair.order, prepare=pair.prepare, logits=logits)

    def sample(params: Params, state: State, key: Array, request: Request) -> dict[str, Array]:
        return autoregressive.sample_request(both, vocabulary, params, state, key, request)

    return model._replace(
        init=init, loss=loss, sample=sample, likelihood=Likelihood("exact", nll), decoder=both, make_step=None
    )
