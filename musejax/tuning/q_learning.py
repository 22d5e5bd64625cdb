"""RL Tuner (Jaques et al., "Sequence Tutor", ICML 2017): a Q-network that begins as the trained net.

The value of token a after the tokens s is the net's logit; the policy is their softmax. With the frozen prior p and the
reward r, the value that is learnt for the token that was played is, gamma being the discount and ' the target network
after that token,

    q      log p(a|s) + r + gamma max_a' Q'(s', a')
    psi    log p(a|s) + r + gamma logsumexp_a' Psi'(s', a')
    g      r + gamma logsumexp_a' (G'(s', a') + log p(a'|s'))      policy: softmax of G + log p (prior_product.py)

As functions Psi and G + log p are the same; as nets they begin elsewhere, for G begins as the trained net too, with
which its first policy is the prior squared. RL Tuner's c is one over the factor of the rewards.

What is kept in the replay memory is whole melodies with what each token earned, not single tokens with the net's state
before them, as Magenta's `rl_tuner` has it: states of a net that has changed since are states of no net. An update
reads a few melodies from their beginning with both networks, so that each of their tokens is a transition. Also
otherwise than there: nothing follows the last token of a melody (there the next one was expected to go on), and a
melody begins as those of the trained net do (there behind a random token that was no part of it). One step draws
melodies for the memory, whose oldest they replace, and takes several updates from it, in one compiled call.
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
        tokens: int32[R, T] or [R, T, S].
        conditions: {name: int32[R, T]}.
        rewards: What each cell earned, float32[R, C].
        mask: 1 for the cells that were drawn, float32[R, C].
        count: Melodies that were ever put in, int32[].
    """

    tokens: Array
    conditions: dict[str, Array]
    rewards: Array
    mask: Array
    count: Array  # pyright: ignore[reportIncompatibleMethodOverride] (the name stands in the checkpoints of runs)


def put(replay: Replay, tokens: Array, conditions: dict[str, Array], rewards: Array, mask: Array) -> Replay:
    """The memory with these melodies in place of its oldest; no more than it holds."""
    size = len(replay.tokens)
    at = (replay.count + jnp.arange(len(tokens))) % size
    new = Replay(tokens, conditions, rewards, mask, replay.count)
    stored = jax.tree.map(lambda old, x: old.at[at].set(x), replay._replace(count=()), new._replace(count=()))
    return stored._replace(count=replay.count + len(tokens))


def take(replay: Replay, key: Array, num: int) -> Replay:
    """Melodies drawn from what the memory holds, with replacement."""
    held = jnp.minimum(replay.count, len(replay.tokens))
    at = jax.random.randint(key, (num,), 0, held)
    return jax.tree.map(lambda x: x[at], replay._replace(count=()))._replace(count=replay.count)


def targets(method: str, rewards: Array, mask: Array, values: Array, log_prior: Array | None, discount: float) -> Array:
    """What is learnt for the token that was played at each cell: float[N, C].

    Args:
        method: `q`, `psi` or `g`.
        rewards: What each cell earned, log p(a|s) included for q and psi: float[N, C].
        mask: 1 for the cells that were drawn, float[N, C]; behind the last nothing is earned.
        values: The target network's, float[N, C, V].
        log_prior: The prior's log-probabilities, float[N, C, V]; read for g.
        discount: gamma.
    """
    if method == "q":
        ahead = values.max(-1)
    elif method == "psi":
        ahead = jax.nn.logsumexp(values, axis=-1)
    else:
        assert log_prior is not None
        ahead = jax.nn.logsumexp(values + log_prior, axis=-1)
    return rewards + discount * jnp.pad((ahead * mask)[:, 1:], ((0, 0), (0, 1)))


def annealed(explore: configs.Exploration, step: Array) -> Array:
    """The share of tokens that are drawn from all alike at a step."""
    done = jnp.clip(step / explore.steps, 0.0, 1.0)
    return explore.first + (explore.last - explore.first) * done


def exploring(model: Model, vocabulary: Vocabulary, kind: str, share: Array) -> Model:
    """The record with a sampler that draws a share of the tokens from all alike, the rest as `kind` says."""
    pair = model.decoder
    assert pair is not None
    spans = jnp.asarray([vocabulary.span(s) for s in pair.order or range(vocabulary.streams)])
    ids = jnp.arange(vocabulary.size)

    def step(params: Any, state: Any, cache: Any, previous: Array, pos: Array, here: Any) -> tuple[Array, Any]:
        logits, cache = pair.step(params, state, cache, previous, pos, here)
        first, size = spans[pos % len(spans)]
        possible = (ids >= first) & (ids < first + size)
        probs = jax.nn.softmax(logits.astype(jnp.float32))
        if kind == "greedy":
            probs = jax.nn.one_hot(logits.argmax(-1), vocabulary.size)
        mixed = (1.0 - share) * probs + share * jnp.broadcast_to(possible / size, probs.shape)
        return jnp.log(jnp.maximum(mixed, 1e-30)), cache

    bold: Decoder = pair._replace(step=step)
    return model._replace(sample=lambda *args: autoregressive.sample_request(bold, vocabulary, *args), decoder=bold)


def tuned(task: policy_gradient.Task) -> Model:
    """The record with a training step that tunes it by RL Tuner.

    Raises:
        ValueError: The model cannot be tuned so.
    """
    model, method = task.model, task.config.method
    rollouts.check(model, task.vocabulary)
    if model.decoder is None or model.decoder.logits is None or task.prior["state"]:
        raise ValueError(f"method {method} needs a net that gives each token a logit, and keeps no state")
    actor = prior_product.make(task.policy, task.vocabulary, model) if method == "g" else task.policy
    return actor._replace(
        loss=policy_gradient.validation(task, actor), make_step=lambda tools: _make_step(task, actor, tools)
    )


def _make_step(task: policy_gradient.Task, actor: Model, tools: Tools) -> Step:
    net, vocabulary, prior, config, length = task.policy, task.vocabulary, task.prior, task.config, task.length
    optimizer = tools.optimizer(config.updates, 1.0)
    order = rollouts.order_of(net, vocabulary)
    streams, is_g = vocabulary.streams, config.method == "g"

    def values(net: Model, params: Params, batch: Batch) -> Array:
        logits = rollouts.scored(net, vocabulary, tools.cast(params), {}, batch).logits
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
        params, state = policy_gradient.first(task, key, batch)
        opt_state = {"optimizer": optimizer.init(params), "target": jax.tree.map(jnp.copy, params), "replay": replay}
        state = {"prior": jax.tree.map(jnp.array, prior["params"])} if is_g else state
        return policy_gradient.start(tools, params, state, opt_state)

    def drawn(ts: TrainState, replay: Replay, key: Array, batch: Batch) -> tuple[Replay, Metrics]:
        """The memory with new melodies, and what they earned."""
        num = rollouts.rows(batch)
        bold = exploring(actor, vocabulary, config.exploration.kind, annealed(config.exploration, ts.step))
        told = rollouts.conditions_of(batch, vocabulary, length, 1)
        pieces, rewards, mask, said = policy_gradient.earned(
            task, bold, tools.cast(ts.params), ts.state, key, told, num
        )
        kept = min(num, config.replay)
        earned = rewards if is_g else rewards + said.log_prob * mask
        new = (pieces["tokens"], {n: pieces[n] for n in replay.conditions}, earned, mask)
        info = {
            "reward": rewards.sum(1).mean(),
            "log_prior": (said.log_prob * mask).sum(1).mean(),
            "weight": mask.sum(),
        }
        return put(replay, *jax.tree.map(lambda x: x[:kept], new)), info

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = jax.random.split(jax.random.fold_in(tools.root, ts.step), config.updates + 1)
        replay, info = drawn(ts, ts.opt_state["replay"], keys[0], batch)

        def one(carry: tuple[Params, Any, Params], key: Array) -> tuple[tuple[Params, Any, Params], Metrics]:
            params, opt_state, target = carry
            some = take(replay, key, config.minibatch)
            ones = jnp.ones(some.tokens.shape[:2], jnp.int32)
            given = {"tokens": some.tokens, **some.conditions, "pad_mask": ones, "loss_mask": ones}
            log_prior = jax.nn.log_softmax(values(task.model, prior["params"], given)) if is_g else None
            mask = some.mask
            wanted = targets(config.method, some.rewards, mask, values(net, target, given), log_prior, config.discount)
            cells = rollouts.in_order(some.tokens, order)

            def loss(params: Params) -> tuple[Array, Array]:
                played = losses.select_logits(values(net, params, given), cells)
                return losses.masked_mean(jnp.square(played - wanted), mask)

            (error, _), gradient = jax.value_and_grad(loss, has_aux=True)(params)
            change, opt_state = optimizer.update(gradient, opt_state, params)
            params = optax.apply_updates(params, change)
            rate = config.target_rate
            target = jax.tree.map(lambda old, new: old + rate * (new - old), target, params)
            told = {"loss": error, "grad_norm": optax.tree.norm(gradient), "target": (wanted * mask).sum() / mask.sum()}
            return (params, opt_state, target), told

        carry = (ts.params, ts.opt_state["optimizer"], ts.opt_state["target"])
        (params, opt_state, target), infos = jax.lax.scan(one, carry, keys[1:])
        info |= {name: x.mean() for name, x in infos.items()}
        info |= {
            "exploration": annealed(config.exploration, ts.step),
            "learning_rate": jnp.asarray(tools.learning_rate(ts.step)),
        }
        opt_state = {"optimizer": opt_state, "target": target, "replay": replay}
        return TrainState(ts.step + 1, params, ts.state, opt_state, tools.average(ts.ema, params, ts.step)), info

    return Step(init, update)
