"""Preferences: pairs of pieces of which one is wanted more (direct preference optimisation; Rafailov et al., 2023).

    loss = -log sigmoid(leash x (how much likelier the policy makes the better piece than the prior does
                                 - how much likelier it makes the worse one))

Pairs are the best and the worst of each group that a step draws, by a reward: of the policy's own pieces, or of the
prior's. Or they are given (`Pairs`).
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax.base import Array, Batch, Metrics, Model, Params, Step, Tools, TrainState
from musejax.tuning import policy_gradient, rollouts

# What the fields of the worse piece are called in a batch of pairs.
WORSE = "worse_"


class Pairs:
    """Given pairs as batches by index, for `pipeline.stream.ArrayStream`: an endless shuffled sequence."""

    def __init__(self, better: Mapping[str, Any], worse: Mapping[str, Any], *, batch_size: int, seed: int = 0):
        """Keeps the pairs.

        Args:
            better: `tokens` int[P, T] or [P, T, S] (`frames` for switches), the conditions int[P, T], and `length`
                int[P] where pieces differ in it.
            worse: Of the same shapes; row i is worse than row i of `better`.
            batch_size: Pairs in a batch.
            seed: Of the order.

        Raises:
            ValueError: The two sides do not fit each other.
        """
        sides = [{name: np.asarray(x) for name, x in side.items()} for side in (better, worse)]
        shapes = [{name: x.shape for name, x in side.items()} for side in sides]
        if shapes[0] != shapes[1] or not {"tokens", "frames"} & set(shapes[0]):
            raise ValueError(f"pairs do not fit each other: {shapes[0]} and {shapes[1]}")
        self._sides = [_masked(side) for side in sides]
        self._num = len(next(iter(sides[0].values())))
        if batch_size < 1 or self._num < 1:
            raise ValueError(f"{self._num} pairs do not make batches of {batch_size}")
        self._batch_size, self._seed = batch_size, seed

    def __len__(self) -> int:
        """Endless, for all that training needs."""
        return 1 << 40

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index`: the better pieces under their names, the worse under `worse_` and their names."""
        at = np.arange(index * self._batch_size, (index + 1) * self._batch_size)
        orders = {
            e: np.random.default_rng((self._seed, e)).permutation(self._num) for e in set((at // self._num).tolist())
        }
        rows = [orders[i // self._num][i % self._num] for i in at.tolist()]
        better, worse = ({name: x[rows] for name, x in side.items()} for side in self._sides)
        return {**better, **{WORSE + name: x for name, x in worse.items()}}


def _masked(side: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    cells = side["tokens"] if "tokens" in side else side["frames"]
    num, frames = cells.shape[:2]
    lengths = side.get("length", np.full(num, frames))
    mask = (np.arange(frames)[None] < lengths[:, None]).astype(np.int32)
    return {**{name: x.astype(np.int32) for name, x in side.items()}, "pad_mask": mask, "loss_mask": mask}


def loss(better: Array, worse: Array, weight: Array, leash: float) -> tuple[Array, Metrics]:
    """The loss of pairs.

    Args:
        better: How much likelier the policy makes the better piece than the prior does, nats, float[P].
        worse: The same of the worse one.
        weight: 0 for a pair of which none is better, float[P].
        leash: beta.

    Returns:
        The mean over the pairs, and how often the better piece is the one that has gained more.
    """
    margin = better - worse
    total = jnp.maximum(weight.sum(), 1.0)
    mean = (-jax.nn.log_sigmoid(leash * margin) * weight).sum() / total
    return mean, {"margin": (margin * weight).sum() / total, "accuracy": ((margin > 0) * weight).sum() / total}


def tuned(task: policy_gradient.Task) -> Model:
    """The record with a training step that tunes it by preferences.

    Without a reward every batch must be one of `Pairs`, and there is no validation: `Model.loss` is the model's own.

    Raises:
        ValueError: The model cannot be tuned.
    """
    rollouts.check(task.model, task.vocabulary)
    return task.policy._replace(
        loss=task.policy.loss if task.reward is None else policy_gradient.validation(task, task.policy),
        make_step=lambda tools: _make_step(task, tools),
    )


def best_and_worst(scores: Array, group: int) -> tuple[Array, Array, Array]:
    """The rows of the best and the worst piece of each group, int[P] each, and 0 where they are as good: float[P]."""
    by_group = scores.reshape(-1, group)
    first = jnp.arange(len(by_group)) * group
    high, low = by_group.argmax(1), by_group.argmin(1)
    return first + high, first + low, (by_group.max(1) > by_group.min(1)).astype(jnp.float32)


def _make_step(task: policy_gradient.Task, tools: Tools) -> Step:
    model, vocabulary, prior, config = task.policy, task.vocabulary, task.prior, task.config
    optimizer = tools.optimizer(1, 1.0)
    order = rollouts.order_of(model, vocabulary)

    def init(key: Array, batch: Batch) -> TrainState:
        params, state = policy_gradient.first(task, key, batch)
        return policy_gradient.start(tools, params, state, optimizer.init(params))

    def drawn(ts: TrainState, params: Params, batch: Batch) -> tuple[Batch, Batch, Array, Metrics]:
        if task.reward is None:
            raise ValueError("without a reward the batches must be given pairs")
        key, num = jax.random.fold_in(tools.root, ts.step), rollouts.rows(batch)
        group = config.group or num
        told = rollouts.conditions_of(batch, vocabulary, task.length, group)
        source, of = (model, params) if config.online else (task.model, tools.cast(prior["params"]))
        pieces, rewards, mask, _ = policy_gradient.earned(task, source, of, ts.state, key, told, num)
        high, low, weight = best_and_worst(rewards.sum(1), group)
        better, worse = (jax.tree.map(lambda x, rows=rows: x[rows], pieces) for rows in (high, low))
        return better, worse, weight, {"reward": rewards.sum(1).mean(), "weight": mask.sum()}

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        if any(name.startswith(WORSE) for name in batch):
            worse = {name.removeprefix(WORSE): x for name, x in batch.items() if name.startswith(WORSE)}
            better = {name: x for name, x in batch.items() if not name.startswith(WORSE)}
            weight, info = jnp.ones(rollouts.rows(better)), {"weight": jnp.asarray(better["loss_mask"]).sum() * 1.0}
        else:
            better, worse, weight, info = drawn(ts, tools.cast(ts.params), batch)

        def gained(params: Params, pieces: Batch) -> Array:
            mask = rollouts.drawn_mask(pieces, vocabulary, order)
            now = rollouts.scored(model, vocabulary, params, ts.state, pieces).log_prob
            before = rollouts.scored(task.model, vocabulary, prior["params"], prior["state"], pieces).log_prob
            return ((now - before) * mask).sum(1)

        def mean(params: Params) -> tuple[Array, Metrics]:
            params = tools.cast(params)
            return loss(gained(params, better), gained(params, worse), weight, config.leash)

        (value, told), gradient = jax.value_and_grad(mean, has_aux=True)(ts.params)
        return policy_gradient.updated(ts, gradient, optimizer, tools, {**info, **told, "loss": value})

    return Step(init, update)
