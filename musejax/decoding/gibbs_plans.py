"""Plans for a Gibbs sampler: the cells to resample in each step, the cells to hide from the network, the temperature.

A masker chooses cells, a schedule determines their share, and a plan combines both. All are functions of a single piece
with its own key, and are compiled into the loop of the sampler (`decoding/gibbs.py`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from musejax.array_types import Array, Bool, Float, Int, Key

# (key, free bool[T, S], share, step) -> chosen cells, bool[T, S]; cells that are not free are ignored.
Masker = Callable[[Array, Array, Array, Array], Array]
# step -> share of the cells (or a factor of the temperature)
Schedule = Callable[[Array], Array]


class Blocks(NamedTuple):
    """The cells of a piece that a step uses.

    Attributes:
        redraw: Cells to resample, bool[T, S].
        hidden: Cells to hide from the network, bool[T, S].
    """

    redraw: Bool[Array, "T S"]
    hidden: Bool[Array, "T S"]


class Plan(NamedTuple):
    """A plan for all steps of a sampler.

    Attributes:
        steps: Number of network evaluations.
        blocks: Function (key of the piece, step, free cells bool[T, S]) -> Blocks.
        temperature: Function step -> factor of the temperature.
    """

    steps: int
    blocks: Callable[[Array, Array, Array], Blocks]
    temperature: Callable[[Array], Array]


def every(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """Chooses all free cells."""
    return free


def bernoulli(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """Chooses each cell independently, with probability `share`."""
    return jax.random.uniform(key, free.shape) < share


def voice(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """Chooses cells independently in one voice; the voices take turns."""
    return bernoulli(key, free, share, step) & (jnp.arange(free.shape[1]) == step % free.shape[1])[None]


def span(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """Chooses one contiguous stretch of frames in all voices, which wraps around at the end of the piece."""
    return jnp.broadcast_to(_stretches(key, free.shape[0], 1, share), free.shape)


def contiguous(
    key: Key[Array, ""], free: Bool[Array, "T S"], share: Float[Array, ""], step: Int[Array, ""]
) -> Bool[Array, "T S"]:
    """Chooses a separate contiguous stretch of frames in each voice."""
    return _stretches(key, free.shape[0], free.shape[1], share)


def _stretches(
    key: Key[Array, ""], frames: int, number: int, share: Float[Array, ""]
) -> Bool[Array, "{frames} {number}"]:
    first = jax.random.randint(key, (1, number), 0, frames)
    size = jnp.clip(jnp.round(share * frames), 1, frames)
    return (jnp.arange(frames)[:, None] - first) % frames < size


def constant(share: float) -> Schedule:
    """Returns a schedule with the same share in each step."""
    return lambda step: jnp.asarray(share, jnp.float32)


def yao(steps: int, high: float = 0.9, low: float = 0.1, alpha: float = 0.7) -> Schedule:
    """Returns the schedule of Yao et al. (2014): from `high` to `low`, linearly over the fraction `alpha` of steps."""
    return lambda step: jnp.maximum(low, high - step * (high - low) / (alpha * steps))


def cooling(steps: int, start: float, share: float = 0.7) -> Schedule:
    """Returns a schedule of temperatures that fall linearly from `start` to 1 over a fraction of the steps."""
    return lambda step: jnp.maximum(1.0, start + step * (1.0 - start) / max(share * steps, 1.0))


def annealed(masker: Masker, schedule: Schedule, steps: int, temperature: Schedule | None = None) -> Plan:
    """Returns a plan for independent block Gibbs sampling: the chosen cells are hidden and sampled at once.

    The first step samples all free cells, so that the start of a chain depends only on the given cells.
    """

    def blocks(key: Key[Array, ""], step: Int[Array, ""], free: Bool[Array, "T S"]) -> Blocks:
        step_key, share = jax.random.fold_in(key, step), schedule(step)
        chosen = jnp.where(step == 0, every(step_key, free, share, step), masker(step_key, free, share, step))
        return Blocks(free & chosen, free & chosen)

    return Plan(steps, blocks, temperature or constant(1.0))


def ancestral(steps: int) -> Plan:
    """Returns a plan that samples each free cell once, in random order, given the cells of all previous steps.

    With one step per cell, pieces follow the distribution of the model. With fewer steps, cells are divided evenly
    among them, and the cells of one step are sampled independently of each other.
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
    """Returns a plan for DeepBach's pseudo-Gibbs sampling, which resamples some cells of one voice per step.

    Args:
        streams: Number of voices, S.
        steps: Total number of steps, raised to at least S; each round over the voices takes S steps.
        share: Share of the cells of a voice that are resampled in its step.
        temperature: Schedule of temperature factors.
        from_nothing: Whether the first round samples each voice completely, given only the previous voices and the
            given cells; the network must then support hidden cells. Otherwise the chain starts from the initial cells.
    """

    steps = max(steps, streams)

    def blocks(key: Key[Array, ""], step: Int[Array, ""], free: Bool[Array, "T S"]) -> Blocks:
        chosen = free & voice(jax.random.fold_in(key, step), free, jnp.asarray(share), step)
        if not from_nothing:
            return Blocks(chosen, jnp.zeros_like(free))
        stream = jnp.arange(streams)[None]
        first = step < streams
        chosen = jnp.where(first, free & (stream == step), chosen)
        return Blocks(chosen, free & first & (stream >= step))

    return Plan(steps, blocks, temperature or constant(1.0))


def upsampling(steps: int, strides: Sequence[int] = (16, 4, 1)) -> Plan:
    """Returns a plan for Gibbs sampling from coarse to fine: every 16th frame, then every 4th, then all frames.

    Frames between those of the current stride are hidden. Each stride has the same number of steps, at least one; the
    last also takes the remaining steps.
    """
    each, steps = max(steps // len(strides), 1), max(steps, len(strides))

    def blocks(key: Key[Array, ""], step: Int[Array, ""], free: Bool[Array, "T S"]) -> Blocks:
        level = jnp.minimum(step // each, len(strides) - 1)
        within = step - level * each
        place = jnp.arange(free.shape[0])[:, None]
        stride = jnp.asarray(strides)[level]
        before = jnp.asarray((0, *strides))[level]
        active = place % stride == 0
        new = active & ((before == 0) | (place % jnp.maximum(before, 1) != 0))
        chosen = bernoulli(jax.random.fold_in(key, step), free, yao(each)(within), step)
        # The first step of a level samples its new frames, given those of the previous level.
        chosen = free & active & jnp.where(within == 0, new, chosen)
        return Blocks(chosen, chosen | (free & ~active))

    return Plan(steps, blocks, constant(1.0))
