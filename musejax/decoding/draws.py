"""How a value is drawn from a step's output with uniform noise that was made before the loop.

Noise is drawn once for a whole piece, from `fold_in(key, i)`, so the loop holds no random generator and piece i
does not depend on its neighbours. A token needs one uniform number: it is found by inverting the distribution.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Bool, Float, Int
from musejax.base import Choice, Params
from musejax.nn import losses, nade


class Draw(NamedTuple):
    """A way to draw.

    Attributes:
        noise_shape: Shape of the uniform noise for one cell.
        draw: (a step's output, mostly logits [N, V]; allowed bool [N, V]; uniform [N, *noise_shape]) -> value [N, ...].
        nll: (a step's output, value) -> nats [N].
        value_shape: Shape of one value: () for a token, (V,) for a frame of bits or a row of real numbers.
        dtype: Type of a value.
    """

    noise_shape: tuple[int, ...]
    draw: Callable[[Any, Array | None, Array], Array]
    nll: Callable[[Any, Array], Array]
    value_shape: tuple[int, ...]
    dtype: Any = jnp.int32


def filter_logits(logits: Float[Array, "*N V"], choice: Choice) -> Float[Array, "*N V"]:
    """Logits [N, V] after temperature, top-k, top-p and min-p; what is dropped becomes -inf.

    The likeliest token always stays.
    """
    logits = logits.astype(jnp.float32) / jnp.maximum(choice.temperature, 1e-4)
    if choice.top_k is not None:
        kth = jax.lax.top_k(logits, min(choice.top_k, logits.shape[-1]))[0][..., -1:]
        logits = jnp.where(logits < kth, -jnp.inf, logits)
    if choice.top_p is not None:
        ordered = -jnp.sort(-logits, axis=-1)
        probs = jax.nn.softmax(ordered, axis=-1)
        before = jnp.cumsum(probs, axis=-1) - probs  # probability of what is likelier
        kept = jnp.where(before < choice.top_p, ordered, jnp.inf)
        logits = jnp.where(logits < jnp.minimum(kept.min(-1, keepdims=True), ordered[..., :1]), -jnp.inf, logits)
    if choice.min_p is not None:
        floor = logits.max(-1, keepdims=True) + jnp.log(jnp.clip(choice.min_p, 1e-9, 1.0))
        logits = jnp.where(logits < floor, -jnp.inf, logits)
    return logits


def invert(logits: Float[Array, "N V"], uniform: Float[Array, " N"]) -> Int[Array, " N"]:
    """The token at which the cumulative distribution passes `uniform`.

    Args:
        logits: [N, V]; a token at -inf is never returned.
        uniform: [N], in [0, 1).

    Returns:
        int32[N].
    """
    weights = jnp.exp(logits - logits.max(-1, keepdims=True))
    # A parallel sum need not rise from one token to the next, so tokens of no weight are passed over by name.
    cumulative = jnp.where(weights > 0, jnp.cumsum(weights, axis=-1), 0.0)
    total = cumulative.max(-1, keepdims=True)
    return jnp.argmax(cumulative > uniform[:, None] * total, axis=-1).astype(jnp.int32)


def restrict(logits: Float[Array, "*N V"], allowed: Bool[Array, "..."] | None) -> Float[Array, "*N V"]:
    """Logits with what is not allowed at -inf; where nothing is allowed the row is left as it is."""
    if allowed is None:
        return logits
    allowed = jnp.broadcast_to(allowed, logits.shape)
    return jnp.where(allowed | ~allowed.any(-1, keepdims=True), logits, -jnp.inf)


def categorical(choice: Choice) -> Draw:
    """Draws one token from a softmax."""

    def draw(
        logits: Float[Array, "N V"], allowed: Bool[Array, "..."] | None, uniform: Float[Array, " N"]
    ) -> Int[Array, " N"]:
        return invert(filter_logits(restrict(logits.astype(jnp.float32), allowed), choice), uniform)

    return Draw((), draw, losses.categorical_nll, ())


def bernoulli(size: int, choice: Choice) -> Draw:
    """Draws every one of `size` switches on its own; of the filters only temperature has a meaning here."""

    def draw(
        logits: Float[Array, "N V"], allowed: Bool[Array, "..."] | None, uniform: Float[Array, "N V"]
    ) -> Int[Array, "N V"]:
        on = uniform < jax.nn.sigmoid(logits.astype(jnp.float32) / jnp.maximum(choice.temperature, 1e-4))
        return (on if allowed is None else on & allowed).astype(jnp.int32)

    return Draw((size,), draw, lambda logits, bits: losses.bernoulli_nll(logits, bits).sum(-1), (size,))


def ordered(size: int, choice: Choice, logit: Callable[..., Array], nll: Callable[..., Array]) -> Draw:
    """Draws switches from the first to the last, each given those before it.

    Args:
        size: Switches, V.
        choice: Of the filters only temperature has a meaning here.
        logit: (a step's output, bits int32[N, V] so far, index) -> the switch's logit, [N].
        nll: (a step's output, bits) -> nats [N].
    """

    def draw(out: Any, allowed: Bool[Array, "..."] | None, uniform: Float[Array, "N V"]) -> Int[Array, "N V"]:
        def one(bits: Int[Array, "N V"], at: Int[Array, ""]) -> tuple[Int[Array, "N V"], None]:
            on = uniform[:, at] < jax.nn.sigmoid(logit(out, bits, at) / jnp.maximum(choice.temperature, 1e-4))
            if allowed is not None:
                on = on & jnp.broadcast_to(allowed, bits.shape)[:, at]
            return bits.at[:, at].set(on.astype(jnp.int32)), None

        return jax.lax.scan(one, jnp.zeros((len(uniform), size), jnp.int32), jnp.arange(size))[0]

    return Draw((size,), draw, nll, (size,))


def nade_keys(joint: nade.Nade, params: Params, choice: Choice) -> Draw:
    """Draws the keys of a frame from a NADE, the lowest first.

    Args:
        joint: The NADE; a step's output is its `Context`, [N, ...].
        params: Its parameters.
        choice: Of the filters only temperature has a meaning here.
    """

    def logit(context: nade.Context, bits: Int[Array, "N V"], at: Int[Array, ""]) -> Float[Array, " N"]:
        return joint.apply({"params": params}, context, bits, at, method="one")  # type: ignore[return-value]

    def nll(context: nade.Context, bits: Int[Array, "N V"]) -> Float[Array, " N"]:
        frame = jax.tree.map(lambda x: x[:, None], context)
        logits: Any = joint.apply({"params": params}, frame, bits[:, None])
        return losses.bernoulli_nll(logits[:, 0], bits).sum(-1)

    return ordered(joint.size, choice, logit, nll)
