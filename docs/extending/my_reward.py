"""A custom reward: melodies that move by step.

musejax train melody-rl --plugin my_reward.py --tuning.rewards steps 4 variety 3.5 --workdir r
"""

import jax.numpy as jnp

from musejax.tuning.rewards import Reward

FIRST = 2  # in codec melody-basic, 0 holds, 1 ends a note, and pitches follow


def steps(arrays: dict) -> jnp.ndarray:
    """Returns the negative size of leaps beyond a step, in semitones per frame: float[N] for tokens int32[N, T]."""
    tokens = arrays["tokens"]
    pitch, last, cost = tokens[:, 0], tokens[:, 0], 0.0
    for frame in range(1, tokens.shape[1]):
        pitch = tokens[:, frame]
        leap = (pitch >= FIRST) & (last >= FIRST)
        cost += jnp.where(leap, jnp.maximum(jnp.abs(pitch - last) - 2, 0), 0)
        last = jnp.where(pitch >= FIRST, pitch, last)
    return -cost / tokens.shape[1]


REWARD = Reward("steps", steps)
