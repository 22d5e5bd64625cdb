"""Measures for benchmarks/rl.py: figures of a run's melodies, the copy check, and the speed of a step."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax import runs
from musejax.base import Choice
from musejax.decoding import draws
from musejax.evaluation import copying, likelihood
from musejax.experiments import experiment as experiments
from musejax.experiments import reinforcement
from musejax.pipeline import dataset
from musejax.training import step as steps
from musejax.tuning import policy_gradient, rewards, rollouts, rules
from musejax.vocabulary import Vocabulary


def mean(values: np.ndarray, weights: np.ndarray | None = None) -> dict[str, Any]:
    """Returns sum(values) / sum(weights) with a bootstrap interval over melodies, or None if all weights are 0."""
    values = np.asarray(values, np.float64)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    if not weights.sum():
        return {"mean": None, "interval": None}
    counted = weights > 0
    interval = likelihood.interval(values[counted], weights[counted])
    return {"mean": float(values.sum() / weights.sum()), "interval": interval}


def measure_melodies(run: runs.Run, prior: runs.Run, num: int, seed: int, amounts: rules.Rules) -> dict[str, Any]:
    """Measures the figures of a run's melodies.

    Args:
        run: The run that samples the melodies.
        prior: The run with which they are compared.
        num: Number of melodies of 32 tokens, sampled at temperature 1 without masks.
        seed: Seed of the samples.
        amounts: Factors of the rules whose sum is the reward.
    """
    vocabulary = run.vocabulary
    tokens = reinforcement.sample_melodies(run, num, seed)
    parts: dict[str, list[np.ndarray]] = {}
    rewards_by_melody = []
    for begin in range(0, num, 1000):
        rows = jnp.asarray(tokens[begin : begin + 1000])
        for name, pair in rules.count(vocabulary, rows, amounts.tonic).items():
            parts.setdefault(name, []).append(np.stack([np.asarray(x) for x in pair]))
        rewards_by_melody.append(np.asarray(rules.score(vocabulary, rows, amounts)).sum(1))
    out: dict[str, Any] = {name: mean(*np.concatenate(p, axis=1)) for name, p in parts.items()}
    under, own = reinforcement.nll(prior, tokens), reinforcement.nll(run, tokens)
    lines = rules.lines(vocabulary, tokens)
    return {
        **out,
        "nll_per_token_under_prior": mean(under.mean(1)),
        "kl": mean((under - own).sum(1)),
        "reward": mean(np.concatenate(rewards_by_melody)),
        "notes": mean(np.array([len(piece[0]) for piece in lines])),
        "distinct_4grams": copying.distinct_ngrams(lines),
        "self_similarity": rules.self_similarity(tokens),
        "distinct_melodies": len(np.unique(tokens, axis=0)) / num,
    }


def windows(items: Sequence[dataset.Item], num: int, seed: int, length: int = reinforcement.LENGTH) -> np.ndarray:
    """Returns random stretches of pieces that are as long as the sampled melodies: int32[num, length]."""
    rng = np.random.default_rng(seed)
    long = [item.arrays["tokens"] for item in items if item.length >= length]
    chosen = [long[i] for i in rng.integers(0, len(long), num)]
    return np.stack([t[s : s + length] for t in chosen for s in [int(rng.integers(0, len(t) - length + 1))]])


def lines_of(vocabulary: Vocabulary, items: Sequence[dataset.Item]) -> list[list[np.ndarray]]:
    """Returns the notes of whole pieces as the copy check reads them."""
    return [rules.lines(vocabulary, item.arrays["tokens"][None])[0] for item in items]


def check_copies(vocabulary: Vocabulary, tokens: np.ndarray, training: copying.Lines) -> dict[str, Any]:
    """Measures the longest run of notes of each melody that also occurs in a training tune, in any transposition."""
    lines = rules.lines(vocabulary, tokens)
    longest = copying.longest_runs(lines, training)
    notes = np.array([len(piece[0]) for piece in lines])
    quantiles = np.quantile(longest, (0.5, 0.9))
    return {
        "median": float(quantiles[0]),
        "ninth_decile": float(quantiles[1]),
        "max": int(longest.max()),
        "mean": float(longest.mean()),
        "whole": float((longest >= notes).mean()),
        "notes": float(notes.mean()),
    }


def _seconds(call: Callable[[], Any], turns: int) -> float:
    """Returns the seconds of the shortest of `turns` calls, after one that compiles."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(turns):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def speed(experiment: experiments.Experiment, base: runs.Run, batches: Sequence[int], turns: int) -> dict[str, Any]:
    """Measures the melodies per second of a step of the policy gradient.

    The loops do the same work with the same compiled parts, token by token from Python: for a batch of melodies at
    once, and for one melody at a time as in RL Tuner. Rewards and gradient are those of the whole batch.
    """
    assert experiment.tuning is not None
    model, vocabulary, length = base.model, base.vocabulary, experiment.training.window
    pair, prior = model.decoder, base.variables
    assert pair is not None and pair.prepare is not None
    reward = rewards.combine([(rewards.make_rules_reward(vocabulary, experiment.tuning.rules), 1.0)])
    tuned = policy_gradient.make_tunable(
        policy_gradient.Task(model, vocabulary, prior, reward, experiment.tuning, length)
    )
    draw = draws.categorical(Choice())
    params = pair.prepare(prior["params"])
    score = jax.jit(reward)
    optimizer = steps.make_optimizer(experiment.optimizer, experiment.training.steps)
    opt_state = optimizer.init(prior["params"])

    @jax.jit
    def sample_token(cache: Any, previous: Any, pos: Any, uniform: Any) -> Any:
        logits, cache = pair.step(params, {}, cache, previous, pos, {})
        return draw.draw(logits, None, uniform), cache

    @jax.jit
    def update(params: Any, opt_state: Any, tokens: Any, reward_by_token: Any) -> Any:
        ones = jnp.ones(tokens.shape, jnp.int32)
        pieces = {"tokens": tokens, "pad_mask": ones, "loss_mask": ones}
        before = rollouts.score_cells(model, vocabulary, prior["params"], prior["state"], pieces)

        def loss(params: Any) -> Any:
            now = rollouts.score_cells(model, vocabulary, params, prior["state"], pieces)
            return policy_gradient.surrogate(now, before, reward_by_token, jnp.ones(tokens.shape), experiment.tuning)[0]  # type: ignore[arg-type]

        change, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        return jax.tree.map(jnp.add, params, change), opt_state

    def run_loop(rows: int, together: int, key: Any) -> Any:
        samples = []
        for block in range(rows // together):
            uniform = np.asarray(jax.random.uniform(jax.random.fold_in(key, block), (length, together)))
            cache, previous = pair.init_cache(params, {}, together, length), jnp.full(together, pair.start, jnp.int32)
            melody = []
            for pos in range(length):
                previous, cache = sample_token(cache, previous, pos, uniform[pos])
                melody.append(np.asarray(previous))
            samples.append(np.stack(melody, axis=1))
        tokens = jnp.asarray(np.concatenate(samples))
        return update(prior["params"], opt_state, tokens, score({"tokens": tokens}))

    rows = []
    for size in batches:
        batch = {"tokens": np.zeros((size, length), np.int32), "loss_mask": np.ones((size, length), np.int32)}
        step = steps.make_step(tuned, experiment.optimizer, steps=experiment.training.steps, seed=0)
        ts = step.init(jax.random.key(0), batch)

        def compiled(step: Any = step, batch: Any = batch) -> Any:
            nonlocal ts
            ts, info = step.update(ts, batch)
            return info

        key = jax.random.key(0)
        seconds = {
            "compiled": _seconds(compiled, turns),
            "loop": _seconds(lambda size=size, key=key: run_loop(size, size, key), turns),
            "one_by_one": _seconds(lambda size=size, key=key: run_loop(size, 1, key), max(1, turns // 3)),
        }
        rows.append({"batch": size, **{name: size / value for name, value in seconds.items()}})
    return {"rows": rows, "device": jax.devices()[0].device_kind, "length": length}
