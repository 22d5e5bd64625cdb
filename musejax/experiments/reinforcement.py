"""Reinforcement learning at the edge: a run is the prior, rewards have names, and RL Tuner's table is of a run."""

import dataclasses
import runpy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import codecs, errors, registry, runs, zoo
from musejax.base import Model, Request
from musejax.pipeline import dataset as datasets
from musejax.tuning import melody_features, policy_gradient, preferences, q_learning, rewards, rollouts, rules
from musejax.tuning import tuning_settings as configs
from musejax.vocabulary import Vocabulary

# Tokens of a melody in RL Tuner's table, and melodies drawn at a time.
LENGTH, TOGETHER = 32, 500
# Pieces on which a reward is tried before training, and training pieces to which nearness compares.
TRIED, REFERENCE = 4, 512


def base_of(tuning: configs.Tuning, model: Model, family: str, vocabulary: Vocabulary) -> runs.Run:
    """The prior of a run, which must be of the same family, config and codec.

    Raises:
        errors.UserError: It is not there or does not fit.
    """
    run = runs.load(zoo.find(tuning.base), lambda text: None)
    if run.vocabulary != vocabulary:
        raise errors.UserError(
            f"--tuning.base {tuning.base}: it reads codec {run.vocabulary.name}; --codec is {vocabulary.name}"
        )
    if run.config["family"] != family:
        raise errors.UserError(f"--tuning.base {tuning.base}: it is of family {run.config['family']}, not {family}")
    mine, its = dataclasses.asdict(model.info.config), dataclasses.asdict(run.model.info.config)
    for name, value in mine.items():
        if its[name] != value:
            raise errors.UserError(
                f"--tuning.base {tuning.base}: its {name} is {its[name]}; --model.{name.replace('_', '-')} is {value}"
            )
    if run.config.get("tuning", {}).get("method") == "g":
        raise errors.UserError(f"--tuning.base {tuning.base}: it was tuned by g, and is two nets; tune its own base")
    return run


def _own(name: str) -> rollouts.RewardFunction:
    file, _, function = name.rpartition(":")
    try:
        found = runpy.run_path(file).get(function)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise errors.UserError(f"--tuning.rewards {name}: {file} cannot be read: {why}") from None
    if not callable(found):
        raise errors.UserError(f"--tuning.rewards {name}: {file} defines no function {function!r}")
    return found


def _named(
    name: str, tuning: configs.Tuning, vocabulary: Vocabulary, items: list[datasets.Item], length: int
) -> rollouts.RewardFunction:
    """The reward of a name.

    Raises:
        errors.UserError: There is none.
        ValueError: It does not fit the codec.
    """
    if name == "rules":
        return rewards.make_rules_reward(vocabulary, tuning.rules)
    if name == "variety":
        return rewards.make_variety_reward(vocabulary)
    if name == "nearness":
        melody_features.check(vocabulary)
        rng = np.random.default_rng(0)
        long = [item.arrays["tokens"] for item in items if item.length >= length]
        if not long:
            raise ValueError(f"no training piece has {length} frames")
        chosen = [long[i] for i in rng.integers(0, len(long), REFERENCE)]
        starts = [int(rng.integers(0, len(tokens) - length + 1)) for tokens in chosen]
        return rewards.make_nearness_reward(vocabulary, np.stack([t[s : s + length] for t, s in zip(chosen, starts)]))
    kind, _, rest = name.partition(":")
    if kind == "critic" and rest:
        critic = runs.load(zoo.find(rest), lambda text: None)
        if critic.vocabulary != vocabulary:
            raise ValueError(f"it reads codec {critic.vocabulary.name}, not {vocabulary.name}")
        return rewards.make_critic_reward(critic.model, vocabulary, critic.variables)
    if ".py:" in name:
        return _own(name)
    if registry.is_known("reward", name):
        return registry.get("reward", name).score
    raise ValueError(
        "there is none; rewards are rules, nearness, variety, critic:RUN, FILE.py:FUNCTION and those of a file that "
        "--plugin names"
    )


def bind(
    tuning: configs.Tuning,
    model: Model,
    family: str,
    data: datasets.Dataset,
    batch_size: int,
    length: int,
    say: Callable[[str], None],
    adapted: Model | None = None,
) -> Model:
    """The record of a run that tunes another.

    Args:
        tuning: The settings.
        model: The untrained record.
        family: Its family.
        data: What pieces are told, and where nearness finds its reference.
        batch_size: Pieces a step.
        length: Frames of a piece.
        say: Is told of a reward that is slow.
        adapted: The record over adapters, where these train; None where all parameters do.

    Raises:
        errors.UserError: Something does not fit; one line.
    """
    vocabulary = data.vocabulary
    try:
        configs.check(tuning, batch_size)
        rollouts.check(model, vocabulary)
    except ValueError as error:
        raise errors.UserError(f"--tuning: {error}") from None
    prior = base_of(tuning, model, family, vocabulary).variables
    told = {n: jnp.asarray(c) for n, c in codecs.free_conditions(vocabulary, TRIED, length).items()}
    pieces = model.sample(
        prior["params"], prior["state"], jax.random.key(0), Request(num=TRIED, length=length, conditions=told)
    )
    pieces.pop("log_prob", None)
    parts = []
    for name, factor in tuning.rewards:
        try:
            function = _named(name, tuning, vocabulary, data.splits.get("train", []), length)
            parts.append((rewards.prepare(function, pieces, name), factor))
            if parts[-1][0] is not function:
                say(f"reward {name} cannot be compiled with JAX: it is called back at every step")
        except ValueError as error:
            raise errors.UserError(f"--tuning.rewards {name}: {error}") from None
    modules = {"policy": policy_gradient, "preferences": preferences}
    make_tunable = modules.get(tuning.method, q_learning).make_tunable
    try:
        return make_tunable(
            policy_gradient.Task(model, vocabulary, prior, rewards.combine(parts), tuning, length, adapted)
        )
    except ValueError as error:
        raise errors.UserError(f"--tuning: {error}") from None


def heads(items: list[datasets.Item], length: int, num: int) -> list[datasets.Item]:
    """The first frames of so many pieces, over and over where there are fewer: what validation tells those it draws."""
    found = [
        item._replace(arrays={name: x[:length] for name, x in item.arrays.items()})
        for item in items
        if item.length >= length
    ]
    return [found[i % len(found)] for i in range(num)] if found else []


def draw_melodies(run: runs.Run | zoo.Loaded, num: int, seed: int, length: int = LENGTH) -> np.ndarray:
    """Melodies at temperature 1 without a mask: int32[num, length]."""
    sample = jax.jit(run.model.sample)
    drawn = []
    for first in range(0, num, TOGETHER):
        request = Request(num=TOGETHER, length=length, first=jnp.asarray(first))  # type: ignore[arg-type]
        out = sample(run.variables["params"], run.variables["state"], jax.random.key(seed), request)
        drawn.append(np.asarray(out["tokens"]))
    return np.concatenate(drawn)[:num]


def nll(run: runs.Run | zoo.Loaded, tokens: np.ndarray) -> np.ndarray:
    """Nats of each token under a run: float32[N, L]."""
    assert run.model.likelihood is not None and run.model.likelihood.nll is not None
    score = jax.jit(run.model.likelihood.nll)
    found = []
    for begin in range(0, len(tokens), TOGETHER):
        some = tokens[begin : begin + TOGETHER]
        some = np.pad(some, ((0, TOGETHER - len(some)), (0, 0)))
        ones = np.ones(some.shape, np.int32)
        batch = {"tokens": some, "pad_mask": ones, "loss_mask": ones}
        found.append(np.asarray(score(run.variables["params"], run.variables["state"], batch)))
    return np.concatenate(found)[: len(tokens)]


def check(run: runs.Run | zoo.Loaded, name: str) -> None:
    """Raises errors.UserError for a run whose melodies the music rules cannot read."""
    try:
        melody_features.check(run.vocabulary)
        rollouts.check(run.model, run.vocabulary)
    except ValueError as error:
        raise errors.UserError(f"{name}: {error}") from None
    if run.vocabulary.conditions:
        raise errors.UserError(f"{name}: its melodies are told {run.vocabulary.conditions[0][0]}; the table is of none")


def table(run: zoo.Loaded, num: int, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """RL Tuner's table of a tuned run and of its prior; of a run that was not tuned as the prior alone.

    Args:
        run: The run.
        num: Melodies of 32 tokens, drawn at temperature 1 without masks.
        seed: Of the draws.
        say: Is told of damaged checkpoints.

    Returns:
        `prior` and `tuned`, each what `rules.figures` returns, with `nll_per_token_under_prior`.

    Raises:
        errors.UserError: There is no such run, or it writes no melodies.
    """
    check(run, run.name)
    told = run.config.get("tuning")
    prior = run if told is None else zoo.load(told["base"], say)
    tonic = 0 if told is None else told["rules"]["tonic"]
    out: dict[str, Any] = {"model": run.name, "num": num, "length": LENGTH, "seed": seed, "temperature": 1.0}
    if told is not None:
        out["base"] = told["base"]
    for side, of in {"prior": prior, **({} if told is None else {"tuned": run})}.items():
        tokens = draw_melodies(of, num, seed)
        under = float(nll(prior, tokens).mean())
        out[side] = {**rules.figures(run.vocabulary, tokens, tonic), "nll_per_token_under_prior": under}
    return out
