"""Policy gradient with a leash to the prior, for any left-to-right family and codec.

What is made larger is  E[reward] - leash x KL(policy, prior)  over whole pieces, whose best policy is the prior times
exp(reward / leash). One step draws pieces from the policy, scores them and takes one update, in one compiled call.

The gradient is that of the expectation, without bias: a cell is credited with what is earned from it on, and charged
with the divergence of the cells behind it; its own divergence is differentiated as it stands. What a cell earns is
compared with the mean of the other pieces of its group at the same cell (REINFORCE with a leave-one-out baseline; Kool
et al., 2019; Ahmadian et al., 2024). With `normalise` it is divided by the group's standard deviation, as in GRPO (Shao
et al., 2024), which is not the gradient of an expectation any more, and does not depend on the scale of the reward.
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
    """What is tuned, from where, by what.

    Attributes:
        model: A record of a left-to-right family.
        vocabulary: Its table.
        prior: `params` and `state` of a trained run of it.
        reward: arrays -> scores; None for preferences that are given.
        config: The settings.
        length: Frames of a piece.
        adapted: The record of the same model over adapters, where these train in place of its parameters.
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
        """The record whose parameters train."""
        return self.adapted or self.model


def to_go(rewards: Array) -> Array:
    """What is earned from each cell on: [N, C]."""
    return jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]


def advantages(earned: Array, group: int) -> Array:
    """What is earned more than by the others of the group on average.

    Args:
        earned: What is earned from each cell on, float[N, C].
        group: Pieces of a group, which stand next to each other; 2 or more.
    """
    by_group = earned.reshape(-1, group, earned.shape[1])
    others = (by_group.sum(1, keepdims=True) - by_group) / (group - 1)
    return (by_group - others).reshape(earned.shape)


def spread(earned: Array, group: int) -> Array:
    """The standard deviation within its group of what each whole piece earns, float[N]."""
    return jnp.repeat(earned[:, 0].reshape(-1, group).std(1) + 1e-4, group)


def surrogate(
    policy: rollouts.Scored, prior: rollouts.Scored, rewards: Array, mask: Array, config: configs.Tuning
) -> tuple[Array, Metrics]:
    """A loss whose gradient, on average over the policy's own pieces, is minus that of what is made larger.

    Args:
        policy: What the policy says of its pieces; differentiated.
        prior: What the prior says.
        rewards: float[N, C].
        mask: 1 for the cells that were drawn, float[N, C].
        config: Read are leash, group and normalise.

    Returns:
        The loss, and `reward`, `kl` and `entropy` in nats of a piece on average.
    """
    group = config.group or len(rewards)
    divergence = rollouts.divergence(policy, prior) * mask
    charged = config.leash * divergence
    earned = to_go(rewards) - to_go(charged)
    if policy.logits is not None:
        earned = earned + charged  # a cell's own divergence is differentiated as it stands
    loss = -(policy.log_prob * mask * jax.lax.stop_gradient(advantages(earned, group))).sum(1)
    if policy.logits is not None:
        loss = loss + charged.sum(1)
    if config.normalise:
        loss = loss / jax.lax.stop_gradient(spread(earned, group))
    info = {
        "reward": rewards.sum(1).mean(),
        "kl": divergence.sum(1).mean(),
        "entropy": -(policy.log_prob * mask).sum(1).mean(),
    }
    return loss.mean(), info


def tuned(task: Task) -> Model:
    """The record with a training step that tunes it by a reward, from the prior on.

    What it trains is an ordinary run of the model's family. Validation draws pieces anew and takes for its loss minus
    what is made larger.

    Raises:
        ValueError: The model cannot be tuned.
    """
    rollouts.check(task.model, task.vocabulary)
    return task.policy._replace(loss=validation(task, task.policy), make_step=lambda tools: _make_step(task, tools))


def earned(
    task: Task, actor: Model, params: Params, state: State, key: Array, conditions: dict[str, Array], num: int
) -> tuple[dict[str, Array], Array, Array, rollouts.Scored]:
    """Pieces of a policy: the batch, rewards float[N, C], the mask of drawn cells, and what the prior says of them.

    Args:
        task: With a reward.
        actor: The policy's record.
        params: Its parameters.
        state: What it keeps beside them.
        key: Of the draws.
        conditions: int32[N, T] each.
        num: Pieces.
    """
    assert task.reward is not None
    batch = rollouts.draw_rollouts(actor, params, state, key, num, task.length, conditions)
    mask = rollouts.drawn_mask(batch, task.vocabulary, rollouts.order_of(actor, task.vocabulary))
    arrays = {k: v for k, v in batch.items() if k not in ("pad_mask", "loss_mask")}
    rewards = rollouts.by_cell(jax.lax.stop_gradient(task.reward(arrays)), mask)
    said = rollouts.scored(task.model, task.vocabulary, task.prior["params"], task.prior["state"], batch)
    return batch, rewards, mask, jax.lax.stop_gradient(said)


def validation(task: Task, actor: Model) -> Callable[..., tuple[Array, tuple[State, Metrics]]]:
    """`Model.loss` of a tuned model: minus what is made larger, of pieces that are drawn anew.

    Args:
        task: With a reward.
        actor: The policy's record.
    """

    def loss(
        params: Params, state: State, key: Array, batch: Batch, *, step: Array | int, train: bool
    ) -> tuple[Array, tuple[State, Metrics]]:
        num = rollouts.rows(batch)
        told = rollouts.conditions_of(batch, task.vocabulary, task.length, 1)
        pieces, rewards, mask, said = earned(task, actor, params, state, key, told, num)
        policy = rollouts.scored(actor, task.vocabulary, params, state, pieces)
        divergence = (rollouts.divergence(policy, said) * mask).sum(1).mean()
        gain = rewards.sum(1).mean()
        info = {
            "loss": task.config.leash * divergence - gain,
            "reward": gain,
            "kl": divergence,
            "nll_per_cell_under_prior": -(said.log_prob * mask).sum() / mask.sum(),
            "weight": jnp.asarray(num, jnp.float32),
        }
        return info["loss"], (state, info)

    return loss


def first(task: Task, key: Array, batch: Batch) -> tuple[Params, State]:
    """Returns the parameters and the state that training begins with: the prior's, or new adapters."""
    if task.adapted is not None:
        return task.adapted.init(key, batch)
    return jax.tree.map(jnp.array, task.prior["params"]), task.prior["state"]


def start(tools: Tools, params: Params, state: State, opt_state: Any) -> TrainState:
    """Returns the train state before the first step."""
    zero = jnp.zeros((), jnp.int32)
    return TrainState(zero, params, state, opt_state, tools.average(params, params, zero))


def _make_step(task: Task, tools: Tools) -> Step:
    model, vocabulary, prior, config = task.policy, task.vocabulary, task.prior, task.config
    optimizer = tools.optimizer(1, 1.0)

    def init(key: Array, batch: Batch) -> TrainState:
        params, state = first(task, key, batch)
        return start(tools, params, state, optimizer.init(params))

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(tools.root, ts.step)
        num = rollouts.rows(batch)
        told = rollouts.conditions_of(batch, vocabulary, task.length, config.group or num)
        params = tools.cast(ts.params)
        before = task._replace(prior={"params": tools.cast(prior["params"]), "state": prior["state"]})
        pieces, rewards, mask, said = earned(before, model, params, ts.state, key, told, num)

        def loss(params: Params) -> tuple[Array, Metrics]:
            policy = rollouts.scored(model, vocabulary, tools.cast(params), ts.state, pieces)
            return surrogate(policy, said, rewards, mask, config)

        gradient, info = jax.grad(loss, has_aux=True)(ts.params)
        return updated(ts, gradient, optimizer, tools, {
            **info,
            "loss": config.leash * info["kl"] - info["reward"],
            "weight": mask.sum(),
        })  # fmt: skip

    return Step(init, update)


def updated(
    ts: TrainState, gradient: Params, optimizer: Any, tools: Tools, info: Metrics
) -> tuple[TrainState, Metrics]:
    """The state after one update of the optimiser."""
    change, opt_state = optimizer.update(gradient, ts.opt_state, ts.params)
    params: Any = optax.apply_updates(ts.params, change)
    ema = tools.average(ts.ema, params, ts.step)
    told = {"grad_norm": optax.tree.norm(gradient), "learning_rate": jnp.asarray(tools.learning_rate(ts.step))}
    return TrainState(ts.step + 1, params, ts.state, opt_state, ema), {**info, **told}
