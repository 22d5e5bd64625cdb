"""The step builder: from a model's loss and an optimiser to one compiled update."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import optax

from musejax.base import Array, Batch, Metrics, Model, Step, Tools, TrainState
from musejax.training import freezing
from musejax.training import settings as configs


def make_schedule(config: configs.Optimizer, steps: int) -> optax.Schedule:
    """The learning rate by step."""
    warmup = min(config.warmup_steps, max(steps - 1, 0))
    if config.schedule == "constant" and not warmup:  # optax's warm-up of no steps stays at its start
        return optax.schedules.constant_schedule(config.learning_rate)
    if config.schedule == "constant":
        return optax.schedules.warmup_constant_schedule(0.0, config.learning_rate, warmup)
    return optax.schedules.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, warmup, steps, config.learning_rate * config.final_fraction
    )


def make_optimizer(
    config: configs.Optimizer, steps: int, restored: Collection[str] = ()
) -> optax.GradientTransformation:
    """Clipping, then the named optimiser under its schedule, perhaps in groups (`training.freezing`)."""
    if freezing.is_asked(config):
        return freezing.optimizer(config, functools.partial(_core, config, steps), restored)
    core = _core(config, steps, 0)
    return optax.chain(optax.clip_by_global_norm(config.clip), core) if config.clip else core


def _core(config: configs.Optimizer, steps: int, start: int) -> optax.GradientTransformation:
    """The named optimiser, its first step the run's step `start`."""
    whole = make_schedule(config, steps)

    def schedule(count: Any) -> Array:
        return jnp.asarray(whole(count + start))

    def matrices(params: Any) -> Any:
        return jax.tree.map(lambda p: p.ndim > 1, params)

    if config.name == "adam":
        return optax.adam(schedule, b1=config.b1, b2=config.b2)
    if config.name == "muon":
        return optax.contrib.muon(schedule, weight_decay=config.weight_decay, adam_b1=config.b1, adam_b2=config.b2)
    return optax.adamw(schedule, b1=config.b1, b2=config.b2, weight_decay=config.weight_decay, mask=matrices)


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda p: p.astype(dtype) if jnp.issubdtype(p.dtype, jnp.floating) else p, tree)


def _sums(
    model: Model, config: configs.Optimizer, params: Any, state: Any, key: Array, batch: Batch, step: Array
) -> tuple[Any, Any, Metrics]:
    """Gradients of the summed loss over a batch, taken in `config.accumulate` parts, and the means of what is told.

    Each part's mean counts by its weight, so that the result does not depend on how the batch was cut.
    """

    def weighted(params: Any, state: Any, key: Array, part: Batch) -> tuple[Array, tuple[Any, Metrics]]:
        dtype = jnp.dtype(config.precision)
        params = _cast(freezing.still(config, params), dtype)
        loss, (state, info) = model.loss(params, state, key, part, step=step, train=True)
        return loss.astype(jnp.float32) * info["weight"], (state, info)

    grad = jax.grad(weighted, has_aux=True)
    if config.accumulate == 1:
        grads, (state, info) = grad(params, state, key, batch)
        return grads, state, info

    def add(carry: tuple, inputs: tuple[Array, Mapping[str, Array]]) -> tuple[tuple, Metrics]:
        grads, state = carry
        more, (state, info) = grad(params, state, inputs[0], inputs[1])
        return (jax.tree.map(jnp.add, grads, more), state), info

    parts = jax.tree.map(lambda x: x.reshape(config.accumulate, -1, *x.shape[1:]), batch)
    keys = jax.random.split(key, config.accumulate)
    (grads, state), infos = jax.lax.scan(add, (jax.tree.map(jnp.zeros_like, params), state), (keys, parts))
    weight = infos["weight"].sum()
    info = {k: (v * infos["weight"]).sum() / jnp.maximum(weight, 1.0) for k, v in infos.items()}
    return grads, state, {**info, "weight": weight}


def _apart(sums: Callable[..., Any], devices: jax.sharding.Mesh) -> Callable[..., Any]:
    """`_sums` of each device's rows by itself, then added: devices meet once a step.

    Left to the compiler they would meet wherever a gradient is summed, in a loop over frames at each of them.
    """
    whole, rows = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec("data")

    def mine(params: Any, state: Any, key: Array, batch: Batch, step: Array) -> Any:
        key = jax.random.fold_in(key, jax.lax.axis_index("data"))
        grads, state, info = sums(params, state, key, batch, step)
        weight = info["weight"]
        told = {k: v if k == "weight" else v * weight for k, v in info.items()}
        flat, restore = jax.flatten_util.ravel_pytree((grads, told))
        grads, told = restore(jax.lax.psum(flat, "data"))
        total = jnp.maximum(told["weight"], 1.0)
        return grads, state, {k: v if k == "weight" else v / total for k, v in told.items()}

    return jax.shard_map(
        mine, mesh=devices, in_specs=(whole, whole, whole, rows, whole), out_specs=whole, check_vma=False
    )


def _gradients(
    model: Model, config: configs.Optimizer, devices: jax.sharding.Mesh | None, params: Any, state: Any, key: Array,
    batch: Batch, step: Array,
) -> tuple[Any, Any, Metrics]:  # fmt: skip
    """Gradients of the mean loss over the whole batch."""
    sums = functools.partial(_sums, model, config)
    if devices is not None and devices.size > 1 and not jax.tree.leaves(state):
        parts = devices.size * config.accumulate
        if all(len(x) % parts == 0 for x in batch.values()):
            sums = _apart(sums, devices)
    grads, state, info = sums(params, state, key, batch, step)
    total = jnp.maximum(info["weight"], 1.0)
    return jax.tree.map(lambda g: g / total, grads), state, info


def _average(config: configs.Optimizer, ema: Any, params: Any, step: Array) -> Any:
    """The average of parameters after a step; None where none is kept."""
    if ema is None:
        return None
    # A young average forgets its random start quickly.
    decay = jnp.minimum(config.ema_decay, (1.0 + step) / (10.0 + step))
    # In this form the average of what does not move stays as it is, bit for bit.
    return jax.tree.map(lambda e, p: e + (p - e) * (1.0 - decay), ema, params)


def make_tools(config: configs.Optimizer, *, steps: int, seed: int) -> Tools:
    """The settings of a run as a family's own `make_step` takes them; arguments as for `make_step`.

    Raises:
        ValueError: A setting is not for such families.
    """
    if config.accumulate > 1:
        raise ValueError(f"accumulate is {config.accumulate}; this family cuts its batches by itself")
    if freezing.is_asked(config):
        raise ValueError("freeze, unfreeze and restored_rate are not for a family that has a training step of its own")

    def optimizer(updates: int, rate: float) -> optax.GradientTransformation:
        scaled = {"learning_rate": config.learning_rate * rate, "warmup_steps": config.warmup_steps * updates}
        return make_optimizer(dataclasses.replace(config, **scaled), steps * updates)

    def average(ema: Any, params: Any, step: Array) -> Any:
        return _average(config, ema if config.ema_decay else None, params, step)

    schedule = make_schedule(config, steps)
    cast = functools.partial(_cast, dtype=jnp.dtype(config.precision))
    return Tools(optimizer, lambda step: jnp.asarray(schedule(step)), average, cast, jax.random.key(seed))


def make_step(
    model: Model,
    config: configs.Optimizer,
    *,
    steps: int,
    seed: int,
    restored: Collection[str] = (),
    devices: jax.sharding.Mesh | None = None,
) -> Step:
    """The training step of a model.

    The update's key is fold_in(root, step), so a resumed run draws what the uninterrupted one would have drawn. Over
    several devices each takes the gradient of its own rows, with a key of its own.

    Args:
        model: The record; its own `make_step` is used where it has one.
        config: The optimiser's settings.
        steps: Steps in all, for the schedule.
        seed: Root of the run's keys.
        restored: Paths of parameters that came from another run as they were.
        devices: The mesh that batches are cut over (`training.mesh`).

    Raises:
        ValueError: A setting is not for the model's family.
    """
    if model.make_step is not None:
        own = model.make_step(make_tools(config, steps=steps, seed=seed))
        return Step(jax.jit(own.init), jax.jit(own.update, donate_argnums=0))
    optimizer = make_optimizer(config, steps, restored)
    schedule = make_schedule(config, steps)
    root = jax.random.key(seed)

    def init(key: Array, batch: Batch) -> TrainState:
        params, state = model.init(key, batch)
        ema = jax.tree.map(jnp.copy, params) if config.ema_decay else None
        return TrainState(jnp.zeros((), jnp.int32), params, state, optimizer.init(params), ema)

    def update(ts: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(root, ts.step)
        grads, state, info = _gradients(model, config, devices, ts.params, ts.state, key, batch, ts.step)
        updates, opt_state = optimizer.update(grads, ts.opt_state, ts.params)
        params: Any = optax.apply_updates(ts.params, updates)
        ema = _average(config, ts.ema, params, ts.step)
        info = {**info, "grad_norm": optax.tree.norm(grads), "learning_rate": jnp.asarray(schedule(ts.step))}
        return TrainState(ts.step + 1, params, state, opt_state, ema), info

    return Step(jax.jit(init), jax.jit(update, donate_argnums=0))
