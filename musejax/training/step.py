"""Builds a compiled training step from a model's loss and an optimiser."""

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
    """Returns the learning rate as a function of the step."""
    warmup = min(config.warmup_steps, max(steps - 1, 0))
    if config.schedule == "constant" and not warmup:  # a warm-up of 0 steps in optax would stay at its initial value
        return optax.schedules.constant_schedule(config.learning_rate)
    if config.schedule == "constant":
        return optax.schedules.warmup_constant_schedule(0.0, config.learning_rate, warmup)
    return optax.schedules.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, warmup, steps, config.learning_rate * config.final_fraction
    )


def make_optimizer(
    config: configs.Optimizer, steps: int, restored: Collection[str] = ()
) -> optax.GradientTransformation:
    """Returns the named optimiser with its schedule and clipping, in groups if needed (`training.freezing`)."""
    if freezing.is_enabled(config):
        return freezing.make_optimizer(config, functools.partial(_core, config, steps), restored)
    core = _core(config, steps, 0)
    return optax.chain(optax.clip_by_global_norm(config.clip), core) if config.clip else core


def _core(config: configs.Optimizer, steps: int, start: int) -> optax.GradientTransformation:
    """Returns the named optimiser, which starts to count at step `start` of the run."""
    run_schedule = make_schedule(config, steps)

    def schedule(count: Any) -> Array:
        return jnp.asarray(run_schedule(count + start))

    def mask_matrices(params: Any) -> Any:
        return jax.tree.map(lambda p: p.ndim > 1, params)

    if config.name == "adam":
        return optax.adam(schedule, b1=config.b1, b2=config.b2)
    if config.name == "muon":
        return optax.contrib.muon(schedule, weight_decay=config.weight_decay, adam_b1=config.b1, adam_b2=config.b2)
    return optax.adamw(schedule, b1=config.b1, b2=config.b2, weight_decay=config.weight_decay, mask=mask_matrices)


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda p: p.astype(dtype) if jnp.issubdtype(p.dtype, jnp.floating) else p, tree)


def _sum_gradients(
    model: Model, config: configs.Optimizer, params: Any, state: Any, key: Array, batch: Batch, step: Array
) -> tuple[Any, Any, Metrics]:
    """Returns gradients of the summed loss over a batch, the new state and the mean metrics.

    The batch is processed in `config.accumulate` parts. The mean of each part is weighted by its cells, so that the
    result does not depend on how the batch is divided.
    """

    def weighted_loss(params: Any, state: Any, key: Array, part: Batch) -> tuple[Array, tuple[Any, Metrics]]:
        dtype = jnp.dtype(config.precision)
        params = _cast(freezing.stop_frozen(config, params), dtype)
        loss, (state, info) = model.loss(params, state, key, part, step=step, train=True)
        return loss.astype(jnp.float32) * info["weight"], (state, info)

    grad = jax.grad(weighted_loss, has_aux=True)
    if config.accumulate == 1:
        grads, (state, info) = grad(params, state, key, batch)
        return grads, state, info

    def add(carry: tuple, inputs: tuple[Array, Mapping[str, Array]]) -> tuple[tuple, Metrics]:
        grads, state = carry
        part_grads, (state, info) = grad(params, state, inputs[0], inputs[1])
        return (jax.tree.map(jnp.add, grads, part_grads), state), info

    parts = jax.tree.map(lambda x: x.reshape(config.accumulate, -1, *x.shape[1:]), batch)
    keys = jax.random.split(key, config.accumulate)
    (grads, state), infos = jax.lax.scan(add, (jax.tree.map(jnp.zeros_like, params), state), (keys, parts))
    weight = infos["weight"].sum()
    info = {k: (v * infos["weight"]).sum() / jnp.maximum(weight, 1.0) for k, v in infos.items()}
    return grads, state, {**info, "weight": weight}


def _shard_gradients(sum_gradients: Callable[..., Any], devices: jax.sharding.Mesh) -> Callable[..., Any]:
    """Returns a form of `_sum_gradients` in which devices process their own rows and communicate once per step.

    If this is left to the compiler, devices synchronise wherever a gradient is summed, such as in each iteration of a
    loop over frames.
    """
    replicated, rows = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec("data")

    def sum_rows(params: Any, state: Any, key: Array, batch: Batch, step: Array) -> Any:
        key = jax.random.fold_in(key, jax.lax.axis_index("data"))
        grads, state, info = sum_gradients(params, state, key, batch, step)
        weight = info["weight"]
        sums = {k: v if k == "weight" else v * weight for k, v in info.items()}
        flat, restore = jax.flatten_util.ravel_pytree((grads, sums))
        grads, sums = restore(jax.lax.psum(flat, "data"))
        total = jnp.maximum(sums["weight"], 1.0)
        return grads, state, {k: v if k == "weight" else v / total for k, v in sums.items()}

    in_specs = (replicated, replicated, replicated, rows, replicated)
    return jax.shard_map(sum_rows, mesh=devices, in_specs=in_specs, out_specs=replicated, check_vma=False)


def _gradients(
    model: Model, config: configs.Optimizer, devices: jax.sharding.Mesh | None, params: Any, state: Any, key: Array,
    batch: Batch, step: Array,
) -> tuple[Any, Any, Metrics]:  # fmt: skip
    """Returns gradients of the mean loss over the whole batch, the new state and the metrics."""
    sum_gradients = functools.partial(_sum_gradients, model, config)
    if devices is not None and devices.size > 1 and not jax.tree.leaves(state):
        parts = devices.size * config.accumulate
        if all(len(x) % parts == 0 for x in batch.values()):
            sum_gradients = _shard_gradients(sum_gradients, devices)
    grads, state, info = sum_gradients(params, state, key, batch, step)
    total = jnp.maximum(info["weight"], 1.0)
    return jax.tree.map(lambda g: g / total, grads), state, info


def _average(config: configs.Optimizer, ema: Any, params: Any, step: Array) -> Any:
    """Returns the moving average of the parameters after a step, or None if there is no average."""
    if ema is None:
        return None
    # The decay is smaller during the first steps, so that the average forgets its random start quickly.
    decay = jnp.minimum(config.ema_decay, (1.0 + step) / (10.0 + step))
    # In this form, the average of a parameter that does not change stays the same bit for bit.
    return jax.tree.map(lambda e, p: e + (p - e) * (1.0 - decay), ema, params)


def make_tools(config: configs.Optimizer, *, steps: int, seed: int) -> Tools:
    """Returns what a family with its own `make_step` needs from a run; for the arguments see `make_step`.

    Raises:
        ValueError: A setting is not supported for families with their own training step.
    """
    if config.accumulate > 1:
        raise ValueError(f"accumulate is {config.accumulate}; it must be 1 for this family, which divides its batches")
    if freezing.is_enabled(config):
        raise ValueError("freeze, unfreeze and restored_rate do not apply to a family with its own training step")

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
    """Returns the training step of a model.

    The key of an update is fold_in(root, step), so a resumed run uses the same random numbers as an uninterrupted one.
    Each of several devices computes the gradient of its own rows with its own key.

    Args:
        model: Model record. If it has a `make_step` of its own, that is used.
        config: Optimiser settings.
        steps: Total number of steps, used by the schedule.
        seed: Seed of the run's root key.
        restored: Paths of the parameters that were restored unchanged from another run.
        devices: Mesh over which batches are divided (`training.mesh`).

    Raises:
        ValueError: A setting is not supported by the model's family.
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
