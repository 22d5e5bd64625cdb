"""Samples pieces in a training step and scores their cells in the order in which they are sampled.

The arrays are the same for all left-to-right families and codecs. A piece is a sequence of C cells with S cells per
frame, one per stream (S = 1 if a frame is sampled as a whole). The cells after END are masked.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax.base import Array, Batch, Model, Params, Request, State
from musejax.nn import losses
from musejax.vocabulary import Vocabulary

Variables = Mapping[str, Any]  # params and state of a trained run
# {tokens int32[N, T, S] or frames, length int32[N], conditions} -> float[N] per piece, or float[N, T] per frame
RewardFunction = Callable[[dict[str, Any]], Any]


class Scores(NamedTuple):
    """Scores of given pieces under a model.

    Attributes:
        log_prob: Log-probability of each cell given the previous cells, in nats, float32[N, C].
        logits: Logits of each cell, float32[N, C, V]; None for a family without logits.
    """

    log_prob: Array
    logits: Array | None


def select_conditions(batch: Batch, vocabulary: Vocabulary, length: int, group: int) -> dict[str, Array]:
    """Returns the conditions for the pieces to sample: those of the first row of each group, for the whole group.

    Args:
        batch: Training batch, with conditions int32[N, T].
        vocabulary: Vocabulary of the model.
        length: Length of a piece in frames; shorter conditions are extended with their last value.
        group: Number of rows in a group.
    """
    out = {}
    for name, _ in vocabulary.conditions:
        values = jnp.repeat(jnp.asarray(batch[name])[::group, :length], group, axis=0)
        out[name] = jnp.pad(values, ((0, 0), (0, length - values.shape[1])), mode="edge")
    return out


def count_rows(batch: Batch) -> int:
    """Returns the number of rows in a batch."""
    return jax.tree.leaves(dict(batch))[0].shape[0]


def sample_rollouts(
    model: Model, params: Params, state: State, key: Array, num: int, length: int, conditions: dict[str, Array]
) -> dict[str, Array]:
    """Samples pieces from the model's distribution.

    Returns:
        A batch for the model's likelihood, with `tokens` or `frames`, `length` int32[N] in frames, the conditions,
        and `pad_mask` and `loss_mask`, int32[N, T].
    """
    out = model.sample(params, state, key, Request(num=num, length=length, conditions=conditions))
    out.pop("log_prob", None)
    mask = (jnp.arange(length)[None] < out["length"][:, None]).astype(jnp.int32)
    return jax.lax.stop_gradient({**out, "pad_mask": mask, "loss_mask": mask})


def get_order(model: Model, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Returns the streams of a frame in sampling order; (0,) if a frame is sampled as a whole."""
    assert model.decoder is not None
    if vocabulary.kind != "tokens":
        return (0,)
    return model.decoder.order or tuple(range(vocabulary.streams))


def order_cells(x: Array, order: tuple[int, ...]) -> Array:
    """Reshapes [N, T, S, ...], or [N, T, ...] for one stream, to [N, C, ...] with cells in sampling order."""
    if len(order) == 1:
        return x
    return x[:, :, jnp.asarray(order)].reshape(len(x), -1, *x.shape[3:])


def sampled_mask(batch: Batch, vocabulary: Vocabulary, order: tuple[int, ...]) -> Array:
    """Returns 1 for the cells up to and including END, float32[N, C]."""
    if not vocabulary.has("end"):
        return jnp.repeat(jnp.asarray(batch["pad_mask"], jnp.float32), len(order), axis=1)
    cells = order_cells(jnp.asarray(batch["tokens"]), order)
    ended = (cells == vocabulary.id("end")).astype(jnp.int32)
    return (jnp.cumsum(ended, axis=1) - ended == 0).astype(jnp.float32)


def score_cells(model: Model, vocabulary: Vocabulary, params: Params, state: State, batch: Batch) -> Scores:
    """Scores each cell of a batch in one pass over whole pieces, without dropout."""
    pair, order = model.decoder, get_order(model, vocabulary)
    assert pair is not None and model.likelihood is not None and model.likelihood.nll is not None
    if pair.logits is None:
        nll = model.likelihood.nll(params, state, batch).astype(jnp.float32)
        return Scores(-order_cells(nll, order), None)
    logits = order_cells(pair.logits(params, state, batch), order).astype(jnp.float32)
    cells = order_cells(jnp.asarray(batch["tokens"]), order)
    return Scores(-losses.categorical_nll(logits, cells), logits)


def divergence(policy: Scores, prior: Scores) -> Array:
    """Returns the KL divergence of the policy from the prior at each cell, in nats, float32[N, C].

    With logits, it is the exact sum over the vocabulary. Otherwise, it is estimated as the difference of the
    log-probabilities of the sampled cells, whose expectation over samples of the policy is the same.
    """
    if policy.logits is None or prior.logits is None:
        return policy.log_prob - prior.log_prob
    log_p, log_q = jax.nn.log_softmax(policy.logits, axis=-1), jax.nn.log_softmax(prior.logits, axis=-1)
    return (jnp.exp(log_p) * (log_p - log_q)).sum(-1)


def spread_rewards(reward: Array, mask: Array) -> Array:
    """Assigns rewards to cells: the reward of a piece or a frame belongs to its last cell.

    Args:
        reward: Reward of each piece, float[N], or of each frame, float[N, T].
        mask: 1 for the cells that were sampled, float32[N, C]. Rewards after them are added to the last of them.

    Returns:
        Reward of each cell, float32[N, C].
    """
    frames = reward.astype(jnp.float32).reshape(len(reward), -1)
    padding = ((0, 0), (0, 0), (mask.shape[1] // frames.shape[1] - 1, 0))
    cells = jnp.pad(frames[..., None], padding).reshape(mask.shape)
    last = mask * (1.0 - jnp.pad(mask[:, 1:], ((0, 0), (0, 1))))
    return cells * mask + last * (cells * (1.0 - mask)).sum(1, keepdims=True)


def check(model: Model, vocabulary: Vocabulary) -> None:
    """Raises ValueError if reinforcement learning does not support the model."""
    if model.decoder is None or model.likelihood is None or model.likelihood.nll is None:
        raise ValueError("it has no exact left-to-right likelihood")
    if vocabulary.kind == "groove":
        raise ValueError("its frames are real numbers; tokens or binary frames are needed")
