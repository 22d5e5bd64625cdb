"""Direct preference optimisation (Rafailov et al., 2023): tuning on pairs of a better and a worse piece.

    loss = -log sigmoid(leash x (gain(better) - gain(worse))),    gain(x) = log policy(x) - log prior(x)

A pair consists of the pieces with the largest and smallest reward in a group of samples, of the policy or of the prior.
Alternatively, pairs are given by the caller (`Pairs`).
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musejax.base import Array, Batch, Metrics, Model, Params, Step, Tools, TrainState
from musejax.tuning import policy_gradient, rollouts

# Prefix of the fields of the worse pieces in a batch of pairs.
WORSE = "worse_"


class Pairs:
    """An endless shuffled sequence of batches of given pairs, for `pipeline.stream.ArrayStream`."""

    def __init__(self, better: Mapping[str, Any], worse: Mapping[str, Any], *, batch_size: int, seed: int = 0):
        """Stores the pairs.

        Args:
            better: `tokens` int[P, T] or [P, T, S] (`frames` for binary piano-rolls), the conditions int[P, T] by name,
                and `length` int[P] if lengths differ.
            worse: Arrays of the same names and shapes; row i is worse than row i of `better`.
            batch_size: Number of pairs in a batch.
            seed: Seed of the order.

        Raises:
            ValueError: The names or shapes of the two sides differ, or there are no pairs.
        """
        sides = [{name: np.asarray(x) for name, x in side.items()} for side in (better, worse)]
        shapes = [{name: x.shape for name, x in side.items()} for side in sides]
        if shapes[0] != shapes[1] or not {"tokens", "frames"} & set(shapes[0]):
            raise ValueError(
                f"better has arrays {shapes[0]}, worse {shapes[1]}; they must have the same names and shapes, with "
                "tokens or frames among them"
            )
        self._sides = [_add_masks(side) for side in sides]
        self._num = len(next(iter(sides[0].values())))
        if batch_size < 1 or self._num < 1:
            raise ValueError(f"there are {self._num} pairs, and batch_size is {batch_size}; both must be at least 1")
        self._batch_size, self._seed = batch_size, seed

    def __len__(self) -> int:
        """Returns a number of batches that is large enough for any training."""
        return 1 << 40

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Returns a batch with the arrays of the better pieces, and those of the worse pieces prefixed by `worse_`."""
        places = np.arange(index * self._batch_size, (index + 1) * self._batch_size)
        epochs = set((places // self._num).tolist())
        orders = {e: np.random.default_rng((self._seed, e)).permutation(self._num) for e in epochs}
        rows = [orders[i // self._num][i % self._num] for i in places.tolist()]
        better, worse = ({name: x[rows] for name, x in side.items()} for side in self._sides)
        return {**better, **{WORSE + name: x for name, x in worse.items()}}


def _add_masks(side: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    cells = side["tokens"] if "tokens" in side else side["frames"]
    num, frames = cells.shape[:2]
    lengths = side.get("length", np.full(num, frames))
    mask = (np.arange(frames)[None] < lengths[:, None]).astype(np.int32)
    return {**{name: x.astype(np.int32) for name, x in side.items()}, "pad_mask": mask, "loss_mask": mask}


def loss(better: Array, worse: Array, weight: Array, leash: float) -> tuple[Array, Metrics]:
    """Returns the loss of pairs.

    Args:
        better: Log-likelihood of each better piece under the policy minus that under the prior, in nats, float[P].
        worse: The same for the worse pieces.
        weight: 0 for pairs whose pieces are equally good, else 1, float[P].
        leash: Factor beta of the paper.

    Returns:
        The mean loss over the pairs, and metrics: `margin`, the mean of better - worse, and `accuracy`, the share of
        pairs in which it is positive.
    """
    margin = better - worse
    total = jnp.maximum(weight.sum(), 1.0)
    mean = (-jax.nn.log_sigmoid(leash * margin) * weight).sum() / total
    return mean, {"margin": (margin * weight).sum() / total, "accuracy": ((margin > 0) * weight).sum() / total}


def make_tunable(task: policy_gradient.Task) -> Model:
    """Returns the record with a training step that tunes it by preferences.

    Without a reward, each batch must come from `Pairs`, and `Model.loss`, by which validation scores, is unchanged.

    Raises:
        ValueError: Reinforcement learning does not support the model.
    """
    rollouts.check(task.model, task.vocabulary)
    return task.policy._replace(
        loss=task.policy.loss if task.reward is None else policy_gradient.make_validation_loss(task, task.policy),
        make_step=lambda tools: _make_step(task, tools),
    )


def best_and_worst(scores: Array, group: int) -> tuple[Array, Array, Array]:
    """Finds the best and the worst piece of each group.

    Args:
        scores: Reward of each piece, float[N].
        group: Number of pieces per group.

    Returns:
        A tuple (best, worst, weight) with the rows of the pieces, int[P] each, and 0 for groups in which all pieces are
        equally good, else 1, float[P].
    """
    by_group = scores.reshape(-1, group)
    first = jnp.arange(len(by_group)) * group
    high, low = by_group.argmax(1), by_group.argmin(1)
    return first + high, first + low, (by_group.max(1) > by_group.min(1)).astype(jnp.float32)


def _make_step(task: policy_gradient.Task, tools: Tools) -> Step:
    model, vocabulary, prior, config = task.policy, task.vocabulary, task.prior, task.config
    optimizer = tools.optimizer(1, 1.0)
    order = rollouts.get_order(model, vocabulary)

    def init(key: Array, batch: Batch) -> TrainState:
        params, state = policy_gradient.initial_variables(task, key, batch)
        return policy_gradient.make_train_state(tools, params, state, optimizer.init(params))

    def sample_pairs(ts: TrainState, params: Params, batch: Batch) -> tuple[Batch, Batch, Array, Metrics]:
        if task.reward is None:
            raise ValueError("the batch has no pairs, and there is no reward to rank samples; give either")
        key, num = jax.random.fold_in(tools.root, ts.step), rollouts.count_rows(batch)
        group = config.group or num
        conditions = rollouts.select_conditions(batch, vocabulary, task.length, group)
        source, weights = (model, params) if config.online else (task.model, tools.cast(prior["params"]))
        pieces, rewards, mask, _ = policy_gradient.sample_and_score(
            task, source, weights, ts.state, key, conditions, num
        )
        high, low, weight = best_and_worst(rewards.sum(1), group)
        better, worse = (jax.tree.map(lambda x, rows=rows: x[rows], pieces) for rows in (high, low))
        return better, worse, weight, {"reward": rewards.sum(1).mean(), "weight": mask.sum()}

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        if any(name.startswith(WORSE) for name in batch):
            worse = {name.removeprefix(WORSE): x for name, x in batch.items() if name.startswith(WORSE)}
            better = {name: x for name, x in batch.items() if not name.startswith(WORSE)}
            weight = jnp.ones(rollouts.count_rows(better))
            info = {"weight": jnp.asarray(better["loss_mask"]).sum() * 1.0}
        else:
            better, worse, weight, info = sample_pairs(ts, tools.cast(ts.params), batch)

        def compute_gain(params: Params, pieces: Batch) -> Array:
            mask = rollouts.sampled_mask(pieces, vocabulary, order)
            now = rollouts.score_cells(model, vocabulary, params, ts.state, pieces).log_prob
            before = rollouts.score_cells(task.model, vocabulary, prior["params"], prior["state"], pieces).log_prob
            return ((now - before) * mask).sum(1)

        def mean_loss(params: Params) -> tuple[Array, Metrics]:
            params = tools.cast(params)
            return loss(compute_gain(params, better), compute_gain(params, worse), weight, config.leash)

        (value, metrics), gradient = jax.value_and_grad(mean_loss, has_aux=True)(ts.params)
        return policy_gradient.apply_gradient(ts, gradient, optimizer, tools, {**info, **metrics, "loss": value})

    return Step(init, update)
