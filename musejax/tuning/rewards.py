"""Rewards: functions from the arrays of pieces to scores, larger for what is wanted.

A reward gets {`tokens` int32[N, T] or [N, T, S] (`frames` for switches), `length` int32[N], conditions} and returns
float[N], or float[N, T] by frame, where what a frame earns depends on the frames up to it alone. What can be traced
becomes part of the compiled step; any other function is called back with NumPy arrays.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musejax.base import Array, Model
from musejax.tuning import melody_features, rollouts
from musejax.tuning import rules as music_rules
from musejax.vocabulary import Vocabulary

Arrays = Mapping[str, Any]


class Reward(NamedTuple):
    """A reward of one's own, as `musejax train --plugin FILE --tuning.rewards NAME FACTOR` takes it.

    Attributes:
        name: Its name.
        score: Arrays of N pieces -> float[N], or float[N, T] by frame.
        summary: One line about it.
    """

    name: str
    score: rollouts.RewardFunction
    summary: str = ""

    record_kind = "reward"


# Runs of notes are told apart by intervals of two octaves at most, in semitones up and down.
WIDEST = 24
PLACES = 2 * WIDEST + 1


def _cells(arrays: Arrays) -> Any:
    return arrays["tokens"] if "tokens" in arrays else arrays["frames"]


def of_rules(vocabulary: Vocabulary, config: music_rules.Rules) -> rollouts.RewardFunction:
    """RL Tuner's music rules, by frame.

    Raises:
        ValueError: The codec is not one of a single melody.
    """
    melody_features.check(vocabulary)
    return lambda arrays: music_rules.score(vocabulary, arrays["tokens"], config)


def of_critic(model: Model, vocabulary: Vocabulary, variables: rollouts.Variables) -> rollouts.RewardFunction:
    """The log-probability of each frame under another model of the same codec, in nats.

    Raises:
        ValueError: It has no exact likelihood.
    """
    rollouts.check(model, vocabulary)

    def reward(arrays: dict[str, Array]) -> Array:
        length = _cells(arrays).shape[1]
        mask = (jnp.arange(length)[None] < arrays["length"][:, None]).astype(jnp.int32)
        batch = {**arrays, "pad_mask": mask, "loss_mask": mask}
        said = rollouts.scored(model, vocabulary, variables["params"], variables["state"], batch)
        drawn = rollouts.drawn_mask(batch, vocabulary, rollouts.order_of(model, vocabulary))
        return (said.log_prob * drawn).reshape(len(mask), length, -1).sum(-1)

    return reward


def features(vocabulary: Vocabulary, tokens: Array) -> Array:
    """What nearness compares of melodies: float32[N, D] of int32[N, L].

    Shares of the notes that have each pitch class, and that come after each interval of -12..12 semitones (larger ones
    count as an octave); the share of frames in which a note begins, and in which one ends; the mean pitch in octaves.
    """
    m = melody_features.read(vocabulary, tokens)
    notes = m.onset.astype(jnp.float32)
    count = jnp.maximum(notes.sum(1), 1.0)[:, None]
    moves = (m.onset & (m.last >= 0)).astype(jnp.float32)
    classes = jax.nn.one_hot(m.pitch % 12, 12) * notes[..., None]
    steps = jax.nn.one_hot(jnp.clip(m.pitch - m.last, -12, 12) + 12, 25) * moves[..., None]
    shares = [classes.sum(1) / count, steps.sum(1) / count]
    frames = [x.astype(jnp.float32).mean(1, keepdims=True) for x in (m.onset, m.off)]
    height = (m.pitch * notes).sum(1, keepdims=True) / count / 12.0
    return jnp.concatenate([*shares, *frames, height], axis=-1)


def of_nearness(vocabulary: Vocabulary, reference: np.ndarray) -> rollouts.RewardFunction:
    """How near a set of pieces comes to a reference set, by the energy distance of their features.

    A piece earns what it adds: 2 E|x - x'| - 2 E|x - y| over the other pieces drawn with it and the reference. Policies
    that raise it on average lower the distance between the sets, and are not drawn to one average piece.

    Args:
        vocabulary: Of a codec of one melody.
        reference: int[M, L], pieces as long as those that are drawn.

    Raises:
        ValueError: The codec is not one of a single melody.
    """
    melody_features.check(vocabulary)
    y = jnp.asarray(features(vocabulary, jnp.asarray(reference)))

    def apart(a: Array, b: Array) -> Array:
        return jnp.sqrt(jnp.square(a[:, None] - b[None]).sum(-1) + 1e-12)

    def reward(arrays: dict[str, Array]) -> Array:
        x = features(vocabulary, arrays["tokens"])
        among = apart(x, x) * (1.0 - jnp.eye(len(x)))
        return 2.0 * (among.sum(1) / max(len(x) - 1, 1) - apart(x, y).mean(1))

    return reward


def of_variety(vocabulary: Vocabulary) -> rollouts.RewardFunction:
    """How seldom a melody's runs of four notes are among those drawn with it, up to transposition.

    A melody earns the mean over its runs of -log((c + 1) / (n + 1)), where c of the n runs of the others are the same;
    0 without a run. Policies that raise it on average write more different runs, against the collapse on a few that
    pay.

    Raises:
        ValueError: The codec is not one of a single melody.
    """
    melody_features.check(vocabulary)

    def reward(arrays: dict[str, Array]) -> Array:
        m = melody_features.read(vocabulary, arrays["tokens"])
        moves = jnp.where(m.onset & (m.last >= 0), jnp.clip(m.pitch - m.last, -WIDEST, WIDEST) + WIDEST, -1)

        def remember(last: Array, now: Array) -> tuple[Array, Array]:
            again = jnp.where((now >= 0)[:, None], jnp.concatenate([last[:, 1:], now[:, None]], 1), last)
            whole = (now >= 0) & (again >= 0).all(1)
            return again, jnp.where(whole, again @ jnp.array([PLACES**2, PLACES, 1]), PLACES**3)

        _, found = jax.lax.scan(remember, jnp.full((len(moves), 3), -1), moves.T)
        runs = found.T
        there = runs < PLACES**3
        known = jnp.sort(runs.reshape(-1))
        same = jnp.searchsorted(known, runs, side="right") - jnp.searchsorted(known, runs)
        own = ((runs[:, :, None] == runs[:, None]) & there[:, None]).sum(-1)
        others = there.sum() - there.sum(1, keepdims=True)
        surprise = -jnp.log((same - own + 1.0) / (others + 1.0))
        return (surprise * there).sum(1) / jnp.maximum(there.sum(1), 1)

    return reward


def _shape(found: Any, num: int, frames: int, name: str) -> tuple[int, ...]:
    shape = tuple(getattr(found, "shape", np.shape(found)))
    if shape not in ((num,), (num, frames)):
        raise ValueError(
            f"reward {name} returns shape {shape} for {num} pieces of {frames} frames; it must be ({num},) or "
            f"({num}, {frames})"
        )
    return shape


def ready(function: rollouts.RewardFunction, arrays: Arrays, name: str) -> rollouts.RewardFunction:
    """A reward that can stand in a compiled step, tried on pieces.

    Args:
        function: arrays -> scores.
        arrays: Pieces as the step will give them, of any number.
        name: What messages call it.

    Returns:
        The function, or one that calls it back where it cannot be traced.

    Raises:
        ValueError: It fails, or returns another shape or values that are not finite; one line.
    """
    num, frames = _cells(arrays).shape[:2]
    traced = jax.tree.map(jnp.asarray, dict(arrays))
    try:
        jax.eval_shape(function, traced)
        compiled = True
    except Exception:  # whatever is wrong with it shows when it is called with arrays
        compiled = False
    given = traced if compiled else jax.tree.map(np.asarray, dict(arrays))
    try:
        found = function(given)
    except Exception as error:
        raise ValueError(f"reward {name} fails: {type(error).__name__}: {' '.join(str(error).split())}") from error
    shape = _shape(found, num, frames, name)
    if not np.issubdtype(np.asarray(found).dtype, np.number):
        raise ValueError(f"reward {name} returns {np.asarray(found).dtype}, not numbers")
    if not np.isfinite(np.asarray(found, np.float64)).all():
        raise ValueError(f"reward {name} returns values that are not finite")
    return function if compiled else _called(function, len(shape) > 1, name)


def _called(function: rollouts.RewardFunction, by_frame: bool, name: str) -> rollouts.RewardFunction:
    """A reward that runs outside of the compiled step."""

    def host(arrays: dict[str, Any]) -> np.ndarray:
        arrays = jax.tree.map(np.asarray, arrays)
        num, frames = _cells(arrays).shape[:2]
        found = np.asarray(function(arrays), np.float32)
        _shape(found, num, frames, name)
        return found

    def reward(arrays: dict[str, Array]) -> Array:
        shape = _cells(arrays).shape[: 2 if by_frame else 1]
        return jax.pure_callback(host, jax.ShapeDtypeStruct(shape, jnp.float32), arrays)

    return reward


def total(parts: Sequence[tuple[rollouts.RewardFunction, float]]) -> rollouts.RewardFunction:
    """The sum of rewards times their factors: by frame where one of them is.

    A reward of a whole piece counts at its last frame.
    """

    def reward(arrays: dict[str, Array]) -> Array:
        found = [factor * jnp.asarray(part(arrays), jnp.float32) for part, factor in parts]
        frames = _cells(arrays).shape[1]
        if any(x.ndim > 1 for x in found):
            found = [x if x.ndim > 1 else jnp.pad(x[:, None], ((0, 0), (frames - 1, 0))) for x in found]
        return sum(found[1:], found[0])

    return reward
