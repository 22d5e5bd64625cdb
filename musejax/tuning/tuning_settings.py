"""What a run that tunes a trained model can set: frozen dataclasses, every field overridable on the command line."""

import dataclasses
import math
from typing import Literal

from musejax.tuning import rules as music_rules

METHODS = ("policy", "preferences", "q", "psi", "g")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exploration:
    """How the Q-network's melodies are drawn for the replay memory.

    Attributes:
        kind: `boltzmann` draws from the softmax of the values, `greedy` takes the best.
        first: Share of tokens drawn from all alike at the first step.
        last: The same once `steps` steps are done, as it falls in a straight line.
        steps: How many.
    """

    kind: Literal["boltzmann", "greedy"] = "boltzmann"
    first: float = 0.1
    last: float = 0.0
    steps: int = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuning:
    """Reinforcement learning from a trained run, which is the prior.

    The batch of the loop says how many pieces a step draws, its window how long they are, its conditions what they are
    told.

    Attributes:
        base: The prior: a shipped run's name, or a run directory.
        method: `policy` (policy gradient), `preferences` (DPO), or RL Tuner's `q`, `psi` and `g`.
        rewards: Names of rewards and their factors: `rules`; `nearness`, to the training pieces; `variety`, among the
            pieces of a step; `critic:RUN`, the likelihood under another run; `FILE.py:FUNCTION`, one of your own.
        rules: Factors of the music rules.
        leash: What a nat of KL divergence from the prior costs, in units of reward. RL Tuner's methods have 1.
        group: Pieces that are told the same and are compared with each other, 2 or more; 0 for the whole batch.
        normalise: Whether what a piece earns more than its group is divided by the group's standard deviation (GRPO).
        online: Whether preferences are between pieces of the tuned model; else they are between the prior's.
        discount: Of what later tokens earn, in RL Tuner's methods.
        replay: Melodies in the replay memory.
        minibatch: Melodies of each update from it.
        updates: Updates a step.
        target_rate: How far the target network goes towards the other at each update.
        exploration: How the replay memory is filled.
        validation: Pieces drawn at each evaluation.
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
    """Raises ValueError for a field that does not fit, or not the batch."""
    if config.method not in METHODS:
        raise ValueError(f"method is {config.method!r}; it must be one of {', '.join(METHODS)}")
    for name in ("replay", "minibatch", "updates", "validation"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be 1 or more")
    explore = config.exploration
    shares = {f"exploration.{n}": getattr(explore, n) for n in ("first", "last")}
    for name, value in {"discount": config.discount, "target_rate": config.target_rate, **shares}.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; it must lie in 0..1")
    if explore.steps < 1 or explore.kind not in ("boltzmann", "greedy"):
        raise ValueError(f"exploration is {explore.kind!r} over {explore.steps} steps; it must be boltzmann or greedy, "
                         "over 1 or more")  # fmt: skip
    if not 0 <= config.leash < math.inf or (config.method == "preferences" and not config.leash):
        raise ValueError(f"leash is {config.leash}; it must be 0 or more, and above 0 for preferences")
    group = config.group or batch_size
    if config.method in ("policy", "preferences") and (group < 2 or batch_size % group):
        raise ValueError(f"a batch of {batch_size} does not divide into groups of {group}, of 2 pieces or more")
    if not config.rewards:
        raise ValueError("rewards is empty; give a name and a factor, such as rules 1")
    for name, factor in config.rewards:
        if not math.isfinite(factor):
            raise ValueError(f"the factor of reward {name} is {factor}")
    for field in dataclasses.fields(config.rules):
        if not math.isfinite(getattr(config.rules, field.name)):
            raise ValueError(f"rules.{field.name} is {getattr(config.rules, field.name)}")
    if not 0 <= config.rules.tonic < 12:
        raise ValueError(f"rules.tonic is {config.rules.tonic}; it is a pitch class, 0..11")
