"""Settings of a tuning run, as frozen dataclasses whose fields can be overridden on the command line."""

import dataclasses
import math
from typing import Literal

from musejax.tuning import rules as music_rules

METHODS = ("policy", "preferences", "q", "psi", "g")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exploration:
    """Settings for sampling the melodies of the replay memory from the Q-network.

    Attributes:
        kind: `boltzmann` samples from the softmax of the values, `greedy` takes the token with the largest value.
        first: Share of tokens sampled uniformly in the first step.
        last: Share of tokens sampled uniformly after `steps` steps; in between, the share changes linearly.
        steps: Number of steps until `last` is reached.
    """

    kind: Literal["boltzmann", "greedy"] = "boltzmann"
    first: float = 0.1
    last: float = 0.0
    steps: int = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuning:
    """Settings of reinforcement learning that starts from a trained run, the prior.

    The training batch determines the number of pieces sampled per step (rows), their length (`window`) and their
    conditions.

    Attributes:
        base: The prior: name of a shipped run, or path of a run directory.
        method: `policy` (policy gradient), `preferences` (DPO), or RL Tuner's `q`, `psi` and `g`.
        rewards: Names of rewards and their factors: `rules`; `nearness`, to the training pieces; `variety`, among the
            pieces of a step; `critic:RUN`, the likelihood under another run; `FILE.py:FUNCTION`, your own function.
        rules: Weights of the music rules.
        leash: Penalty per nat of KL divergence from the prior, in units of reward. RL Tuner's methods always use 1.
        group: Number of pieces with the same conditions that are compared, at least 2; 0 for the whole batch.
        normalise: Whether advantages are divided by the standard deviation of their group (GRPO).
        online: Whether preference pairs are sampled from the tuned model; otherwise from the prior.
        discount: Discount factor of later rewards, in RL Tuner's methods.
        replay: Number of melodies in the replay memory.
        minibatch: Number of melodies used by each update from the replay memory.
        updates: Number of updates per step.
        target_rate: Fraction by which the target network moves towards the trained network in each update.
        exploration: Settings for sampling the melodies of the replay memory.
        validation: Number of pieces sampled in each evaluation.
    """

    base: str
    method: Literal["policy", "preferences", "q", "psi", "g"] = "policy"
    rewards: tuple[tuple[str, float], ...] = (("rules", 1.0),)
    rules: music_rules.Rules = dataclasses.field(default_factory=music_rules.Rules)
    leash: float = 1.0
    group: int = 0
    normalise: bool = False
    online: bool = True
    discount: float = 0.5
    replay: int = 4096
    minibatch: int = 32
    updates: int = 8
    target_rate: float = 0.01
    exploration: Exploration = dataclasses.field(default_factory=Exploration)
    validation: int = 4096


def check(config: Tuning, batch_size: int) -> None:
    """Raises ValueError if a field is out of range or does not fit the batch size."""
    if config.method not in METHODS:
        raise ValueError(f"method is {config.method!r}; it must be one of {', '.join(METHODS)}")
    for name in ("replay", "minibatch", "updates", "validation"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be at least 1")
    explore = config.exploration
    shares = {f"exploration.{n}": getattr(explore, n) for n in ("first", "last")}
    for name, value in {"discount": config.discount, "target_rate": config.target_rate, **shares}.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; it must be in 0..1")
    if explore.kind not in ("boltzmann", "greedy"):
        raise ValueError(f"exploration.kind is {explore.kind!r}; it must be boltzmann or greedy")
    if explore.steps < 1:
        raise ValueError(f"exploration.steps is {explore.steps}; it must be at least 1")
    if not 0 <= config.leash < math.inf or (config.method == "preferences" and not config.leash):
        raise ValueError(f"leash is {config.leash}; it must be at least 0, and positive for preferences")
    group = config.group or batch_size
    if config.method in ("policy", "preferences") and (group < 2 or batch_size % group):
        raise ValueError(f"group is {group} and the batch size {batch_size}; group must be at least 2 and divide it")
    if not config.rewards:
        raise ValueError("rewards is empty; give a name and a factor, such as rules 1")
    for name, factor in config.rewards:
        if not math.isfinite(factor):
            raise ValueError(f"the factor of reward {name} is {factor}; it must be finite")
    for field in dataclasses.fields(config.rules):
        if not math.isfinite(getattr(config.rules, field.name)):
            raise ValueError(f"rules.{field.name} is {getattr(config.rules, field.name)}; it must be finite")
    if not 0 <= config.rules.tonic < 12:
        raise ValueError(f"rules.tonic is {config.rules.tonic}; it must be a pitch class, 0..11")
