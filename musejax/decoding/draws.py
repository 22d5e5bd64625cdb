"""Samples values from the output of a step, with uniform noise that is generated before the loop.

The noise of piece i is generated at once from `fold_in(key, i)`, so that the loop contains no random number generator,
and pieces do not depend on each other. A token needs one uniform number, by which its distribution is inverted.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Bool, Float, Int
from musejax.base import Choice, Params
from musejax.nn import losses, nade


class Draw(NamedTuple):
    """A distribution over the values of a cell, given the output of a step.

    Attributes:
        noise_shape: Shape of the uniform noise for one cell.
        draw: Function (output of a step, usually logits [N, V]; allowed values, bool[N, V]; uniform noise
            [N, *noise_shape]) -> values [N, ...].
        nll: Function (output of a step, values) -> negative log-likelihood in nats, [N].
        value_shape: Shape of one value: () for a token, (V,) for a binary frame or a row of real numbers.
        dtype: Type of a value.
    """

    noise_shape: tuple[int, ...]
    draw: Callable[[Any, Array | None, Array], Array]
    nll: Callable[[Any, Array], Array]
    value_shape: tuple[int, ...]
    dtype: Any = jnp.int32


def filter_logits(logits: Float[Array, "*N V"], choice: Choice) -> Float[Array, "*N V"]:
    """Applies temperature, top-k, top-p and min-p to logits; those of dropped tokens become -inf.

    The likeliest token is always kept.
    """
    logits = logits.astype(jnp.float32) / jnp.maximum(choice.temperature, 1e-4)
    if choice.top_k is not None:
        kth = jax.lax.top_k(logits, min(choice.top_k, logits.shape[-1]))[0][..., -1:]
        logits = jnp.where(logits < kth, -jnp.inf, logits)
    if choice.top_p is not None:
        ordered = -jnp.sort(-logits, axis=-1)
        probs = jax.nn.softmax(ordered, axis=-1)
        before = jnp.cumsum(probs, axis=-1) - probs  # total probability of the likelier tokens
        kept = jnp.where(before < choice.top_p, ordered, jnp.inf)
        logits = jnp.where(logits < jnp.minimum(kept.min(-1, keepdims=True), ordered[..., :1]), -jnp.inf, logits)
    if choice.min_p is not None:
        floor = logits.max(-1, keepdims=True) + jnp.log(jnp.clip(choice.min_p, 1e-9, 1.0))
        logits = jnp.where(logits < floor, -jnp.inf, logits)
    return logits


def invert(logits: Float[Array, "N V"], uniform: Float[Array, " N"]) -> Int[Array, " N"]:
    """Returns the token at which the cumulative distribution exceeds `uniform`.

    Args:
        logits: Logits, [N, V]; a token at -inf is never returned.
        uniform: Numbers in [0, 1), [N].

    Returns:
        Tokens, int32[N].
    """
    weights = jnp.exp(logits - logits.max(-1, keepdims=True))
    # A parallel cumulative sum may decrease by rounding, so tokens with weight 0 are excluded explicitly.
    cumulative = jnp.where(weights > 0, jnp.cumsum(weights, axis=-1), 0.0)
    total = cumulative.max(-1, keepdims=True)
    return jnp.argmax(cumulative > uniform[:, None] * total, axis=-1).astype(jnp.int32)


def restrict(logits: Float[Array, "*N V"], allowed: Bool[Array, "..."] | None) -> Float[Array, "*N V"]:
    """Sets the logits of tokens that are not allowed to -inf, except in rows in which no token is allowed."""
    if allowed is None:
        return logits
    allowed = jnp.broadcast_to(allowed, logits.shape)
    return jnp.where(allowed | ~allowed.any(-1, keepdims=True), logits, -jnp.inf)


def categorical(choice: Choice) -> Draw:
    """Returns a `Draw` of tokens from a softmax."""

    def draw(
        logits: Float[Array, "N V"], allowed: Bool[Array, "..."] | None, uniform: Float[Array, " N"]
    ) -> Int[Array, " N"]:
        return invert(filter_logits(restrict(logits.astype(jnp.float32), allowed), choice), uniform)

    return Draw((), draw, losses.categorical_nll, ())


def bernoulli(size: int, choice: Choice) -> Draw:
    """Returns a `Draw` of `size` independent binary values; of the filters, only the temperature applies."""

    def draw(
        logits: Float[Array, "N V"], allowed: Bool[Array, "..."] | None, uniform: Float[Array, "N V"]
    ) -> Int[Array, "N V"]:
        on = uniform < jax.nn.sigmoid(logits.astype(jnp.float32) / jnp.maximum(choice.temperature, 1e-4))
        return (on if allowed is None else on & allowed).astype(jnp.int32)

    return Draw((size,), draw, lambda logits, bits: losses.bernoulli_nll(logits, bits).sum(-1), (size,))


def ordered(size: int, choice: Choice, logit: Callable[..., Array], nll: Callable[..., Array]) -> Draw:
    """Returns a `Draw` of binary values that are sampled in order, each given the previous ones.

    Args:
        size: Number of values, V.
        choice: Sampling filters, of which only the temperature applies.
        logit: Function (output of a step, bits int32[N, V] so far, index) -> logit of the bit at the index, [N].
        nll: Function (output of a step, bits) -> negative log-likelihood in nats, [N].
    """

    def draw(out: Any, allowed: Bool[Array, "..."] | None, uniform: Float[Array, "N V"]) -> Int[Array, "N V"]:
        def draw_bit(bits: Int[Array, "N V"], index: Int[Array, ""]) -> tuple[Int[Array, "N V"], None]:
            on = uniform[:, index] < jax.nn.sigmoid(logit(out, bits, index) / jnp.maximum(choice.temperature, 1e-4))
            if allowed is not None:
                on = on & jnp.broadcast_to(allowed, bits.shape)[:, index]
            return bits.at[:, index].set(on.astype(jnp.int32)), None

        return jax.lax.scan(draw_bit, jnp.zeros((len(uniform), size), jnp.int32), jnp.arange(size))[0]

    return Draw((size,), draw, nll, (size,))


def nade_keys(joint: nade.Nade, params: Params, choice: Choice) -> Draw:
    """Returns a `Draw` of the keys of a frame from a NADE, from the lowest to the highest.

    Args:
        joint: The NADE; the output of a step is its `Context`, [N, ...].
        params: Its parameters.
        choice: Sampling filters, of which only the temperature applies.
    """

    def logit(context: nade.Context, bits: Int[Array, "N V"], index: Int[Array, ""]) -> Float[Array, " N"]:
        return joint.apply({"params": params}, context, bits, index, method="one")  # type: ignore[return-value]

    def nll(context: nade.Context, bits: Int[Array, "N V"]) -> Float[Array, " N"]:
        frame = jax.tree.map(lambda x: x[:, None], context)
        logits: Any = joint.apply({"params": params}, frame, bits[:, None])
        return losses.bernoulli_nll(logits[:, 0], bits).sum(-1)

    return ordered(joint.size, choice, logit, nll)
