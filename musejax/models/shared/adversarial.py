"""Adversarial training of a generator and a critic: their `base.Model` and their training step.

One step is several updates of the critic, each on a part of the batch, and then one of the generator, all in one
compiled call. The gradient of each player is taken with respect to its own parameters. Other variables of the networks
(batch statistics, vectors of spectral normalisation) are explicit state; only the generator's own update changes its
state.

There is no likelihood. Validation computes the energy distance between statistics of samples and of held-out pieces,
and the best checkpoint is the one with the smallest distance. The average of parameters is that of the generator.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from musejax.array_types import AnyArray, Array, Float, Int, Key, Num
from musejax.base import Batch, Info, Latent, Metrics, Model, Params, Request, State, Step, Tools, TrainState
from musejax.decoding import autoregressive
from musejax.models.shared import configs
from musejax.nn import losses

LOSSES = ("wasserstein", "hinge", "logistic")


class Players(NamedTuple):
    """The functions and properties of an adversarial family.

    Attributes:
        whole: Number of frames in a piece.
        latent: Size Z of the latent vector.
        parts: As in `base.Latent`.
        init: key -> params, state; each {"generator": ..., "critic": ...}.
        noise: (key of one piece) -> {"z": [Z], ...}, all random inputs of the piece.
        generate: (params, state, noise, given, *, stage, train) -> values [N, ...], state of the generator. With
            train=False the values are those of finished pieces.
        judge: (params, state, values, *, refine) -> scores [N, S], state of the critic.
        per_track: Whether each of the S positions on the last axis of values has a critic of its own.
        read: batch -> values of real pieces [B, ...], and float[B], 1 where a row is a real piece.
        given: Values of real pieces -> the input of the generator that they provide; None for no input.
        features: Values of finished pieces -> the statistics that validation compares, float[N, D].
        write: values [N, ...] -> arrays of the codec, [N, whole, ...].
        read_given: `Request.given` -> the input of the generator.
        stage: step -> the stage of training, which is stored in the state.
        given_track: Name of the given track; empty for none.
        learns: (update of the generator's parameters, stage) -> the part of the update to apply; None for all of it.
    """

    whole: int
    latent: int
    parts: Mapping[str, tuple[int, int]]
    init: Callable[[Array], tuple[Params, State]]
    noise: Callable[[Array], dict[str, Array]]
    generate: Callable[..., tuple[Array, State]]
    judge: Callable[..., tuple[Array, State]]
    per_track: bool
    read: Callable[[Batch], tuple[Array, Array]]
    given: Callable[[Array], Array | None]
    features: Callable[[Array], Array]
    write: Callable[[Array], dict[str, Array]]
    read_given: Callable[[Array | None], Array | None]
    stage: Callable[[Array], Array]
    given_track: str = ""
    learns: Callable[[Params, Array], Params] | None = None


def check(config: Any) -> None:
    """Raises ValueError if a config field that all adversarial families share is invalid."""
    configs.check_at_least(config, 1, "latent", "critic_updates")
    if config.penalty < 0:
        raise ValueError(f"penalty is {config.penalty}; it must be at least 0")
    if config.critic_rate <= 0:
        raise ValueError(f"critic_rate is {config.critic_rate}; it must be above 0")
    if config.loss not in LOSSES:
        raise ValueError(f"loss is {config.loss}; it must be one of {', '.join(LOSSES)}")


def gradient_penalty(score: Callable[[Array], Array], x: Float[Array, "N *R"], per_track: bool) -> Float[Array, ""]:
    """Returns the mean of (norm of the gradient - 1) squared over pieces (Gulrajani et al., 2017).

    Args:
        score: values [1, ...] -> scores [1, S].
        x: Values, float[N, ...].
        per_track: Whether score s depends only on position s of the last axis; then each position has its own norm.
    """
    slope = jax.vmap(jax.grad(lambda one: score(one[None]).astype(jnp.float32).sum()))(x)
    axes = tuple(range(1, x.ndim - 1 if per_track else x.ndim))
    norm = jnp.sqrt(jnp.square(slope.astype(jnp.float32)).sum(axes) + 1e-12)
    return jnp.square(norm - 1.0).mean()


def make(config: Any, players: Players) -> Model:
    """Makes a model of a generator and a critic.

    Args:
        config: The family's config, with the fields loss, penalty, critic_updates and critic_rate.
        players: The generator and the critic.
    """

    def init(key: Key[Array, ""], batch: Batch) -> tuple[Params, State]:
        params, state = players.init(key)
        return params, {**state, "stage": players.stage(jnp.zeros((), jnp.int32))}

    def sample_noise(key: Key[Array, ""], num: int) -> dict[str, Array]:
        return jax.vmap(players.noise)(autoregressive.piece_keys(key, 0, num))

    def finish(params: Params, state: State, noise: Any, given: Num[Array, "N ..."] | None) -> Float[Array, "N ..."]:
        values, _ = players.generate(
            params["generator"], state["generator"], noise, given, stage=state["stage"], train=False
        )
        return values

    @jax.jit  # without it the many statistics would take seconds
    def compare(
        fake: Float[Array, "B *R"], real: Float[Array, "B *R"], rows: Float[Array, " B"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        # A single piece has no distances to other pieces.
        weight = rows.sum() * (rows.sum() > 1)
        distance = losses.energy_distance(players.features(fake), players.features(real), rows)
        return jnp.where(weight > 0, distance, 0.0), weight

    def loss(
        params: Params, state: State, key: Key[Array, ""], batch: Batch, *, step: Int[AnyArray, ""] | int, train: bool
    ) -> tuple[Float[Array, ""], tuple[State, Metrics]]:
        real, rows = players.read(batch)
        fake = finish(params, state, sample_noise(key, len(real)), players.given(real))
        distance, weight = compare(fake, real, rows)
        return distance, (state, {"loss": distance, "weight": weight})

    def decode(
        params: Params, state: State, key: Key[Array, ""], z: Float[Array, "N Z"], request: Request
    ) -> dict[str, Array]:
        if request.length > players.whole:
            raise ValueError(f"length is {request.length}; this model writes at most {players.whole} frames")
        keys = autoregressive.piece_keys(key, request.first, request.num)
        noise = {**jax.vmap(players.noise)(keys), "z": z}
        out = players.write(finish(params, state, noise, players.read_given(request.given)))
        cut = {name: values[:, : request.length] for name, values in out.items()}
        return {**cut, "length": jnp.full((request.num,), request.length, jnp.int32), **request.conditions}

    def sample(params: Params, state: State, key: Key[Array, ""], request: Request) -> dict[str, Array]:
        keys = autoregressive.piece_keys(key, request.first, request.num)
        return decode(params, state, key, jax.vmap(players.noise)(keys)["z"], request)

    info = Info(
        config,
        piece_frames=players.whole,
        batch_parts=config.critic_updates,
        given_track=players.given_track,
        training_only=("critic",),
    )
    return Model(
        info,
        init,
        loss,
        sample,
        latent=Latent(players.latent, None, decode, parts=players.parts),
        make_step=lambda tools: make_step(config, players, init, sample_noise, tools),
    )


def make_step(config: Any, players: Players, start: Callable, sample_noise: Callable, tools: Tools) -> Step:
    """Makes the training step of a generator and a critic.

    Args:
        config: As in `make`.
        players: The generator and the critic.
        start: The model's `init`.
        sample_noise: (key, num) -> the noise of `num` pieces.
        tools: The optimiser settings of the run.
    """
    updates = config.critic_updates
    optimizers = {"generator": tools.optimizer(1, 1.0), "critic": tools.optimizer(updates, config.critic_rate)}

    def init(key: Key[Array, ""], batch: Batch) -> TrainState:
        params, state = start(key, batch)
        opt_state = {name: optimizer.init(params[name]) for name, optimizer in optimizers.items()}
        average = tools.average(params["generator"], params["generator"], jnp.zeros((), jnp.int32))
        ema = None if average is None else {**params, "generator": average}
        return TrainState(jnp.zeros((), jnp.int32), params, state, opt_state, jax.tree.map(jnp.copy, ema))

    def apply_update(
        player: str, params: Params, opt_state: Any, gradient: Params, stage: Num[Array, ""]
    ) -> tuple[Params, Any]:
        change, opt_state = optimizers[player].update(gradient, opt_state, params)
        if player == "generator" and players.learns is not None:
            change = players.learns(change, stage)
        return optax.apply_updates(params, change), opt_state

    def critic_loss(
        params: Params, state: State, real: Float[Array, "B *R"], fake: Float[Array, "B *R"], key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Any]:
        """Computes the critic's loss as a function of its parameters."""
        params = tools.cast(params)
        scores, state = players.judge(params, state, jnp.concatenate([real, fake.astype(real.dtype)]), refine=True)
        real_scores, fake_scores = scores[: len(real)], scores[len(real) :]
        total = losses.critic_loss(config.loss, real_scores, fake_scores)
        info = {"wasserstein": (real_scores.mean() - fake_scores.mean()).astype(jnp.float32)}
        if config.penalty:
            share = jax.random.uniform(key, (len(real),) + (1,) * (real.ndim - 1))
            between = share * real + (1.0 - share) * fake

            def score(x: Float[Array, "N *R"]) -> Float[Array, "N S"]:
                return players.judge(params, state, x, refine=False)[0]

            penalty = gradient_penalty(score, between, players.per_track)
            total, info["gradient_penalty"] = total + config.penalty * penalty, penalty
        return total, (state, {**info, "critic_loss": total})

    def generator_loss(
        params: Params, state: State, critic: Any, noise: Any, given: Any, stage: Num[Array, ""]
    ) -> tuple[Float[Array, ""], Any]:
        """Computes the generator's loss as a function of its parameters."""
        fake, state = players.generate(tools.cast(params), state, noise, given, stage=stage, train=True)
        scores, _ = players.judge(*critic, fake, refine=False)
        return losses.generator_loss(config.loss, scores), state

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(tools.root, ts.step)
        stage = players.stage(ts.step)
        generator = tools.cast(ts.params["generator"])

        def critic_update(carry: tuple, inputs: tuple[Array, Batch]) -> tuple[tuple, Metrics]:
            params, state, opt_state = carry
            key, part = inputs
            noise_key, penalty_key = jax.random.split(key)
            real, _ = players.read(part)
            noise, given = sample_noise(noise_key, len(real)), players.given(real)
            fake, _ = players.generate(generator, ts.state["generator"], noise, given, stage=stage, train=True)
            gradient, (state, info) = jax.grad(critic_loss, has_aux=True)(
                params, state, real, jax.lax.stop_gradient(fake), penalty_key
            )
            params, opt_state = apply_update("critic", params, opt_state, gradient, stage)
            return (params, state, opt_state), {**info, "critic_grad_norm": optax.tree.norm(gradient)}

        # Part i takes every n-th row, so that each device has its share of each part.
        parts = jax.tree.map(lambda x: jnp.asarray(x).reshape(-1, updates, *x.shape[1:]).swapaxes(0, 1), batch)
        keys = jax.random.split(key, updates + 1)
        carry = (ts.params["critic"], ts.state["critic"], ts.opt_state["critic"])
        (critic, critic_state, critic_opt), infos = jax.lax.scan(critic_update, carry, (keys[1:], parts))
        last = {name: x[-1] for name, x in parts.items()}
        real, _ = players.read(last)
        (cost, generator_state), gradient = jax.value_and_grad(generator_loss, has_aux=True)(
            ts.params["generator"],
            ts.state["generator"],
            (tools.cast(critic), critic_state),
            sample_noise(keys[0], len(real)),
            players.given(real),
            stage,
        )
        params, opt_state = apply_update(
            "generator", ts.params["generator"], ts.opt_state["generator"], gradient, stage
        )
        info = {name: x[-1] for name, x in infos.items()}
        norms = {"critic": info.pop("critic_grad_norm"), "generator": optax.tree.norm(gradient)}
        info |= {
            "generator_loss": cost,
            # The loss and gradient norm cover both players: training stops if either is not finite.
            "loss": info["critic_loss"] + cost,
            "grad_norm": jnp.hypot(norms["critic"], norms["generator"]),
            "critic_grad_norm": norms["critic"],
            "generator_grad_norm": norms["generator"],
            "learning_rate": jnp.asarray(tools.learning_rate(ts.step)),
            "weight": jnp.asarray(batch["loss_mask"], jnp.float32).sum(),
        }
        new_params = {"generator": params, "critic": critic}
        ema = ts.ema
        if ema is not None:
            ema = {**new_params, "generator": tools.average(ema["generator"], params, ts.step)}
        state = {"generator": generator_state, "critic": critic_state, "stage": stage}
        return TrainState(ts.step + 1, new_params, state, {"generator": opt_state, "critic": critic_opt}, ema), info

    return Step(init, update)
