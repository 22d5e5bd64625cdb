"""Policy gradient with a penalty on the divergence from the prior, for all left-to-right families and codecs.

The objective to maximise is  E[reward] - leash x KL(policy, prior)  over whole pieces. The optimal policy is
proportional to the prior times exp(reward / leash). One step samples pieces from the policy, scores them and makes one
update, in one compiled call.

The gradient estimate is unbiased. The return of a cell is the reward from that cell on, minus the penalty of the cells
after it; the penalty of the cell itself is differentiated directly. The baseline of a return is the mean return of the
other pieces in the group at the same cell (REINFORCE with a leave-one-out baseline; Kool et al., 2019; Ahmadian et al.,
2024). `normalise` divides the advantages by the standard deviation of the group, as GRPO does (Shao et al., 2024). The
result is no longer the gradient of an expectation, but it does not depend on the scale of the reward.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from musejax.base import Array, Batch, Metrics, Model, Params, State, Step, Tools, TrainState
from musejax.tuning import rollouts
from musejax.tuning import tuning_settings as configs
from musejax.vocabulary import Vocabulary


class Task(NamedTuple):
    """A model to tune, its prior and its reward.

    Attributes:
        model: Model record of a left-to-right family.
        vocabulary: Its vocabulary.
        prior: `params` and `state` of a trained run of the model.
        reward: Function from arrays to rewards; None if preferences are given as pairs.
        config: Settings.
        length: Length of a piece in frames.
        adapted: Record of the adapted model, if adapters are trained instead of the parameters.
    """

    model: Model
    vocabulary: Vocabulary
    prior: rollouts.Variables
    reward: rollouts.RewardFunction | None
    config: configs.Tuning
    length: int
    adapted: Model | None = None

    @property
    def policy(self) -> Model:
        """Record of the model whose parameters are trained."""
        return self.adapted or self.model


def _sum_from(rewards: Array) -> Array:
    """Returns the sum of the rewards from each cell on: [N, C]."""
    return jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]


def advantages(returns: Array, group: int) -> Array:
    """Returns the difference between each return and the mean return of the other pieces in its group.

    Args:
        returns: Return of each cell, float[N, C].
        group: Number of pieces in a group, at least 2; the pieces of a group are contiguous.
    """
    by_group = returns.reshape(-1, group, returns.shape[1])
    others = (by_group.sum(1, keepdims=True) - by_group) / (group - 1)
    return (by_group - others).reshape(returns.shape)


def _group_deviation(returns: Array, group: int) -> Array:
    """Returns, for each piece, the standard deviation of the returns of whole pieces in its group, float[N]."""
    return jnp.repeat(returns[:, 0].reshape(-1, group).std(1) + 1e-4, group)


def surrogate(
    policy: rollouts.Scores, prior: rollouts.Scores, rewards: Array, mask: Array, config: configs.Tuning
) -> tuple[Array, Metrics]:
    """Returns a loss whose expected gradient over samples of the policy is minus the gradient of the objective.

    Args:
        policy: Scores of the pieces under the policy, which are differentiated.
        prior: Scores of the pieces under the prior.
        rewards: Reward of each cell, float[N, C].
        mask: 1 for the cells that were sampled, float[N, C].
        config: Settings, of which leash, group and normalise are used.

    Returns:
        The loss, and the mean `reward`, `kl` and `entropy` (both in nats) of a piece.
    """
    group = config.group or len(rewards)
    divergence = rollouts.divergence(policy, prior) * mask
    penalty = config.leash * divergence
    returns = _sum_from(rewards) - _sum_from(penalty)
    if policy.logits is not None:
        returns = returns + penalty  # the penalty of a cell itself is differentiated directly
    loss = -(policy.log_prob * mask * jax.lax.stop_gradient(advantages(returns, group))).sum(1)
    if policy.logits is not None:
        loss = loss + penalty.sum(1)
    if config.normalise:
        loss = loss / jax.lax.stop_gradient(_group_deviation(returns, group))
    info = {
        "reward": rewards.sum(1).mean(),
        "kl": divergence.sum(1).mean(),
        "entropy": -(policy.log_prob * mask).sum(1).mean(),
    }
    return loss.mean(), info


def make_tunable(task: Task) -> Model:
    """Returns the record with a training step that tunes it by a reward, starting from the prior.

    The trained run is an ordinary run of the model's family. The validation loss is minus the objective, over new
    samples.

    Raises:
        ValueError: Reinforcement learning does not support the model.
    """
    rollouts.check(task.model, task.vocabulary)
    loss = make_validation_loss(task, task.policy)
    return task.policy._replace(loss=loss, make_step=lambda tools: _make_step(task, tools))


def sample_and_score(
    task: Task, actor: Model, params: Params, state: State, key: Array, conditions: dict[str, Array], num: int
) -> tuple[dict[str, Array], Array, Array, rollouts.Scores]:
    """Samples pieces and computes their rewards.

    Args:
        task: A task with a reward.
        actor: Record of the policy.
        params: Its parameters.
        state: Its state.
        key: PRNG key.
        conditions: Conditions by name, int32[N, T] each.
        num: Number of pieces, N.

    Returns:
        A tuple (batch, rewards, mask, scores): the pieces, the reward of each cell, float[N, C], 1 for the cells that
        were sampled, float[N, C], and the scores of the pieces under the prior.
    """
    assert task.reward is not None
    batch = rollouts.sample_rollouts(actor, params, state, key, num, task.length, conditions)
    mask = rollouts.sampled_mask(batch, task.vocabulary, rollouts.get_order(actor, task.vocabulary))
    arrays = {k: v for k, v in batch.items() if k not in ("pad_mask", "loss_mask")}
    rewards = rollouts.spread_rewards(jax.lax.stop_gradient(task.reward(arrays)), mask)
    scores = rollouts.score_cells(task.model, task.vocabulary, task.prior["params"], task.prior["state"], batch)
    return batch, rewards, mask, jax.lax.stop_gradient(scores)


def make_validation_loss(task: Task, actor: Model) -> Callable[..., tuple[Array, tuple[State, Metrics]]]:
    """Returns the `Model.loss` of a tuned model: minus the objective, over new samples.

    Args:
        task: A task with a reward.
        actor: Record of the policy.
    """

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        num = rollouts.count_rows(batch)
        conditions = rollouts.select_conditions(batch, task.vocabulary, task.length, 1)
        pieces, rewards, mask, prior = sample_and_score(task, actor, params, state, key, conditions, num)
        policy = rollouts.score_cells(actor, task.vocabulary, params, state, pieces)
        divergence = (rollouts.divergence(policy, prior) * mask).sum(1).mean()
        reward = rewards.sum(1).mean()
        info = {
            "loss": task.config.leash * divergence - reward,
            "reward": reward,
            "kl": divergence,
            "nll_per_cell_under_prior": -(prior.log_prob * mask).sum() / mask.sum(),
            "weight": jnp.asarray(num, jnp.float32),
        }
        return info["loss"], (state, info)

    return loss


def initial_variables(task: Task, key: Array, batch: Batch) -> tuple[Params, State]:
    """Returns the initial parameters and state: those of the prior, or new adapters."""
    if task.adapted is not None:
        return task.adapted.init(key, batch)
    return jax.tree.map(jnp.array, task.prior["params"]), task.prior["state"]


def make_train_state(tools: Tools, params: Params, state: State, opt_state: Any) -> TrainState:
    """Returns the train state before the first step."""
    zero = jnp.zeros((), jnp.int32)
    return TrainState(zero, params, state, opt_state, tools.average(params, params, zero))


def _make_step(task: Task, tools: Tools) -> Step:
    model, vocabulary, prior, config = task.policy, task.vocabulary, task.prior, task.config
    optimizer = tools.optimizer(1, 1.0)

    def init(key: Array, batch: Batch) -> TrainState:
        params, state = initial_variables(task, key, batch)
        return make_train_state(tools, params, state, optimizer.init(params))

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(tools.root, ts.step)
        num = rollouts.count_rows(batch)
        conditions = rollouts.select_conditions(batch, vocabulary, task.length, config.group or num)
        params = tools.cast(ts.params)
        cast_task = task._replace(prior={"params": tools.cast(prior["params"]), "state": prior["state"]})
        pieces, rewards, mask, scores = sample_and_score(cast_task, model, params, ts.state, key, conditions, num)

        def loss(params: Params) -> tuple[Array, Metrics]:
            policy = rollouts.score_cells(model, vocabulary, tools.cast(params), ts.state, pieces)
            return surrogate(policy, scores, rewards, mask, config)

        gradient, info = jax.grad(loss, has_aux=True)(ts.params)
        return apply_gradient(ts, gradient, optimizer, tools, {
            **info,
            "loss": config.leash * info["kl"] - info["reward"],
            "weight": mask.sum(),
        })  # fmt: skip

    return Step(init, update)


def apply_gradient(
    ts: TrainState, gradient: Params, optimizer: Any, tools: Tools, info: Metrics
) -> tuple[TrainState, Metrics]:
    """Returns the train state after one update of the optimiser, and the metrics `info` with those of the update."""
    change, opt_state = optimizer.update(gradient, ts.opt_state, ts.params)
    params: Any = optax.apply_updates(ts.params, change)
    ema = tools.average(ts.ema, params, ts.step)
    metrics = {"grad_norm": optax.tree.norm(gradient), "learning_rate": jnp.asarray(tools.learning_rate(ts.step))}
    return TrainState(ts.step + 1, params, ts.state, opt_state, ema), {**info, **metrics}
