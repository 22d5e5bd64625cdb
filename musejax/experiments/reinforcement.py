"""Reinforcement learning for experiments: loads the prior, finds rewards by name and computes RL Tuner's table."""

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

# Length in tokens of the melodies in RL Tuner's table, and number of melodies in a batch.
LENGTH, BATCH = 32, 500
# Number of pieces on which a reward is tested before training, and of reference pieces for the reward `nearness`.
TEST_PIECES, REFERENCE = 4, 512


def load_base(tuning: configs.Tuning, model: Model, family: str, vocabulary: Vocabulary) -> runs.Run:
    """Loads the prior of a run, which must have the same family, config and codec.

    Raises:
        errors.UserError: The prior does not exist, or has another family, config or codec.
    """
    run = runs.load(zoo.find(tuning.base), lambda text: None)
    if run.vocabulary != vocabulary:
        raise errors.UserError(
            f"--tuning.base {tuning.base}: its codec is {run.vocabulary.name}, but --codec is {vocabulary.name}"
        )
    if run.config["family"] != family:
        raise errors.UserError(f"--tuning.base {tuning.base}: its family is {run.config['family']}, not {family}")
    config, base = dataclasses.asdict(model.info.config), dataclasses.asdict(run.model.info.config)
    for name, value in config.items():
        if base[name] != value:
            option = f"--model.{name.replace('_', '-')}"
            raise errors.UserError(f"--tuning.base {tuning.base}: its {name} is {base[name]}, but {option} is {value}")
    if run.config.get("tuning", {}).get("method") == "g":
        raise errors.UserError(
            f"--tuning.base {tuning.base}: it was tuned by g and has two networks; give its own base, "
            f"{run.config['tuning']['base']}"
        )
    return run


def _load_function(name: str) -> rollouts.RewardFunction:
    file, _, function_name = name.rpartition(":")
    try:
        function = runpy.run_path(file).get(function_name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise errors.UserError(f"--tuning.rewards {name}: {file} cannot be read: {reason}") from None
    if not callable(function):
        raise errors.UserError(f"--tuning.rewards {name}: {file} defines no function {function_name!r}")
    return function


def _make_reward(
    name: str, tuning: configs.Tuning, vocabulary: Vocabulary, items: list[datasets.Item], length: int
) -> rollouts.RewardFunction:
    """Returns the reward with a given name.

    Raises:
        errors.UserError: The file or the run of the reward cannot be read.
        ValueError: The name is unknown, or the reward does not fit the codec or the pieces.
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
            raise ValueError(f"no training piece is as long as {length} frames")
        chosen = [long[i] for i in rng.integers(0, len(long), REFERENCE)]
        starts = [int(rng.integers(0, len(tokens) - length + 1)) for tokens in chosen]
        return rewards.make_nearness_reward(vocabulary, np.stack([t[s : s + length] for t, s in zip(chosen, starts)]))
    kind, _, rest = name.partition(":")
    if kind == "critic" and rest:
        critic = runs.load(zoo.find(rest), lambda text: None)
        if critic.vocabulary != vocabulary:
            raise ValueError(f"its codec is {critic.vocabulary.name}, not {vocabulary.name}")
        return rewards.make_critic_reward(critic.model, vocabulary, critic.variables)
    if ".py:" in name:
        return _load_function(name)
    if registry.is_known("reward", name):
        return registry.get("reward", name).score
    raise ValueError(
        "it is unknown; rewards are rules, nearness, variety, critic:RUN, FILE.py:FUNCTION and those of a file given "
        "by --plugin"
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
    """Returns the record of a run that tunes another run.

    Args:
        tuning: Settings.
        model: Model record.
        family: Family of the model.
        data: Data set, which provides the reference pieces of the reward `nearness`.
        batch_size: Number of pieces per step.
        length: Length of a piece in frames.
        say: Receives a message for each reward that cannot be compiled.
        adapted: Record of the adapted model if adapters are trained; None if all parameters are.

    Raises:
        errors.UserError: A setting is invalid, or the model, the prior or a reward does not fit.
    """
    vocabulary = data.vocabulary
    try:
        configs.check(tuning, batch_size)
        rollouts.check(model, vocabulary)
    except ValueError as error:
        raise errors.UserError(f"--tuning: {error}") from None
    prior = load_base(tuning, model, family, vocabulary).variables
    conditions = {n: jnp.asarray(c) for n, c in codecs.free_conditions(vocabulary, TEST_PIECES, length).items()}
    request = Request(num=TEST_PIECES, length=length, conditions=conditions)
    pieces = model.sample(prior["params"], prior["state"], jax.random.key(0), request)
    pieces.pop("log_prob", None)
    parts = []
    for name, factor in tuning.rewards:
        try:
            function = _make_reward(name, tuning, vocabulary, data.splits.get("train", []), length)
            parts.append((rewards.prepare(function, pieces, name), factor))
            if parts[-1][0] is not function:
                say(f"reward {name} cannot be compiled by JAX; it is called with NumPy arrays in every step")
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
    """Returns the first frames of pieces, whose conditions validation uses.

    Args:
        items: Pieces; those shorter than `length` are skipped.
        length: Number of frames.
        num: Number of results; pieces are repeated if there are fewer.
    """
    cut = [
        item._replace(arrays={name: x[:length] for name, x in item.arrays.items()})
        for item in items
        if item.length >= length
    ]
    return [cut[i % len(cut)] for i in range(num)] if cut else []


def sample_melodies(run: runs.Run | zoo.Loaded, num: int, seed: int, length: int = LENGTH) -> np.ndarray:
    """Samples melodies at temperature 1 without constraints: int32[num, length]."""
    sample = jax.jit(run.model.sample)
    melodies = []
    for first in range(0, num, BATCH):
        request = Request(num=BATCH, length=length, first=jnp.asarray(first))  # type: ignore[arg-type]
        out = sample(run.variables["params"], run.variables["state"], jax.random.key(seed), request)
        melodies.append(np.asarray(out["tokens"]))
    return np.concatenate(melodies)[:num]


def nll(run: runs.Run | zoo.Loaded, tokens: np.ndarray) -> np.ndarray:
    """Returns the negative log-likelihood of each token under a run, in nats: float32[N, L]."""
    assert run.model.likelihood is not None and run.model.likelihood.nll is not None
    score = jax.jit(run.model.likelihood.nll)
    parts = []
    for begin in range(0, len(tokens), BATCH):
        rows = tokens[begin : begin + BATCH]
        rows = np.pad(rows, ((0, BATCH - len(rows)), (0, 0)))
        ones = np.ones(rows.shape, np.int32)
        batch = {"tokens": rows, "pad_mask": ones, "loss_mask": ones}
        parts.append(np.asarray(score(run.variables["params"], run.variables["state"], batch)))
    return np.concatenate(parts)[: len(tokens)]


def check(run: runs.Run | zoo.Loaded, name: str) -> None:
    """Raises errors.UserError if the music rules do not apply to the pieces of a run."""
    try:
        melody_features.check(run.vocabulary)
        rollouts.check(run.model, run.vocabulary)
    except ValueError as error:
        raise errors.UserError(f"{name}: {error}") from None
    if run.vocabulary.conditions:
        condition = run.vocabulary.conditions[0][0]
        raise errors.UserError(f"{name}: it is conditioned on {condition}; the table needs a model without conditions")


def table(run: zoo.Loaded, num: int, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Computes RL Tuner's table for a tuned run and its prior.

    Args:
        run: The run.
        num: Number of melodies of 32 tokens, sampled at temperature 1 without constraints.
        seed: Seed for sampling.
        say: Receives messages about damaged checkpoints.

    Returns:
        A dictionary with `prior` and, for a tuned run, `tuned`: the results of `rules.figures`, and
        `nll_per_token_under_prior`.

    Raises:
        errors.UserError: The run does not exist, or the music rules do not apply to its pieces.
    """
    check(run, run.name)
    tuning = run.config.get("tuning")
    prior = run if tuning is None else zoo.load(tuning["base"], say)
    tonic = 0 if tuning is None else tuning["rules"]["tonic"]
    out: dict[str, Any] = {"model": run.name, "num": num, "length": LENGTH, "seed": seed, "temperature": 1.0}
    if tuning is not None:
        out["base"] = tuning["base"]
    for key, source in {"prior": prior, **({} if tuning is None else {"tuned": run})}.items():
        tokens = sample_melodies(source, num, seed)
        prior_nll = float(nll(prior, tokens).mean())
        out[key] = {**rules.figures(run.vocabulary, tokens, tonic), "nll_per_token_under_prior": prior_nll}
    return out
