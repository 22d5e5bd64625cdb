"""RL Tuner (Jaques et al., "Sequence Tutor", ICML 2017): Q-learning with a Q-network initialised from a trained model.

The value of token a after the tokens s is the network's logit, and the policy is the softmax of the logits. The target
value of a sampled token depends on the frozen prior p, the reward r, the discount gamma and the target network (Q',
Psi', G') at the next token:

    q      log p(a|s) + r + gamma max_a' Q'(s', a')
    psi    log p(a|s) + r + gamma logsumexp_a' Psi'(s', a')
    g      r + gamma logsumexp_a' (G'(s', a') + log p(a'|s'))      policy: softmax of G + log p (prior_product.py)

Psi and G + log p are the same functions, but their networks start at different points: G is also initialised from the
trained model, so that its first policy is proportional to the square of the prior. RL Tuner's constant c is the inverse
of the factor of the rewards.

There are three differences from Magenta's `rl_tuner`:

* The replay memory holds whole melodies and the reward of each token, not single tokens with the network's state, which
  becomes invalid when the network changes. An update evaluates both networks on a few melodies from their first token
  on, so that each token is a transition.
* Nothing follows the last token of a melody. In Magenta, its target includes the value of a next token.
* Melodies start as those of the trained model. In Magenta, they start after a random token that is not part of them.

One step samples melodies, which replace the oldest ones in the memory, and makes several updates from the memory, all
in one compiled call.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from musejax.base import Array, Batch, Decoder, Metrics, Model, Params, Step, Tools, TrainState
from musejax.decoding import autoregressive
from musejax.nn import losses
from musejax.tuning import policy_gradient, prior_product, rollouts
from musejax.tuning import tuning_settings as configs
from musejax.vocabulary import Vocabulary


class Replay(NamedTuple):
    """The replay memory.

    Attributes:
        tokens: Tokens of R melodies, int32[R, T] or [R, T, S].
        conditions: Conditions by name, int32[R, T] each.
        rewards: Reward of each cell, float32[R, C].
        mask: 1 for the cells that were sampled, float32[R, C].
        count: Number of melodies stored so far, including overwritten ones, int32[].
    """

    tokens: Array
    conditions: dict[str, Array]
    rewards: Array
    mask: Array
    count: Array  # pyright: ignore[reportIncompatibleMethodOverride] (checkpoints contain this name)


def put(replay: Replay, tokens: Array, conditions: dict[str, Array], rewards: Array, mask: Array) -> Replay:
    """Returns the memory with its oldest melodies replaced by new ones, which must not outnumber the memory."""
    size = len(replay.tokens)
    rows = (replay.count + jnp.arange(len(tokens))) % size
    new = Replay(tokens, conditions, rewards, mask, replay.count)
    stored = jax.tree.map(lambda old, x: old.at[rows].set(x), replay._replace(count=()), new._replace(count=()))
    return stored._replace(count=replay.count + len(tokens))


def take(replay: Replay, key: Array, num: int) -> Replay:
    """Samples melodies from the memory, with replacement."""
    size = jnp.minimum(replay.count, len(replay.tokens))
    rows = jax.random.randint(key, (num,), 0, size)
    return jax.tree.map(lambda x: x[rows], replay._replace(count=()))._replace(count=replay.count)


def compute_targets(
    method: str, rewards: Array, mask: Array, values: Array, log_prior: Array | None, discount: float
) -> Array:
    """Returns the target value of the sampled token at each cell, float[N, C].

    Args:
        method: `q`, `psi` or `g`.
        rewards: Reward of each cell, including log p(a|s) for q and psi, float[N, C].
        mask: 1 for the cells that were sampled, float[N, C].
        values: Values of the target network, float[N, C, V].
        log_prior: Log-probabilities of the prior, float[N, C, V]; used for g only.
        discount: Discount factor gamma.
    """
    if method == "q":
        state_values = values.max(-1)
    elif method == "psi":
        state_values = jax.nn.logsumexp(values, axis=-1)
    else:
        assert log_prior is not None
        state_values = jax.nn.logsumexp(values + log_prior, axis=-1)
    return rewards + discount * jnp.pad((state_values * mask)[:, 1:], ((0, 0), (0, 1)))


def exploration_share(explore: configs.Exploration, step: Array) -> Array:
    """Returns the share of tokens that are sampled uniformly at a step."""
    progress = jnp.clip(step / explore.steps, 0.0, 1.0)
    return explore.first + (explore.last - explore.first) * progress


def add_exploration(model: Model, vocabulary: Vocabulary, kind: str, share: Array) -> Model:
    """Returns the record with a sampler that samples a share of the tokens uniformly and the rest by `kind`.

    Args:
        model: Model record.
        vocabulary: Its vocabulary.
        kind: `boltzmann` samples from the softmax of the values, `greedy` takes the token with the largest value.
        share: Share of tokens that are sampled uniformly, float[].
    """
    pair = model.decoder
    assert pair is not None
    spans = jnp.asarray([vocabulary.span(s) for s in pair.order or range(vocabulary.streams)])
    ids = jnp.arange(vocabulary.size)

    def step(params: Any, state: Any, cache: Any, previous: Array, pos: Array, conditions: Any) -> tuple[Array, Any]:
        logits, cache = pair.step(params, state, cache, previous, pos, conditions)
        first, size = spans[pos % len(spans)]
        possible = (ids >= first) & (ids < first + size)
        probs = jax.nn.softmax(logits.astype(jnp.float32))
        if kind == "greedy":
            probs = jax.nn.one_hot(logits.argmax(-1), vocabulary.size)
        mixed = (1.0 - share) * probs + share * jnp.broadcast_to(possible / size, probs.shape)
        return jnp.log(jnp.maximum(mixed, 1e-30)), cache

    explorer: Decoder = pair._replace(step=step)
    return model._replace(
        sample=lambda *args: autoregressive.sample_request(explorer, vocabulary, *args), decoder=explorer
    )


def make_tunable(task: policy_gradient.Task) -> Model:
    """Returns the record with a training step for RL Tuner.

    Raises:
        ValueError: RL Tuner does not support the model.
    """
    model, method = task.model, task.config.method
    rollouts.check(model, task.vocabulary)
    if model.decoder is None or model.decoder.logits is None or task.prior["state"]:
        raise ValueError(f"method {method} needs a model that gives a logit for each token and has no state")
    actor = prior_product.make(task.policy, task.vocabulary, model) if method == "g" else task.policy
    return actor._replace(
        loss=policy_gradient.make_validation_loss(task, actor), make_step=lambda tools: _make_step(task, actor, tools)
    )


def _make_step(task: policy_gradient.Task, actor: Model, tools: Tools) -> Step:
    net, vocabulary, prior, config, length = task.policy, task.vocabulary, task.prior, task.config, task.length
    optimizer = tools.optimizer(config.updates, 1.0)
    order = rollouts.get_order(net, vocabulary)
    streams, is_g = vocabulary.streams, config.method == "g"

    def compute_values(net: Model, params: Params, batch: Batch) -> Array:
        logits = rollouts.score_cells(net, vocabulary, tools.cast(params), {}, batch).logits
        assert logits is not None
        return logits

    def init(key: Array, batch: Batch) -> TrainState:
        cells, size = length * streams, config.replay
        replay = Replay(
            jnp.zeros((size, length, streams) if streams > 1 else (size, length), jnp.int32),
            {name: jnp.zeros((size, length), jnp.int32) for name, _ in vocabulary.conditions},
            jnp.zeros((size, cells)),
            jnp.zeros((size, cells)),
            jnp.zeros((), jnp.int32),
        )
        params, state = policy_gradient.initial_variables(task, key, batch)
        opt_state = {"optimizer": optimizer.init(params), "target": jax.tree.map(jnp.copy, params), "replay": replay}
        state = {"prior": jax.tree.map(jnp.array, prior["params"])} if is_g else state
        return policy_gradient.make_train_state(tools, params, state, opt_state)

    def add_melodies(ts: TrainState, replay: Replay, key: Array, batch: Batch) -> tuple[Replay, Metrics]:
        """Samples melodies; returns the memory that contains them, and their metrics."""
        num = rollouts.count_rows(batch)
        share = exploration_share(config.exploration, ts.step)
        explorer = add_exploration(actor, vocabulary, config.exploration.kind, share)
        conditions = rollouts.select_conditions(batch, vocabulary, length, 1)
        pieces, rewards, mask, prior_scores = policy_gradient.sample_and_score(
            task, explorer, tools.cast(ts.params), ts.state, key, conditions, num
        )
        log_prior = prior_scores.log_prob * mask
        new = (pieces["tokens"], {n: pieces[n] for n in replay.conditions}, rewards if is_g else rewards + log_prior,
               mask)  # fmt: skip
        info = {"reward": rewards.sum(1).mean(), "log_prior": log_prior.sum(1).mean(), "weight": mask.sum()}
        return put(replay, *jax.tree.map(lambda x: x[: config.replay], new)), info

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = jax.random.split(jax.random.fold_in(tools.root, ts.step), config.updates + 1)
        replay, info = add_melodies(ts, ts.opt_state["replay"], keys[0], batch)

        def update_once(carry: tuple[Params, Any, Params], key: Array) -> tuple[tuple[Params, Any, Params], Metrics]:
            params, opt_state, target = carry
            sample = take(replay, key, config.minibatch)
            ones = jnp.ones(sample.tokens.shape[:2], jnp.int32)
            melodies = {"tokens": sample.tokens, **sample.conditions, "pad_mask": ones, "loss_mask": ones}
            log_prior = jax.nn.log_softmax(compute_values(task.model, prior["params"], melodies)) if is_g else None
            mask, target_values = sample.mask, compute_values(net, target, melodies)
            targets = compute_targets(config.method, sample.rewards, mask, target_values, log_prior, config.discount)
            cells = rollouts.order_cells(sample.tokens, order)

            def loss(params: Params) -> tuple[Array, Array]:
                values = losses.select_logits(compute_values(net, params, melodies), cells)
                return losses.masked_mean(jnp.square(values - targets), mask)

            (error, _), gradient = jax.value_and_grad(loss, has_aux=True)(params)
            change, opt_state = optimizer.update(gradient, opt_state, params)
            params = optax.apply_updates(params, change)
            rate = config.target_rate
            target = jax.tree.map(lambda old, new: old + rate * (new - old), target, params)
            mean_target = (targets * mask).sum() / mask.sum()
            metrics = {"loss": error, "grad_norm": optax.tree.norm(gradient), "target": mean_target}
            return (params, opt_state, target), metrics

        carry = (ts.params, ts.opt_state["optimizer"], ts.opt_state["target"])
        (params, opt_state, target), infos = jax.lax.scan(update_once, carry, keys[1:])
        info |= {name: x.mean() for name, x in infos.items()}
        info |= {
            "exploration": exploration_share(config.exploration, ts.step),
            "learning_rate": jnp.asarray(tools.learning_rate(ts.step)),
        }
        opt_state = {"optimizer": opt_state, "target": target, "replay": replay}
        return TrainState(ts.step + 1, params, ts.state, opt_state, tools.average(ts.ema, params, ts.step)), info

    return Step(init, update)
