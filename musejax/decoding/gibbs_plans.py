"""Plans of a Gibbs sampler: which cells each step draws anew, what of them the net sees meanwhile, at what temperature.

A masker chooses cells, a schedule says how many, and a plan puts them in order. All are functions of one piece, with a
key of its own, and are compiled into the sampler's loop (`decoding/gibbs.py`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Bool, Float, Int, Key

# (key, free bool[T, S], share, step) -> bool[T, S], the cells chosen; those that are not free do not count.
Masker = Callable[[Array, Array, Array, Array], Array]
# step -> share of the cells
Schedule = Callable[[Array], Array]


class Blocks(NamedTuple):
    """What one step does with a piece.

    Attributes:
        redraw: bool[T, S], the cells that are drawn.
        hidden: bool[T, S], the cells that the net does not see.
    """

    redraw: Bool[Array, "T S"]
    hidden: Bool[Array, "T S"]


class Plan(NamedTuple):
    """A whole course of sampling.

    Attributes:
        steps: How often the net is asked.
        blocks: (key of the piece, step, free bool[T, S]) -> Blocks.
        temperature: step -> factor of the temperature.
    """

    steps: int
    blocks: Callable[[Array, Array, Array], Blocks]
    temperature: Callable[[Array], Array]


def every(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """All free cells."""
    return free


def bernoulli(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """Each cell by itself with this probability."""
    return jax.random.uniform(key, free.shape) < share


def voice(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """In the voice whose turn it is, each cell by itself."""
    return bernoulli(key, free, share, step) & (jnp.arange(free.shape[1]) == step % free.shape[1])[None]


def span(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """A stretch of so many frames in all voices; at the end of a piece it goes on at its beginning."""
    return jnp.broadcast_to(_stretches(key, free.shape[0], 1, share), free.shape)


def contiguous(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """In each voice a stretch of its own."""
    return _stretches(key, free.shape[0], free.shape[1], share)


def _stretches(
    key: Key[Array, ""], frames: int, number: int, share: Float[Array, ""]
) -> Bool[Array, "{frames} {number}"]:
    first = jax.random.randint(key, (1, number), 0, frames)
    size = jnp.clip(jnp.round(share * frames), 1, frames)
    return (jnp.arange(frames)[:, None] - first) % frames < size


def constant(share: float) -> Schedule:
    """The same share at every step."""
    return lambda step: jnp.asarray(share, jnp.float32)


def yao(steps: int, high: float = 0.9, low: float = 0.1, alpha: float = 0.7) -> Schedule:
    """Shares that fall evenly from `high` to `low` within the first `alpha` of the steps (Yao et al., 2014)."""
    return lambda step: jnp.maximum(low, high - step * (high - low) / (alpha * steps))


def cooling(steps: int, start: float, share: float = 0.7) -> Schedule:
    """Temperatures that fall evenly from `start` to 1 within a share of the steps."""
    return lambda step: jnp.maximum(1.0, start + step * (1.0 - start) / max(share * steps, 1.0))


def annealed(masker: Masker, schedule: Schedule, steps: int, temperature: Schedule | None = None) -> Plan:
    """Independent Gibbs sampling: what a masker chooses is hidden, and drawn all at once given the rest.

    The first step draws every free cell, given no other: nothing but given cells has a say in how a chain begins.
    """

    def blocks(key: Key[Array, ""], step: Int[Array, ""], free: Bool[Array, "T S"]) -> Blocks:
        mine, share = jax.random.fold_in(key, step), schedule(step)
        chosen = jnp.where(step == 0, every(mine, free, share, step), masker(mine, free, share, step))
        return Blocks(free & chosen, free & chosen)

    return Plan(steps, blocks, temperature or constant(1.0))


def ancestral(steps: int) -> Plan:
    """Each free cell once, in a random order, given all before it, in so many steps of like numbers of cells.

    With as many steps as there are cells a step draws one, and the pieces are of the model's distribution; with fewer
    those of one step are independent of each other.
    """

    def blocks(key: Key[Array, ""], step: Int[Array, ""], free: Bool[Array, "T S"]) -> Blocks:
        ranks = jnp.where(free, jax.random.uniform(key, free.shape), 2.0).ravel()
        order = jnp.argsort(jnp.argsort(ranks)).reshape(free.shape)
        turn = order * steps // jnp.maximum(free.sum(), 1)
        return Blocks(free & (turn == step), free & (turn >= step))

    return Plan(steps, blocks, constant(1.0))


def rounds(
    streams: int, steps: int, share: float, temperature: Schedule | None = None, *, from_nothing: bool = True
) -> Plan:
    """DeepBach's pseudo-Gibbs sampling: voice by voice, some cells of each at once, given all others as they are.

    Args:
        streams: Voices, S.
        steps: In all, at least S; S of them are a round.
        share: Of a voice's cells in its turn.
        temperature: Factor by step.
        from_nothing: Whether the first round draws each voice whole, given those before it and no other, of a net that
            can do without cells; else the chain begins with what stands in the cells.
    """

    steps = max(steps, streams)

    def blocks(key: Key[Array, ""], step: Int[Array, ""], free: Bool[Array, "T S"]) -> Blocks:
        chosen = free & voice(jax.random.fold_in(key, step), free, jnp.asarray(share), step)
        if not from_nothing:
            return Blocks(chosen, jnp.zeros_like(free))
        streams_at = jnp.arange(streams)[None]
        first = step < streams
        chosen = jnp.where(first, free & (streams_at == step), chosen)
        return Blocks(chosen, free & first & (streams_at >= step))

    return Plan(steps, blocks, temperature or constant(1.0))


def upsampling(steps: int, strides: Sequence[int] = (16, 4, 1)) -> Plan:
    """From coarse to fine: annealed Gibbs sampling of every 16th frame, then of every 4th, then of all.

    Frames that have not had their turn are hidden. Each stride has a like share of the steps, and at least one.
    """
    each, steps = max(steps // len(strides), 1), max(steps, len(strides))

    def blocks(key: Key[Array, ""], step: Int[Array, ""], free: Bool[Array, "T S"]) -> Blocks:
        level = jnp.minimum(step // each, len(strides) - 1)
        within = step - level * each
        place = jnp.arange(free.shape[0])[:, None]
        stride = jnp.asarray(strides)[level]
        before = jnp.asarray((0, *strides))[level]
        here = place % stride == 0
        new = here & ((before == 0) | (place % jnp.maximum(before, 1) != 0))
        chosen = bernoulli(jax.random.fold_in(key, step), free, yao(each)(within), step)
        # A level begins with the frames that are new in it, given those of the level before.
        chosen = free & here & jnp.where(within == 0, new, chosen)
        return Blocks(chosen, chosen | (free & ~here))

    return Plan(steps, blocks, constant(1.0))
