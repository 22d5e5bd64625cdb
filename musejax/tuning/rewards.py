"""Rewards: functions from the arrays of pieces to scores that are larger for better pieces.

A reward receives {`tokens` int32[N, T] or [N, T, S] (`frames` for binary piano-rolls), `length` int32[N], conditions}.
It returns one value per piece, float[N], or per frame, float[N, T]; the reward of a frame must depend only on the
frames up to it. A function that JAX can trace becomes part of the compiled step; other functions are called with NumPy
arrays.
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
    """A user-defined reward, for `musejax train --plugin FILE --tuning.rewards NAME FACTOR`.

    Attributes:
        name: Name of the reward.
        score: Function from the arrays of N pieces to float[N], or to float[N, T] per frame.
        summary: One-line description.
    """

    name: str
    score: rollouts.RewardFunction
    summary: str = ""

    record_kind = "reward"


# Largest interval in semitones, up or down, that distinguishes four-note sequences; larger ones count as this.
MAX_INTERVAL = 24
INTERVALS = 2 * MAX_INTERVAL + 1


def _get_cells(arrays: Arrays) -> Any:
    return arrays["tokens"] if "tokens" in arrays else arrays["frames"]


def make_rules_reward(vocabulary: Vocabulary, config: music_rules.Rules) -> rollouts.RewardFunction:
    """Returns RL Tuner's music rules as a reward per frame.

    Raises:
        ValueError: The codec is not one for a single melody.
    """
    melody_features.check(vocabulary)
    return lambda arrays: music_rules.score(vocabulary, arrays["tokens"], config)


def make_critic_reward(model: Model, vocabulary: Vocabulary, variables: rollouts.Variables) -> rollouts.RewardFunction:
    """Returns a reward: the log-probability of each frame under another model of the same codec, in nats.

    Raises:
        ValueError: The other model has no exact likelihood.
    """
    rollouts.check(model, vocabulary)

    def reward(arrays: dict[str, Array]) -> Array:
        length = _get_cells(arrays).shape[1]
        mask = (jnp.arange(length)[None] < arrays["length"][:, None]).astype(jnp.int32)
        batch = {**arrays, "pad_mask": mask, "loss_mask": mask}
        scores = rollouts.score_cells(model, vocabulary, variables["params"], variables["state"], batch)
        sampled = rollouts.sampled_mask(batch, vocabulary, rollouts.get_order(model, vocabulary))
        return (scores.log_prob * sampled).reshape(len(mask), length, -1).sum(-1)

    return reward


def compute_features(vocabulary: Vocabulary, tokens: Array) -> Array:
    """Returns the features of melodies by which nearness compares them: int32[N, L] -> float32[N, D].

    The features are the share of notes with each pitch class, the share of notes after each interval of -12..12
    semitones (larger intervals count as an octave), the shares of frames in which a note begins and in which one ends,
    and the mean pitch in octaves.
    """
    m = melody_features.read(vocabulary, tokens)
    notes = m.onset.astype(jnp.float32)
    count = jnp.maximum(notes.sum(1), 1.0)[:, None]
    has_interval = (m.onset & (m.last >= 0)).astype(jnp.float32)
    classes = jax.nn.one_hot(m.pitch % 12, 12) * notes[..., None]
    intervals = jax.nn.one_hot(jnp.clip(m.pitch - m.last, -12, 12) + 12, 25) * has_interval[..., None]
    shares = [classes.sum(1) / count, intervals.sum(1) / count]
    frames = [x.astype(jnp.float32).mean(1, keepdims=True) for x in (m.onset, m.off)]
    mean_pitch = (m.pitch * notes).sum(1, keepdims=True) / count / 12.0
    return jnp.concatenate([*shares, *frames, mean_pitch], axis=-1)


def make_nearness_reward(vocabulary: Vocabulary, reference: np.ndarray) -> rollouts.RewardFunction:
    """Returns a reward for sets of pieces near a reference set, by the energy distance of their features.

    The reward of a piece is its contribution, 2 E|x - x'| - 2 E|x - y|, where x' are the other pieces sampled with it
    and y the reference pieces. Raising the mean reward lowers the distance between the two sets; a single average
    piece would not be optimal.

    Args:
        vocabulary: Vocabulary of a codec for a single melody.
        reference: Reference melodies of the same length as the sampled ones, int[M, L].

    Raises:
        ValueError: The codec is not one for a single melody.
    """
    melody_features.check(vocabulary)
    y = jnp.asarray(compute_features(vocabulary, jnp.asarray(reference)))

    def distances(a: Array, b: Array) -> Array:
        return jnp.sqrt(jnp.square(a[:, None] - b[None]).sum(-1) + 1e-12)

    def reward(arrays: dict[str, Array]) -> Array:
        x = compute_features(vocabulary, arrays["tokens"])
        within = distances(x, x) * (1.0 - jnp.eye(len(x)))
        return 2.0 * (within.sum(1) / max(len(x) - 1, 1) - distances(x, y).mean(1))

    return reward


def make_variety_reward(vocabulary: Vocabulary) -> rollouts.RewardFunction:
    """Returns a reward for melodies whose four-note sequences, up to transposition, are rare in the batch.

    The reward of a melody is the mean of -log((c + 1) / (n + 1)) over its sequences, where c of the n sequences of the
    other melodies are equal; it is 0 without sequences. This reward counteracts a collapse to a few melodies with high
    rewards.

    Raises:
        ValueError: The codec is not one for a single melody.
    """
    melody_features.check(vocabulary)

    def reward(arrays: dict[str, Array]) -> Array:
        m = melody_features.read(vocabulary, arrays["tokens"])
        interval = jnp.clip(m.pitch - m.last, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
        interval = jnp.where(m.onset & (m.last >= 0), interval, -1)

        def advance(last: Array, now: Array) -> tuple[Array, Array]:
            """Returns the last three intervals, and the id of the sequence that ends here (INTERVALS**3: none)."""
            last = jnp.where((now >= 0)[:, None], jnp.concatenate([last[:, 1:], now[:, None]], 1), last)
            ends = (now >= 0) & (last >= 0).all(1)
            return last, jnp.where(ends, last @ jnp.array([INTERVALS**2, INTERVALS, 1]), INTERVALS**3)

        _, sequences = jax.lax.scan(advance, jnp.full((len(interval), 3), -1), interval.T)
        sequences = sequences.T
        valid = sequences < INTERVALS**3
        ordered = jnp.sort(sequences.reshape(-1))
        same = jnp.searchsorted(ordered, sequences, side="right") - jnp.searchsorted(ordered, sequences)
        own = ((sequences[:, :, None] == sequences[:, None]) & valid[:, None]).sum(-1)
        others = valid.sum() - valid.sum(1, keepdims=True)
        surprise = -jnp.log((same - own + 1.0) / (others + 1.0))
        return (surprise * valid).sum(1) / jnp.maximum(valid.sum(1), 1)

    return reward


def _check_shape(scores: Any, num: int, frames: int, name: str) -> tuple[int, ...]:
    shape = tuple(getattr(scores, "shape", np.shape(scores)))
    if shape not in ((num,), (num, frames)):
        raise ValueError(
            f"reward {name} returns shape {shape} for {num} pieces of {frames} frames; it must be ({num},) or "
            f"({num}, {frames})"
        )
    return shape


def prepare(function: rollouts.RewardFunction, arrays: Arrays, name: str) -> rollouts.RewardFunction:
    """Tests a reward on example pieces and makes it usable in a compiled step.

    Args:
        function: Function from arrays to rewards.
        arrays: Arrays of any number of pieces, as in a training step.
        name: Name of the reward in error messages.

    Returns:
        The function itself, or a host callback to it if JAX cannot trace it.

    Raises:
        ValueError: The function fails, or it returns a wrong shape or values that are not finite numbers.
    """
    num, frames = _get_cells(arrays).shape[:2]
    traced = jax.tree.map(jnp.asarray, dict(arrays))
    try:
        jax.eval_shape(function, traced)
        compiled = True
    except Exception:  # real errors show up below, when the function is called with arrays
        compiled = False
    example = traced if compiled else jax.tree.map(np.asarray, dict(arrays))
    try:
        scores = function(example)
    except Exception as error:
        raise ValueError(f"reward {name} fails: {type(error).__name__}: {' '.join(str(error).split())}") from error
    shape = _check_shape(scores, num, frames, name)
    if not np.issubdtype(np.asarray(scores).dtype, np.number):
        raise ValueError(f"reward {name} returns {np.asarray(scores).dtype}, not numbers")
    if not np.isfinite(np.asarray(scores, np.float64)).all():
        raise ValueError(f"reward {name} returns values that are not finite")
    return function if compiled else _make_callback(function, len(shape) > 1, name)


def _make_callback(function: rollouts.RewardFunction, by_frame: bool, name: str) -> rollouts.RewardFunction:
    """Returns a reward that a compiled step calls on the host."""

    def call_host(arrays: dict[str, Any]) -> np.ndarray:
        arrays = jax.tree.map(np.asarray, arrays)
        num, frames = _get_cells(arrays).shape[:2]
        scores = np.asarray(function(arrays), np.float32)
        _check_shape(scores, num, frames, name)
        return scores

    def reward(arrays: dict[str, Array]) -> Array:
        shape = _get_cells(arrays).shape[: 2 if by_frame else 1]
        return jax.pure_callback(call_host, jax.ShapeDtypeStruct(shape, jnp.float32), arrays)

    return reward


def combine(parts: Sequence[tuple[rollouts.RewardFunction, float]]) -> rollouts.RewardFunction:
    """Returns the weighted sum of rewards.

    If any of them is a reward per frame, the result is one too, and rewards of whole pieces count at the last frame.

    Args:
        parts: Rewards and their factors.
    """

    def reward(arrays: dict[str, Array]) -> Array:
        terms = [factor * jnp.asarray(part(arrays), jnp.float32) for part, factor in parts]
        frames = _get_cells(arrays).shape[1]
        if any(x.ndim > 1 for x in terms):
            terms = [x if x.ndim > 1 else jnp.pad(x[:, None], ((0, 0), (frames - 1, 0))) for x in terms]
        return sum(terms[1:], terms[0])

    return reward
