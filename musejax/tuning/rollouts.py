"""Pieces drawn within a training step, and their cells in the order in which they were drawn.

Every left-to-right family and codec comes to the same arrays here: a piece is C cells one after the other, S of each
frame (1 where a frame is drawn whole), of which those up to END count.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax.base import Array, Batch, Model, Params, Request, State
from musejax.nn import losses
from musejax.vocabulary import Vocabulary

Variables = Mapping[str, Any]  # params and state of a trained run
# {tokens int32[N, T, S] or frames, length int32[N], conditions} -> float[N], or float[N, T] by frame
RewardFunction = Callable[[dict[str, Any]], Any]


class Scored(NamedTuple):
    """What a model says of given pieces.

    Attributes:
        log_prob: Of each cell given those before, in nats, float32[N, C].
        logits: float32[N, C, V]; None for a family that has none.
    """

    log_prob: Array
    logits: Array | None


def conditions_of(batch: Batch, vocabulary: Vocabulary, length: int, group: int) -> dict[str, Array]:
    """What the pieces of a batch are told: the pieces of a group the same, that of its first row.

    Args:
        batch: Of the loop, its conditions int32[N, T].
        vocabulary: Its table.
        length: Frames to draw; conditions that are shorter go on with their last value.
        group: Rows of a group.
    """
    out = {}
    for name, _ in vocabulary.conditions:
        told = jnp.repeat(jnp.asarray(batch[name])[::group, :length], group, axis=0)
        out[name] = jnp.pad(told, ((0, 0), (0, length - told.shape[1])), mode="edge")
    return out


def rows(batch: Batch) -> int:
    """How many pieces a batch asks for."""
    return jax.tree.leaves(dict(batch))[0].shape[0]


def draw_rollouts(
    model: Model, params: Params, state: State, key: Array, num: int, length: int, conditions: dict[str, Array]
) -> dict[str, Array]:
    """Pieces of the model's own distribution, as a batch that its likelihood reads.

    Returns:
        `tokens` or `frames`, `length` int32[N] in frames, the conditions, `pad_mask` and `loss_mask` [N, T].
    """
    out = model.sample(params, state, key, Request(num=num, length=length, conditions=conditions))
    out.pop("log_prob", None)
    mask = (jnp.arange(length)[None] < out["length"][:, None]).astype(jnp.int32)
    return jax.lax.stop_gradient({**out, "pad_mask": mask, "loss_mask": mask})


def order_of(model: Model, vocabulary: Vocabulary) -> tuple[int, ...]:
    """The streams of a frame as they are drawn; one where a frame is drawn whole."""
    assert model.decoder is not None
    if vocabulary.kind != "tokens":
        return (0,)
    return model.decoder.order or tuple(range(vocabulary.streams))


def in_order(x: Array, order: tuple[int, ...]) -> Array:
    """[N, T, S, ...] (without S for one stream) as [N, C, ...] in the order in which cells are drawn."""
    if len(order) == 1:
        return x
    return x[:, :, jnp.asarray(order)].reshape(len(x), -1, *x.shape[3:])


def drawn_mask(batch: Batch, vocabulary: Vocabulary, order: tuple[int, ...]) -> Array:
    """1 for the cells up to and including END: float32[N, C]."""
    if not vocabulary.has("end"):
        return jnp.repeat(jnp.asarray(batch["pad_mask"], jnp.float32), len(order), axis=1)
    cells = in_order(jnp.asarray(batch["tokens"]), order)
    ended = (cells == vocabulary.id("end")).astype(jnp.int32)
    return (jnp.cumsum(ended, axis=1) - ended == 0).astype(jnp.float32)


def scored(model: Model, vocabulary: Vocabulary, params: Params, state: State, batch: Batch) -> Scored:
    """What a model says of each cell of a batch, from one pass over whole pieces, without dropout."""
    pair, order = model.decoder, order_of(model, vocabulary)
    assert pair is not None and model.likelihood is not None and model.likelihood.nll is not None
    if pair.logits is None:
        nll = model.likelihood.nll(params, state, batch).astype(jnp.float32)
        return Scored(-in_order(nll, order), None)
    logits = in_order(pair.logits(params, state, batch), order).astype(jnp.float32)
    cells = in_order(jnp.asarray(batch["tokens"]), order)
    return Scored(-losses.categorical_nll(logits, cells), logits)


def divergence(policy: Scored, prior: Scored) -> Array:
    """KL of the policy from the prior at each cell, in nats: float32[N, C].

    Summed over the vocabulary where there are logits; else the difference of the log-probabilities of what was drawn,
    which is the same on average over the policy's own pieces.
    """
    if policy.logits is None or prior.logits is None:
        return policy.log_prob - prior.log_prob
    log_p, log_q = jax.nn.log_softmax(policy.logits, axis=-1), jax.nn.log_softmax(prior.logits, axis=-1)
    return (jnp.exp(log_p) * (log_p - log_q)).sum(-1)


def by_cell(reward: Array, mask: Array) -> Array:
    """Rewards of pieces [N] or of frames [N, T] as float32[N, C]: each at the last cell that it is of.

    Args:
        reward: What is earned.
        mask: 1 for the cells that were drawn, float32[N, C]; what is earned behind them counts at the last of them.
    """
    frames = reward.astype(jnp.float32).reshape(len(reward), -1)
    behind = ((0, 0), (0, 0), (mask.shape[1] // frames.shape[1] - 1, 0))
    cells = jnp.pad(frames[..., None], behind).reshape(mask.shape)
    last = mask * (1.0 - jnp.pad(mask[:, 1:], ((0, 0), (0, 1))))
    return cells * mask + last * (cells * (1.0 - mask)).sum(1, keepdims=True)


def check(model: Model, vocabulary: Vocabulary) -> None:
    """Raises ValueError for a model that reinforcement cannot tune."""
    if model.decoder is None or model.likelihood is None or model.likelihood.nll is None:
        raise ValueError("it has no exact likelihood from left to right")
    if vocabulary.kind == "groove":
        raise ValueError("its frames are real numbers, not tokens or switches")
