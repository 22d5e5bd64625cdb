"""What benchmarks/rl.py measures: melodies of a run, what they copy, and how fast a step is."""

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
    """sum(values) / sum(weights) with its bootstrap interval over melodies; none where nothing is counted."""
    values = np.asarray(values, np.float64)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    if not weights.sum():
        return {"mean": None, "interval": None}
    counted = weights > 0
    found = likelihood.interval(values[counted], weights[counted])
    return {"mean": float(values.sum() / weights.sum()), "interval": found}


def of(run: runs.Run, prior: runs.Run, num: int, seed: int, amounts: rules.Rules) -> dict[str, Any]:
    """The figures of a run's melodies.

    Args:
        run: Whose melodies.
        prior: What they are compared with.
        num: Melodies of 32 tokens, at temperature 1 without masks.
        seed: Of the draws.
        amounts: The factors of the rules that add up to the reward.
    """
    vocabulary = run.vocabulary
    tokens = reinforcement.sample_melodies(run, num, seed)
    parts: dict[str, list[np.ndarray]] = {}
    earned = []
    for begin in range(0, num, 1000):
        some = jnp.asarray(tokens[begin : begin + 1000])
        for name, pair in rules.count(vocabulary, some, amounts.tonic).items():
            parts.setdefault(name, []).append(np.stack([np.asarray(x) for x in pair]))
        earned.append(np.asarray(rules.score(vocabulary, some, amounts)).sum(1))
    out: dict[str, Any] = {name: mean(*np.concatenate(p, axis=1)) for name, p in parts.items()}
    under, own = reinforcement.nll(prior, tokens), reinforcement.nll(run, tokens)
    lines = rules.lines(vocabulary, tokens)
    return {
        **out,
        "nll_per_token_under_prior": mean(under.mean(1)),
        "kl": mean((under - own).sum(1)),
        "reward": mean(np.concatenate(earned)),
        "notes": mean(np.array([len(piece[0]) for piece in lines])),
        "distinct_4grams": copying.distinct_ngrams(lines),
        "self_similarity": rules.self_similarity(tokens),
        "distinct_melodies": len(np.unique(tokens, axis=0)) / num,
    }


def windows(items: Sequence[dataset.Item], num: int, seed: int, length: int = reinforcement.LENGTH) -> np.ndarray:
    """Stretches of pieces, as long as the melodies that are drawn: int32[num, length]."""
    rng = np.random.default_rng(seed)
    long = [item.arrays["tokens"] for item in items if item.length >= length]
    chosen = [long[i] for i in rng.integers(0, len(long), num)]
    return np.stack([t[s : s + length] for t in chosen for s in [int(rng.integers(0, len(t) - length + 1))]])


def lines_of(vocabulary: Vocabulary, items: Sequence[dataset.Item]) -> list[list[np.ndarray]]:
    """The notes of whole pieces, as the copy check reads them."""
    return [rules.lines(vocabulary, item.arrays["tokens"][None])[0] for item in items]


def copied(vocabulary: Vocabulary, tokens: np.ndarray, training: copying.Lines) -> dict[str, Any]:
    """The longest run of notes of each melody that a training tune has too, in any transposition."""
    lines = rules.lines(vocabulary, tokens)
    found = copying.longest_runs(lines, training)
    notes = np.array([len(piece[0]) for piece in lines])
    quantiles = np.quantile(found, (0.5, 0.9))
    return {
        "median": float(quantiles[0]),
        "ninth_decile": float(quantiles[1]),
        "max": int(found.max()),
        "mean": float(found.mean()),
        "whole": float((found >= notes).mean()),
        "notes": float(notes.mean()),
    }


def _seconds(call: Callable[[], Any], turns: int) -> float:
    """The shortest of some calls, after one that compiles."""
    jax.block_until_ready(call())
    found = []
    for _ in range(turns):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - begin)
    return min(found)


def speed(experiment: experiments.Experiment, base: runs.Run, batches: Sequence[int], turns: int) -> dict[str, Any]:
    """Melodies a second of a step of the policy gradient.

    The loops do the same work by the same compiled parts, token by token from Python: for a batch of melodies at once,
    and for one melody after the other, as RL Tuner goes. Rewards and gradient are those of the whole batch.
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
    def one(cache: Any, previous: Any, pos: Any, uniform: Any) -> Any:
        logits, cache = pair.step(params, {}, cache, previous, pos, {})
        return draw.draw(logits, None, uniform), cache

    @jax.jit
    def learn(params: Any, opt_state: Any, tokens: Any, earned: Any) -> Any:
        ones = jnp.ones(tokens.shape, jnp.int32)
        pieces = {"tokens": tokens, "pad_mask": ones, "loss_mask": ones}
        said = rollouts.score_cells(model, vocabulary, prior["params"], prior["state"], pieces)

        def loss(params: Any) -> Any:
            now = rollouts.score_cells(model, vocabulary, params, prior["state"], pieces)
            return policy_gradient.surrogate(now, said, earned, jnp.ones(tokens.shape), experiment.tuning)[0]  # type: ignore[arg-type]

        change, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        return jax.tree.map(jnp.add, params, change), opt_state

    def looped(rows: int, together: int, key: Any) -> Any:
        drawn = []
        for block in range(rows // together):
            uniform = np.asarray(jax.random.uniform(jax.random.fold_in(key, block), (length, together)))
            cache, previous = pair.init_cache(params, {}, together, length), jnp.full(together, pair.start, jnp.int32)
            melody = []
            for pos in range(length):
                previous, cache = one(cache, previous, pos, uniform[pos])
                melody.append(np.asarray(previous))
            drawn.append(np.stack(melody, axis=1))
        tokens = jnp.asarray(np.concatenate(drawn))
        return learn(prior["params"], opt_state, tokens, score({"tokens": tokens}))

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
            "loop": _seconds(lambda size=size, key=key: looped(size, size, key), turns),
            "one_by_one": _seconds(lambda size=size, key=key: looped(size, 1, key), max(1, turns // 3)),
        }
        rows.append({"batch": size, **{name: size / value for name, value in seconds.items()}})
    return {"rows": rows, "device": jax.devices()[0].device_kind, "length": length}
